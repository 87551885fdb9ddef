"""Which part of a map is computed when: every entry has exactly one owner.

A block is a rectangle of map entries. It is computed from the canvas region that its entries read (`Field.reads`): the
halo comes from the network's own receptive field, so the tiled map equals the map of the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from countception.geometry import Field


@dataclass(frozen=True)
class Block:
    """Map entries ``[rows) × [columns)`` and the canvas region they are computed from."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    canvas_rows: tuple[int, int]
    canvas_columns: tuple[int, int]
    inner: tuple[slice, slice]
    """Where the block's entries lie in the map that the region gives."""


def blocks(map_shape: tuple[int, int], canvas_shape: tuple[int, int], field: Field, tile: int) -> Iterator[Block]:
    """Blocks of at most `tile` × `tile` entries that cover a map, row by row.

    Parameters
    ----------
    map_shape, canvas_shape
        Height and width in entries and in canvas pixels.
    field
        What an entry reads.
    tile
        Largest side of a block in entries, at least 1.
    """
    for rows in _parts(map_shape[0], tile):
        for columns in _parts(map_shape[1], tile):
            canvas_rows = field.reads(*rows, canvas_shape[0])
            canvas_columns = field.reads(*columns, canvas_shape[1])
            inner = (_inner(rows, canvas_rows[0], field), _inner(columns, canvas_columns[0], field))
            yield Block(rows, columns, canvas_rows, canvas_columns, inner)


def _parts(side: int, tile: int) -> Iterator[tuple[int, int]]:
    for start in range(0, side, tile):
        yield start, min(start + tile, side)


def _inner(entries: tuple[int, int], canvas_start: int, field: Field) -> slice:
    first = entries[0] - canvas_start // field.stride
    return slice(first, first + entries[1] - entries[0])
