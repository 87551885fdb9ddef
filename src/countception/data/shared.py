"""A table of dots that many images share, which it names in a column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countception.errors import DatasetError, PointsError
from countception.points.table import FORMAT, TEXT, images_named, names_in
from countception.wording import NAMED

SUFFIXES = (*FORMAT.suffixes, *TEXT.suffixes)
"""Of tables, in lower case."""


def named_by(tables: Sequence[Path], files: Sequence[Path]) -> list[Path]:
    """Which files a table of dots has rows of: images, whatever words are in their names."""
    tables = [table for table in tables if files and table.suffix.lower() in SUFFIXES]
    found = {file for table in tables for hits in images_named(table, files).values() for file in hits}
    return [file for file in files if file in found]


def find_shared(
    tables: Sequence[Path], without: Sequence[Path], paired: Sequence[Path]
) -> tuple[Path | None, list[Path]]:
    """The table that names images without dots of their own, and these images; None and no images without one.

    Parameters
    ----------
    tables
        Files of dots that belong to no image by their names.
    without, paired
        Images that have no dots yet, and those that do.

    Raises
    ------
    DatasetError
        Several tables name them; a name could be that of two images; or an image has dots of its own, too.
    """
    found: dict[Path, dict[str, list[Path]]] = {}
    lacking = set(without)
    for table in tables:
        if without and table.suffix.lower() in SUFFIXES:
            named = images_named(table, [*without, *paired])
            if any(image in lacking for images in named.values() for image in images):
                found[table] = named
    if not found:
        return None, []
    table, named = next(iter(found.items()))
    if len(found) > 1:
        names = " and ".join(each.name for each in found)
        raise DatasetError(
            f"{table.parent}: has several tables that name images, {names}; keep one, or make one of them"
        )
    return table, _only(table, named, set(paired))


def why_unnamed(tables: Sequence[Path], images: Sequence[Path]) -> str:
    """Why the only table of a folder is not one of all its images, to go on a sentence with; empty of others."""
    if len(tables) != 1 or len(images) < 2 or tables[0].suffix.lower() not in SUFFIXES:
        return ""
    table = tables[0]
    try:
        names = names_in(table)
    except PointsError:  # which the reader says
        return ""
    if names is None:
        return (
            f"; {table}: does not say on which image each dot lies: give it a column called image, with the names of "
            "the files"
        )
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"; {table}: its rows are of {', '.join(names[:NAMED])}{more}, but the images are called "
        f"{', '.join(image.name for image in images[:NAMED])}: write the names there as the files have them"
    )


def _only(table: Path, named: dict[str, list[Path]], paired: set[Path]) -> list[Path]:
    """The images that a table names, if there is but one way to read it."""
    for name, images in named.items():
        if len(images) > 1:
            could = " or ".join(image.name for image in images)
            raise DatasetError(f"{table}: {name} could be {could}; write the whole name there")
        if images[0] in paired:
            raise DatasetError(
                f"{table}: has dots of {images[0].name}, which has a file of dots of its own, too; keep one of them"
            )
    return list(dict.fromkeys(image for images in named.values() for image in images))
