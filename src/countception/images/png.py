"""What Pillow passes over in PNG files: check sums of their pixels, and the one colour that is transparent."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from countception.images.holes import pierced

_MAGIC_BYTES = 8
_BYTE = 8
_BLOCK = 2**20


def check_pixels(path: Path) -> None:
    """Refuse a PNG file of which a part of the pixels is not what was written.

    Such as the zeros at the end of a file that is still being copied: they unpack to pixels, too.

    Raises
    ------
    ValueError
        A check sum does not fit.
    """
    with path.open("rb") as stream:
        stream.seek(_MAGIC_BYTES)
        while len(start := stream.read(8)) == 8:
            size, kind = int.from_bytes(start[:4], "big"), start[4:]
            if kind != b"IDAT":
                stream.seek(size + 4, os.SEEK_CUR)
            elif _check_sum(stream, size, zlib.crc32(kind)) != int.from_bytes(stream.read(4), "big"):
                raise ValueError("the check sum of its pixels is wrong")


def _check_sum(stream: BinaryIO, size: int, value: int) -> int:
    """Of the next bytes, as many as there are, after those that gave `value`."""
    while size > 0 and (block := stream.read(min(size, _BLOCK))):
        size -= len(block)
        value = zlib.crc32(block, value)
    return value


def without_colour(pixels: npt.NDArray[Any], colour: int | tuple[int, ...] | None, depth: int) -> npt.NDArray[Any]:
    """Pixels ``(channel, y, x)`` with holes where they are of the `colour` that a file calls transparent.

    That is how GDAL writes what has no data. Where all are, it says nothing, as alpha that is the same everywhere.
    """
    if colour is None:
        return pixels
    colours = np.reshape(colour, (-1, 1, 1))
    if pixels.dtype.kind == "b":
        colours = colours != 0
    elif depth < _BYTE:  # few greys are spread over 0 to 255, and the colour is not
        colours = colours * 255 // ((1 << depth) - 1)
    holes = (pixels == colours).all(0)
    return pixels if holes.all() else pierced(pixels, holes)
