"""What an examined run leaves: three small CSV files named after it, in `points/`, `intervals/` and `flags/`.

They hold what was observed, not conclusions: intervals are made from the counts and spreads when the page is, so a
better way to make them needs no new training.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_type_hints

from countception.benchmark.results import cell_text, write_table
from countception.errors import DatasetError

if TYPE_CHECKING:
    from countception.benchmark.results import Results

Kind = Literal["points", "intervals", "flags"]


@dataclass(frozen=True)
class Located:
    """How one way to find points did at one tolerance, over all test images."""

    locator: str
    tolerance: float
    """Farthest that a pair may lie apart, in image pixels."""
    true: int
    found: int
    matched: int
    distance: float
    """Mean over the pairs, in image pixels; 0 without any."""

    @property
    def precision(self) -> float:
        """Share of the found points that are true; 0 if none was found."""
        return self.matched / max(1, self.found)

    @property
    def recall(self) -> float:
        """Share of the true points that were found."""
        return self.matched / max(1, self.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        return 2 * self.matched / max(1, self.true + self.found)


@dataclass(frozen=True)
class Counted:
    """One validation or test image."""

    part: str
    """`validation` or `test`."""
    image: str
    true: int
    count: float
    """As counted without flips, calibrated."""
    flipped: float
    """Mean over the eight flips and transpositions."""
    spread: float
    """Standard deviation over them."""
    fold: int = 0
    """Of a validation image, which part of a cross-validation it is in, from 1; 0 without one and of test images."""


@dataclass(frozen=True)
class Flagged:
    """One image that a counter was shown."""

    kind: str
    """`clean`, a corruption, or the data set that it is from."""
    image: str
    score: float
    """More than 1 is flagged."""
    warnings: str
    """In words, separated by semicolons."""


Row = TypeVar("Row", Located, Counted, Flagged)
KINDS: dict[type, Kind] = {Located: "points", Counted: "intervals", Flagged: "flags"}


def save(results: Results, key: str, rows: Sequence[Row]) -> None:
    """Write the table of a run; nothing where there are no rows.

    Raises
    ------
    OutputError
        The folder cannot be written to.
    """
    if not rows:
        return
    kind = type(rows[0])
    names = [field.name for field in fields(kind)]
    write_table(_path(results, key, kind), names, ([cell_text(getattr(row, name)) for name in names] for row in rows))


def load(results: Results, key: str, kind: type[Row]) -> list[Row]:
    """The table of a run; empty where it left none.

    Raises
    ------
    DatasetError
        The file has other columns or values.
    """
    path = _path(results, key, kind)
    if not path.exists():
        return []
    types = get_type_hints(kind)
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        try:
            # a column with a default may be missing: files of before it was added
            return [kind(**{name: read(row[name]) for name, read in types.items() if name in row}) for row in reader]
        except (KeyError, ValueError, TypeError):
            raise DatasetError(
                f"{path}, line {reader.line_num}: not a row of {', '.join(types)}; "
                "the file is damaged or from another version: delete it and its run's row, and run that again"
            ) from None


def _path(results: Results, key: str, kind: type) -> Path:
    return results.folder / KINDS[kind] / f"{key}.csv"
