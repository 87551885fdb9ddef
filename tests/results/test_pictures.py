from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tiny
from countception import targets
from countception.counting.count import Count
from countception.errors import OutputError
from countception.geometry import Window, to_working, working_shape
from countception.points import Dots
from countception.regions import Mask, Polygon
from countception.results import pictures, plots
from countception.results.marks import CLASSES, TRUE, WRONG
from countception.results.pictures import (
    OUTLINE,
    encoded,
    marked,
    overlay,
    save_picture,
    viewable,
)
from countception.training.state import Record


def counted(
    points: np.ndarray, shape: tuple[int, int], window: Window, scale: float = 1.0, *, classes: int = 1
) -> Count:
    """What a perfect counter would say."""
    values = targets.count_map(to_working(points, scale), working_shape(shape, scale), window)
    return Count(
        value=float(len(points)),
        by_class={},
        predicted=np.stack([values / classes] * classes).astype(np.float32),
        redundancy=window.redundancy,
        window=window.size,
        stride=window.stride,
        pad=window.pad,
        scale=scale,
        shape=shape,
    )


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_density_is_the_mean_of_the_windows_over_a_pixel(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 24)), label="shape")
    size = data.draw(st.integers(1, 12), label="window")
    stride = data.draw(st.integers(1, size), label="stride")
    scale = data.draw(st.sampled_from([0.5, 0.8, 1.0, 1.7]), label="scale")
    rng = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))
    points = rng.uniform(-0.5, np.array(shape) - 0.5001, (6, 2))
    count = counted(points, shape, Window(size, stride), scale, classes=2)
    density = count.per_pixel()
    assert density.shape == shape
    y, x = (int(rng.integers(side)) for side in shape)
    working = np.floor(to_working(np.array([[y, x]], np.float64), scale)[0] + 0.5) + count.pad
    entries = np.argwhere(np.ones(count.map.shape[1:], bool))
    covering = np.all((entries * stride <= working) & (working <= entries * stride + size - 1), axis=1)
    if covering.any():
        per_window = count.map.sum(0)[tuple(entries[covering].T)].mean()
        assert density[y, x] == pytest.approx(per_window / size**2 * scale**2, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.6])
def test_density_adds_up_to_the_count_away_from_the_border(scale: float) -> None:
    points = np.array([[60.0, 64.0], [64.2, 70.0], [50.0, 61.5]])
    density = counted(points, (128, 128), Window(16, 2), scale).per_pixel()
    assert density.sum() == pytest.approx(3, rel=0.01)
    rows, columns = np.indices(density.shape)
    centre = [(rows * density).sum() / density.sum(), (columns * density).sum() / density.sum()]
    assert centre == pytest.approx(points.mean(0).tolist(), abs=0.7 / scale)


def test_density_of_a_density_map_is_its_own() -> None:
    values = np.random.default_rng(0).random((1, 20, 30)).astype(np.float32)
    count = Count(1.0, {}, values, redundancy=100.0, window=1, stride=1, pad=0, scale=1.0, shape=(20, 30))
    assert np.allclose(count.per_pixel(), values[0] / 100, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_image_becomes_viewable_with_full_contrast(channels: int, dtype: type) -> None:
    ramp = np.linspace(10, 200, 30 * 40).reshape(1, 30, 40).repeat(channels, 0).astype(dtype)
    seen = viewable(ramp)
    assert seen.dtype == np.uint8
    assert seen.shape == (30, 40, 3)
    assert seen.min() == 0
    assert seen.max() == 255
    assert np.all(np.diff(seen[..., 1].ravel().astype(int)) >= 0)


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "half \ud83d"])
def test_names_of_regions_and_classes_may_hold_anything(name: str) -> None:
    square = Polygon(name, (np.array([[2, 2], [2, 20], [20, 20], [20, 2]], np.float64),))
    count = tiny.untrained(classes=2).count(tiny.pixels())
    count = replace(count, by_class={name: 1.0, "other": 2.0})
    assert overlay(tiny.pixels().transpose(2, 0, 1), count, regions=[square]).width


def test_holes_are_black_and_leave_the_contrast_as_it_is() -> None:
    """Of temperatures around 290 nothing would be seen beside zeros."""
    image = np.linspace(280, 300, 600, dtype=np.float32).reshape(1, 20, 30)
    holes = np.zeros((1, 20, 30), bool)
    holes[:, 8:12, :10] = True
    for under in (0, 1e6):
        seen = viewable(np.ma.masked_array(np.where(holes, under, image), holes))
        assert (seen[8:12, :10] == 0).all()
        assert np.abs(seen[:8].astype(int) - viewable(image)[:8]).max() <= 2
    assert (viewable(np.ma.masked_array(image, True)) == 0).all()


def test_an_even_image_is_viewable() -> None:
    assert viewable(np.full((1, 4, 5), 7, np.uint8)).shape == (4, 5, 3)


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (40, 30), (700, 300), (4500, 20)])
def test_overlays_are_of_a_size_to_look_at(shape: tuple[int, int]) -> None:
    points = np.array([[0.0, 0.0]])
    picture = overlay(np.zeros((1, *shape), np.uint16), counted(points, shape, Window(8, 2)), dots=points)
    assert 512 <= max(picture.size) <= 4096
    assert picture.size[0] / picture.size[1] == pytest.approx(shape[1] / shape[0], rel=0.2)


def test_an_overlay_is_warm_where_the_objects_are_and_grey_elsewhere() -> None:
    points = np.tile([[100.0, 420.0]], (5, 1))
    image = np.full((3, 600, 600), 100, np.uint8)
    image[:, ::2] += 60
    pixels = np.asarray(overlay(image, counted(points, (600, 600), Window(32, 2)))).astype(int)
    assert pixels[100, 420, 0] - pixels[100, 420, 2] > 60
    assert pixels[500, 100].tolist() == [pixels[500, 100, 0]] * 3


def test_much_and_little_are_told_apart_by_those_who_see_no_red_and_green() -> None:
    """To them colours differ in lightness and from blue to yellow only."""
    colours, _ = pictures.heat(np.linspace(0, 1, 5, dtype=np.float32))
    yellow = colours[:, :2].mean(1) - colours[:, 2]
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(yellow) > 20).all()
    assert (np.diff(lightness) > 15).all()


def test_an_overlay_of_next_to_nothing_is_grey() -> None:
    """However little there is, its maximum must not look like an object."""
    one = counted(np.array([[32.0, 32.0]]), (64, 64), Window(16, 1))
    faint = replace(one, value=0.05, predicted=one.predicted * 0.05)
    image = np.full((1, 64, 64), 80, np.uint8)

    def colourful(count: Count) -> float:
        pixels = np.asarray(overlay(image, count))[100:, 100:].astype(float)  # away from the label
        return float(np.ptp(pixels, axis=2).max())

    assert colourful(one) > 50
    assert colourful(faint) < 0.1 * colourful(one)


def test_true_dots_are_drawn_where_they_are() -> None:
    count = counted(np.empty((0, 2)), (512, 512), Window(32, 2))
    image = np.zeros((1, 512, 512), np.uint8)
    without = np.asarray(overlay(image, count)).astype(int)
    with_dots = np.asarray(overlay(image, count, dots=np.array([[300.0, 200.0]]))).astype(int)
    changed = np.argwhere((without != with_dots).any(-1))
    changed = changed[changed[:, 0] > 100]  # below the label
    assert changed.mean(0) == pytest.approx([300, 200], abs=0.6)


def test_regions_are_outlined_where_they_are() -> None:
    covered = np.zeros((128, 128), bool)
    covered[40:80, 30:100] = True
    mask = Mask("m", covered[40:80, 30:100], (40, 30), (128, 128))
    ring = np.array([[39.5, 29.5], [39.5, 99.5], [79.5, 99.5], [79.5, 29.5]])
    image = np.zeros((1, 128, 128), np.uint8)
    count = counted(np.zeros((0, 2)), (128, 128), Window(16, 2), 1.0)
    for region in (mask, Polygon("m", (ring,))):
        drawn = np.asarray(overlay(image, count, regions=[region]))  # magnified by 4
        lines = (drawn == OUTLINE).all(-1)
        for inside in (lines[158:163, 130:300], lines[170:300, 397:403].T, lines[317:323, 130:300]):
            assert inside.any(0).all()
        assert lines[200:280, 200:320].any(), "the name, in the middle"
        assert not lines[165:200, 130:390].any()
        assert not lines[330:].any()


def test_the_label_says_the_rounded_count() -> None:
    count = counted(np.empty((0, 2)), (512, 512), Window(32, 2))
    image = np.zeros((1, 512, 512), np.uint8)
    labels = [np.asarray(overlay(image, replace(count, value=value))) for value in (7.4, 7.0, 8.0)]
    assert np.array_equal(labels[0], labels[1])
    assert not np.array_equal(labels[0], labels[2])


def test_pictures_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    picture = overlay(np.zeros((1, 20, 20), np.uint8), counted(np.empty((0, 2)), (20, 20), Window(8, 2)))
    save_picture(picture, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as written:
        assert written.size == picture.size
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_picture(picture, tmp_path / "file" / "a.png")


def test_embedded_pictures_are_small() -> None:
    data = encoded(Image.fromarray(tiny.pixels((900, 1200))), largest=320)
    with Image.open(io.BytesIO(data)) as small:
        assert small.format == "JPEG"
        assert small.size == (320, 240)


def record(step: int, mae: float) -> Record:
    return Record(step=step, epoch=1.0, seconds=1.0, learning_rate=0.1, loss=1.0 / step, valid_mae=mae, valid_bias=0.0)


def test_plots_show_what_they_are_given(tmp_path: Path) -> None:
    curve = plots.training_curve([record(1, 3.0), record(2, 9.0), record(3, 3.25)], kept=3)
    assert curve.axes[0].get_title(loc="left") == "kept: 3.25 objects per image at step 3"
    assert curve.axes[0].get_ylabel() == "validation MAE\n(objects)"
    ring = curve.axes[0].lines[1]
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([3], [3.25])
    figure = plots.scatter([10.0, 20.0], [11.0, 18.0], 1.5)
    line = figure.axes[0].lines[1]
    assert list(line.get_xdata()) == [10, 20]
    assert list(line.get_ydata()) == [11, 18]
    bars = plots.histogram([1, 3], [0.0, 5.0, 10.0])
    plots.save_figure(bars, tmp_path / "bars.png")
    with Image.open(tmp_path / "bars.png") as written:
        assert written.format == "PNG"
    for name, magic in (("bars.svg", b"<?xml"), ("bars.PDF", b"%PDF")):
        plots.save_figure(bars, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(magic)


@pytest.mark.parametrize("counts", [[0.0], [5.0, 5.0]])
def test_a_plot_of_equal_counts_has_a_range(counts: list[float]) -> None:
    low, high = plots.scatter(counts, counts, 0.0).axes[0].get_xlim()
    assert low < counts[0] < high


def test_the_curve_of_no_evaluation_can_be_drawn() -> None:
    assert plots.png(plots.training_curve([]))[:4] == b"\x89PNG"


def test_a_curve_without_validation_images_says_so() -> None:
    axes = plots.training_curve([record(1, 3.0), record(2, 2.0)], kept=2, put_aside=False).axes[0]
    assert axes.get_ylabel() == "MAE on the training\nimages (objects)"
    assert axes.get_title(loc="left") == "kept: step 2"


def test_points_of_each_class_have_a_mark_and_their_number() -> None:
    points = np.array([[60.0, 20.0], [60.0, 40.0], [60.0, 60.0]])
    count = counted(points, (100, 100), Window(16), classes=2)
    dots = Dots(points, np.array([0, 1, 1]), ("round", "länglich"))
    both = replace(count, by_class={"round": 1.2, "länglich": 1.8}, points=dots)
    pixels = np.asarray(overlay(np.zeros((1, 100, 100), np.uint8), both)).astype(int)
    seen = [int((np.abs(pixels - colour).sum(2) == 0).sum()) for colour in CLASSES[:3]]
    assert 1.5 < seen[1] / seen[0] < 6
    assert seen[2] == 0
    one = replace(count, by_class={"round": 3.0}, points=Dots(points, np.zeros(3, int), ("round",)))
    pixels = np.asarray(overlay(np.zeros((1, 100, 100), np.uint8), one)).astype(int)
    assert (np.abs(pixels - CLASSES[0]).sum(2) == 0).any()
    assert not (np.abs(pixels - CLASSES[1]).sum(2) == 0).any()


def test_letters_are_drawn_where_matplotlib_finds_no_place_for_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where neither the home nor a temporary folder can be written to, in a container for one."""

    def refused() -> str:
        raise OSError("Matplotlib requires access to a writable cache directory")

    monkeypatch.setattr("matplotlib.get_data_path", refused)
    pictures._font.cache_clear()
    assert pictures._font(30.0).getlength("3") > 0


def test_letters_of_many_languages_are_drawn() -> None:
    """Each as itself, and not as the box that stands for what a font lacks."""
    font = pictures._font(30.0)
    box = font.getmask("\uffff").getbbox(), bytes(font.getmask("\uffff"))
    for letter in "äßéçøŁжΩµ":
        mask = font.getmask(letter)
        assert (mask.getbbox(), bytes(mask)) != box


def seen(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a colour is in a picture, ``(N, 2)``."""
    return np.argwhere((np.asarray(picture) == colour).all(-1))


def test_dots_are_ringed_where_they_are_in_the_colour_of_their_class() -> None:
    image = np.zeros((1, 600, 700), np.uint8)
    dots = Dots(np.array([[100.0, 50.0], [300.0, 400.0]]), np.array([0, 1]), ("round", "long"))
    picture = marked(image, dots)
    for point, colour in zip(dots.points, CLASSES[:2], strict=True):
        ring = seen(picture.crop((0, 0, 700, 600)), colour)
        assert ring.mean(0) == pytest.approx(point, abs=0.6)
        assert not (ring == point).all(1).any()  # the object itself stays in sight
    assert len(seen(picture, WRONG.colour)) == 0
    alone = marked(image, Dots(dots.points))
    assert seen(alone.crop((0, 0, 700, 600)), TRUE.colour).mean(0) == pytest.approx(dots.points.mean(0), abs=0.6)


def test_wrong_dots_stand_out_and_those_outside_are_at_the_border() -> None:
    image = np.zeros((1, 600, 600), np.uint8)
    outside = marked(image, Dots(np.array([[300.0, 9000.0], [20.0, 30.0]]))).crop((0, 0, 600, 600))
    ring = seen(outside, WRONG.colour)
    assert ring[:, 0].mean() == pytest.approx(300, abs=0.6)
    assert ring[:, 1].min() > 570
    assert len(seen(marked(image, Dots(np.array([[20.0, 30.0], [20.7, 30.0]]))), WRONG.colour)) == 0
    twice = marked(image, Dots(np.array([[20.0, 30.0], [20.2, 30.3], [200.0, 300.0]]))).crop((0, 0, 600, 600))
    assert seen(twice, WRONG.colour).mean(0) == pytest.approx([20.2, 30.3], abs=0.6)


def test_rings_of_near_objects_do_not_meet_and_those_on_photographs_can_be_seen() -> None:
    close = Dots(np.array([[300.0, 300.0], [300.0, 310.0]]))
    rings = seen(marked(np.zeros((1, 600, 600), np.uint8), close).crop((0, 0, 600, 600)), TRUE.colour)
    assert not (rings[:, 1] == 305).any()
    ring = seen(marked(np.zeros((1, 3000, 4000), np.uint8), Dots(np.array([[300.0, 300.0]]))), TRUE.colour)
    assert np.ptp(ring[:, 0]) > 40


def test_the_label_hides_no_dot() -> None:
    image = np.full((1, 600, 600), 7, np.uint8)
    dots = Dots(np.array([[3.0, 4.0]]))
    assert len(seen(marked(image, dots).crop((0, 0, 12, 12)), TRUE.colour)) > 0
    assert marked(image, dots).height > 600


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (4500, 20)])
def test_pictures_of_dots_are_of_a_size_to_look_at(shape: tuple[int, int]) -> None:
    picture = marked(np.zeros((2, *shape), np.uint16), Dots(np.array([[0.0, 0.0], [1e300, -1e300]])))
    assert 512 <= max(picture.size) <= 4300
