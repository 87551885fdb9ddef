"""Dots that lie where their image is not: beyond its border, or in its holes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from countception.errors import PointsError
from countception.geometry import inside, pixel_of
from countception.images.holes import holes_of
from countception.images.orientation import MEND, SIDEWAYS, read_orientation
from countception.images.pieces import Pieces
from countception.images.read import Image
from countception.points import Dots
from countception.points.maps import why_of_a_map
from countception.points.units import seem_micrometres
from countception.wording import length

Outside = Literal["error", "drop", "keep"]
"""What becomes of dots that lie outside their image."""
MOST_HIDDEN = 0.1
"""Share of an image's dots that may lie in its holes, as some at their edges do."""


@dataclass(frozen=True)
class Whose:
    """What errors call dots and their image, and where they may look for reasons."""

    dots: str
    image: str
    file: Path | None = None
    """Of the image."""
    size: Callable[[], float | None] = lambda: None
    """Side of its pixels in micrometres."""


def that_stay(dots: Dots, image: Image | Pieces, outside: Outside, whose: Whose) -> Dots:
    """The dots that may stay.

    Raises
    ------
    PointsError
        Some lie outside the image, and that is an error; or many in its holes, where nothing is counted.
    """
    shape = (image.shape[1], image.shape[2])
    within = inside(dots.points, shape)
    if outside == "keep":
        return dots
    if not within.all():
        if outside == "error":
            raise PointsError(_outside(dots.points, within, shape, whose))
        dots = dots.select(within)
    if outside == "error":
        _refuse_hidden(dots, image, whose)
    return dots


def _refuse_hidden(dots: Dots, image: Image | Pieces, whose: Whose) -> None:
    """What is marked is no hole. Large images are not looked at for it."""
    holes = None if isinstance(image, Pieces) else holes_of(image)
    hidden = 0 if holes is None else int(holes[tuple(pixel_of(dots.points).T)].sum())
    if hidden > MOST_HIDDEN * len(dots):
        raise PointsError(
            f"{whose.dots}: {hidden} of {len(dots)} dots lie where {whose.image} is transparent or has no data, and "
            "nothing is counted there: remove those dots, or save the image without transparency"
        )


def swapped(points: npt.NDArray[np.float64], shape: tuple[int, int]) -> bool:
    """Whether dots, some of them outside the image, would all be inside were x and y the other way round."""
    return bool(inside(points[:, ::-1], shape).all())


def _outside(
    points: npt.NDArray[np.float64],
    within: npt.NDArray[np.bool_],
    shape: tuple[int, int],
    whose: Whose,
) -> str:
    y, x = points[~within][0]
    sideways = whose.file is not None and read_orientation(whose.file) in SIDEWAYS
    size = whose.size()
    hint = "remove those dots"
    if swapped(points, shape) and sideways:
        hint = (
            "all would fit the image as it is stored, which ImageJ, Fiji and napari show, and not upright by its EXIF "
            f"orientation: {MEND}"
        )
    elif swapped(points, shape):
        hint = "x and y may be swapped, as all would fit then"
    elif size is not None and size > 1 and seem_micrometres(float((points / shape).max()), size):
        hint = f"they may be in µm, as all would fit then, with pixels {length(size)} wide: bring them to pixels"
    elif 2 * int((~within).sum()) > len(points):
        hint = why_of_a_map(points, shape) or "do they belong to this image, and are they in pixels?"
    return (
        f"{whose.dots}: {int((~within).sum())} of {len(points)} dots lie outside {whose.image}, which is "
        f"{shape[0]} × {shape[1]} pixels (height × width), the first at y = {y:g}, x = {x:g}; {hint}"
    )
