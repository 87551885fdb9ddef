from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from helpers_bench import make_row

from countception.benchmark.locks import lock
from countception.benchmark.results import COLUMNS, Prediction, Results
from countception.errors import DatasetError, OutputError


class TestRows:
    def test_come_back_as_they_were(self, tmp_path: Path) -> None:
        results = Results(tmp_path / "new" / "results")
        infinite = make_row(data="mbm", relative_error=float("inf"))
        rows = [make_row(), make_row(split=1, epochs=1000, steps=8000), infinite]
        results.append(rows[:2])
        results.append(rows[2:])
        assert sorted(results.rows(), key=lambda row: row.key) == sorted(rows, key=lambda row: row.key)
        assert rows[0].epochs is None

    def test_columns(self) -> None:
        first = ("method", "data", "n", "seed", "split", "split_by", "settings", "mae", "rmse", "bias")
        then = ("relative_error", "epochs", "steps", "seconds", "device", "threads", "cpu", "versions", "commit")
        assert (*first, *then, "config_hash", "data_hash", "command", "started", "precision") == COLUMNS

    def test_rows_there_stay_as_they_are(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        results.append([make_row(mae=1 / 3)])
        before = (tmp_path / "vgg.csv").read_bytes()
        results.append([make_row(split=1)])
        assert (tmp_path / "vgg.csv").read_bytes().startswith(before)

    def test_files_of_before_a_column_was_added(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        results.append([make_row(mae=1 / 3, epochs=1000)])
        path = tmp_path / "vgg.csv"
        whole = path.read_text().splitlines()
        path.write_text("\n".join(line.rpartition(",")[0] for line in whole) + "\n")
        assert [row.precision for row in results.rows()] == [""]
        results.append([make_row(split=1, precision="bfloat16")])
        assert path.read_text().splitlines()[:2] == whole
        assert [row.precision for row in results.rows()] == ["", "bfloat16"]

    def test_other_machines_files_count_and_the_same_run_counts_once(self, tmp_path: Path) -> None:
        results, other = Results(tmp_path / "here"), Results(tmp_path / "there")
        results.append([make_row(mae=1.0)])
        other.append([make_row(mae=9.0), make_row(split=1)])
        (tmp_path / "there" / "vgg.csv").rename(tmp_path / "here" / "vgg-there.csv")
        assert sorted((row.split, row.mae) for row in results.rows()) == [(0, 9.0), (1, 2.5)]

    def test_file_that_is_being_written_is_not_read(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        results.append([make_row()])
        (tmp_path / ".vgg-x7.csv").write_text("half a ro")
        assert len(results.rows()) == 1

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ("2.5", "two", "line 2, column mae: .*number"),
            ("mae", "error", "line 2, column mae: Field required"),
            (",2.5,3.5", "", "line 2, column"),
        ],
    )
    def test_damaged_file(self, tmp_path: Path, old: str, new: str, sentence: str) -> None:
        results = Results(tmp_path)
        results.append([make_row()])
        path = tmp_path / "vgg.csv"
        path.write_text(path.read_text().replace(old, new, 1))
        before = path.read_bytes()
        with pytest.raises(DatasetError, match=rf"vgg\.csv, {sentence}"):
            results.rows()
        with pytest.raises(DatasetError):
            results.append([make_row(split=1)])
        assert path.read_bytes() == before

    def test_unwritable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot write"):
            Results(tmp_path / "file" / "results").append([make_row()])


class TestKilled:
    def test_in_the_middle_of_writing(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        results.append([make_row()])
        before = (tmp_path / "vgg.csv").read_bytes()
        program = """
            import os, pathlib, signal, sys
            sys.path.insert(0, sys.argv[2])
            from helpers_bench import make_row
            from countception.benchmark.results import Results
            pathlib.Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
            Results(pathlib.Path(sys.argv[1])).append([make_row(split=1), make_row(split=2)])
        """
        command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), str(Path(__file__).parent)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        assert (tmp_path / "vgg.csv").read_bytes() == before
        assert len(list(tmp_path.glob(".vgg-*.csv"))) == 1  # it was killed where it was meant to be
        results.append([make_row(split=1)])  # and holds no lock
        assert [row.split for row in results.rows()] == [0, 1]

    def test_at_any_time(self, tmp_path: Path) -> None:
        program = """
            import pathlib, sys
            sys.path.insert(0, sys.argv[2])
            from helpers_bench import make_row
            from countception.benchmark.results import Results
            for k in range(10_000):
                Results(pathlib.Path(sys.argv[1])).append([make_row(split=2 * k), make_row(split=2 * k + 1)])
                print(k, flush=True)
        """
        command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), str(Path(__file__).parent)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        time.sleep(0.0137)
        process.kill()
        process.communicate()
        splits = [row.split for row in Results(tmp_path).rows()]
        assert len(splits) >= 40
        assert splits == list(range(len(splits)))
        assert len(splits) % 2 == 0


class TestClaims:
    def test_one_at_a_time(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        with results.claim("a") as mine, results.claim("a") as again, results.claim("b") as other:
            assert (mine, again, other) == (True, False, True)
        with results.claim("a") as later:
            assert later

    def test_claims_of_the_dead_end(self, tmp_path: Path) -> None:
        program = """
            import pathlib, sys, time
            from countception.benchmark.results import Results
            with Results(pathlib.Path(sys.argv[1])).claim("a") as mine:
                print(mine, flush=True)
                time.sleep(60)
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        with Results(tmp_path).claim("a") as mine:
            assert not mine
        process.kill()
        process.communicate()
        with Results(tmp_path).claim("a") as mine:
            assert mine

    @pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
    def test_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(OutputError, match="cannot write"), lock(tmp_path / "x" / "lock"):
            pass


def test_predictions_come_back(tmp_path: Path) -> None:
    results = Results(tmp_path)
    assert results.predictions("none") == []
    found = [Prediction("001cell", 12, 11.5, 0.25), Prediction("a,b", 0, 0.125, 0.5)]
    results.save_predictions("k", found)
    assert results.predictions("k") == found
