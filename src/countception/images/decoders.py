"""Image files unpacked to arrays by Pillow, imagecodecs and tifffile; `countception.images.read` is the front door.

Each function returns pixels ``(channel, y, x)`` of the file's own dtype, alpha and palette resolved and upright, and
may raise whatever its library does on damaged files.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from countception.errors import ImageError
from countception.images.holes import both, pierced, without_alpha
from countception.images.png import check_pixels, without_colour
from countception.images.projection import PROJECTIONS, Page, projected
from countception.images.tiff_colours import as_seen, page_of
from countception.images.tiff_file import (
    Index,
    masked_out,
    open_tiff,
    page_numbers,
    refuse_across,
    refuse_missing,
    unmeasured,
)

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageFile import ImageFile

Pixels = npt.NDArray[Any]

BOMB_BYTES = 2**28
BOMB_RATIO = 10_000
"""An image larger than `BOMB_BYTES` must not be `BOMB_RATIO` times larger than its file: Deflate reaches 1030, eight
times that for 1-bit pixels, and masks of dots, black nearly everywhere, come close to it."""

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
EXIF_ORIENTATION = 0x0112
PLANE = "CSYX"
"""Axes of one picture, channels first; those of a stack have other names (as in ``tifffile``)."""
RAW_SUFFIXES = frozenset({".dng", ".cr2", ".nef", ".arw"})
"""What cameras save before it is a picture: TIFF whose first image may be a small preview."""
_DNG_VERSION = 50706
"""A tag that only raw files of cameras have."""
SLIDES = ("svs", "ndpi", "qpi")
"""Kinds of file, as tifffile calls them, whose first image is the slide; pictures of its label and the like follow."""
LSM = "lsm"
"""The first image is meant, which may be a stack; the other is small."""
_SMALLER, _MASK = 1, 4
"""Bits of a TIFF's kinds of pages: a smaller copy of another, and a mask."""


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with `head` is a TIFF."""
    return head.startswith(_TIFF_MAGIC)


def decode(path: Path, head: bytes, *, page: Page | None, axis: int | str | None) -> Pixels:
    """Unpack the image at `path` with the library that its first bytes, `head`, call for."""
    if is_tiff(head):
        return read_tiff(path, page, axis)
    if page not in (None, 0, *PROJECTIONS) or axis is not None:
        raise ImageError(f"{path}: only a TIFF has pages and axes to choose from; leave out the page and the axis")
    is_deep_png = head.startswith(PNG_MAGIC) and head[24:25] == b"\x10" and head[25:26] != b"\0"
    return read_deep_png(path, head) if is_deep_png else readpillow_file(path, head)


def readpillow_file(path: Path, head: bytes) -> Pixels:
    """Read a PNG, JPEG or BMP file that begins with `head`."""
    with pillow_file(path, head) as image:
        _check_size(path, (*image.size, len(image.getbands())), 1)
        image.load()
        if head.startswith(PNG_MAGIC):
            check_pixels(path)
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        mode = _mode(image)
        if mode == "I;16":
            pixels = np.asarray(image).astype(np.uint16)
        else:
            pixels = np.asarray(image if mode == image.mode else image.convert(mode))
        colour = image.info.get("transparency")
    pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    pixels = without_alpha(pixels) if mode in ("LA", "RGBA") else without_colour(pixels, colour, head[24])
    return _oriented(pixels, orientation)


def _mode(image: PillowImage) -> str:
    """Name the Pillow mode to read the image in."""
    if image.mode == "P":
        return "RGBA" if "transparency" in image.info else "RGB"
    if image.mode == "I":  # a 16-bit grey PNG in older versions of Pillow
        return "I;16"
    known = ("1", "L", "LA", "RGB", "RGBA", "I;16")
    return image.mode if image.mode in known else "RGB"  # CMYK, YCbCr


def read_deep_png(path: Path, head: bytes) -> Pixels:
    """Read a 16-bit PNG with colour or alpha, of which Pillow would keep 8 bits."""
    from imagecodecs import png_decode

    with pillow_file(path, head) as image:
        _check_size(path, (*image.size, len(image.getbands())), 2)
        image.load()  # refuses what is cut off, which png_decode does not
        check_pixels(path)
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        colour = image.info.get("transparency")
    pixels = np.moveaxis(np.atleast_3d(png_decode(path.read_bytes())), 2, 0)
    pixels = without_alpha(pixels) if len(pixels) in (2, 4) else without_colour(pixels, colour, head[24])
    return _oriented(pixels, orientation)


def read_tiff(path: Path, page: Page | None, axis: int | str | None) -> Pixels:
    """Read one plane of a TIFF file."""
    with open_tiff(path) as tiff:
        return plane_of(path, tiff, page, axis)


def plane_of(path: Path, tiff: Any, page: Page | None, axis: int | str | None) -> Pixels:
    """One plane of an open TIFF file, or what is made of all."""
    series, page = series_of(path, tiff, page)
    axes = name_axes(path, series.axes, series.shape, axis)
    places, plane = places_in(path, axes, series, page)
    refuse_missing(path, series, places)
    _check_fits(path, _bytes(tuple(series.shape[i] for i in plane), series.dtype.itemsize))

    def read(index: Index) -> Pixels:
        pixels = channels_first(_read(path, tiff, series, index), plane)
        holes = unmeasured(tiff, pixels)
        if not tiff.is_imagej:  # its palettes and inversions are for display only
            pixels = as_seen(path, tiff, pixels, page_of(series, index))
        return pierced(pixels, both(holes, masked_out(tiff, series, index)))

    return projected(page, map(read, places))


def pages_of(path: Path, tiff: Any, axis: int | str | None) -> int:
    """How many planes there are to take one after the other.

    1 where the file holds images of several kinds.
    """
    if len(tiff.series) > 1 and tiff.series[0].kind != LSM and not alone(tiff):
        return 1
    series, _ = series_of(path, tiff, None)
    axes = name_axes(path, series.axes, series.shape, axis)
    return math.prod(size for name, size in zip(axes, series.shape, strict=True) if name not in PLANE)


def series_of(path: Path, tiff: Any, page: Page | None) -> tuple[Any, Page | None]:
    """The pages that belong together and hold the image, and which is still to be chosen among them."""
    if path.suffix.lower() in RAW_SUFFIXES or _DNG_VERSION in tiff.pages[0].tags:
        raise ImageError(f"{path}: is a camera's raw file, which is no picture yet; develop it and export it as TIFF")
    refuse_across(path, tiff, page)
    series = tiff.series[0]
    if len(tiff.series) > 1:  # such as an overview beside the image
        if isinstance(page, int) and series.kind != LSM and not alone(tiff):
            series, page = _single(path, tiff, page), None
        elif series.kind not in (LSM, *SLIDES) and not all(map(_of_the_first, tiff.series[1:])):
            raise ImageError(
                f"{path}: holds {len(tiff.series)} images of several kinds; name the page to read (--page, "
                "or page of `load_dataset` and `count`)"
            )
    _check_honest(path, _bytes(series.shape, series.dtype.itemsize))
    return series, page


def alone(tiff: Any) -> bool:
    """Whether all that a file holds beside its first stack is of this, such as the masks of its planes."""
    return len(tiff.series[0]) > 1 and all(map(_of_the_first, tiff.series[1:]))


def _single(path: Path, tiff: Any, number: int) -> Any:
    """A page by its number in the file, if it is more than one channel of an image."""
    page = tiff.pages[in_range(path, number, len(tiff.pages))]
    for series in tiff.series:
        if "C" in series.axes and len(series) > 1 and any(each is not None and each.index == number for each in series):
            raise ImageError(
                f"{path}: holds {len(tiff.series)} images, of which page {number} is one channel: save each image as a "
                "file of its own"
            )
    return page


def _of_the_first(series: Any) -> bool:
    """Whether it is a smaller copy of the first image, or the mask of its valid pixels, as maps have them."""
    return bool(int(series.keyframe.subfiletype) & (_SMALLER | _MASK))


def name_axes(path: Path, axes: str, shape: tuple[int, ...], axis: int | str | None) -> str:
    """Name the file's axes with ``C`` on the one that is said to hold channels."""
    names = list(axes)
    if axis is not None:
        try:
            where = names.index(axis.upper()) if isinstance(axis, str) else range(len(names))[axis]
        except (ValueError, IndexError):
            raise ImageError(f"{path}: has no axis {axis!r}; its axes are {axes} with shape {shape}") from None
        names = ["Q" if name == "C" else name for name in names]
        names[where] = "C"
        rest = [i for i in range(len(names)) if i != where]
        if not {"Y", "X"} <= set(names) and len(rest) == 2:  # bare arrays are often written without saying what is what
            names[rest[0]], names[rest[1]] = "Y", "X"
    if not {"Y", "X"} <= set(names):
        raise ImageError(f"{path}: its axes {axes} with shape {shape} are no picture; export it as a plain TIFF")
    return "".join(names)


def places_in(path: Path, axes: str, series: Any, page: Page | None) -> tuple[list[Index], list[int]]:
    """Where in a stack the planes asked for are, and the numbers of a plane's axes: channels first, then y and x.

    `axes` are what the file's are taken for; errors call them as the file does.
    """
    plane = [axes.index(name) for name in PLANE if name in axes]
    frames = [i for i in range(len(axes)) if i not in plane]
    sizes = tuple(series.shape[i] for i in frames)
    count = math.prod(sizes)
    if count > 1 and page is None:
        order = "".join(series.axes[i] for i in frames)
        last = f", {order[-1]} first" if len(order) > 1 else ""
        channels = "" if {"C", "S"} & set(axes) else ", or the axis that holds the channels (--axis, axis)"
        one = ", or the brightest or the mean of all (--page max, mean)" if _along_one(sizes) else ""
        raise ImageError(
            f"{path}: is a stack of {count} planes (axes {series.axes}); name the page to read, from 0 along "
            f"{order}{last} (--page, or page of `load_dataset` and `count`; `count --page all` takes each)"
            f"{one}{channels}"
        )
    if isinstance(page, str):
        numbers = range(_projectable(path, series.axes, sizes, page))
    else:
        numbers = range(in_range(path, page or 0, count), (page or 0) + 1)
    places = []
    for number in numbers:
        fixed = dict(zip(frames, map(int, np.unravel_index(number, sizes or (1,))), strict=False))  # none: no frames
        places.append(tuple(fixed.get(i, slice(None)) for i in range(len(axes))))
    return places, plane


def _projectable(path: Path, axes: str, sizes: tuple[int, ...], page: str) -> int:
    """How many planes there are to make one of."""
    if page not in PROJECTIONS:
        raise ImageError(f"{path}: {page!r} is no page; give its number, from 0, or {' or '.join(PROJECTIONS)}")
    if not _along_one(sizes):
        raise ImageError(
            f"{path}: is a stack along several axes ({axes}), of which no one picture is made; save it as a stack "
            "along one, such as z"
        )
    return math.prod(sizes)


def _along_one(sizes: tuple[int, ...]) -> bool:
    """Whether a stack of such sizes is none along several axes."""
    return sum(size > 1 for size in sizes) <= 1


def channels_first(part: Pixels, plane: list[int]) -> Pixels:
    """A plane, or a region of it, with its axes as in the file → ``(channel, y, x)``."""
    part = part.transpose([sorted(plane).index(i) for i in plane])
    return part.reshape(-1, *part.shape[-2:])


def _read(path: Path, tiff: Any, series: Any, index: Index) -> Pixels:
    """Part of a stack; other pages are not read wherever the file allows that."""
    if all(isinstance(each, slice) for each in index):
        return np.asarray(series.asarray())
    offset = data_offset(series)
    if offset is not None:
        return mapped(path, tiff, series, offset)[index].astype(series.dtype)
    leading = len(series.shape) - len(series.keyframe.shape)
    pages = page_numbers(series, index[:leading])
    if pages is None:
        _check_fits(path, _bytes(series.shape, series.dtype.itemsize))
        return np.asarray(series.asarray()[index])
    data = series.asarray(key=pages.ravel().tolist()).reshape(*pages.shape, *series.keyframe.shape)
    return np.asarray(data[(slice(None),) * pages.ndim + index[leading:]])


def data_offset(series: Any) -> int | None:
    """Where in the file the pixels lie as they are, in one run; None if they do not."""
    if hasattr(series, "dataoffset"):  # of several pages
        return cast("int | None", series.dataoffset)
    return int(series.dataoffsets[0]) if series.is_memmappable else None


def mapped(path: Path, tiff: Any, series: Any, offset: int) -> Pixels:
    """The file's own bytes as an array, of which only what is used is read."""
    return np.memmap(path, np.dtype(series.dtype).newbyteorder(tiff.byteorder), "r", offset, tuple(series.shape))


def in_range(path: Path, page: int, count: int) -> int:
    """The page, if there is one of that number."""
    if not 0 <= page < count:
        raise ImageError(f"{path}: has no page {page}; its pages are 0 to {count - 1}")
    return page


def pillow_file(path: Path, head: bytes) -> ImageFile:
    """Open an image without Pillow's own limit, as large images are legitimate; `_check_size` stands in for it.

    Not by `PIL.Image.open`, whose limit could only be lifted for all threads of the process.
    """
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    kinds: dict[bytes, Callable[[Path], ImageFile]]
    kinds = {PNG_MAGIC: PngImageFile, b"\xff\xd8\xff": JpegImageFile, b"BM": BmpImageFile}
    for magic, kind in kinds.items():
        if head.startswith(magic):
            return kind(path)
    raise ImageError(f"{path}: the file is no TIFF, PNG, JPEG or BMP image; convert it to one of these")


def _check_size(path: Path, shape: tuple[int, ...], itemsize: int) -> None:
    _check_honest(path, _bytes(shape, itemsize))
    _check_fits(path, _bytes(shape, itemsize))


def _bytes(shape: tuple[int, ...], itemsize: int) -> int:
    return math.prod(map(int, shape)) * int(itemsize)  # Python's integers: numpy's would overflow


def _check_honest(path: Path, size: int) -> None:
    if size > BOMB_BYTES and size > BOMB_RATIO * path.stat().st_size:
        raise ImageError(
            f"{path}: the file says it unpacks to {size / 2**30:.1f} GiB of pixels, more than {BOMB_RATIO} times its "
            "own size; it is damaged or a trap: export the image again"
        )


def _check_fits(path: Path, size: int) -> None:
    if size > _memory():
        raise ImageError(
            f"{path}: the image has {size / 2**30:.1f} GiB of pixels, more than this computer's memory; "
            "cut it into smaller images, or save it as an uncompressed or, with countception[large], a tiled TIFF"
        )


def _memory() -> int:
    """Bytes of memory of this computer, or plenty where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**36


def _oriented(pixels: Pixels, orientation: int) -> Pixels:
    """Turn pixels ``(channel, y, x)`` upright from an EXIF orientation between 1 and 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(1, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, :, ::-1]
    return pixels
