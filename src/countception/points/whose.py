"""Of which image the rows of a table are, where one table holds the dots of several.

A column says it by the name of the image's file, with or without its suffix, or by a path that ends in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from countception.errors import PointsError
from countception.files import OME, same_name
from countception.wording import NAMED

HEADINGS = ("image", "image_name", "img", "filename", "file_name", "file")
"""What such columns are called, in any case; the first that names an image is meant."""
LABEL = "Label"
"""ImageJ's column with the name of the image, and after a colon that of the slice or selection."""

Row = tuple[int, list[str]]
"""The line of a row, from 1, and its cells."""


@dataclass(frozen=True)
class ImageColumn:
    """A column that says which image a dot lies on."""

    index: int
    heading: str

    def value(self, row: Row) -> tuple[str, str]:
        """The folder, if it is said, and the name; nothing where a row says neither."""
        cells = row[1]
        text = cells[self.index] if self.index < len(cells) else ""
        if self.heading == LABEL:
            text = text.partition(":")[0]
        *folders, name = re.split(r"[/\\]", same_name(text))
        return "/".join(folders), name


def image_columns(headings: Sequence[str], *, measured: bool) -> tuple[ImageColumn, ...]:
    """The columns that name images; of tables that ImageJ has `measured` its own."""
    lower = [heading.lower() for heading in headings]
    names = [headings[lower.index(name)] for name in HEADINGS if name in lower]
    if measured and LABEL in headings:  # which it writes so; other programs have classes in columns called label
        names.insert(0, LABEL)
    return tuple(ImageColumn(headings.index(name), name) for name in names)


def names_of(image: str) -> set[str]:
    """What an image may be called, by the name of its file."""
    name = same_name(image)
    stem = PurePath(name).stem
    return {name, stem, stem.removesuffix(OME)}


def rows_of(path: Path, rows: list[Row], columns: Iterable[ImageColumn], image: str) -> list[Row]:
    """The rows of one image; all, where no column has more than one name, as files may have been renamed since.

    Raises
    ------
    PointsError
        The rows are of several images and none is of this one, one does not say of which it is, or images of this name
        lie in several folders.
    """
    several: dict[ImageColumn, list[str]] = {}
    for column in columns:
        names = list(dict.fromkeys(column.value(row)[1] for row in rows))
        if not names_of(image).isdisjoint(names):
            return _chosen(path, rows, column, image)
        if len([name for name in names if name]) > 1:
            several[column] = [name for name in names if name]
    for column, names in several.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise PointsError(
            f"{path}: its rows are of {len(names)} images by the column {column.heading} "
            f"({', '.join(names[:NAMED])}{more}), but none is of {image}; write the names there as the files have them"
        )
    return rows


def _chosen(path: Path, rows: list[Row], column: ImageColumn, image: str) -> list[Row]:
    """The rows that name the image."""
    chosen, folders, wanted = [], set(), names_of(image)
    for row in rows:
        folder, name = column.value(row)
        if not name:
            raise PointsError(
                f"{path}, line {row[0]}: does not say in the column {column.heading} of which image it is, as other "
                "rows do; fill that in, or remove the row"
            )
        if name in wanted:
            chosen.append(row)
            folders.add(folder)
    if len(folders) > 1:
        raise PointsError(
            f"{path}: has rows of {image} in {len(folders)} folders by the column {column.heading}; put those of one "
            "folder into a table of their own"
        )
    return chosen


def images_in(rows: Sequence[Row], columns: Iterable[ImageColumn], images: Iterable[Path]) -> dict[str, list[Path]]:
    """Which of these images rows are of, by what they are called there; more than one is unclear."""
    called: dict[str, list[Path]] = {}
    for image in images:
        for name in names_of(image.name):
            called.setdefault(name, []).append(image)
    for column in columns:
        names = dict.fromkeys(column.value(row)[1] for row in rows)
        found = {name: called[name] for name in names if name in called}
        if found:
            return found
    return {}
