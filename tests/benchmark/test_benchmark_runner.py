from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter as Multiset
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from helpers_bench import Slow, fake_mbm, slow_protocol

from countception.benchmark import maps, methods
from countception.benchmark.maps import MapPair
from countception.benchmark.method import Facts, Report, Setup
from countception.benchmark.protocol import Cell, draw
from countception.benchmark.results import Results
from countception.benchmark.runner import Data, run, run_cell
from countception.data.dataset import Sample

DATA = {"mbm": Data(fake_mbm(), "0123456789abcdef")}
PROGRAM = Path(__file__).with_name("helpers_bench.py")


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The method "slow", not slow at all; returns its log."""
    monkeypatch.setitem(methods.METHODS, "slow", ("helpers_bench:Slow", "Slow"))
    monkeypatch.setenv("SLOW_SECONDS", "0")
    monkeypatch.setenv("SLOW_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


class Mapped:
    """A method that counts by a map of one entry."""

    def __init__(self, setup: Setup) -> None:
        self.name, self.configuration, self.facts = "mapped", dict(setup.settings), Facts()

    def fit(self, *_: object, **__: object) -> Mapped:
        return self

    def count(self, sample: Sample) -> float:
        return len(sample.dots) + 0.5

    def map_pair(self, sample: Sample) -> MapPair:
        values = np.ones((1, 1), np.float32)
        return MapPair(sample.name, len(sample.dots), self.count(sample), values, values)


def test_first_splits_without_settings_leave_maps_of_their_first_test_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "Mapped", Mapped, raising=False)
    monkeypatch.setitem(methods.METHODS, "mapped", ("countception.benchmark.methods:Mapped", "Mapped"))
    cells = [
        Cell(method="mapped", data="mbm", n=n, split=split, settings=settings)
        for n, split, settings in [(5, 0, {}), (10, 0, {}), (5, 1, {}), (5, 0, {"a": 1})]
    ]
    results = Results(tmp_path)
    run(cells, DATA, results)
    kept = {row.n: maps.load(results.maps(row.key)) for row in results.rows() if results.maps(row.key).exists()}
    first = draw(DATA["mbm"].samples, cells[0]).test[0]
    assert sorted(kept) == [5, 10]
    assert len(list((tmp_path / "maps").iterdir())) == 2
    for pair in kept.values():
        assert pair is not None
        assert (pair.image, pair.true_count, pair.count) == (first.name, len(first.dots), len(first.dots) + 0.5)


class TestRow:
    def test_figures_and_facts(self, slow: Path) -> None:
        cell = slow_protocol().cells()[0]
        outcome = run_cell(cell, DATA["mbm"], Setup("mbm", cell.settings), report=lambda *_: None)
        row, variant = outcome.rows
        true = [len(sample.dots) for sample in draw(DATA["mbm"].samples, cell).test]
        assert (row.mae, row.rmse, row.bias) == (1.0, 1.0, 1.0)
        assert row.relative_error == pytest.approx(10 / sum(true))
        assert (row.method, row.n, row.settings, row.epochs, row.steps) == ("slow", 5, "k=0", 2.5, 10)
        assert (row.device, row.data_hash, row.command) == ("cpu", "0123456789ab", cell.command)
        assert (variant.settings, variant.mae, variant.key) == ("k=0 test_stride=8", 2.0, row.key)
        assert [each.true for each in outcome.predictions] == true
        assert "countception " in row.versions
        assert row.cpu
        assert slow.read_text() == f"0 5 {cell.split_seed}\n"

    @pytest.mark.usefixtures("slow")
    def test_what_a_run_leaves(self, tmp_path: Path) -> None:
        results = Results(tmp_path / "results")
        cell = slow_protocol().cells()[0]
        run([cell], DATA, results)
        row = results.rows()[0]
        found = results.predictions(row.key)
        assert np.mean([abs(each.count - each.true) for each in found]) == row.mae
        assert {each.image for each in found} == {sample.name for sample in draw(DATA["mbm"].samples, cell).test}
        path = tmp_path / "results" / "configurations" / f"slow-{row.config_hash}.json"
        assert json.loads(path.read_text()) == {"k": 0}


class TestGoingOn:
    def test_what_is_done_is_passed_over(self, slow: Path, tmp_path: Path) -> None:
        results, cells = Results(tmp_path / "results"), slow_protocol().cells()
        first = run(cells[:3], DATA, results)
        second = run(cells, DATA, results)
        assert (first.finished, first.done_before) == (3, 0)
        assert (second.finished, second.done_before, second.elsewhere) == (5, 3, 0)
        assert len(slow.read_text().splitlines()) == len(cells) == 8
        assert len(results.rows()) == 16

    @pytest.mark.usefixtures("slow")
    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_stopped_run_leaves_no_row_and_keeps_its_work(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
    ) -> None:
        results, cell = Results(tmp_path / "results"), slow_protocol().cells()[0]
        real = Slow.fit

        def fail(self: Slow, *_: object, **__: object) -> None:
            assert self.setup.work is not None
            self.setup.work.mkdir(parents=True)
            (self.setup.work / "half").write_text("done")
            raise error

        monkeypatch.setattr(Slow, "fit", fail)
        with pytest.raises(error):
            run([cell], DATA, results)
        assert results.rows() == []
        kept = list((tmp_path / "results" / ".work").glob("*/half"))
        assert len(kept) == 1
        monkeypatch.setattr(Slow, "fit", real)
        assert run([cell], DATA, results).finished == 1
        assert not kept[0].parent.exists()

    @pytest.mark.usefixtures("slow")
    def test_claimed_elsewhere(self, tmp_path: Path) -> None:
        results, cells = Results(tmp_path / "results"), slow_protocol().cells()[:2]
        run(cells, DATA, Results(tmp_path / "other"))
        with results.claim(Results(tmp_path / "other").rows()[0].key):
            tally = run(cells, DATA, results)
        assert (tally.finished, tally.elsewhere) == (1, 1)

    @pytest.mark.usefixtures("slow")
    def test_progress_is_shown(self, tmp_path: Path) -> None:
        seen: list[object] = []

        @contextmanager
        def show(title: str) -> Iterator[Report]:
            seen.append(title)
            yield lambda done, text: seen.append((done, text))

        run(slow_protocol().cells()[:1], DATA, Results(tmp_path), show=show)
        assert str(seen[0]).startswith("mbm-slow-n5-seed0-split0-")
        assert seen[1:] == [(0.5, "half")]


def test_two_processes_do_nothing_twice(tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), str(tmp_path / "results"), str(tmp_path / "log"), "0.15"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    tallies = [[int(word) for word in process.communicate()[0].split()] for process in processes]
    fits = Multiset((tmp_path / "log").read_text().splitlines())
    assert len(fits) == 8
    assert set(fits.values()) == {1}
    assert sum(tally[0] for tally in tallies) == 8
    assert all(sum(tally) == 8 and tally[0] for tally in tallies)
    assert len(Results(tmp_path / "results").rows()) == 16


def test_real_method_end_to_end(tmp_path: Path) -> None:
    cells = [Cell(method="predict-average", data="mbm", n=n, split=split) for n in (5, 10) for split in range(3)]
    results = Results(tmp_path)
    run(cells, DATA, results)
    for row, cell in zip(results.rows(), cells, strict=True):
        parts = draw(DATA["mbm"].samples, cell)
        average = np.mean([len(sample.dots) for sample in parts.training])
        errors = [average - len(sample.dots) for sample in parts.test]
        assert row.mae == pytest.approx(np.abs(errors).mean(), rel=1e-5)
        assert row.bias == pytest.approx(np.mean(errors), rel=1e-4, abs=1e-5)
