"""A stack as one picture: of each pixel the brightest of all planes, or their mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from countception.images.holes import both, holes_of, pierced

Projection = Literal["max", "mean"]
Page = int | Projection
"""Which plane of a stack: its number, from 0, or what is made of all of them."""
PROJECTIONS: tuple[Projection, ...] = ("max", "mean")


def projected(page: Page | None, planes: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """One plane, or what is made of several of one shape, no more than two of which are in memory at a time.

    The mean is float32, the brightest of the planes' own type. What is a hole in any plane is one in what is made.
    """
    if page == "max":
        return _folded(np.maximum, planes)[0]
    if page == "mean":
        total, number = _folded(np.add, map(_real, planes))
        return pierced((np.ma.getdata(total) / number).astype(np.float32), holes_of(total))
    (only,) = planes
    return only


def _real(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """In float64; true is 255, as in single planes."""
    return plane.astype(np.float64) * (255 if plane.dtype == bool else 1)


def _folded(join: np.ufunc, planes: Iterable[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], int]:
    result, holes, number = None, None, 0
    for number, plane in enumerate(planes, 1):  # noqa: B007 - the last number is how many there are
        holes = both(holes, holes_of(plane))
        pixels = np.ma.getdata(plane)
        result = np.array(pixels) if result is None else join(result, pixels, out=result)
    assert result is not None
    return pierced(result, holes), number
