"""TIFF files opened each by itself, and what their metadata tell of and they do not hold.

OME, Micro-Manager and NDTiff store what belongs together in sets of files, each of which may tell of all planes. As
tifffile reads them, every file of a set is the whole set, which would be counted as often as it has files. So of each
file its own pages are read. What is stored nowhere, as after an acquisition that was stopped, tifffile fills with
zeros, in which next to nothing is counted: that is refused. So are files that are cut off, of which tifffile reads the
pages that are left: one, where ImageJ wrote a film, as its list of pages comes last.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from countception.errors import ImageError
from countception.images.holes import Holes
from countception.images.ome import MOST, planes_told_of
from countception.images.projection import PROJECTIONS

Index = tuple[int | slice, ...]
NO_DATA = 42113
"""Tag of GDAL's: the number that stands for no measurement, as text."""
PLANE_AXES = 2
TRANSPARENCY = 4
"""Kind of a page that is a mask of another of the same size."""


def open_tiff(path: Path) -> Any:
    """A TIFF file whose series hold no pages of other files.

    Raises
    ------
    ImageError
        The file is cut off, so that pages are missing, or tells of more planes than anybody has.
    """
    import tifffile

    tiff = tifffile.TiffFile(path, _multifile=False)
    if _is_cut_off(tiff):
        tiff.close()
        raise ImageError(f"{path}: is cut off, so that pages of it are missing; export or copy it again")
    if (told := planes_told_of(tiff)) > MOST:
        tiff.close()
        raise ImageError(
            f"{path}: its metadata tell of {told:.3g} planes, more than any file has; it is damaged or a trap: export "
            "the image again"
        )
    if any(each.is_multifile for each in tiff.series):  # of kinds that do not heed that
        tiff.close()
        tiff = tifffile.TiffFile(path, _multifile=False, is_mmstack=False, is_ndtiff=False)
    return tiff


def _is_cut_off(tiff: Any) -> bool:
    """Whether the last page that is there says where another is, or has some of the pixels of ImageJ's and not all."""
    place, file, size = tiff.pages.next_page_offset, tiff.filehandle, int(tiff.tiff.offsetsize)
    file.seek(place)
    another = bytes(file.read(size))
    if any(another) or (len(another) < size and len(tiff.pages) > 1):
        return True
    told = int((tiff.imagej_metadata or {}).get("images", 1)) if tiff.is_imagej else 1
    page = tiff.pages.first
    if told == 1 or len(tiff.pages) > 1 or not page.is_final:
        return False
    held = (int(file.size) - int(page.dataoffsets[0])) // int(page.nbytes)  # as above 4 GB: one page, then all pixels
    return 1 < held < told


def refuse_across(path: Path, tiff: Any, page: object) -> None:
    """Refuse to make one picture of a stack whose other planes may lie in other files.

    Raises
    ------
    ImageError
        `page` asks for that, and the file is one of a set.
    """
    if page in PROJECTIONS and _of_set(tiff):
        raise ImageError(
            f"{path}: is one of a set of files, of which each is read by itself, so that no picture is made of all "
            f"their planes ({page}): save the stack as one file, or leave out the page"
        )


def _of_set(tiff: Any) -> bool:
    """Whether planes of the same stack may lie in other files."""
    if tiff.pages.first.is_micromanager and tiff.series[0].kind in ("generic", "uniform"):
        return True
    text = (tiff.ome_metadata or "") if tiff.is_ome else ""
    return "BinaryOnly" in text or len(set(re.findall(r'FileName="([^"]*)"', text))) > 1


def refuse_missing(path: Path, series: Any, places: Iterable[Index]) -> None:
    """Refuse parts of a stack that the file's metadata tell of, but that it does not hold.

    Raises
    ------
    ImageError
        Says how many planes there are.
    """
    from tifffile import TiffPageSeries

    if not isinstance(series, TiffPageSeries):  # a page, which is there
        return
    for index in places:
        numbers = page_numbers(series, index[: len(series.shape) - len(series.keyframe.shape)])
        wanted = range(len(series)) if numbers is None else numbers.ravel().tolist()
        if any(series[k] is None for k in wanted):  # no others are looked at: tifffile reads a page each time
            held = sum(series[k] is not None for k in range(len(series)))
            raise ImageError(
                f"{path}: holds {held} of the {len(series)} planes that its metadata tell of, and "
                "not what is to be read: the acquisition or the copy may have been stopped; export it again, or name a "
                "page that is there (--page)"
            )


def page_numbers(series: Any, leading: Index) -> npt.NDArray[np.intp] | None:
    """Numbers of the pages, by the axes before a page's own, that hold part of a stack; None if it is not so stored."""
    shape, page = tuple(series.shape), tuple(series.keyframe.shape)
    before = shape[: len(leading)]
    if shape != before + page or math.prod(before) != len(series) or getattr(series, "transform", None) is not None:
        return None
    return np.asarray(np.arange(len(series)).reshape(before)[leading])


def unmeasured(tiff: Any, pixels: npt.NDArray[Any]) -> Holes:
    """Where pixels ``(channel, y, x)`` are the number that stands for no measurement in maps.

    Of colours, which may have that number too, all must. Where it is -9999 or the like, one channel is enough.
    """
    number = no_data(tiff)
    if number is None:
        return None
    same = np.isnan(pixels) if math.isnan(number) and pixels.dtype.kind == "f" else pixels == number
    return np.asarray(same.all(0) if pixels.dtype.kind == "u" else same.any(0))


def no_data(tiff: Any) -> float | None:
    """The number that stands for no measurement, if the file says one."""
    tags = tiff.pages.first.tags
    if NO_DATA not in tags:
        return None
    try:
        return float(str(tags[NO_DATA].value).strip("\0 "))
    except ValueError:
        return None


def mask_of(tiff: Any, series: Any) -> Any:
    """The series that says, as in GDAL's files, where an image has a picture; None where there is none."""
    others = (each for each in tiff.series[1:] if int(each.keyframe.subfiletype) == TRANSPARENCY)
    return next((each for each in others if _size(each) == _size(series)), None)


def _size(series: Any) -> tuple[int, int]:
    return int(series.keyframe.imagelength), int(series.keyframe.imagewidth)


def masked_out(tiff: Any, series: Any, index: Index) -> Holes:
    """Where there is no picture in a plane by its mask in the same file; a stack has one of each plane."""
    mask = mask_of(tiff, series)
    if mask is None:
        return None
    pixels = np.asarray(mask.asarray())
    if mask.shape[:-PLANE_AXES] == series.shape[: pixels.ndim - PLANE_AXES]:
        pixels = pixels[index[: pixels.ndim - PLANE_AXES]]
    elif (rank := _rank(tiff, series)) is not None:
        pixels = pixels.reshape(-1, *pixels.shape[-PLANE_AXES:])[rank]
    return np.asarray((pixels == 0).reshape(-1, *pixels.shape[-PLANE_AXES:]).any(0))


def _rank(tiff: Any, page: Any) -> int | None:
    """Of a page that is read by its number among those of the image, which have their masks in the same order."""
    numbers = [each.index for each in tiff.series[0].pages if each is not None]
    return numbers.index(page.index) if page.index in numbers else None
