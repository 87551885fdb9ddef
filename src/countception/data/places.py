"""What may be wrong with where the dots of a data set lie, though every one lies on its image."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from countception.data.dataset import Sample
from countception.data.names import is_table
from countception.data.pairing import Item
from countception.points.maps import within_a_pixel
from countception.points.table import CHANCE
from countception.points.units import seem_micrometres
from countception.wording import length

Place = tuple[npt.NDArray[np.float64], tuple[int, int]]
"""Dots ``(N, 2)``, and height and width of their image."""

CORNER = 0.6
"""Share of the images' sides up to which a corner is one."""
WIDEST = 0.8
"""Micrometres of a pixel up to which dots in these leave a margin that tells."""
FEWEST = 5
"""Dots that tell anything of where objects lie."""
PERCENT = 100


def places(items: Sequence[Item], samples: Iterable[Sample]) -> list[Place]:
    """Dots that are given as coordinates; not those of masks, which are where they are, nor of parts of images."""
    found = zip(items, samples, strict=True)
    return [
        (sample.dots.points, (sample.image.shape[1], sample.image.shape[2]))
        for item, sample in found
        if is_table(item.dots) and item.box is None
    ]


def why_cornered(places: Iterable[Place], sizes: Collection[float | None] = ()) -> str | None:
    """What is wrong where all dots of a data set lie in one corner; None if they do not, or that may be chance.

    Objects that lie anywhere are all within a share of both sides by a chance of that share squared for each of them.

    Parameters
    ----------
    places
        Of each image.
    sizes
        Sides of the images' pixels in micrometres, in which the dots may be given; None of an image that does not say.
    """
    known = [(np.unique(points, axis=0), shape) for points, shape in places if len(points)]
    number = sum(len(points) for points, _ in known)
    if number < FEWEST:
        return None
    farthest = max(float((points / shape).max()) for points, shape in known)
    size = max(size for size in sizes if size is not None) if sizes and None not in sizes else None
    measured = size is not None and size <= WIDEST and seem_micrometres(farthest, size)
    if (farthest > CORNER and not measured) or farthest ** (2 * number) >= CHANCE:
        return None
    largest = max(float(points.max()) for points, _ in known)
    given = _how_given(largest, min(min(shape) for _, shape in known))
    if largest > 1 and all(within_a_pixel(points) for points, _ in known if len(points) > 1):
        given = "in degrees of a map"
    if size is not None and measured:
        given = f"in µm, as pixels are {length(size)} wide"
    share = math.ceil(100 * farthest)
    return (
        f"all dots lie in the upper left {share} % of their images, which is hardly chance: they may be given {given}; "
        "bring them to pixels of these images"
    )


def _how_given(largest: float, side: int) -> str:
    """What coordinates up to `largest` may be in images with such a smallest side."""
    if largest <= 1:
        return "as shares of the images' sides, from 0 to 1, or in mm"
    if largest <= PERCENT < side:
        return "in percent of the images' sides, in mm, or on a smaller copy of the images"
    return "on a smaller copy of the images, or in another unit such as µm"
