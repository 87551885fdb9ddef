import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from countception.errors import PointsError
from countception.geometry import Window
from countception.targets import count, count_map, density_map, raster

sides = st.integers(1, 70)


@st.composite
def dots(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int]]:
    """Dots on an image, its corners and borders included."""
    shape = (draw(sides), draw(sides))
    unit = draw(hnp.arrays(np.float64, (draw(st.integers(0, 12)), 2), elements=st.sampled_from([0, 0.3, 0.5, 0.99, 1])))
    return unit * (np.array(shape) - 1), shape


@given(dots(), st.sampled_from([(1, 1), (2, 1), (4, 2), (8, 8), (32, 1), (32, 4), (32, 16), (30, 3), (64, 2)]))
def test_every_dot_is_counted_exactly_as_often_as_said(
    case: tuple[np.ndarray, tuple[int, int]], sizes: tuple[int, int]
) -> None:
    points, shape = case
    window = Window(*sizes)
    assert window.exact
    values = count_map(points, shape, window)
    assert values.shape == window.map_shape(shape)
    assert values.sum() == len(points) * window.redundancy
    for point in points:  # and each dot by itself
        assert count_map(point[None], shape, window).sum() == window.redundancy


@given(dots(), st.integers(1, 40), st.data())
def test_count_map_is_equation_1(case: tuple[np.ndarray, tuple[int, int]], size: int, data: st.DataObject) -> None:
    points, shape = case
    stride = data.draw(st.integers(1, size))
    window = Window(size, stride)
    padded = np.zeros((shape[0] + 2 * size + stride, shape[1] + 2 * size + stride))
    padded[size : size + shape[0], size : size + shape[1]] = raster(points, shape)
    expected = [
        [
            padded[y * stride : y * stride + size, x * stride : x * stride + size].sum()
            for x in range(window.map_shape(shape)[1])
        ]
        for y in range(window.map_shape(shape)[0])
    ]
    np.testing.assert_array_equal(count_map(points, shape, window), expected)


def test_inexact_strides_are_right_on_average() -> None:
    """Where s does not divide r a dot is counted ⌊r/s⌋ or ⌈r/s⌉ times per axis, (r/s)² on average over positions."""
    window, shape = Window(32, 5), (60, 60)
    per_dot = np.array([count_map(np.array([[y, 30.0]]), shape, window).sum() for y in range(60)])
    assert set(per_dot) == {36, 42}  # 6 windows across, and 6 or 7 down
    every = count_map(np.argwhere(np.ones(shape)).astype(float), shape, window)
    assert every.sum() / 3600 == pytest.approx(window.redundancy, rel=0.02)


def test_entry_zero_sees_only_padding() -> None:
    values = count_map(np.array([[0.0, 0.0]]), (8, 8), Window(4))
    assert values[0].sum() == values[:, 0].sum() == 0
    assert values[1:5, 1:5].tolist() == np.ones((4, 4)).tolist()


@given(dots(), st.floats(0.5, 6))
def test_density_map_sums_to_the_count(case: tuple[np.ndarray, tuple[int, int]], sigma: float) -> None:
    points, shape = case
    assert count(density_map(points, shape, sigma, times=100), 100) == pytest.approx(len(points), rel=1e-4, abs=1e-4)


def test_dots_outside_are_refused() -> None:
    with pytest.raises(PointsError, match="1 dots lie outside the image of 10 × 20"):
        count_map(np.array([[3.0, 4.0], [10.0, 4.0]]), (10, 20), Window(4))


def test_no_dots_give_an_empty_map() -> None:
    assert count_map(np.zeros((0, 2)), (5, 6), Window(4, 2)).sum() == 0
