"""Removing the systematic bias of the counts: one recorded factor on every count map.

The median that a robust loss learns is low wherever the network is unsure, so whole-image counts come out a few per
cent low. A factor keeps counts additive (regions, tiles and classes still add up), which an offset would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PRIOR_DEVIATION = 0.02
"""How far from 1 a factor is expected to lie: about two per cent, as observed with the default recipe."""


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


def fit(predicted: Sequence[float], true: Sequence[float]) -> Calibration:
    """The factor that makes predicted counts add up to the true ones, shrunk towards 1 by its standard error.

    With few images the ratio is uncertain, so it is weighed against the expectation that the bias is about two per cent
    (a normal prior around 1, `PRIOR_DEVIATION`): the posterior mean is used. One image gives no standard error, and
    images on which nothing was predicted no ratio; both leave the factor at 1.

    Parameters
    ----------
    predicted, true
        Counts of the validation images.
    """
    p, t = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    n = len(p)
    if n < 2 or p.sum() <= 0 or t.sum() <= 0:
        return Calibration(images=n)
    ratio = float(t.sum() / p.sum())
    error = float(np.sqrt(n / (n - 1) * np.square(t - ratio * p).sum()) / p.sum())
    weight = PRIOR_DEVIATION**2 / (PRIOR_DEVIATION**2 + error**2)
    return Calibration(1 + (ratio - 1) * weight, n, ratio, error)
