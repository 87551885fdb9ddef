from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import TiffWriter, imwrite

import tiny
from countception.images import read_image
from countception.planes import Plane, planes


def stack(path: Path, *shape: int, axes: str | None = None) -> Path:
    metadata = None if axes is None else {"axes": axes}
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    imwrite(path, pixels, photometric="minisblack", metadata=metadata, imagej=axes is not None)
    return path


@pytest.mark.parametrize(
    ("shape", "axes", "number"),
    [((5, 9, 8), None, 5), ((3, 4, 2, 9, 8), "TZCYX", 12), ((2, 9, 8), "CYX", 1), ((9, 8), None, 1)],
)
def test_each_page_is_an_image_and_can_be_read(tmp_path: Path, shape: tuple[int, ...], axes: str, number: int) -> None:
    path = stack(tmp_path / "a.tif", *shape, axes=axes)
    found = planes([path], "all", None)
    assert found == ([Plane(path)] if number == 1 else [Plane(path, k) for k in range(number)])
    firsts = {float(read_image(path, page=plane.page).min()) for plane in found}
    assert len(firsts) == number


def test_an_axis_of_channels_is_no_page(tmp_path: Path) -> None:
    path = stack(tmp_path / "a.tif", 2, 3, 9, 8, axes="TZYX")
    assert len(planes([path], "all", "Z")) == 2
    assert len(planes([path], "all", "T")) == 3


def test_files_of_one_image_stay_one(tmp_path: Path) -> None:
    """As do damaged ones and those that hold images of different shapes: what to do is said when they are counted."""
    Image.fromarray(tiny.pixels()).save(tmp_path / "a.png")
    (tmp_path / "b.tif").write_bytes(b"II*\0")
    with TiffWriter(tmp_path / "c.tif") as tiff:
        for side in (9, 12):
            tiff.write(np.zeros((side, side), np.uint8), photometric="minisblack")
    files = [tmp_path / name for name in ("a.png", "b.tif", "c.tif", "missing.tif")]
    assert planes(files, "all", None) == [Plane(file) for file in files]


@pytest.mark.parametrize("page", [None, 3])
def test_unless_all_pages_are_asked_for_each_file_is_one_image(tmp_path: Path, page: int | None) -> None:
    path = stack(tmp_path / "a.tif", 5, 9, 8)
    assert planes([path], page, None) == [Plane(path)]
