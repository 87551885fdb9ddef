"""What limits the error: who sees close objects as one, and errors that belong to an image."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers_bench import make_row

from countception.benchmark.method import Setup
from countception.benchmark.methods import config_hash, make
from countception.benchmark.results import Prediction, Results
from countception.data.dataset import Sample
from countception.points import Dots
from countception.training.state import Record

ROOT = Path(__file__).parents[2]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("limits")


def sample(points: list[tuple[float, float]]) -> Sample:
    return Sample(np.full((3, 40, 40), 7, np.uint8), Dots(np.array(points, float).reshape(-1, 2)), "a", None)


def test_objects_up_to_a_distance_are_one_and_so_are_chains(limits: ModuleType) -> None:
    points = np.array([(0.0, 0.0), (0.0, 2.0), (0.0, 4.0), (20.0, 20.0)])
    assert [limits.visible(points, distance) for distance in (1.9, 2.0, 50.0)] == [4, 2, 1]
    assert limits.visible(np.empty((0, 2)), 3.0) == 0


def test_what_can_be_made_up_for_leaves_no_error(limits: ModuleType) -> None:
    seen = np.array([10.0, 20.0, 30.0])
    assert limits.error_left(1.1 * seen + 0.01 * seen**2, seen) == pytest.approx(0, abs=1e-9)
    assert limits.error_left(np.array([10.0, 14.0, 10.0, 14.0]), np.full(4, 10.0)) == pytest.approx(2)


def test_hidden_objects_by_hand(limits: ModuleType) -> None:
    samples = [sample([(5, 5), (5, 6), (30, 30)]), sample([(5, 5), (20, 20), (30, 30)])]
    row = limits.hidden("vgg", samples, 1.0)
    assert (row["hidden"], row["deviation"]) == (0.5, 0.5)
    assert row["error"] == pytest.approx(0, abs=1e-9), "2 seen are always 3, and 3 are 3"


def test_points_that_know_nothing_find_what_a_wide_tolerance_lets_them(limits: ModuleType) -> None:
    rng = np.random.default_rng(1)
    (wide, narrow) = limits.chance("vgg", [sample(rng.uniform(0, 39, (30, 2)).tolist())])["f1"]
    assert (wide["tolerance"], narrow["tolerance"]) == (8, 4)
    assert 1 > wide["f1"] > narrow["f1"] > 0


def test_brightness_is_of_single_objects_and_of_pairs(limits: ModuleType) -> None:
    one = sample([(5, 5), (5, 6), (30, 30), (0, 39)])
    one.image[2, 28:33, 28:33] = 100
    rows = {row["objects"]: row for row in limits.brightness([one])}
    assert (rows["alone"]["number"], rows["alone"]["mean"]) == (1, 100), "not the one at the border"
    assert (rows["1 to 2"]["number"], rows["1 to 2"]["mean"]) == (2, 7)


def test_errors_of_the_image_and_of_the_run(limits: ModuleType, tmp_path: Path) -> None:
    results = Results(tmp_path)
    errors = {"boxnet": ([(1, -2, 4), (3, 0, 6)]), "arteta": ([(2, -1, 5)])}
    for system, runs in errors.items():
        known = config_hash(make(system, Setup("vgg", n=32)))
        for split, each in enumerate(runs):
            row = make_row(method=system, data="vgg", n=32, split=split, config_hash=known)
            found = [Prediction(f"{i}", 100, 100 + error, 0.1) for i, error in enumerate(each)]
            results.save_predictions(row.key, found)
            results.append([row])
    found = limits.shared("vgg", results)
    assert (found["images"], found["runs_per_image"]) == (3, 2)
    assert found["between"] == pytest.approx(np.std([2, -1, 5]))
    assert found["within"] == pytest.approx(np.sqrt(2))
    assert found["mae_of_mean"] == pytest.approx(8 / 3)
    assert found["others"] == {"arteta": {"images": 3, "correlation": pytest.approx(1)}}


def test_errors_within_a_donor_beside_those_of_all(limits: ModuleType, tmp_path: Path) -> None:
    results = Results(tmp_path)
    known = config_hash(make("boxnet", Setup("adipocyte", n=50)))
    row = make_row(method="boxnet", data="adipocyte", n=50, config_hash=known)
    errors = {"1_A_x": 4, "2_A_x": 6, "3_B_x": -5, "4_B_x": -5, "5_C_x": 90}
    results.save_predictions(row.key, [Prediction(name, 100, 100 + error, 0.1) for name, error in errors.items()])
    results.append([row])
    found = limits.relatives("adipocyte", results)
    assert (found["images"], found["groups"], found["kind"]) == (4, 2, "donor"), "C has no relative"
    assert found["deviation"] == pytest.approx(np.std([4, 6, -5, -5], ddof=1))
    assert found["within"] == pytest.approx(1), "squares of 1, 1, 0, 0 over two degrees of freedom"


def test_a_bias_that_hindsight_knows_is_no_error(limits: ModuleType, tmp_path: Path) -> None:
    results = Results(tmp_path)
    for system in limits.NETWORKS:
        known = config_hash(make(system, Setup("vgg", n=8)))
        for split in range(2 if system == "boxnet" else 1):
            row = make_row(method=system, data="vgg", n=8, split=split, config_hash=known)
            counts = (125.0, 250.0) if system == "boxnet" else (100.0, 210.0)
            results.save_predictions(
                row.key, [Prediction(f"{t}", t, c, 0.1) for t, c in zip((100, 200), counts, strict=True)]
            )
            results.append([row])
    found = limits.biased("vgg", 8, results)
    assert found["splits"] == [0], "the one that all were run on"
    assert found["systems"]["boxnet"] == {"mae": 37.5, "best": pytest.approx(0, abs=1e-9)}
    assert found["systems"]["fcrn-a"] == {"mae": 5, "best": pytest.approx(100 * (1 - 200 / 210) / 2, abs=0.05)}


def test_errors_on_the_images_that_may_choose_the_weights(limits: ModuleType, tmp_path: Path) -> None:
    results = Results(tmp_path)
    known = config_hash(make("fcrn-a", Setup("mbm", n=5)))
    for split, (test, errors) in enumerate([(9.0, (30.0, 4.0, 11.0)), (7.0, (20.0, 8.0, 6.0))]):
        row = make_row(method="fcrn-a", data="mbm", n=5, split=split, config_hash=known, mae=test)
        results.save_curve(row.key, [Record(k, k, k, 0.003, 1.0, error, 0.0) for k, error in enumerate(errors)])
        results.append([row])
    results.append([make_row(method="boxnet", data="mbm", n=5, config_hash="other")])
    found = limits.chosen("mbm", 5, results)
    assert found == {
        "data": "mbm",
        "n": 5,
        "systems": {"fcrn-a": {"splits": 2, "evaluations": 3, "mae": 8, "least": 5}},
    }, "the mean of 4 and 6"


@pytest.mark.usefixtures("limits")
def test_committed_page_is_what_the_committed_figures_give() -> None:
    page = importlib.import_module("limits_page")
    results = ROOT / "benchmarks" / "results"
    files = (results / name for name in ("limits.json", "first-dots.json"))
    found, twice = (json.loads(file.read_text(encoding="utf-8")) for file in files)
    written = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    assert page.page(found, twice) == written, "run: python benchmarks/limits.py --page"
    assert (ROOT / "docs" / "benchmark" / "limits-hidden.png").exists()
