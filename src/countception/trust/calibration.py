"""Removing the systematic bias of the counts: one recorded factor on every count map.

The median that a robust loss learns is low wherever the network is unsure, so whole-image counts come out a few per
cent low. A factor keeps counts additive (regions, tiles and classes still add up), which an offset would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """Factor on the raw count map, and how it was found."""

    factor: float = 1.0
    images: int = 0
    """Validation images that it was fitted on; 0 if not calibrated."""
    ratio: float = 1.0
    """True over predicted objects on those images, before shrinking."""
    standard_error: float = 0.0
    """Of that ratio."""


def fit(predicted: Sequence[float], true: Sequence[float], prior: float) -> Calibration:
    """The factor that makes predicted counts add up to the true ones, shrunk towards 1 by its standard error.

    With few images the ratio is uncertain, so it is weighed against the expectation that the bias is small (a normal
    prior around 1): the posterior mean is used. One image gives no standard error, and images on which nothing was
    predicted no ratio; both leave the factor at 1.

    Parameters
    ----------
    predicted, true
        Counts of the validation images.
    prior
        Standard deviation of the prior: how far from 1 the factor is expected to lie.
    """
    p, t = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    n = len(p)
    if n < 2 or p.sum() <= 0 or t.sum() <= 0:
        return Calibration()
    ratio = float(t.sum() / p.sum())
    error = float(np.sqrt(n / (n - 1) * np.square(t - ratio * p).sum()) / p.sum())
    weight = prior**2 / (prior**2 + error**2)
    return Calibration(1 + (ratio - 1) * weight, n, ratio, error)
