import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countception.errors import ConfigError
from countception.geometry import (
    Field,
    Layout,
    Window,
    axis_weights,
    first_centre,
    inside,
    pixel_of,
    resampling,
    share_window,
    to_image,
    to_working,
    window_pixels,
    working_shape,
)

scales = st.floats(0.1, 4.0)


@given(scale=scales, y=st.floats(-0.5, 500), x=st.floats(-0.5, 500))
def test_working_pixels_and_back(scale: float, y: float, x: float) -> None:
    points = np.array([[y, x]])
    np.testing.assert_allclose(to_image(to_working(points, scale), scale), points, atol=1e-9)


@given(scale=scales, height=st.integers(1, 400), width=st.integers(1, 400))
def test_points_in_the_image_are_in_the_working_image(scale: float, height: int, width: int) -> None:
    corners = np.array([[-0.5, -0.5], [height - 0.5 - 1e-6, width - 0.5 - 1e-6]])
    assert inside(corners, (height, width)).all()
    assert inside(to_working(corners, scale), working_shape((height, width), scale)).all()


def test_a_pixel_reaches_half_a_pixel_around_its_centre() -> None:
    assert pixel_of(np.array([[-0.5, 0.49], [0.5, 2.0]])).tolist() == [[0, 0], [1, 2]]
    assert inside(np.array([[-0.51, 0.0], [-0.5, 0.0], [9.49, 0.0], [9.5, 0.0]]), (10, 10)).tolist() == [
        False,
        True,
        True,
        False,
    ]


@given(side=st.integers(1, 120), scale=scales, data=st.data())
def test_resampling_weights_do_not_depend_on_the_range(side: int, scale: float, data: st.DataObject) -> None:
    total = working_shape((side, side), scale)[0]
    start = data.draw(st.integers(0, total - 1))
    stop = data.draw(st.integers(start + 1, total))
    signal = np.random.default_rng(0).normal(size=side).astype(np.float32)
    first, weights = resampling(side, scale, 0, total)
    whole = weights @ signal[first : first + weights.shape[1]]
    first, weights = resampling(side, scale, start, stop)
    part = weights @ signal[first : first + weights.shape[1]]
    np.testing.assert_allclose(part, whole[start:stop], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)


def test_linear_interpolation_is_exact_on_a_ramp() -> None:
    first, weights = axis_weights(10, np.array([0.25, 3.5, 8.75]), 1.0)
    np.testing.assert_allclose(weights @ np.arange(10.0)[first : first + weights.shape[1]], [0.25, 3.5, 8.75])


@pytest.mark.parametrize(("size", "stride"), [(0, 1), (4, 0), (4, 5), (-1, 1)])
def test_impossible_windows(size: int, stride: int) -> None:
    with pytest.raises(ConfigError, match="window"):
        Window(size, stride)


def test_the_papers_window() -> None:
    window = Window(32)
    assert (window.redundancy, window.pad, window.map_shape((256, 256))) == (1024, 32, (288, 288))
    assert Window(32, 8).redundancy == 16
    assert Window(32, 8).exact
    assert not Window(32, 5).exact


@given(st.integers(4, 100))
def test_large_kernels_take_the_window_away(window: int) -> None:
    first, second = share_window(window)
    assert min(first, second) >= 1
    assert 2 + (first - 1) + (second - 1) == window


def test_large_kernels_of_the_paper() -> None:
    assert share_window(32) == (14, 18)


def test_a_field_grows_by_its_layers() -> None:
    assert Field().conv(3, pad=1) == Field(1, 1, 1, 1)
    assert Field().conv(3, pad=1).conv(2, stride=2) == Field(2, 1, 2, 2)
    two = Field().conv(2, stride=2)
    assert two.up(2) == Field(1, 1, 1, 2)
    assert two.join(Field(2, 5, 0, 2)) == Field(2, 5, 1, 2)
    with pytest.raises(ConfigError, match="joined"):
        two.join(Field())
    with pytest.raises(ConfigError, match="upsample"):
        Field().up(2)


@given(
    multiple=st.sampled_from([1, 2, 8]),
    before=st.integers(0, 20),
    after=st.integers(0, 20),
    start=st.integers(0, 40),
    length=st.integers(1, 20),
)
def test_a_tile_reads_all_it_needs(multiple: int, before: int, after: int, start: int, length: int) -> None:
    field = Field(stride=1, before=before, after=after, multiple=multiple)
    canvas = 8 * 10
    stop = min(canvas, start + length)
    first, last = field.reads(start, stop, canvas)
    assert first % multiple == 0
    assert 0 <= first <= max(0, start - before)
    assert last == canvas or (last % multiple == 0 and last >= stop + after)


def test_layout_of_a_padded_network() -> None:
    layout = Layout(Field(stride=4, multiple=4), pad=32, shrink=32)
    assert layout.canvas_shape((255, 256)) == (320, 320)
    assert layout.map_shape((255, 256)) == (72, 72)


@pytest.mark.parametrize(("scale", "stride", "window", "pad"), [(1.0, 1, 8, 8), (0.5, 2, 8, 6), (1.7, 4, 16, 16)])
def test_windows_meet_the_pixels_that_they_lie_over(scale: float, stride: int, window: int, pad: int) -> None:
    first, stop = window_pixels(30, 40, scale=scale, window=window, stride=stride, pad=pad)
    for k in range(30):
        begins, ends = (k * stride - pad) / scale, (k * stride - pad + window) / scale
        met = [i for i in range(40) if i < ends and i + 1 > begins]
        assert list(range(first[k], stop[k])) == met


def test_an_entry_of_a_density_map_stands_for_its_cell() -> None:
    """Whatever its stride: one whose first pixel alone has no picture, at the border of a hole, is no hole."""
    first, stop = window_pixels(5, 18, scale=1.0, window=1, stride=4, pad=0)
    assert (first.tolist(), stop.tolist()) == ([0, 4, 8, 12, 16], [4, 8, 12, 16, 18])
    first, stop = window_pixels(9, 4, scale=1.0, window=1, stride=1, pad=3)
    assert (first.tolist(), stop.tolist()) == ([0, 0, 0, 0, 1, 2, 3, 3, 3], [1, 1, 1, 1, 2, 3, 4, 4, 4])
    assert first_centre(1, 4, 0) == first_centre(4, 4, 0) == 1.5
    assert first_centre(1, 1, 0) == 0
    assert first_centre(32, 2, 32) == -16.5
