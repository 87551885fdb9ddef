"""The cells of a CSV file: what parts the columns, how the text is encoded, and where its lines are."""

from __future__ import annotations

import codecs
import csv
import functools
import io
import re
from dataclasses import dataclass
from pathlib import Path

from countception.errors import PointsError

WORKBOOK = b"PK\x03\x04"
"""How a workbook of Excel begins, which is a zip archive."""
SAID = re.compile(r"sep=([\t;,|])", re.IGNORECASE)
"""A first line in which Excel says what parts the columns."""
NO_TEXT = "is neither UTF-8 nor UTF-16 text; save the table as CSV (UTF-8)"


@dataclass(frozen=True, eq=False)
class Table:
    """The text of a table: rows that are not blank, with their line numbers from 1."""

    path: Path
    delimiter: str
    rows: list[tuple[int, list[str]]]


def read_table(path: Path, *, foreign: bool = False) -> Table:
    """Read the cells of a CSV file, stripped of white space.

    Parameters
    ----------
    path
        UTF-8, or UTF-16 that starts with a byte order mark, as spreadsheets write "Unicode text".
    foreign
        Let bytes of other encodings pass, each as a surrogate: headings of columns that nobody reads may hold them.

    Raises
    ------
    PointsError
        The file cannot be read, is no UTF-8 text, or has quotes that do not match.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PointsError(f"{path}: cannot be read: {error.strerror or error}") from error
    return _table(path, content, foreign=foreign)


@functools.lru_cache(maxsize=1)
def _table(path: Path, content: bytes, *, foreign: bool) -> Table:
    """The cells of a file, kept for the next image that has its dots in the same table."""
    if content.startswith(WORKBOOK):
        raise PointsError(f"{path}: is a workbook of Excel by another name; open it there and save it as CSV (UTF-8)")
    text = _decoded(content, foreign=foreign)
    if text is None:
        raise PointsError(f"{path}: {NO_TEXT}")
    first = next((line for line in text.splitlines() if line.strip()), "")
    said = SAID.fullmatch(first.strip(" "))
    marks = said[1] if said else [mark for mark in "\t;, " if mark in first.strip()]
    delimiter = next(iter(marks), ",")  # a comma beside others is a decimal sign
    rows = [(line, cells) for line, cells in _rows(path, text, delimiter) if any(cells)][1 if said else 0 :]
    if delimiter == " ":  # any number of them
        rows = [(line, [cell for cell in cells if cell]) for line, cells in rows]
    return Table(path, delimiter, rows)


def _decoded(content: bytes, *, foreign: bool) -> str | None:
    """The text of a file, or None where it is none."""
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")
        else:
            text = content.decode("utf-8-sig", "surrogateescape" if foreign else "strict")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _rows(path: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The cells of each row; strictly, as a quote that is never closed would swallow the rows below it."""
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows: list[tuple[int, list[str]]] = []
    last = 0
    try:
        for row in reader:
            last = reader.line_num
            rows.append((last, [cell.strip() for cell in row]))
    except csv.Error as error:
        raise PointsError(
            f"{path}, line {last + 1}: is no row of a table ({error}); mend the quotes there, or save it as CSV (UTF-8)"
        ) from error
    return rows
