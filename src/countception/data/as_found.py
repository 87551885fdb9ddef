"""Tables of points as a counter found them, which may not have been corrected before anything is learned from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countception.data.pairing import Item
from countception.errors import PointsError
from countception.points.cells import read_table
from countception.points.table import CONFIDENCE
from countception.wording import count_of


def why_as_found(items: Sequence[Item]) -> str | None:
    """What to look at where tables hold no row that somebody added to the points that were found; None where none do.

    Points that were only moved or removed cannot be told from those of which none was looked at.
    """
    found = [file for file in dict.fromkeys(item.dots for item in items) if _as_found(file)]
    if not found:
        return None
    hold = "holds" if len(found) == 1 else "hold"
    return (
        f"{count_of(found, 'table')} {hold} nothing but points that a counter found: what it missed or took for an "
        "object is learned again, unless they were corrected"
    )


def _as_found(file: Path) -> bool:
    """Whether each row of a table of dots, if there is any, has a confidence."""
    if file.suffix.lower() not in (".csv", ".tsv"):
        return False
    try:
        (_, header), *rows = read_table(file, foreign=True).rows
    except (PointsError, ValueError):  # which whoever reads the dots says; or it is empty
        return False
    names = [name.lower() for name in header]
    if CONFIDENCE not in names:
        return False
    place = names.index(CONFIDENCE)
    return bool(rows) and all(place < len(cells) and cells[place] for _, cells in rows)
