"""Rows are called by what their configuration differs in from the defaults of today."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers_bench import make_row

from countception.benchmark.method import Setup
from countception.benchmark.methods import config_hash, make
from countception.benchmark.results import Results, Row


def row(results: Results, called: str, settings: dict[str, Any]) -> Row:
    """Of a run with these settings, that is called otherwise."""
    method = make("boxnet", Setup("mbm", settings, n=5))
    results.save_configuration(config_hash(method), "boxnet", method.configuration)
    return make_row(data="mbm", n=5, settings=called, config_hash=config_hash(method))


def test_rows_are_called_by_the_defaults_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    relabel = importlib.import_module("relabel")
    results = Results(tmp_path)
    old = {"training.batch": 8}  # as if that had been the default
    rows = [
        row(results, "", old),
        row(results, "counting.flips=true", old),
        row(results, "training.steps=9", {**old, "training.steps": 9}),
        row(results, "folds=5", {**old, "folds": 5}),
        row(results, "calibrate=false", {"calibrate": False, "calibration_prior": 0.5}),
        row(results, "training.batch=4", {}),
        make_row(data="mbm", method="log", settings="sigma=2"),
        row(results, "training.batch=2", {**old, "scale.spacing": 17}),
    ]
    results.append(rows)
    monkeypatch.setattr(sys, "argv", ["relabel.py", *old, "calibration_prior", "--results", str(tmp_path)])
    for _ in range(2):  # doing it again changes nothing
        relabel.main()
        named = results.rows()
        assert [each.settings for each in named] == [
            "training.batch=8",
            "training.batch=8 counting.flips=true",
            "training.batch=8 training.steps=9",
            "folds=5 training.batch=8",
            "calibrate=false",  # whose prior decides nothing
            "",
            "sigma=2",
            "training.batch=2",  # it differs in more than is asked about
        ]
    assert named[2].command.endswith("--set training.batch=8 --set training.steps=9 --check")
    assert [each.mae for each in named] == [each.mae for each in rows]
