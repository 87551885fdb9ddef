"""The statistics of intervals: weighted quantiles, by hand and against numpy's, and neighbourhoods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countception.trust.conformal import nearness, rank, share_below, unlucky_coverage, weighted_quantile

VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=20, unique=True).map(np.array)


@given(VALUES, st.floats(0, 1))
def test_with_equal_weights_it_is_the_plain_quantile(values: np.ndarray, share: float) -> None:
    (found,) = weighted_quantile(values[:, None], np.full((len(values), 1), 0.3), share)
    assert found == pytest.approx(np.quantile(values, share), abs=1e-9)


def test_a_weighted_quantile_by_hand() -> None:
    values, weights = np.array([[30.0], [10.0], [20.0]]), np.array([[1.0], [2.0], [1.0]])
    # in order 10, 20, 30 with weights 2, 1, 1: of the others' weight 0 of 2, 2 of 3 and 3 of 3 lie below
    for share, value in ((0, 10), (1 / 3, 15), (2 / 3, 20), (5 / 6, 25), (1, 30)):
        assert weighted_quantile(values, weights, share) == pytest.approx([value])


@given(VALUES, st.integers(0, 1000))
def test_weighted_quantiles_grow_with_the_share(values: np.ndarray, seed: int) -> None:
    weights = np.random.default_rng(seed).uniform(1e-6, 1, (len(values), 1))
    found = [float(weighted_quantile(values[:, None], weights, share)[0]) for share in np.linspace(0, 1, 11)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == pytest.approx((values.min(), values.max()))


@given(VALUES, st.floats(0.01, 0.99))
def test_shares_and_quantiles_are_the_ranks_of_plain_conformal_prediction(values: np.ndarray, level: float) -> None:
    n = len(values)
    equal = np.ones((n, n))
    shares = share_below(values, equal)
    assert shares == pytest.approx(values.argsort().argsort() / (n - 1))
    share = float(np.quantile(shares, level, method="weibull"))
    (found,) = weighted_quantile(values[:, None], equal[:, :1], share)
    assert found == pytest.approx(float(np.quantile(values, level, method="weibull")), abs=1e-9)


def test_a_share_counts_neighbours_more() -> None:
    near = np.array([[9.0, 1.0, 0.5], [1.0, 9.0, 0.5], [0.25, 3.0, 9.0]])
    assert share_below(np.array([5.0, 7.0, 6.0]), near) == pytest.approx([0, 1, 0.5])
    assert share_below(np.array([5.0, 4.0, 6.0]), near) == pytest.approx([0.8, 0, 1])


def test_near_is_near_in_rank_whatever_the_distance() -> None:
    places = np.array([1.0, 2.0, 3.0, 1000.0])
    near = nearness(places, places)
    assert np.diagonal(near) == pytest.approx(1)
    assert near == pytest.approx(near.T)
    assert near[2, 3] == pytest.approx(near[0, 1]) == pytest.approx(np.exp(-0.5 * (0.25 / 0.3) ** 2))
    assert nearness(places, np.array([1e9])) == pytest.approx(near[:, 3:]), "beyond all it is like the last"
    assert nearness(np.zeros(4), np.array([0.0, 5.0])) == pytest.approx(np.ones((4, 2))), "all alike"


def test_ranks() -> None:
    assert rank(0.9, 9) == pytest.approx(9)
    assert rank(0.8, 4) == pytest.approx(4)


def test_an_unlucky_set_by_simulation() -> None:
    """Of uniform scores the largest of n, or the one of the rank, is the coverage itself."""
    rng = np.random.default_rng(0)
    for level, n, k in ((0.9, 9, 9), (0.9, 19, 18), (0.8, 4, 4), (0.9, 3, 3), (0.9, 1, 1), (0.95, 8, 8)):
        coverages = np.sort(rng.uniform(size=(20000, n)), axis=1)[:, k - 1]
        assert unlucky_coverage(level, n) == pytest.approx(np.quantile(coverages, 0.1), abs=0.01), (level, n)
