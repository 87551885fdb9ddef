"""Files of a set, each by itself; planes that are told of and not there, and numbers that stand for no data."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from countception.errors import ImageError
from countception.images import pieces
from countception.images.pieces import opened
from countception.images.pixel_size import read_pixel_size
from countception.images.planes import Plane, planes
from countception.images.read import read_image

UUID = "urn:uuid:00000000-0000-0000-0000-00000000000"
HEAD = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
PIXELS = 'ID="Pixels:0" Type="uint8" DimensionOrder="XYCZT" SizeX="8" SizeY="9" PhysicalSizeX="0.5" PhysicalSizeY="0.5"'
SIZES = {
    "C": 'SizeC="3" SizeZ="1" SizeT="1"',
    "Z": 'SizeC="1" SizeZ="3" SizeT="1"',
    "T": 'SizeC="1" SizeZ="1" SizeT="3"',
}


def described(sizes: str, planes_told: str, *, own: str = "") -> str:
    """OME-XML of an image."""
    return f'{HEAD}{own}><Image ID="Image:0"><Pixels {PIXELS} {sizes}>{planes_told}</Pixels></Image></OME>'


def written_set(folder: Path, axis: str) -> list[Path]:
    """Three files of one plane each, of which every one tells of all: of ones, of twos, of threes."""
    told = "".join(
        f'<TiffData IFD="0" First{axis}="{k}" PlaneCount="1"><UUID FileName="{k}.ome.tif">{UUID}{k}</UUID></TiffData>'
        for k in range(3)
    )
    files = [folder / f"{k}.ome.tif" for k in range(3)]
    for k, file in enumerate(files):
        text = described(SIZES[axis], told, own=f' UUID="{UUID}{k}"')
        tifffile.imwrite(file, np.full((9, 8), k + 1, np.uint8), description=text, metadata=None)
    return files


@pytest.mark.parametrize("axis", SIZES)
@pytest.mark.parametrize("there", [[0, 1, 2], [0, 2]])
def test_each_file_of_a_set_is_what_it_holds(tmp_path: Path, axis: str, there: list[int]) -> None:
    files = written_set(tmp_path, axis)
    with tifffile.TiffFile(files[1]) as tiff:
        assert tiff.series[0].shape == (3, 9, 8), "as others read it"
    for k in {0, 1, 2} - set(there):
        files[k].unlink()
    assert [read_image(files[k]).tolist() for k in there] == [np.full((1, 9, 8), k + 1).tolist() for k in there]
    assert planes([files[k] for k in there], "all", None) == [Plane(files[k]) for k in there]
    assert read_pixel_size(files[0]) == 0.5
    with pytest.raises(ImageError, match=r"has no page 1; its pages are 0 to 0"):
        read_image(files[0], page=1)
    with pytest.raises(ImageError, match=r"0\.ome\.tif: is one of a set of files"):
        read_image(files[0], page="max")


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_planes_that_were_never_stored_are_no_empty_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], large: bool
) -> None:
    if large:
        monkeypatch.setattr(pieces, "LARGE", 1)
    path = tmp_path / "stopped.ome.tif"
    text = described('SizeC="1" SizeZ="5" SizeT="1"', '<TiffData IFD="0" PlaneCount="5"/>')
    with tifffile.TiffWriter(path) as tiff:
        for k in range(3):
            pixels = np.full((9, 8), k + 1, np.uint8)
            tiff.write(pixels, description=None if k else text, metadata=None, contiguous=False, **options)
    with opened(path, page=2) as image:
        assert (np.asarray(image) == 3).all()
    for page in (3, "max", "mean"):
        with (
            pytest.raises(ImageError, match=r"stopped\.ome\.tif: holds 3 of the 5 planes that its metadata tell of"),
            opened(path, page=page),  # type: ignore[arg-type]
        ):
            pass


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ('SizeC="1" SizeZ="1" SizeT="500000000"', '<TiffData IFD="0" PlaneCount="1"/>'),
        ('SizeC="1" SizeZ="1" SizeT="3"', '<TiffData IFD="0" PlaneCount="500000000"/>'),
    ],
)
def test_a_few_bytes_that_tell_of_millions_of_planes_are_a_trap(tmp_path: Path, sizes: str, told: str) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.ones((9, 8), np.uint8), description=described(sizes, told), metadata=None)
    tracemalloc.start()
    with pytest.raises(ImageError, match=r"a\.ome\.tif: its metadata tell of 5e\+08 planes, .* a trap"):
        read_image(path)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_of_pages_of_many_sizes_the_smallest_says_how_many_planes_there_would_be(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    text = described('SizeC="1" SizeZ="1" SizeT="3000000"', '<TiffData IFD="1" PlaneCount="1"/>')
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(np.ones((9, 8), np.uint8), description=text, metadata=None)
        tiff.write(np.ones((1, 1), np.uint8), metadata=None)
    with pytest.raises(ImageError, match=r"tell of 2\.16e\+08 planes"):
        read_image(path)


def test_a_file_that_tells_of_itself_alone_may_be_made_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.arange(3, dtype=np.uint8)[:, None, None] + np.zeros((3, 9, 8), np.uint8), ome=True)
    assert read_image(path, page="max").max() == 2


@pytest.mark.parametrize(
    ("options", "share"),
    [
        *(({"imagej": True, "metadata": {"axes": "TYX"}}, share) for share in (0.3, 0.75, 0.98)),
        *(({"metadata": None}, share) for share in (0.3, 0.75, 0.98)),
        *(({"metadata": None, "compression": "zlib"}, share) for share in (0.3, 0.75)),
    ],
)
def test_a_film_that_is_cut_off_is_no_shorter_one(tmp_path: Path, options: dict[str, Any], share: float) -> None:
    """tifffile reads what pages are left of it, which is one where their list is at the end."""
    path = tmp_path / "film.tif"
    film = np.random.default_rng(0).integers(0, 99, (12, 40, 50), np.uint8)
    tifffile.imwrite(path, film, photometric="minisblack", **options)
    whole = path.read_bytes()
    assert len(planes([path], "all", None)) == 12
    path.write_bytes(whole[: int(len(whole) * share)])
    assert planes([path], "all", None) == [Plane(path)]
    for page in (None, 0, "max"):
        with pytest.raises(ImageError, match=r"film\.tif: is cut off, so that pages of it are missing"):
            read_image(path, page=page)


@pytest.mark.parametrize(("held", "ends"), [(12, 12), (7, 0), (1, 1)])
def test_films_of_imagej_of_one_page_that_all_pixels_follow(tmp_path: Path, held: int, ends: int) -> None:
    """As it writes them above 4 GB. A single plane may have the description of the film that it was taken from."""
    path = tmp_path / "film.tif"
    text = "ImageJ=1.54f\nimages=12\nframes=12\n"
    tifffile.imwrite(path, np.zeros((40, 50), np.uint8), description=text, metadata=None)
    with path.open("ab") as stream:
        stream.write(bytes((held - 1) * 2000))
    assert len(planes([path], "all", None)) == max(ends, 1)
    if ends:
        assert read_image(path, page=0).shape == (1, 40, 50)
    else:
        with pytest.raises(ImageError, match="is cut off"):
            read_image(path, page=0)


def test_no_other_pages_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read for that, so that all of a film took a time that grew with their square."""
    path = tmp_path / "a.tif"
    stack = np.arange(40, dtype=np.uint8)[:, None, None] + np.zeros((40, 9, 8), np.uint8)
    tifffile.imwrite(path, stack, compression="deflate", metadata={"axes": "TYX"})
    seen: list[Any] = []
    real = tifffile.TiffPageSeries.__getitem__
    monkeypatch.setattr(
        tifffile.TiffPageSeries, "__getitem__", lambda self, key: (seen.append(key), real(self, key))[1]
    )
    assert (read_image(path, page=3) == 3).all()
    assert set(seen) == {3}
