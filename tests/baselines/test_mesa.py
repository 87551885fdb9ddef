"""The maximum subarray and the optimisation by the MESA distance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from countception.baselines import mesa

small = arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-9, 9))


def boxes(shape: tuple[int, ...]) -> list[mesa.Box]:
    """All boxes but the empty one."""
    sides = ([slice(a, b) for a, b in itertools.combinations(range(n + 1), 2)] for n in shape)
    return list(itertools.product(*sides))  # type: ignore[arg-type]


def distance(image: mesa.Image, weights: np.ndarray) -> float:
    """Equation 6, by trying all boxes."""
    missing = image.density - weights[image.words]
    return max(abs(float(missing[box].sum())) for box in boxes(missing.shape))


@given(small)
def test_largest_box_is_the_best_of_all(values: np.ndarray) -> None:
    best, box = mesa.largest_box(values)
    assert best == max(0, *(values[each].sum() for each in boxes(values.shape)), 0)
    assert values[box].sum() == best


def images(number: int, *, words: int = 4, shape: tuple[int, int] = (7, 9)) -> list[mesa.Image]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(number):
        drawn = rng.integers(0, words, shape)
        found.append(mesa.Image(drawn, (0.1 * drawn + rng.normal(0, 0.05, shape)).astype(np.float32)))
    return found


def test_what_is_linear_in_the_words_is_found() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 4, (3, 12, 9))
    exact = [mesa.Image(words, (0.1 * words).astype(np.float32)) for words in drawn]
    (weights,) = mesa.fit(exact, 4, [1e6], lambda _: None)
    np.testing.assert_allclose(weights, [0, 0.1, 0.2, 0.3], atol=2e-3)


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_no_weights_nearby_are_better(strength: float) -> None:
    """Equation 4 with all boxes, not only those that were made constraints."""
    drawn = images(3)

    def objective(weights: np.ndarray) -> float:
        return float(weights @ weights / strength + sum(distance(image, weights) for image in drawn))

    (found,) = mesa.fit(drawn, 4, [strength], lambda _: None)
    best = objective(found)
    rng = np.random.default_rng(1)
    for size in (0.1, 0.01):
        for _ in range(50):
            other = np.maximum(0, found + rng.normal(0, size, 4))
            assert objective(other) >= best * (1 - mesa.TOLERANCE)


def test_weights_are_not_negative_and_grow_with_the_strength() -> None:
    seen: list[int] = []
    weak, strong = mesa.fit(images(3), 4, [1e-4, 1.0], seen.append)
    assert (weak >= 0).all()
    assert (strong >= 0).all()
    assert strong @ strong > weak @ weak
    assert seen == list(range(1, len(seen) + 1))


def test_large_images_are_compared_on_a_grid() -> None:
    words = np.zeros((300, 40), np.int64)
    density = np.zeros((300, 40), np.float32)
    density[100:200, 10:30] = 1
    too_low, too_high = mesa.Image(words, density).worst_boxes(np.array([0.5]))
    cell = 3  # 300 pixels in at most 128 cells
    assert 0.5 * 2000 - cell * 2 * 120 <= too_low[0] <= 0.5 * 2000
    assert density[too_low[1]].mean() > 0.9
    assert too_high[0] == 0.5 * (density.size - 2000) - 0.5 * 2000  # the whole image
