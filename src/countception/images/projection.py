"""A stack as one picture: of each pixel the brightest of all planes, or their mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Projection = Literal["max", "mean"]
Page = int | Projection
"""Which plane of a stack: its number, from 0, or what is made of all of them."""
PROJECTIONS: tuple[Projection, ...] = ("max", "mean")


def projected(page: Page | None, planes: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """One plane, or what is made of several of one shape, no more than two of which are in memory at a time.

    The mean is float32, the brightest of the planes' own type.
    """
    if page == "max":
        return _folded(np.maximum, planes)[0]
    if page == "mean":
        total, number = _folded(np.add, map(_real, planes))
        return (total / number).astype(np.float32)
    (only,) = planes
    return only


def _real(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """In float64; true is 255, as in single planes."""
    return plane.astype(np.float64) * (255 if plane.dtype == bool else 1)


def _folded(join: np.ufunc, planes: Iterable[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], int]:
    queue = iter(planes)
    result, number = np.array(next(queue)), 1
    for number, plane in enumerate(queue, 2):  # noqa: B007 - the last number is how many there are
        join(result, plane, out=result)
    return result, number
