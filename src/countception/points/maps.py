"""Coordinates of maps where pixels are needed: what gives them away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from countception.geometry import inside

FAR = 1e5
"""Beyond it hardly any image has a pixel, and most maps in metres have theirs."""


def why_of_a_map(points: npt.NDArray[np.float64], shape: tuple[int, int]) -> str:
    """What to do about dots, or vertices of a region, that seem to be given as geographers do; nothing of others.

    Parameters
    ----------
    points
        ``(N, 2)``, ``(y, x)`` in what should be pixels.
    shape
        Height and width of the image.
    """
    if not len(points):
        return ""
    if np.abs(points).max() > max(FAR, *shape) or within_a_pixel(points):
        return "they seem to be coordinates of a map, in metres or degrees: bring them to pixels of the image"
    if points[:, 0].max() < 0 and inside(points.mean(0, keepdims=True) * (-1, 1), shape).all():
        return "y counts down from 0 there, as in QGIS where an image has no place on a map: leave out its minus signs"
    return ""


def within_a_pixel(points: npt.NDArray[np.float64]) -> bool:
    """Whether several places are all nearer to each other than pixels, as degrees are."""
    return len(np.unique(points, axis=0)) > 1 and bool((np.ptp(points, axis=0) < 1).all())
