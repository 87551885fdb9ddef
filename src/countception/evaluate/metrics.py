"""Error figures of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from countception.errors import DatasetError


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


def predict_average_mae(true: Sequence[float], average: float) -> float:
    """MAE of always saying `average`, the mean count of the training images (the paper's first baseline)."""
    return float(np.abs(np.asarray(true, np.float64) - average).mean())
