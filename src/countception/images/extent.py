"""What part of an image is picture, where it has holes (`countception.images.holes`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countception.errors import ImageError
from countception.geometry import ceil_div, middles
from countception.images.holes import NO_PICTURE, holes_of
from countception.images.pieces import Pieces, Pixels

ROWS = 512
"""Of an image, that are looked at at a time."""
BYTE = 8
"""Bits."""


@dataclass(frozen=True, eq=False)
class Extent:
    """Where an image has a picture."""

    area: int
    """Pixels that are picture."""
    cells: npt.NDArray[np.bool_]
    """``(y, x)``: which cells of the density are picture, by the pixel in their middle."""
    bits: npt.NDArray[np.uint8]
    """Which pixels are, eight in a byte, as a slide has many: `numpy.packbits` along x."""

    def pixels(self, rows: tuple[int, int], columns: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Which pixels of a rectangle are picture."""
        first = columns[0] // BYTE
        bits = np.unpackbits(self.bits[slice(*rows), first : ceil_div(columns[1], BYTE)], axis=1)
        return bits[:, columns[0] - BYTE * first : columns[1] - BYTE * first].astype(bool)


def extent_of(image: Pixels, cells: tuple[int, int], cell: float) -> Extent | None:
    """Of an image ``(channel, y, x)``, for a density of so many cells of `cell` pixels; None where it has no holes.

    Raises
    ------
    ImageError
        It has nothing else, which of one that is read in pieces is known only now.
    """
    if not (image.holed if isinstance(image, Pieces) else np.ma.is_masked(image)):
        return None
    _, height, width = image.shape
    y, x = middles(cells[0], cell, height), middles(cells[1], cell, width)
    found, area = np.ones(cells, bool), 0
    bits = np.full((height, ceil_div(width, BYTE)), 255, np.uint8)
    for top in range(0, height, ROWS):
        rows = slice(top, min(top + ROWS, height))
        holes = holes_of(image[:, rows, :])
        area += (rows.stop - top) * width - (0 if holes is None else int(holes.sum()))
        if holes is not None:
            here = (y >= top) & (y < rows.stop)
            found[here] = ~holes[y[here] - top][:, x]
            bits[rows] = np.packbits(~holes, axis=1)
    if not area:
        raise ImageError(f"the image has {NO_PICTURE}")
    return None if area == height * width else Extent(area, found, bits)
