"""One image with its dots."""

from __future__ import annotations

from dataclasses import dataclass

from countception.images.pieces import Pieces
from countception.images.read import Image
from countception.points import Dots


@dataclass(frozen=True, eq=False)
class Opened:
    """One image with its dots, for as long as its file is open."""

    image: Image | Pieces
    """``(channel, y, x)``; of a large TIFF file only what is asked for is read."""
    dots: Dots
    name: str
    pixel_size: float | None = None
    """Side of a pixel in micrometres, where the file says it."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its dots, in memory."""

    image: Image
    """``(channel, y, x)``, uint8, uint16 or float32."""
    dots: Dots
    name: str
    """A path or a number becomes its text when samples are loaded, trained on or evaluated, as does a `group`."""
    group: str | None = None
    pixel_size: float | None = None
    """Side of a pixel in micrometres, where the file says it."""
    part: bool = False
    """Whether it is a part of an image, in which alone all objects have dots."""
