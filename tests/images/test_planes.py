from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import TiffFile, TiffWriter, imwrite

import tiny
from countception.images.planes import Plane, planes
from countception.images.read import read_image


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
    """As do damaged ones and those that hold images of several kinds: what to do is said when they are counted."""
    Image.fromarray(tiny.pixels()).save(tmp_path / "a.png")
    (tmp_path / "b.tif").write_bytes(b"II*\0")
    with TiffWriter(tmp_path / "c.tif") as tiff:
        for side in (9, 12):
            tiff.write(np.zeros((side, side), np.uint8), photometric="minisblack")
    files = [tmp_path / name for name in ("a.png", "b.tif", "c.tif", "missing.tif")]
    assert planes(files, "all", None) == [Plane(file) for file in files]


OME = """<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"
 UUID="urn:uuid:00000000-0000-0000-0000-00000000000{own}"><Image ID="Image:0"><Pixels ID="Pixels:0" Type="uint8"
 DimensionOrder="XYCZT" SizeX="8" SizeY="9" SizeC="1" SizeZ="1" SizeT="2"><Channel ID="Channel:0:0"/>
<TiffData IFD="0" FirstT="0" PlaneCount="1"><UUID FileName="0.ome.tif">urn:uuid:00000000-0000-0000-0000-000000000000
</UUID></TiffData><TiffData IFD="0" FirstT="1" PlaneCount="1"><UUID FileName="1.ome.tif">
urn:uuid:00000000-0000-0000-0000-000000000001</UUID></TiffData></Pixels></Image></OME>"""


def test_files_of_a_set_do_not_each_stand_for_all_planes(tmp_path: Path) -> None:
    """An OME-TIFF of several files tells in each of them of the planes in the others."""
    files = [tmp_path / f"{k}.ome.tif" for k in range(2)]
    for k, file in enumerate(files):
        description = OME.format(own=k).replace("\n", "")
        imwrite(file, np.full((9, 8), k, np.uint8), description=description, metadata=None, photometric="minisblack")
    with TiffFile(files[0]) as tiff:
        assert tiff.series[0].shape == (2, 9, 8)
    assert planes(files, "all", None) == [Plane(file) for file in files]


@pytest.mark.filterwarnings("ignore:.*writing zero-size array")
def test_stacks_of_no_plane_and_of_more_than_the_file_can_hold_are_one_image(tmp_path: Path) -> None:
    none, many = tmp_path / "none.tif", tmp_path / "many.tif"
    imwrite(none, np.zeros((0, 3, 9, 8), np.uint8), photometric="minisblack", metadata={"axes": "TZYX"})
    claim = json.dumps({"shape": [90000, 1, 1]})
    imwrite(many, np.zeros((1, 1), np.uint8), photometric="minisblack", description=claim, metadata=None)
    with TiffFile(many) as tiff:
        assert tiff.series[0].shape == (90000, 1, 1)
    assert planes([none, many], "all", None) == [Plane(none), Plane(many)]


@pytest.mark.parametrize("page", [None, 3])
def test_unless_all_pages_are_asked_for_each_file_is_one_image(tmp_path: Path, page: int | None) -> None:
    path = stack(tmp_path / "a.tif", 5, 9, 8)
    assert planes([path], page, None) == [Plane(path)]
