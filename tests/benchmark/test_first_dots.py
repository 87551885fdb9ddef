"""The dots of MBM that were put down first, and those that were added."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from countception.benchmark.protocol import Parts
from countception.data.dataset import Sample
from countception.points import Dots

ROOT = Path(__file__).parents[2]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("first_dots")


def sample(points: list[tuple[float, float]], name: str = "a_1_000") -> Sample:
    return Sample(np.zeros((3, 600, 600), np.uint8), Dots(np.array(points, float).reshape(-1, 2)), name, None)


def test_first_dots_of_an_image_are_those_of_its_quarter(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    text = "5 3 0\n10 20 1\n599 0 3\n600 0 1\n5 1199 1\n700 605 3\n"
    (tmp_path / "annotations" / "a_1.txt").write_text(text, encoding="utf-8")
    found = [module.first_dots(tmp_path, f"a_1_00{quarter}").tolist() for quarter in range(4)]
    assert found == [[[20, 10], [0, 599]], [[0, 0]], [[599, 5]], [[5, 100]]]


def test_a_dot_was_seen_first_where_a_first_dot_lies(module: ModuleType) -> None:
    dots = np.array([(10.0, 10.0), (11.0, 10.0), (50.0, 50.0), (80.0, 80.0)])
    first = np.array([(10.5, 10.0), (51.0, 51.0), (83.0, 80.0)])
    seen = module.seen_first(dots, first)
    assert seen[:2].sum() == 1, "one first dot is one dot"
    assert seen[2:].tolist() == [True, False]
    assert not module.seen_first(dots, np.empty((0, 2))).any()
    assert module.tile(sample(dots.tolist()), first) == {"image": "a_1_000", "dots": 4, "first": 3, "kept": 2}


def test_what_points_find_of_either_kind(module: ModuleType) -> None:
    one = sample([(100, 100), (200, 200), (300, 300), (400, 400)])
    points = np.array([(105.0, 100.0), (300.0, 310.0), (500.0, 500.0)])
    count = SimpleNamespace(value=3.5, points=SimpleNamespace(points=points))
    fitted: Any = SimpleNamespace(counter=Mock(**{"count_pixels.return_value": count}))
    first = {"a_1_000": np.array([(100.0, 100.0), (200.0, 200.0)])}
    assert module.examine(fitted, Parts([], [], [one, one]), first) == {
        "mae": 0.5,
        "first": 4,
        "first_found": 2,
        "added": 4,
        "added_found": 2,
        "points": 6,
        "points_alone": 2,
    }
