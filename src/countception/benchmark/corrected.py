"""What would be left of an error, were the counts corrected by what fits the test images themselves.

No method could know these corrections; they tell how much of an error is a bias and how much is scatter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from countception.benchmark.results import Prediction, Results, Row


@dataclass(frozen=True)
class Corrected:
    """Mean absolute errors of one run's test images."""

    factor: float
    """With the counts multiplied so that their sum is the true one."""
    line: float
    """With the counts corrected by the straight line of least squares."""


def corrected(results: Results, rows: Sequence[Row]) -> Callable[[Row], Corrected | None]:
    """For one of these rows what would be left; None where its predictions are not kept, as of variants of a run.

    Of the rows of a run its own has the fewest settings, and its predictions are those that are kept.
    """
    own: dict[str, str] = {}
    for row in rows:
        own[row.key] = min(own.get(row.key, row.settings), row.settings, key=len)

    def of(row: Row) -> Corrected | None:
        found = results.predictions(row.key) if own.get(row.key) == row.settings else []
        return _of(found) if len(found) > 1 else None

    return of


def _of(found: Sequence[Prediction]) -> Corrected | None:
    true, counts = np.array([(each.true, each.count) for each in found], np.float64).T
    if counts.sum() <= 0 or np.ptp(counts) == 0:
        return None
    slope, start = np.polyfit(counts, true, 1)
    errors = (true - counts * true.sum() / counts.sum(), true - (start + slope * counts))
    return Corrected(*(float(np.abs(each).mean()) for each in errors))
