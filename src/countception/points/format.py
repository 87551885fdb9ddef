"""What a file format of dots is: one of these per small module, listed in `countception.points.formats`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from countception.errors import PointsError
from countception.images.find import natural_key
from countception.points.dots import DEFAULT_CLASSES, Dots

Order = Literal["xy", "yx"]

FIRST = "0"
"""ImageJ's first counter."""

Writer = Callable[[Path, Dots, Mapping[str, Sequence[object]]], None]
"""Takes the path, the dots and further columns by name."""


def unknown() -> None:
    """What is not to be had."""


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may need beside the file."""

    image_shape: tuple[int, int] | None = None
    """Height and width of the image that the dots belong to."""
    order: Order | None = None
    """Order of coordinates in a file that does not say."""
    pixel_size: Callable[[], float | None] = unknown
    """Asked where it matters: side of the image's pixels in the unit that a program may measure in."""
    image: str | None = None
    """What the image's file is called; of a table that holds the dots of several images only its rows are meant."""
    page: Callable[[], int | None] = unknown
    """Asked where dots say on which plane they lie: the page, from 0, of a stack whose planes are numbered alike."""
    listed: Collection[int] = ()
    """The pages for which a table is listed; it may hold the dots of others, too, which are passed over."""


def _always(*_: object) -> bool:
    return True


def _nothing(_: Path) -> str:
    return ""


@dataclass(frozen=True)
class Format:
    """One file format."""

    name: str
    suffixes: tuple[str, ...]
    """In lower case, with the dot."""
    read: Callable[[Path, ReadOptions], Dots]
    """Raises `PointsError`, with the path at the start of its sentence."""
    write: Writer | None = None
    recognises: Callable[[Path], bool] = _always
    """By contents; asked before a file is taken for dots that was not named as such. True if the suffix says enough."""
    needs: Callable[[Path, Sequence[str]], object] = _always
    """Asked before there is anything to write, with the names of the classes; raises `PointsError` where a package is
    missing, or a name cannot be written."""
    image: Callable[[Path], str] = _nothing
    """The one image that a file says all its dots lie on, by the name of its file; empty where it says none or several.
    Raises `PointsError` as `read` does."""


def counted(dots: Dots) -> Dots:
    """Dots whose classes are ImageJ's counters: where all are of the first, nobody thought of counters."""
    return replace(dots, named=False) if dots.class_names == (FIRST,) else dots


def named_dots(path: Path, dots: Sequence[tuple[tuple[float, float], str]]) -> Dots:
    """Dots of places ``(y, x)`` with the names of their classes: all have one, or none does and all are empty.

    Raises
    ------
    PointsError
        Some have a class and some have none, or a place is NaN or infinite.
    """
    classes = [name for _, name in dots]
    if any(classes) and not all(classes):
        without = classes.count("")
        raise PointsError(f"{path}: {without} of {len(classes)} dots have no class; every dot must have one, or none")
    names = tuple(sorted(filter(None, set(classes)), key=natural_key)) or DEFAULT_CLASSES
    index = {name: k for k, name in enumerate(names)}
    labels = np.array([index[name] for name in classes if name], np.int64)
    try:
        return Dots(np.array([place for place, _ in dots], np.float64), labels, names, named=any(classes))
    except PointsError as error:
        raise PointsError(f"{path}: {error}") from None
