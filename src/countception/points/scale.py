"""How far apart the dots lie, and the scale at which the network should see them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from countception.config import ScaleConfig


def neighbour_distances(points: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    """Distance in pixels from each dot to its `k`-th nearest neighbour.

    Dots at the very same place count once: they mark one object twice.

    Returns
    -------
    numpy.ndarray
        ``(M,)`` float64, one for each distinct dot; empty if there are no more than `k` of them.
    """
    from scipy.spatial import KDTree

    points = np.unique(np.asarray(points, np.float64).reshape(-1, 2), axis=0)
    if len(points) <= k:
        return np.empty(0)
    distances, _ = KDTree(points).query(points, k=[k + 1])  # the nearest is the dot itself
    return np.asarray(distances[:, 0], np.float64)


def spacing(points: Iterable[npt.NDArray[np.float64]], *, neighbour: int = 3) -> float | None:
    """Median distance in pixels, over all dots of all images, from a dot to its third neighbour.

    The third is steadier than the nearest, which two dots on touching objects decide.

    Parameters
    ----------
    points
        One ``(N, 2)`` array per image, in that image's pixels.
    neighbour
        Which neighbour, from 1.

    Returns
    -------
    float or None
        None if no image has enough dots.
    """
    distances = [neighbour_distances(each, neighbour) for each in points]
    pooled = np.concatenate([np.empty(0), *distances])
    return float(np.median(pooled)) if len(pooled) else None


def find_scale(points: Iterable[npt.NDArray[np.float64]], config: ScaleConfig) -> float:
    """Working pixels per image pixel: as configured, or such that the dots are `config.spacing` to `widest` apart.

    Parameters
    ----------
    points
        One ``(N, 2)`` array per image.
    config
        Its bounds hold for the factor found, not for one that is given.

    Returns
    -------
    float
        1.0 where too few dots are there to tell.
    """
    return factor_for(spacing(points) if config.factor is None else None, config)


def factor_for(apart: float | None, config: ScaleConfig) -> float:
    """As `find_scale`, of images whose dots are so many pixels apart; None where that cannot be told."""
    if config.factor is not None:
        return config.factor
    if apart is None:
        return 1.0
    return float(np.clip(_shown(apart, config) / apart, config.smallest, config.largest))


def enlargement(apart: float | None, config: ScaleConfig) -> float:
    """How many times as far apart as `config.spacing` such objects are shown: 1, up to `widest` / `spacing`.

    A crop holds fewer objects the larger they are shown, and a training takes as many times more steps.
    """
    if apart is None:
        return 1.0
    return _shown(apart * factor_for(apart, config), config) / config.spacing


def _shown(apart: float, config: ScaleConfig) -> float:
    """The distance that is nearest to `apart` among those that are aimed at."""
    return float(np.clip(apart, config.spacing, max(config.spacing, config.widest)))
