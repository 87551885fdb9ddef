from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countception.cli.console import show_inspection
from countception.data.inspection import inspect
from countception.data.places import why_cornered

SHAPE = (300, 400)


def scattered(number: int, seed: int = 0) -> np.ndarray:
    """Dots anywhere in an image of `SHAPE`."""
    return np.random.default_rng(seed).uniform(0, np.array(SHAPE) - 1, (number, 2))


@pytest.mark.parametrize(
    ("brought", "words"),
    [
        (1 / np.array(SHAPE), "the upper left 1 % of their images, .* as shares of the images' sides, from 0 to 1"),
        (100 / np.array(SHAPE), "the upper left 3. % of .* in percent of the images' sides"),
        (0.5, "the upper left (49|50) % of .* on a smaller copy of the images, or in another unit such as µm"),
    ],
)
def test_dots_in_another_unit_or_on_a_smaller_copy_are_told(brought: np.ndarray | float, words: str) -> None:
    dots = [(scattered(20, seed) * brought, SHAPE) for seed in range(3)]
    assert why_cornered(dots) is not None
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(why_cornered(dots))


def test_dots_in_degrees_are_told() -> None:
    dots = [(np.array([42.0, 15.0]) + scattered(20, seed) * 5e-7, SHAPE) for seed in range(3)]
    assert "in degrees of a map" in str(why_cornered(dots))
    assert "in degrees" not in str(why_cornered([(scattered(20) * 0.2, SHAPE)]))


@pytest.mark.parametrize("size", [0.1, 0.325, 0.5, 0.65, 0.74])
def test_dots_in_micrometres_are_told_where_images_say_how_large_their_pixels_are(size: float) -> None:
    dots = [(scattered(20, seed) * size, SHAPE) for seed in range(3)]
    assert f"they may be given in µm, as pixels are {size:g} µm wide;" in str(why_cornered(dots, [size] * 3))
    assert "in µm, as" not in str(why_cornered(dots, [size, None, size]))
    assert "in µm, as" not in str(why_cornered(dots, [1.2 * size] * 3))
    assert why_cornered([(scattered(20), SHAPE)], [size]) is None


def test_a_margin_without_objects_does_not_make_micrometres() -> None:
    assert why_cornered([(scattered(200, seed) * 0.94, SHAPE) for seed in range(3)], [0.95] * 3) is None


def test_small_images_are_not_said_to_have_dots_in_percent() -> None:
    assert "percent" not in str(why_cornered([(scattered(20) * 0.15, (60, 80))]))


@given(st.integers(1, 60), st.integers(0, 99))
def test_objects_that_lie_anywhere_raise_no_alarm(number: int, seed: int) -> None:
    assert why_cornered([(scattered(number, seed), SHAPE)]) is None


def test_a_few_dots_in_a_corner_may_be_chance() -> None:
    row = np.linspace(0, 0.6 * np.array(SHAPE) - 1e-9, 14)
    assert why_cornered([(row[1:], SHAPE)]) is None  # 0.6 ** 26 is above 1e-6
    assert why_cornered([(row, SHAPE)]) is not None
    assert why_cornered([(scattered(4) / 400, SHAPE)]) is None
    assert why_cornered([(np.tile([[3.0, 4.0]], (50, 1)), SHAPE)]) is None  # one object, however often it is marked
    assert why_cornered([]) is why_cornered([(np.empty((0, 2)), SHAPE)]) is None


def test_one_dot_elsewhere_in_any_image_is_enough() -> None:
    halved = [(scattered(40, seed) / 2, SHAPE) for seed in range(3)]
    assert why_cornered(halved) is not None
    assert why_cornered([*halved, (np.array([[10.0, 390.0]]), SHAPE)]) is None


def test_inspect_says_so_of_coordinates_and_not_of_masks(
    tmp_path: Path,
    write_image: Callable[..., Path],
    write_table: Callable[..., Path],
    write_mask: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    dots = [(float(y), float(x)) for y, x in np.unique((scattered(30) / 2).astype(int), axis=0)]
    for kind in ("tables", "masks"):
        write_image(tmp_path / kind / "a.png", shape=SHAPE)
    write_table(tmp_path / "tables" / "a.csv", dots)
    write_mask(tmp_path / "masks" / "a_dots.png", dots, shape=SHAPE)
    found = inspect(tmp_path / "tables")
    assert "smaller copy" in str(found.cornered)
    assert found.to_dict()["cornered"] == found.cornered
    show_inspection(found)
    assert f"\n\n{found.cornered}\n" in capsys.readouterr().out
    assert inspect(tmp_path / "masks").cornered is None


def test_parts_of_images_say_nothing_of_the_whole(
    tmp_path: Path, write_image: Callable[..., Path], write_table: Callable[..., Path]
) -> None:
    from countception.data.dataset import read_dataset

    write_image(tmp_path / "a.png", shape=SHAPE)
    write_table(tmp_path / "a.csv", [(y, x) for y, x in scattered(30) / 2])
    (tmp_path / "part.json").write_text(
        '{"type": "Polygon", "coordinates": [[[0, 0], [400, 0], [400, 300], [0, 300], [0, 0]]]}'
    )
    assert inspect(tmp_path).cornered is not None
    assert inspect(read_dataset(tmp_path).within(tmp_path / "part.json")).cornered is None
