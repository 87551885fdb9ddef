"""A table of dots that many images share, which it names in a column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countception.errors import DatasetError
from countception.points.table import FORMAT, TEXT, images_named


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
    suffixes = (*FORMAT.suffixes, *TEXT.suffixes)
    found: dict[Path, dict[str, list[Path]]] = {}
    lacking = set(without)
    for table in tables:
        if without and table.suffix.lower() in suffixes:
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
