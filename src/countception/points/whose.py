"""Of which image the rows of a table are, where one table holds the dots of several.

A column says it by the name of the image's file, with or without its suffix, or by a path that ends in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from countception.errors import PointsError
from countception.files import OME, same_name
from countception.images.find import OTHER_SUFFIXES, SUFFIXES
from countception.wording import NAMED

HEADINGS = ("image", "image_name", "img", "filename", "file_name", "file")
"""What such columns are called, in any case; the first that names an image is meant."""
ANY_SUFFIXES = SUFFIXES | OTHER_SUFFIXES
"""Suffixes of images that are read, and of others."""
LABEL = "Label"
"""ImageJ's column with the name of the image, and after a colon that of the slice or selection."""

Row = tuple[int, list[str]]
"""The line of a row, from 1, and its cells."""
Group = dict[str, list[Row]]
"""Rows by the name of their image, which may be empty."""


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


def bare(name: str) -> str:
    """A name without the suffix of an image, if it has one."""
    stem, dot, suffix = name.rpartition(".")
    return stem.removesuffix(OME) if f"{dot}{suffix.lower()}" in ANY_SUFFIXES else name


def _converted(names: Iterable[str], image: str) -> str | None:
    """The only one of these names that differs from an image's in its suffix alone, as where a copy was converted."""
    called = names_of(image)
    lower = {name.lower() for name in called}
    found = [name for name in names if bare(name).lower() in lower]
    return found[0] if len(found) == 1 and bare(found[0]) in called else None


def grouped(rows: Iterable[Row], column: ImageColumn) -> Group:
    """The rows of each image, by what it is called."""
    found: Group = {}
    for row in rows:
        found.setdefault(column.value(row)[1], []).append(row)
    return found


def rows_of(path: Path, groups: Mapping[ImageColumn, Group], image: str) -> list[Row] | None:
    """The rows of one image; None for all, where no column has more than one name, as files may have been renamed.

    Where none is called as the image is, rows of a name that has another suffix are meant.

    Raises
    ------
    PointsError
        The rows are of several images and none is of this one, one does not say of which it is, or images of this name
        lie in several folders.
    """
    wanted = names_of(image)
    for column, group in groups.items():
        if not wanted.isdisjoint(group):
            return _chosen(path, group, column, image)
    for column, group in groups.items():
        names = [name for name in group if name]
        if len(names) > 1:
            if (name := _converted(names, image)) is not None:
                return _chosen(path, group, column, name)
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise PointsError(
                f"{path}: its rows are of {len(names)} images by the column {column.heading} "
                f"({', '.join(names[:NAMED])}{more}), but none is of {image}; write the names there as the files have "
                "them"
            )
    return None


def _chosen(path: Path, group: Group, column: ImageColumn, image: str) -> list[Row]:
    """The rows that name the image, in their order."""
    if "" in group:
        raise PointsError(
            f"{path}, line {group[''][0][0]}: does not say in the column {column.heading} of which image it is, as "
            "other rows do; fill that in, or remove the row"
        )
    chosen = sorted(row for name in names_of(image) for row in group.get(name, []))
    folders = {column.value(row)[0] for row in chosen}
    if len(folders) > 1:
        raise PointsError(
            f"{path}: has rows of {image} in {len(folders)} folders by the column {column.heading}; put those of one "
            "folder into a table of their own"
        )
    return chosen


def images_in(groups: Mapping[ImageColumn, Group], images: Iterable[Path]) -> dict[str, list[Path]]:
    """Which of these images rows are of, by what they are called there; more than one is unclear.

    An image may have another suffix there, such as ``.TIF`` or that of a copy, if no other is called so.
    """
    images = list(images)
    called: dict[str, list[Path]] = {}
    for image in images:
        for name in names_of(image.name):
            called.setdefault(name, []).append(image)
    for group in groups.values():
        found = {name: called[name] for name in group if name in called}
        exact = {image for some in found.values() for image in some}
        rest = [name for name in group if name not in found]
        for image in images if rest else ():
            if image not in exact and (alike := _converted(rest, image.name)) is not None:
                found.setdefault(alike, []).append(image)
        if found:
            return found
    return {}
