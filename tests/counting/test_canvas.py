import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countception.counting.canvas import Canvas, View
from countception.geometry import Field, Layout
from countception.images.normalise import Normalisation, learn
from countception.images.resample import resample

PLAIN = Normalisation((0.0,), (1.0,))
LAYOUTS = [Layout(Field(multiple=1), pad=5, shrink=5), Layout(Field(stride=2, multiple=8))]


def image_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (1, height, width)).astype(np.uint8)


@settings(max_examples=60)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    scale=st.sampled_from([1.0, 0.4, 1.7]),
    layout=st.sampled_from(LAYOUTS),
    view=st.builds(View, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([(0, 0), (1, 3)])),
    data=st.data(),
)
def test_a_region_is_that_part_of_the_whole(
    height: int, width: int, scale: float, layout: Layout, view: View, data: st.DataObject
) -> None:
    canvas = Canvas(image_of(height, width), PLAIN, scale, layout, view)
    rows, columns = canvas.shape
    whole = canvas.read((0, rows), (0, columns))
    y = sorted((data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, rows))))
    x = sorted((data.draw(st.integers(0, columns - 1)), data.draw(st.integers(0, columns))))
    if y[0] < y[1] and x[0] < x[1]:
        part = canvas.read((y[0], y[1]), (x[0], x[1]))
        np.testing.assert_allclose(part, whole[:, y[0] : y[1], x[0] : x[1]], rtol=1e-5, atol=1e-3)


def test_the_image_lies_after_the_padding() -> None:
    image = image_of(6, 7)
    canvas = Canvas(image, PLAIN, 1.0, LAYOUTS[0])
    whole = canvas.read((0, canvas.shape[0]), (0, canvas.shape[1]))
    np.testing.assert_array_equal(whole[:, 5:11, 5:12], image)
    assert whole.sum() == pytest.approx(image.sum(dtype=float))


@pytest.mark.parametrize("scale", [1.0, 0.5, 1.6])
def test_holes_are_the_mean_to_the_network(scale: float) -> None:
    """As what lies beyond the border, whatever is under them."""
    image, holes = image_of(40, 50), np.zeros((1, 40, 50), bool)
    holes[:, 10:20, 30:] = True
    shown = Normalisation((float(image.mean()),), (9.0,))
    seen = Canvas(np.ma.masked_array(np.where(holes, 99, image), holes), shown, scale, LAYOUTS[0])
    plain = Canvas(image, shown, scale, LAYOUTS[0])
    whole, other = (canvas.read((0, canvas.shape[0]), (0, canvas.shape[1]))[:, 5:, 5:] for canvas in (seen, plain))
    hole = np.s_[:, round(10 * scale) : round(20 * scale), round(30 * scale) : round(50 * scale)]
    assert (whole[hole] == 0).all()
    other[hole] = 0
    np.testing.assert_array_equal(whole == 0, other == 0)
    far = np.s_[:, : round(10 * scale) - 2]
    np.testing.assert_allclose(whole[far], other[far], atol=1e-5)


def test_resampling_keeps_a_constant_and_the_mean() -> None:
    np.testing.assert_allclose(resample(np.full((2, 9, 13), 7.0), 0.37), 7.0, rtol=1e-5)
    holed = resample(np.ma.masked_array(np.full((1, 9, 13), 7.0), np.arange(13) > np.full((1, 9, 1), 4)), 0.37)
    np.testing.assert_allclose(holed.compressed(), 7.0, rtol=1e-5)  # type: ignore[attr-defined]
    image = image_of(64, 64)
    assert resample(image, 0.5).mean() == pytest.approx(image.mean(), rel=0.02)
    assert resample(image, 0.5).shape == (1, 32, 32)


def test_normalisation_is_learned_over_all_pixels() -> None:
    rng = np.random.default_rng(0)
    images = [rng.normal([[[10.0]], [[200.0]]], [[[3.0]], [[50.0]]], (2, 40, side)) for side in (30, 50)]
    learned = learn(images)
    joined = np.concatenate([learned(image).reshape(2, -1) for image in images], 1)
    np.testing.assert_allclose(joined.mean(1), 0, atol=1e-4)
    np.testing.assert_allclose(joined[1].std(), 1, rtol=1e-3)


def test_an_empty_channel_is_not_blown_up() -> None:
    image = np.zeros((2, 10, 10))
    image[1, ::2] = 100
    image[0, 0, 0] = 1e-3
    learned = learn([image])
    assert np.abs(learned(image)[0]).max() < 0.01
    assert learn([np.full((1, 4, 4), 9)]).deviation == (1.0,)
