"""What the pixels of a TIFF stand for: palettes, grey whose zeros are white, alpha, and colours that JPEG made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from countception.errors import ImageError
from countception.images.holes import without_alpha
from countception.images.tiff_file import Index, page_numbers

Pixels = npt.NDArray[Any]

PREMULTIPLIED, _UNASSOCIATED = 1, 2
"""Kinds of alpha in a TIFF: colours that are on black already, and colours as if there were no alpha."""


def page_of(series: Any, index: Index) -> Any:
    """A page that says how the pixels of a plane are meant: each has a palette of its own, where it has one."""
    from tifffile import TiffPageSeries

    page = series.keyframe
    if _name(page.photometric) != "PALETTE" or not isinstance(series, TiffPageSeries):
        return page
    numbers = page_numbers(series, index[: len(series.shape) - len(page.shape)])
    return page if numbers is None else cast("Any", series[int(numbers.flat[0])]).aspage()


def _as_array(tiff: Any) -> bool:
    """Whether tifffile wrote an array as it is, whatever it calls it unless told better.

    It calls the zeros of bool arrays white, and the fourth of four planes alpha.
    """
    page = tiff.pages.first
    return bool(tiff.is_shaped) or (page.bitspersample == 1 and page.software == "tifffile.py")


def as_seen(path: Path, tiff: Any, pixels: Pixels, page: Any) -> Pixels:
    """Resolve palette, inverted grey and alpha of a page's pixels ``(channel, y, x)``.

    Raises
    ------
    ImageError
        The colours are of a kind that is not known.
    """
    as_array = _as_array(tiff)
    meaning = _name(page.photometric)
    alpha = _alpha(page, as_array=as_array)
    if meaning == "MINISWHITE" and pixels.dtype.kind in "bu" and not as_array:
        grey = len(pixels) - bool(alpha)  # alpha of 0 is transparent, whatever 0 of grey is
        pixels = np.concatenate([_inverted(pixels[:grey], int(page.bitspersample)), pixels[grey:]])
    elif meaning == "PALETTE":
        colours = _coloured(pixels[0], page.colormap)
        pixels = np.concatenate([colours, _to_uint8(pixels[-1:])]) if alpha else colours
    elif meaning not in ("MINISWHITE", "MINISBLACK", "RGB") and not _made_rgb(page):
        raise ImageError(f"{path}: its colours are stored as {meaning}; save it as grey or RGB")
    return without_alpha(pixels, premultiplied=alpha == PREMULTIPLIED) if alpha else pixels


def _coloured(numbers: Pixels, palette: Pixels) -> Pixels:
    """Colours of 8 bits for their numbers, from a palette of 16, or of 8 as some programs write it."""
    bits = 8 if palette.max(initial=0) > np.iinfo(np.uint8).max else 0
    return (palette[:, numbers.astype(np.intp)] >> bits).astype(np.uint8)


def _to_uint8(alpha: Pixels) -> Pixels:
    return (alpha >> 8 * (alpha.itemsize - 1)).astype(np.uint8)


def _inverted(pixels: Pixels, bits: int) -> Pixels:
    """Zeros for the largest values that so many bits hold."""
    return ~pixels if pixels.dtype.kind == "b" else ((1 << bits) - 1 - pixels).astype(pixels.dtype)


def _made_rgb(page: Any) -> bool:
    """Whether the file has YCbCr colours that tifffile makes RGB, as it does in decoding JPEG."""
    return _name(page.photometric) == "YCBCR" and _name(page.compression) in ("JPEG", "OJPEG")


def _name(value: Any) -> str:
    """Of a value of a TIFF tag; of one that tifffile does not know, its number."""
    return getattr(value, "name", str(value))


def _alpha(page: Any, *, as_array: bool) -> int:
    """What kind of alpha the last channel is; 0 if it is none."""
    last = int(page.extrasamples[-1]) if page.extrasamples else 0
    if as_array and int(page.planarconfig) != 1:
        return 0
    return last if last in (PREMULTIPLIED, _UNASSOCIATED) else 0


def plain_colours(tiff: Any, page: Any) -> bool:
    """Whether `as_seen` would leave colours as they are stored, but for alpha."""
    meaning = _name(page.photometric)
    return bool(tiff.is_imagej) or meaning in ("MINISBLACK", "RGB") or _made_rgb(page)


def alpha_kind(tiff: Any, page: Any) -> int:
    """What kind of alpha the last channel of a page is; 0 if it is none."""
    return 0 if tiff.is_imagej else _alpha(page, as_array=_as_array(tiff))
