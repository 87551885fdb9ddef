"""Points from maps: exact on noiseless maps, as many as were counted, graceful under noise, local."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from countception.data.dataset import load_dataset
from countception.errors import ConfigError
from countception.evaluation.matching import match, pooled
from countception.geometry import Window, pixel_of
from countception.locate import Located, density_of_counts, density_of_map, locate
from countception.targets import count_map, raster

PITCH = 7


@st.composite
def spaced_dots(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int]]:
    """Dots on pixels at least 4 apart along an axis, borders and corners included."""
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    shape = (rows * PITCH - 3, columns * PITCH - 3)
    places = draw(st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1)), unique=True, max_size=49))
    jitter = draw(hnp.arrays(np.int64, (len(places), 2), elements=st.integers(0, PITCH - 4)))
    points = np.array(places, np.float64).reshape(-1, 2) * PITCH + jitter
    return points, shape


def in_order(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


def noisy_located(sd: float, seed: int, smooth: float = 0.0) -> tuple[np.ndarray, Located]:
    rng = np.random.default_rng(seed)
    grid = np.mgrid[4:200:14, 4:200:14].reshape(2, -1).T
    points = np.clip(grid + rng.integers(-4, 5, grid.shape), 0, 199)[rng.random(len(grid)) < 0.8].astype(np.float64)
    window = Window(32, 1)
    noise = rng.normal(size=window.map_shape((200, 200)))
    noise = ndimage.gaussian_filter(noise, smooth) if smooth else noise
    counts = count_map(points, (200, 200), window) + noise * (sd / noise.std())
    return points, locate(density_of_counts(counts, window), number=len(points))


@settings(deadline=None, max_examples=60)
@given(spaced_dots(), st.sampled_from([4, 9, 16, 32]))
def test_dots_come_back_exactly_from_their_own_count_map(case: tuple[np.ndarray, tuple[int, int]], window: int) -> None:
    points, shape = case
    density = density_of_counts(count_map(points, shape, Window(window, 1)), Window(window, 1))
    assert np.array_equal(density, raster(points, shape))
    located = locate(density, shape=shape)
    assert np.array_equal(in_order(located.points), in_order(points))
    assert np.array_equal(located.confidence, np.ones(len(points)))
    assert located.missing == 0


@settings(deadline=None, max_examples=60)
@given(spaced_dots(), st.sampled_from([2, 3, 4]))
def test_dots_come_back_to_within_the_cell_from_a_coarse_map(
    case: tuple[np.ndarray, tuple[int, int]], stride: int
) -> None:
    points, shape = case
    window = Window(12, stride)
    density = density_of_counts(count_map(points, shape, window), window)
    assert density.shape == tuple(-(-side // stride) for side in shape)
    located = locate(density, stride=stride, shape=shape)
    expected = np.minimum(np.floor(points / stride) * stride + (stride - 1) / 2, np.array(shape) - 1)
    assert np.allclose(in_order(located.points), in_order(expected))


def test_crowded_dots_come_back_exactly() -> None:
    rng = np.random.default_rng(0)
    points: list[np.ndarray] = []
    for place in rng.permutation(64 * 80):
        point = np.array(divmod(int(place), 80))
        if all(np.hypot(*(point - other)) >= 4 for other in points):
            points.append(point)
    dots = np.array(points, np.float64)
    assert len(dots) > 200  # about as many as fit
    located = locate(raster(dots, (64, 80)))
    assert np.array_equal(in_order(located.points), in_order(dots))


def test_a_cell_of_several_objects_gives_several_points() -> None:
    density = np.zeros((20, 20))
    density[7, 12] = 3
    density[15, 2] = 1
    located = locate(density, stride=2)
    assert in_order(located.points).tolist() == [[30.5, 4.5]] + [[14.5, 24.5]] * 3
    assert located.number == 4


def test_a_spread_object_gives_one_point_at_its_centre_and_less_confidence() -> None:
    place = np.array([[30.3, 41.8]])
    y, x = np.mgrid[:64, :80]
    confidences = []
    for sigma in (0.5, 1.5, 3.0):
        blob = np.exp(-0.5 * ((y - place[0, 0]) ** 2 + (x - place[0, 1]) ** 2) / sigma**2)
        located = locate(blob / blob.sum())
        assert np.abs(located.points - place).max() < 0.1
        confidences.append(located.confidence[0])
    assert confidences == sorted(confidences, reverse=True)
    assert 0.6 < confidences[-1] < confidences[0] < 1


def test_half_an_object_has_half_the_confidence() -> None:
    density = np.zeros((30, 30))
    density[5, 5], density[20, 20] = 1.0, 0.5
    located = locate(density, number=2)
    assert located.confidence.tolist() == [1.0, 0.5]
    assert located.points.tolist() == [[5, 5], [20, 20]]


def test_leftovers_come_after_weaker_objects_elsewhere() -> None:
    y, x = np.mgrid[:60, :60]
    blobs = [np.exp(-0.5 * ((y - c) ** 2 + (x - c) ** 2) / 2.0**2) for c in (15, 45)]
    density = sum(m * blob / blob.sum() for m, blob in zip((1.4, 0.6), blobs, strict=True))
    located = locate(density)
    assert np.abs(in_order(located.points) - [[15, 15], [45, 45]]).max() < 0.5


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(np.float64, (24, 17), elements=st.floats(0, 0.5)), st.sampled_from([1, 2, 4]))
def test_points_agree_with_the_rounded_count_and_lie_on_the_image(density: np.ndarray, stride: int) -> None:
    located = locate(density, stride=stride)
    assert located.number == int(np.floor(density.sum() + 0.5))
    assert located.missing == 0
    assert ((located.points >= 0) & (located.points <= np.array(density.shape) * stride - 1)).all()
    assert ((located.confidence >= 0) & (located.confidence <= 1)).all()


def test_a_difference_is_reported_where_there_is_no_mass() -> None:
    density = np.zeros((9, 9))
    density[4, 4] = 1
    assert locate(density, number=3).missing == 2
    assert locate(np.full((200, 200), 1 / 40_000)).missing == 1, "haze is no object"
    empty = locate(np.zeros((9, 9)))
    assert (empty.missing, empty.points.shape, empty.confidence.shape) == (0, (0, 2), (0,))


def test_negative_cells_count_but_hold_no_objects() -> None:
    density = np.zeros((9, 9))
    density[4, 4], density[0, 0] = 2.0, -0.8
    located = locate(density)
    assert located.points.tolist() == [[4, 4]]
    assert located.count == pytest.approx(1.2)


def test_turning_the_density_turns_the_points() -> None:
    density = np.random.default_rng(5).gamma(0.2, 0.2, (40, 33))
    upright = in_order(locate(density).points)
    flipped = locate(density[::-1]).points * (-1, 1) + (39, 0)
    assert np.allclose(in_order(flipped), upright)
    assert np.allclose(in_order(locate(density.T).points[:, ::-1]), upright)


def test_points_far_from_each_other_do_not_influence_one_another() -> None:
    left, right = (np.random.default_rng(seed).gamma(0.05, 1.0, (60, 60)) for seed in (1, 2))
    whole = np.concatenate([left, np.zeros((60, 40)), right], axis=1)
    together = locate(whole).points
    on_left = together[:, 1] < 80
    for part, points in ((left, together[on_left]), (right, together[~on_left] - (0, 100))):
        alone = locate(part, number=len(points)).points
        assert len(alone) > 50
        assert np.allclose(in_order(alone), in_order(points))


@pytest.mark.parametrize("smooth", [0.0, 3.0])
def test_noise_degrades_gracefully(smooth: float) -> None:
    f1 = []
    for sd in (0.0, 0.1, 0.3, 1.0, 5.0):
        images = [noisy_located(sd, seed, smooth) for seed in range(2)]
        assert all(located.missing == 0 for _, located in images)
        f1.append(pooled(match(points, located.points, 5) for points, located in images).f1)
    assert f1[0] == 1
    assert f1[2] > (0.97 if smooth else 0.99)
    assert f1[-1] < 0.9  # so noisy that it must show
    assert all(later <= earlier + 0.01 for earlier, later in pairwise(f1))


def test_the_constrained_inverse_is_a_density_that_explains_the_map() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 99, (60, 2))
    window = Window(16, 2)
    counts = count_map(points, (100, 100), window) + rng.normal(0, 0.2, window.map_shape((100, 100)))
    density = density_of_counts(counts, window)
    assert density.min() >= 0
    assert density.sum() == pytest.approx(counts.sum() / 64)
    k = 8
    sums = np.pad(density, ((k, k), (k, k))).cumsum(0).cumsum(1)
    sums = np.pad(sums, ((1, 0), (1, 0)))
    boxed = (sums[k:, k:] - sums[:-k, k:] - sums[k:, :-k] + sums[:-k, :-k])[: counts.shape[0], : counts.shape[1]]
    assert np.std(boxed - counts) < 0.3
    assert len(match(points, locate(density, stride=2).points, 3).pairs) >= 58


def test_a_map_of_nothing_but_noise_around_zero_has_no_objects() -> None:
    noise = np.random.default_rng(0).normal(-0.01, 0.05, (80, 80))
    density = density_of_counts(noise, Window(16, 1))
    assert (density >= 0).all()
    assert len(locate(density).points) == 0


@pytest.mark.parametrize("noise", [1e-6, 1e-5, 1e-4, 3e-4, 1e-3])
@pytest.mark.parametrize("dots", [0, 3])
def test_little_noise_adds_no_objects(noise: float, dots: int) -> None:
    rng = np.random.default_rng(0)
    counts = count_map(rng.uniform(8, 120, (dots, 2)), (128, 128), Window(32, 1))
    counts = counts + rng.normal(0, noise, counts.shape)
    total = max(0.0, counts.sum() / 32**2)
    assert density_of_counts(counts, Window(32, 1)).sum() == pytest.approx(total, abs=1e-9)


def test_a_thousand_objects_take_less_than_seconds() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 999, (1000, 2))
    window = Window(32, 1)
    counts = count_map(points, (1000, 1000), window) + rng.normal(0, 0.05, window.map_shape((1000, 1000)))
    start = time.process_time()  # not wall time, which other processes decide
    located = locate(density_of_counts(counts, window))
    assert time.process_time() - start < 4
    assert match(points, located.points, 4).f1 > 0.98


@pytest.mark.parametrize(
    ("density", "options"),
    [
        (np.zeros((3, 4, 5)), {}),
        (np.full((4, 4), np.nan), {}),
        (np.zeros((4, 4)), {"number": -1}),
        (np.zeros((4, 4)), {"stride": 0}),
        (np.zeros((4, 4)), {"reach": 0.0}),
    ],
)
def test_what_is_no_density_is_refused(density: np.ndarray, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="locate"):
        locate(density, **options)  # type: ignore[arg-type]


def test_a_map_of_densities_may_have_any_stride() -> None:
    """An entry of it counts in no window, so none has to be undone."""
    values = np.random.default_rng(0).random((2, 5, 6)).astype(np.float32)
    assert density_of_map(values, 1, 4, redundancy=1.0) == pytest.approx(values)
    folded = density_of_map(values, 1, 4, redundancy=2.0, pad=4)
    assert folded.shape == (2, 3, 4)
    assert folded.sum((1, 2)) == pytest.approx(values.sum((1, 2)) / 2)


def test_maps_that_cannot_be_inverted_are_refused() -> None:
    with pytest.raises(ConfigError, match="stride must divide the window"):
        density_of_counts(np.zeros((20, 20)), Window(8, 3))
    with pytest.raises(ConfigError, match="more than 8 rows"):
        density_of_counts(np.zeros((8, 20)), Window(8, 1))


@pytest.mark.parametrize(("name", "tolerance", "stride"), [("vgg", 8, 1), ("mbm", 16, 4), ("adipocyte", 8, 2)])
def test_dots_of_real_images_come_back(
    real_data: Callable[[str], Path], name: str, tolerance: float, stride: int
) -> None:
    window = Window(32, stride)
    matchings = []
    for sample in load_dataset(real_data(name))[:4]:
        shape = (sample.image.shape[1], sample.image.shape[2])
        dots = sample.dots.points
        located = locate(density_of_counts(count_map(dots, shape, window), window), stride=stride, shape=shape)
        assert located.missing == 0
        assert np.abs(pixel_of(located.points) - located.points).max() <= 0.5
        matchings.append(match(dots, located.points, tolerance))
    both = pooled(matchings)
    assert both.f1 > 0.995
    assert both.mean_distance < 0.5 * stride
