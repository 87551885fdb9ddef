from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from countception.benchmark import machine, maps, runner
from countception.benchmark.results import Results
from countception.cli.benchmark import benchmark
from countception.errors import CountceptionError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.command("benchmark")(benchmark)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fake mbm/: 44 tiles of 11 fields, masks beside them."""
    from PIL import Image

    root = tmp_path_factory.mktemp("data")
    (root / "mbm").mkdir()
    rng = np.random.default_rng(0)
    for i in range(44):
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(root / f"mbm/BM_{i // 4:02d}_{i % 4:03d}.png")
        mask = np.zeros((12, 12), bool)
        mask.ravel()[rng.permutation(144)[: rng.integers(3, 20)]] = True
        Image.fromarray(mask).save(root / f"mbm/BM_{i // 4:02d}_dots_{i % 4:03d}.png")
    return root


@pytest.fixture
def call(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Run a command line in an empty folder; returns what it printed on standard output. With ``!1`` at the end, the
    status that it must end with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTCEPTION_DATA", str(data))

    def run(line: str) -> str:
        line, _, status = line.partition(" !")
        found = CliRunner().invoke(app, shlex.split(line), catch_exceptions=False)
        assert found.exit_code == int(status or 0), found.output
        return found.stdout

    return run


def test_run_then_go_on_then_tables(call: Callable[[str], str], tmp_path: Path) -> None:
    first = call("--data mbm --method predict-average --n 5 --splits 2")
    assert "2 runs finished now, 0 were done before" in first
    assert "1 runs finished now, 2 were done before" in call("--data mbm --method predict-average --n 5 --splits 3")
    assert "3 runs finished" in call("--data mbm --method predict-average --n 5 --splits 3 --split-by field")
    assert "page: docs/benchmark.md" in call("--tables")
    assert "| Predict the average | measured | **" in (tmp_path / "docs" / "benchmark.md").read_text()


def test_a_data_set_of_ones_own(call: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "mbm", tmp_path / "own" / "seeds")
    (tmp_path / "own" / "seeds" / "benchmark.toml").write_text('test = 10\nn = [5]\nfield = "BM_{}_*"')
    line = "--data seeds --method predict-average --splits 2 --data-root own"
    assert "seeds" in call("--list --data-root own")
    assert "2 runs finished now" in call(line)
    assert "2 runs finished now" in call(f"{line} --split-by field")
    assert "equal" in call(f"{line} --check")
    call("--tables")
    page = (tmp_path / "docs" / "benchmark.md").read_text()
    assert "## seeds\n\n| system | | N = 5 |" in page
    assert "## seeds, split by field" in page


def test_results_of_other_data_are_not_added_to(call: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    line = "--data mbm --method predict-average --n 5"
    call(f"{line} --splits 2")
    shutil.copytree(data, tmp_path / "other")
    (tmp_path / "other" / "mbm" / "BM_00_000.png").write_bytes((data / "mbm" / "BM_00_001.png").read_bytes())
    for more in ("--splits 3", "--split 1 --check"):
        with pytest.raises(CountceptionError, match="has results of other mbm data: their hash is"):
            call(f"{line} {more} --data-root other")


def test_the_command_of_a_row_repeats_it(call: Callable[[str], str], tmp_path: Path) -> None:
    call("--data mbm --method predict-average --n 10 --split 4 --seed 3 --split-by field")
    folder = tmp_path / "benchmarks" / "results"
    (row,) = Results(folder).rows()
    assert (row.seed, row.split, row.split_by) == (3, 4, "field")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    line = row.command.removeprefix("countception benchmark ")
    assert f"MAE {row.mae:.4f} now, {row.mae:.4f} in its row: equal" in call(line)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_row_is_known_by_its_configuration_whatever_it_is_called(call: Callable[[str], str]) -> None:
    call("--data mbm --method log --n 5 --split 0 --set images=10")
    line = "--data mbm --method log --n 5 --split 0"
    assert "1 were done before" in call(line)
    assert "in its row: equal" in call(f"{line} --check")


def test_a_check_that_fails_ends_with_1(call: Callable[[str], str], tmp_path: Path) -> None:
    line = "--data mbm --method predict-average --n 5"
    call(f"{line} --split 0")
    assert "no row of this configuration" in call(f"{line} --split 1 --check !1")
    results = Results(tmp_path / "benchmarks" / "results")
    (row,) = results.rows()
    changed = row.model_copy(update={"bias": row.bias + 0.01})
    (tmp_path / "benchmarks" / "results" / "mbm.csv").unlink()
    results.append([changed])
    assert "in its row: different" in call(f"{line} --split 0 --check !1")
    results.examined.append([row])
    assert "in its row: different" in call(f"{line} --split 0 --check !1")
    (tmp_path / "benchmarks" / "results" / "mbm.csv").unlink()
    assert "in its row: equal" in call(f"{line} --split 0 --check")


def test_a_check_takes_threads_and_precision_of_the_row(
    call: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "--data mbm --method predict-average --n 5 --split 0"
    call(line)
    results = Results(tmp_path / "benchmarks" / "results")
    (row,) = results.rows()
    (tmp_path / "benchmarks" / "results" / "mbm.csv").unlink()
    results.append([row.model_copy(update={"threads": 7, "precision": "bfloat16"})])
    threads: list[int] = []
    monkeypatch.setattr(machine, "set_threads", threads.append)
    real, precisions = runner.run_cell, []

    def run_cell(*arguments: Any, **options: Any) -> Any:
        precisions.append(arguments[2].precision)
        return real(*arguments, **options)

    monkeypatch.setattr(runner, "run_cell", run_cell)
    call(f"{line} --check")
    assert (threads, precisions) == ([7], ["bfloat16"])
    call(f"{line} --threads 2 --check")
    assert threads == [7, 2, 2]


def test_protocol_file(call: Callable[[str], str], tmp_path: Path) -> None:
    text = 'data = "mbm"\nn = [5]\nsplits = 3\nsystems = [{ method = "predict-average" }]\n'
    (tmp_path / "p.toml").write_text(text)
    assert "3 runs finished" in call("--protocol p.toml --results out")
    assert "0 runs finished now, 1 were done before" in call("--protocol p.toml --results out --split 1")
    (tmp_path / "p.toml").write_text(f'data_hash = "{"0" * 64}"\n{text}')
    with pytest.raises(CountceptionError, match="not those of the protocol"):
        call("--protocol p.toml --results out")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("--n 5 --splits 1", "leave out --n, --splits, or --protocol"),
        ("--set training.steps=3 --seed 0 --split-by image", "leave out --seed, --split-by, --set, or --protocol"),
        ("--data mbm --method predict-average", "leave out --data, --method, or --protocol"),
        ("--split 7", "there is no split 7 in p.toml"),
        ("--check --tables", "--check writes nothing"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    call: Callable[[str], str], tmp_path: Path, options: str, named: str
) -> None:
    text = 'data = "mbm"\nn = [5]\nsplits = 3\nsystems = [{ method = "predict-average" }]\n'
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(CountceptionError, match=named):
        call(f"--protocol p.toml --results out {options}")
    assert not (tmp_path / "out").exists()


def test_list(call: Callable[[str], str]) -> None:
    lines = call("--list").splitlines()
    assert any(line.split()[0] == "count-ception" for line in lines if line)
    assert any(line.split() == ["mbm", "10", "5,", "10,", "15"] for line in lines)


@pytest.mark.parametrize(
    "line", ["", "--data mbm", "--method boxnet", "--data mbm --tables", "--n 5", "--tables --n 5"]
)
def test_half_a_question(call: Callable[[str], str], line: str) -> None:
    with pytest.raises(CountceptionError, match="say what to run"):
        call(line)


def test_no_images_to_train_on(call: Callable[[str], str]) -> None:
    with pytest.raises(CountceptionError, match=r"^the command: n must be at least 1, not 0$"):
        call("--data vgg --method predict-average --n 0")


def test_importing_the_command_is_light() -> None:
    heavy = "{'torch', 'numpy', 'pydantic', 'matplotlib'}"
    program = f"import sys, countception.cli.benchmark; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_maps_beside_their_images(call: Callable[[str], str], tmp_path: Path) -> None:
    call("--data mbm --method predict-average --n 5 --splits 1")
    with pytest.raises(CountceptionError, match="has left count maps"):
        call("--maps pictures")
    results = Results(tmp_path / "benchmarks" / "results")
    (row,) = results.rows()
    values = np.ones((4, 4), np.float32)
    maps.save(maps.MapPair("BM_03_002", 3, 2.5, values, values), results.maps(row.key))
    assert "maps: pictures/mbm-maps.png" in call("--maps pictures")
    assert (tmp_path / "pictures" / "mbm-maps.png").exists()
