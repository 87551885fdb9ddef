"""Which part of a map is computed when: every entry has exactly one owner.

A block is a rectangle of map entries. It is computed from the canvas region that its entries read (`Field.reads`): the
halo comes from the network's own receptive field, so the tiled map equals the map of the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from countception.geometry import Field, ceil_div


@dataclass(frozen=True)
class Block:
    """Map entries ``[rows) × [columns)`` and the canvas region they are computed from."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    canvas_rows: tuple[int, int]
    canvas_columns: tuple[int, int]
    inner: tuple[slice, slice]
    """Where the block's entries lie in the map that the region gives."""


@dataclass(frozen=True)
class _Span:
    """A block along one axis: its entries, and the canvas range to compute them from."""

    entries: tuple[int, int]
    canvas: tuple[int, int]
    inner: slice


def blocks(map_shape: tuple[int, int], canvas_shape: tuple[int, int], field: Field, tile: int) -> Iterator[Block]:
    """Blocks of at most `tile` × `tile` entries that cover a map, row by row.

    All blocks are about the same size and read regions of the same size, so that the memory of one serves the next.

    Parameters
    ----------
    map_shape, canvas_shape
        Height and width in entries and in canvas pixels.
    field
        What an entry reads.
    tile
        Largest side of a block in entries, at least 1.
    """
    rows, columns = (_spans(*sides, field, tile) for sides in zip(map_shape, canvas_shape, strict=True))
    for y in rows:
        for x in columns:
            yield Block(y.entries, x.entries, y.canvas, x.canvas, (y.inner, x.inner))


def _spans(side: int, canvas: int, field: Field, tile: int) -> list[_Span]:
    number = ceil_div(side, tile)
    edges = [side * k // number for k in range(number + 1)]
    parts = list(pairwise(edges))
    needed = [field.reads(*part, canvas) for part in parts]
    length = max(stop - start for start, stop in needed)
    spans = []
    for (first, last), (start, stop) in zip(parts, needed, strict=True):
        start = max(0, min(start, canvas - length) // field.multiple * field.multiple)
        inner = slice(first - start // field.stride, last - start // field.stride)
        spans.append(_Span((first, last), (start, max(stop, min(canvas, start + length))), inner))
    return spans
