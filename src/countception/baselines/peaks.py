"""Finding points as the peaks of a map: smooth it, take its local maxima, keep the high ones.

This is what most programs do with a density or a probability map. How much to smooth, how high a peak must be and how
far apart two must lie are chosen on images with dots, by F1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.evaluation.matching import match, pooled
from countception.geometry import Points
from countception.networks.proximity import peaks

Map = npt.NDArray[np.floating]

THRESHOLDS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Heights to choose from, in heights of the tallest peaks."""
SMALLEST = 1e-30
"""Nothing below is a peak."""
TALLEST = 0.99
"""Quantile of the peaks' heights that is called so; a single speck of dirt should not set the scale."""


@dataclass(frozen=True)
class Peaks:
    """How peaks are found."""

    sigma: float = 0.0
    """Standard deviation, in entries, of the Gaussian that smooths the map; 0 does not smooth."""
    reach: int = 1
    """A peak is the highest of all entries up to so many rows and columns away."""
    threshold: float = 0.0
    """Least height of a peak."""

    def __call__(self, heights: Map) -> Points:
        """Peaks of a map, ``(N, 2)`` float64 ``(y, x)`` in entries."""
        points, values = _maxima(heights, self.sigma, self.reach)
        return points[values >= self.threshold]


def tune(
    maps: Sequence[Map],
    dots: Sequence[Points],
    tolerance: float,
    *,
    sigmas: Sequence[float] = (0.0,),
    reaches: Sequence[int] = (1, 2, 3),
    thresholds: Sequence[float] = THRESHOLDS,
) -> tuple[Peaks, float]:
    """The settings with the best F1, and that F1.

    Parameters
    ----------
    maps
        ``(y, x)``, one per image.
    dots
        The true points of each image, ``(N, 2)`` in entries.
    tolerance
        Farthest that a peak may lie from its dot, in entries.
    sigmas, reaches
        Values to choose from, in entries.
    thresholds
        The same, in heights of the tallest peaks.
    """
    best, best_f1 = Peaks(), -1.0
    for sigma in sigmas:
        for reach in reaches:
            found = [_maxima(heights, sigma, reach) for heights in maps]
            tallest = float(np.quantile(np.concatenate([values for _, values in found] + [np.zeros(1)]), TALLEST))
            for share in thresholds:
                least = share * tallest
                matchings = (
                    match(d, points[values >= least], tolerance)
                    for d, (points, values) in zip(dots, found, strict=True)
                )
                f1 = pooled(matchings).f1
                if f1 > best_f1:
                    best, best_f1 = Peaks(sigma, reach, least), f1
    return best, best_f1


def _maxima(heights: Map, sigma: float, reach: int) -> tuple[Points, npt.NDArray[np.float64]]:
    """Local maxima above 0 of the smoothed map, and their heights."""
    smooth = ndimage.gaussian_filter(heights, sigma) if sigma > 0 else heights
    found = np.argwhere(peaks(smooth, SMALLEST, reach) > 0)
    return found.astype(np.float64), np.asarray(smooth[found[:, 0], found[:, 1]], np.float64)
