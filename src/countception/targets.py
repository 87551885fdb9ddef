"""Dots → count map or density map, and map → count (sections 3.3.1 and 3.6).

A count map holds, for every window position, the number of dots in the window; each dot is counted `redundancy` times
over, so the sum of the map divided by the redundancy is the count. Window and map coordinates are those of
`countception.geometry`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from countception.errors import PointsError
from countception.geometry import Points, Window, inside, pixel_of

Map = npt.NDArray[np.float32]


def raster(points: Points, shape: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Dots per pixel.

    Parameters
    ----------
    points
        ``(N, 2)`` float ``(y, x)`` in pixels of an image of `shape`.
    shape
        Height and width.

    Returns
    -------
    ``(height, width)`` int32; its sum is N.

    Raises
    ------
    PointsError
        A point lies outside the image.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    outside = ~inside(points, shape)
    if outside.any():
        y, x = points[outside][0]
        raise PointsError(
            f"{int(outside.sum())} dots lie outside the image of {shape[0]} × {shape[1]}: one at ({y}, {x})"
        )
    dots = np.zeros(shape, np.int32)
    np.add.at(dots, tuple(pixel_of(points).T), 1)
    return dots


def count_map(points: Points, shape: tuple[int, int], window: Window) -> Map:
    """The redundant count map of dots (equation 1): a box filter of the dot image, O(1) per pixel for any window.

    Entry ``(j, i)`` is the number of dots in rows ``j·s - r`` to ``j·s - 1`` and columns ``i·s - r`` to ``i·s - 1``.

    Parameters
    ----------
    points
        ``(N, 2)`` float ``(y, x)`` in pixels.
    shape
        Height and width of the image.
    window
        Side r and stride s.

    Returns
    -------
    float32 of `window.map_shape(shape)`. If s divides r, the sum is exactly ``N · (r / s)²``; otherwise each dot is
    counted ``⌊r / s⌋`` or ``⌈r / s⌉`` times per axis, ``r / s`` on average over positions.

    Raises
    ------
    PointsError
        A point lies outside the image.
    """
    sums = np.zeros((shape[0] + 1, shape[1] + 1), np.int64)
    sums[1:, 1:] = raster(points, shape).cumsum(0).cumsum(1)
    rows, columns = (np.arange(entries) * window.stride for entries in window.map_shape(shape))
    top, bottom = (np.clip(rows - side, 0, shape[0]) for side in (window.size, 0))
    left, right = (np.clip(columns - side, 0, shape[1]) for side in (window.size, 0))
    strips = sums[bottom] - sums[top]
    return np.asarray(strips[:, right] - strips[:, left], np.float32)


def box_filter(density: Tensor, cells: int) -> Tensor:
    """The redundant count map of a density (equation 1).

    Parameters
    ----------
    density
        ``(B, classes, h, w)`` objects per cell.
    cells
        Cells per side of a window.

    Returns
    -------
    ``(B, classes, h + cells, w + cells)``: entry j is the sum of the cells ``j - cells`` to ``j - 1``.
    """
    k = cells
    rows = F.avg_pool2d(F.pad(density, (0, 0, k, k - 1)), (k, 1), stride=1, divisor_override=1)
    rows = F.pad(rows, (k, k - 1, 0, 0))  # frees the unpadded ones: of a large image each is large
    return F.avg_pool2d(rows, (1, k), stride=1, divisor_override=1)


def density_map(points: Points, shape: tuple[int, int], sigma: float, *, times: float = 1.0) -> Map:
    """The Gaussian density map of dots (Lempitsky and Zisserman 2010; Figures 2 and 3 of the paper).

    Mass that a Gaussian would lose beyond the border is reflected back, so that the map's sum is ``times · N``.

    Parameters
    ----------
    points
        ``(N, 2)`` float ``(y, x)`` in pixels.
    shape
        Height and width of the image.
    sigma
        Standard deviation of the Gaussian in pixels.
    times
        Factor on the whole map (Xie et al. 2016 train on 100 times the density).

    Returns
    -------
    float32 of `shape`.

    Raises
    ------
    PointsError
        A point lies outside the image.
    """
    dots = raster(points, shape).astype(np.float64) * times
    return np.asarray(ndimage.gaussian_filter(dots, sigma, mode="reflect"), np.float32)


def count(values: Map, redundancy: float) -> float:
    """Count that a map stands for: its sum, in float64, over the redundancy; numpy needs no float64 copy for it."""
    return float(np.sum(values, dtype=np.float64) / redundancy)
