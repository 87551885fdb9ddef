"""Which of two counters is better, on what is new to both."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

import tiny
from countception.counting.counter import Counter
from countception.data.dataset import load_dataset
from countception.errors import ConfigError, ImageError
from countception.evaluation.comparison import compare
from countception.evaluation.evaluation import evaluate


def test_the_difference_and_its_interval_are_those_of_a_paired_test() -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(50, 150, 12)
    counts, others = true + rng.normal(0, 2, 12), true + rng.normal(3, 4, 12)
    found = compare(true.tolist(), counts.tolist(), others.tolist())
    paired = ttest_rel(np.abs(counts - true), np.abs(others - true)).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(paired))
    assert found.difference == pytest.approx(np.abs(counts - true).mean() - np.abs(others - true).mean())
    assert found.closer + found.farther == found.images == 12
    back = compare(true.tolist(), others.tolist(), counts.tolist())
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert (back.closer, back.farther) == (found.farther, found.closer)


def test_chance_is_called_so_as_often_as_it_says() -> None:
    """Of counters that are alike one in twenty seems better or worse; one that is better by far is always seen."""
    rng = np.random.default_rng(1)
    true = np.full(20, 100.0)

    def chance(bias: float) -> float:
        pairs = [(true + rng.normal(0, 5, 20), true + rng.normal(bias, 5, 20)) for _ in range(400)]
        return float(np.mean([compare(true.tolist(), a.tolist(), b.tolist()).chance for a, b in pairs]))

    assert 0.92 < chance(0) < 0.98
    assert chance(20) == 0


def test_the_sentence_says_which_is_better_and_whether_that_may_be_chance() -> None:
    true = [10.0, 20.0, 30.0, 40.0]
    sure = compare(true, [11, 21, 29, 40], [20, 31, 41, 52]).note("old.count")
    assert sure == (
        "old.count: MAE 11.00 on the 4 images new to both models, where this one has 0.75: -10.25 (95 %: -12.25 to "
        "-8.25), closer to the truth in 4, farther from it in 0"
    )
    assert compare(true, [11, 21, 29, 44], [12, 20, 29, 41]).note("a").endswith("; that may be chance")
    one = compare([10.0], [11.0], [13.0])
    assert math.isnan(one.low)
    assert one.note("a") == (
        "a: MAE 3.00 on 1 image new to both models, where this one has 1.00: -2.00, closer to the truth in 1, farther "
        "from it in 0; that may be chance"
    )
    none = compare([], [], [])
    assert none.note("a").startswith("a: no image is new to both models")
    with pytest.raises(ConfigError, match="3 and 1"):
        compare(true, [1.0, 2.0, 3.0], [1.0])


def test_images_that_either_has_learned_from_are_left_out(tmp_path: Path) -> None:
    counter = Counter.load(tiny.model_file(), device="cpu")
    other = Counter(replace(counter.model, trained_on={}, validation={}, scale=1.1 * counter.model.scale), device="cpu")
    samples = load_dataset(tiny.data())
    new = load_dataset(tiny.dataset(tmp_path / "new", 3, seed=9))
    result = evaluate(counter, [*samples, *new], against=other)
    assert result.comparison == evaluate(counter, new, against=other).comparison
    assert result.comparison is not None
    assert result.comparison.images == 3
    expected = evaluate(other, new)
    assert [row.other for row in result.rows][-3:] == [row.count for row in expected.rows]
    assert result.comparison.other_mae == pytest.approx(expected.metrics.mae)
    assert result.to_dict()["against"]["difference"] == pytest.approx(result.comparison.difference)
    result.write_csv(tmp_path / "errors.csv")
    with (tmp_path / "errors.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["known_to_other"] for row in rows] == [""] * len(rows)
    assert float(rows[-1]["other"]) == pytest.approx(expected.rows[-1].count, abs=5e-4)
    swapped = evaluate(other, [*samples, *new], against=counter)
    assert [row.known_to_other for row in swapped.rows] == [True] * len(samples) + [False] * 3
    assert swapped.comparison is not None
    assert swapped.comparison.difference == pytest.approx(-result.comparison.difference)
    assert evaluate(counter, samples, against=other).to_dict()["against"]["mae"] is None
    assert evaluate(counter, new).comparison is None


def test_a_model_of_other_channels_is_refused_before_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter.load(tiny.model_file(), device="cpu")
    monkeypatch.setattr(Counter, "count_pixels", lambda *_a, **_k: pytest.fail("counted"))
    with pytest.raises(ImageError, match="000 has 3 channels but the model was trained on images of 1"):
        evaluate(counter, tiny.dataset(tmp_path / "new", 2), against=tiny.untrained(channels=1))
