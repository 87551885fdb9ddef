"""Marks of objects: a shape and a colour for each class, as colours alone say nothing to some and in grey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Colour = tuple[int, int, int]
Line = tuple[tuple[float, float], ...]

BLACK = (0, 0, 0)
CLASSES = ((255, 241, 118), (255, 128, 255), (128, 190, 255), (255, 170, 90), (170, 255, 120), (240, 240, 240))
"""One colour for each class; they come again where there are more, as do the shapes."""


@dataclass(frozen=True)
class Shape:
    """What is drawn at a place."""

    sign: str
    """The like of it in text."""
    lines: tuple[Line, ...]
    """Each from point to point, ``(x, y)`` in radii from the place."""


def _closed(sign: str, corners: int, first: float) -> Shape:
    """A polygon whose first corner is at so many quarters of a turn from the right."""
    turns = [math.tau * (first / 4 + k / corners) for k in range(corners + 1)]
    return Shape(sign, (tuple((math.cos(turn), math.sin(turn)) for turn in turns),))


_RING = _closed("○", 24, 0)
_BOX, _DIAMOND = _closed("□", 4, 0.5), _closed("◇", 4, 0)
_UP, _DOWN = _closed("△", 3, -1), _closed("▽", 3, 1)
_CROSS = Shape("+", (((-1, 0), (1, 0)), ((0, -1), (0, 1))))
_SALTIRE = Shape("×", (((-0.7, -0.7), (0.7, 0.7)), ((-0.7, 0.7), (0.7, -0.7))))
POINTS = (_CROSS, _SALTIRE, _BOX, _UP, _DIAMOND, _DOWN)
"""Of found points, by class."""
DOTS = (_RING, _BOX, _UP, _DIAMOND, _DOWN, _closed("⬡", 6, 1))
"""Of true dots, by class; what they surround stays in sight."""


@dataclass(frozen=True)
class Mark:
    """The shape and colour of a class."""

    shape: Shape
    colour: Colour

    def said(self, text: str) -> tuple[str, Colour]:
        """Text about the class, with its sign before it, and the colour to write it in."""
        return f"{self.shape.sign} {text}", self.colour


TRUE = Mark(_RING, (0, 229, 255))
"""Of true dots where there is one class, or none is told apart."""
WRONG = Mark(Shape("⊗", (*_RING.lines, *_SALTIRE.lines)), (255, 56, 56))
"""Of dots that are outside the image, or in a pixel that has one of the same class already."""


def marks(shapes: Sequence[Shape], classes: int) -> list[Mark]:
    """One mark for each of so many classes."""
    return list(islice(map(Mark, cycle(shapes), cycle(CLASSES)), classes))


def draw(picture: Picture, places: npt.NDArray[np.float64], mark: Mark, radius: float, width: int) -> None:
    """Draw a mark with a dark edge at each of the places, ``(N, 2)`` as ``(y, x)`` in the picture's pixels."""
    from PIL import ImageDraw

    canvas = ImageDraw.Draw(picture)
    for y, x in places:
        for extra, fill in ((1, BLACK), (0, mark.colour)):  # the dark one is longer, too
            reach = radius + extra
            for line in mark.shape.lines:
                canvas.line([(x + reach * a, y + reach * b) for a, b in line], fill, width + 2 * extra, joint="curve")
