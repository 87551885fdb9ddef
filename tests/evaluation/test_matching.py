"""One-to-one matching of points: known cases, and against exhaustive search."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from countception.errors import ConfigError
from countception.evaluation.matching import match, pooled

few_points = hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(2)), elements=st.integers(0, 12).map(float))


def test_points_on_themselves_match_perfectly() -> None:
    points = np.array([[0, 0], [3, 4], [9.5, 1]])
    matched = match(points, points[::-1], 0.0)
    assert (matched.precision, matched.recall, matched.f1, matched.mean_distance) == (1, 1, 1, 0)
    assert sorted(map(tuple, matched.pairs.tolist())) == [(0, 2), (1, 1), (2, 0)]


def test_one_found_point_cannot_stand_for_two_true_ones() -> None:
    matched = match([[0, 0], [0, 2]], [[0, 1]], 5)
    assert (matched.precision, matched.recall) == (1, 0.5)
    assert matched.f1 == pytest.approx(2 / 3)


def test_most_pairs_come_before_short_ones() -> None:
    # the nearest pair (0 with 0) would leave true point 1 without a partner
    matched = match([[0, 0], [0, 4]], [[0, 1], [0, -4]], 4)
    assert len(matched.pairs) == 2
    assert matched.distances.sum() == pytest.approx(7)


def test_the_tolerance_itself_is_allowed() -> None:
    assert len(match([[0, 0]], [[3, 4]], 5).pairs) == 1
    assert len(match([[0, 0]], [[3, 4]], 4.999).pairs) == 0


def test_what_is_undefined_is_nan() -> None:
    nothing = match(np.zeros((0, 2)), np.zeros((0, 2)), 3)
    assert all(math.isnan(v) for v in (nothing.precision, nothing.recall, nothing.f1, nothing.mean_distance))
    missed = match([[1, 1]], np.zeros((0, 2)), 3)
    assert (missed.recall, missed.f1) == (0, 0)
    assert math.isnan(missed.precision)
    assert math.isnan(missed.median_distance)


@pytest.mark.parametrize("tolerance", [-1, math.nan, math.inf])
def test_a_tolerance_that_is_none_is_refused(tolerance: float) -> None:
    with pytest.raises(ConfigError, match="tolerance must be 0 or more"):
        match([[0, 0]], [[0, 0]], tolerance)


@settings(deadline=None, max_examples=150)
@given(few_points, few_points, st.integers(0, 9))
def test_no_other_matching_is_better(true: np.ndarray, found: np.ndarray, tolerance: int) -> None:
    matched = match(true, found, tolerance)
    assert len(set(matched.pairs[:, 0])) == len(set(matched.pairs[:, 1])) == len(matched.pairs)
    gaps = true[matched.pairs[:, 0]] - found[matched.pairs[:, 1]]
    assert np.allclose(matched.distances, np.hypot(*gaps.T))
    assert (matched.distances <= tolerance).all()
    best, shortest = _exhaustive(true, found, tolerance)
    assert len(matched.pairs) == best
    assert matched.distances.sum() == pytest.approx(shortest, abs=1e-9)


def _exhaustive(true: np.ndarray, found: np.ndarray, tolerance: float) -> tuple[int, float]:
    a, b = (true, found) if len(true) <= len(found) else (found, true)
    results = [(0, 0.0)]
    for order in permutations(range(len(b)), len(a)):
        distances = np.hypot(*(a - b[list(order)]).T) if len(a) else np.zeros(0)
        kept = distances[distances <= tolerance]
        results.append((len(kept), -kept.sum()))
    number, negative = max(results)
    return number, -negative


def test_many_points_match_as_the_dense_assignment_does() -> None:
    rng = np.random.default_rng(3)
    true = rng.uniform(0, 120, (250, 2))
    found = np.concatenate([true[:220] + rng.normal(0, 3, (220, 2)), rng.uniform(0, 120, (30, 2))])
    matched = match(true, found, 8)
    distances = np.hypot(*(true[:, None] - found[None]).transpose(2, 0, 1))
    rows, columns = linear_sum_assignment(np.where(distances <= 8, distances, 1e5))
    dense = distances[rows, columns]
    assert len(matched.pairs) == (dense <= 8).sum()
    assert matched.distances.sum() == pytest.approx(dense[dense <= 8].sum())


def test_pooling_adds_points_up() -> None:
    one, two = match([[0, 0], [9, 9]], [[0, 1]], 2), match([[5, 5]], [[5, 5], [8, 8]], 2)
    both = pooled([one, two])
    assert (both.true, both.found) == (3, 3)
    assert both.pairs.tolist() == [[0, 0], [2, 1]]
    assert both.f1 == pytest.approx(2 / 3)
    assert both.median_distance == pytest.approx(0.5)
    assert math.isnan(pooled([]).f1)


def test_the_curve_rises_with_the_tolerance() -> None:
    rng = np.random.default_rng(0)
    images = [(points := rng.uniform(0, 100, (40, 2)), points + rng.normal(0, 2, (40, 2))) for _ in range(3)]
    curve = [pooled(match(*pair, tolerance) for pair in images).f1 for tolerance in (0, 1, 2, 4, 8, 16)]
    assert curve == sorted(curve)
    assert curve[0] == 0
    assert curve[-1] == 1
