from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from countception.data.dataset import load_dataset
from countception.data.pairing import read_dataset
from countception.errors import PointsError
from countception.points import read_points


def squares(dtype: str = "uint16") -> npt.NDArray[np.generic]:
    """Three squares, of which two touch, numbered out of order and with a gap."""
    labels = np.zeros((24, 32), dtype)
    labels[2:5, 2:5], labels[2:5, 5:8], labels[10:15, 20:25] = 7, 2, 200
    return labels


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_each_label_is_an_object_though_they_touch(tmp_path: Path, dtype: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", squares(dtype))
    assert read_points(tmp_path / "a.tif", image_shape=(24, 32)).points.tolist() == [[3, 6], [3, 3], [12, 22]]


def test_png_as_cellpose_saves_it_is_paired_with_its_image(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "a.png", shape=(24, 32))
    Image.fromarray(squares()).save(tmp_path / "a_cp_masks.png")
    (sample,) = load_dataset(read_dataset(tmp_path, dots_suffix="_cp_masks.png"))
    assert len(sample.dots) == 3


@pytest.mark.parametrize("folder", ["labels", "masks"])
def test_a_folder_of_them(tmp_path: Path, write_image: Callable[..., Path], folder: str) -> None:
    for name in ("images", folder):
        (tmp_path / name).mkdir()
    write_image(tmp_path / "images" / "a.png", shape=(24, 32))
    tifffile.imwrite(tmp_path / folder / "a.tif", squares())
    (sample,) = load_dataset(tmp_path)
    assert len(sample.dots) == 3


def test_one_object(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", (squares() == 7).astype("uint16"))
    assert read_points(tmp_path / "a.tif").points.tolist() == [[3, 3]]


def test_one_object_of_any_number_but_the_brightest(tmp_path: Path) -> None:
    for number, kept in ((3, True), (65535, False)):
        tifffile.imwrite(tmp_path / "a.tif", ((squares() == 7) * number).astype("uint16"))
        if kept:
            assert read_points(tmp_path / "a.tif").points.tolist() == [[3, 3]]
        else:
            with pytest.raises(PointsError, match="its 1 marks have 9"):
                read_points(tmp_path / "a.tif")


def test_numbers_that_real_numbers_of_32_bits_cannot_tell_apart(tmp_path: Path) -> None:
    labels = squares("uint32")
    labels[labels == 7], labels[labels == 2] = 2**24, 2**24 + 1
    tifffile.imwrite(tmp_path / "a.tif", labels)
    assert len(read_points(tmp_path / "a.tif")) == 3


def test_cells_of_tissue_that_touch_each_other_on_all_sides(tmp_path: Path) -> None:
    labels = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((8, 8)))
    tifffile.imwrite(tmp_path / "a.tif", np.pad(labels, 1).astype("uint16"))
    assert len(read_points(tmp_path / "a.tif")) == 12


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=2), st.randoms(use_true_random=False))
def test_any_number_of_objects_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, places: set[tuple[int, int]], random: object
) -> None:
    numbers = list(range(1, len(places) + 1))
    random.shuffle(numbers)  # type: ignore[attr-defined]
    labels = np.zeros((24, 32), np.uint16)
    for number, (y, x) in zip(numbers, sorted(places), strict=True):
        labels[4 * y : 4 * y + 3, 4 * x : 4 * x + 3] = number
    path = tmp_path_factory.mktemp("labels") / "a.tif"
    tifffile.imwrite(path, labels)
    wanted = {number: (4.0 * y + 1, 4.0 * x + 1) for number, (y, x) in zip(numbers, sorted(places), strict=True)}
    assert [tuple(point) for point in read_points(path).points] == [wanted[number] for number in sorted(numbers)]


class TestOthers:
    def test_classes_as_numbers_are_no_labels(self, tmp_path: Path) -> None:
        classes = np.zeros((40, 40), np.uint8)
        for k in range(9):
            classes[4 * k : 4 * k + 3, 2:5] = 1 + k % 2
        tifffile.imwrite(tmp_path / "a.tif", classes)
        with pytest.raises(PointsError, match="bright pixels have 2 different values"):
            read_points(tmp_path / "a.tif")

    def test_slopes_of_brightness(self, tmp_path: Path) -> None:
        slope = np.tile(np.arange(256, dtype=np.uint8), (40, 1))
        tifffile.imwrite(tmp_path / "a.tif", slope)
        with pytest.raises(PointsError, match="is no mask of dots"):
            read_points(tmp_path / "a.tif")

    def test_no_black_at_all(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", squares() + np.uint16(1))
        with pytest.raises(PointsError, match="100 % of its pixels are not black"):
            read_points(tmp_path / "a.tif")

    def test_photographs_and_signed_numbers(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (40, 40)).astype("uint8")
        tifffile.imwrite(tmp_path / "a.tif", noise)
        tifffile.imwrite(tmp_path / "b.tif", squares("int32") - 1)
        for name in ("a.tif", "b.tif"):
            with pytest.raises(PointsError, match="is no mask of dots"):
                read_points(tmp_path / name)
