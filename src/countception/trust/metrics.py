"""Error figures of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from countception.errors import DatasetError
from countception.trust.confidence import Interval

LEVELS = (0.8, 0.9, 0.95)
"""Of the intervals that are measured."""


@dataclass(frozen=True)
class Metrics:
    """Errors of whole-image counts, in objects unless said otherwise."""

    n: int
    """Images."""
    mae: float
    """Mean absolute error."""
    rmse: float
    """Root mean squared error."""
    bias: float
    """Mean of count minus true count; negative is too low."""
    relative_error: float
    """Sum of the absolute errors over the sum of the true counts (nan if there is nothing to count)."""
    correlation: float
    """Pearson's r of counts and true counts (nan where either does not vary)."""


def metrics(true: Sequence[float], counts: Sequence[float]) -> Metrics:
    """Errors of `counts` against `true`, one number per image.

    Raises
    ------
    DatasetError
        There is no image.
    """
    t, c = np.asarray(true, np.float64), np.asarray(counts, np.float64)
    if len(t) == 0:
        raise DatasetError("there is no image to measure errors on")
    error = c - t
    varied = len(t) > 1 and t.std() > 0 and c.std() > 0
    return Metrics(
        n=len(t),
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt(np.square(error).mean())),
        bias=float(error.mean()),
        relative_error=float(np.abs(error).sum() / t.sum()) if t.sum() > 0 else float("nan"),
        correlation=float(np.corrcoef(t, c)[0, 1]) if varied else float("nan"),
    )


@dataclass(frozen=True)
class IntervalFigures:
    """How intervals of a level did."""

    level: float
    """Probability with which they were to hold the true count."""
    coverage: float | None
    """Share of the images with an interval whose interval held the true count; None where none has one."""
    mean_width: float | None
    """From low to high, in objects."""
    images: int
    """How many have an interval: none where the model has none of that level, and no image that is flagged."""


def interval_figures(true: Sequence[float], intervals: Sequence[Interval | None], level: float) -> IntervalFigures:
    """Coverage and mean width of intervals of a level; of images without one nothing is known."""
    pairs = [(t, interval) for t, interval in zip(true, intervals, strict=True) if interval is not None]
    if not pairs:
        return IntervalFigures(level, None, None, 0)
    held = np.mean([low <= t <= high for t, (low, high) in pairs])
    return IntervalFigures(level, float(held), float(np.mean([high - low for _, (low, high) in pairs])), len(pairs))


def predict_average_mae(true: Sequence[float], average: float) -> float:
    """MAE of always saying `average`, the mean count of the training images (the paper's first baseline)."""
    return float(np.abs(np.asarray(true, np.float64) - average).mean())
