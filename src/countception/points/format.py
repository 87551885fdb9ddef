"""What a file format of dots is: one of these per small module, listed in `countception.points.formats`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from countception.points.dots import Dots

Order = Literal["xy", "yx"]

Writer = Callable[[Path, Dots, Mapping[str, Sequence[object]]], None]
"""Takes the path, the dots and further columns by name."""


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may need beside the file."""

    image_shape: tuple[int, int] | None = None
    """Height and width of the image that the dots belong to."""
    order: Order | None = None
    """Order of coordinates in a file that does not say."""


def _always(path: Path) -> bool:  # noqa: ARG001
    return True


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
    """Asked, by contents, only where several formats share a suffix."""
