"""What would be left of an error, were the counts corrected by what fits the test images themselves.

No method could know these corrections; they tell how much of an error is a bias and how much is scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from countception.benchmark.results import Prediction, Results, Row

SAME = 0.01
"""Objects that the error of the kept predictions may differ by from the row's, as they are kept with three decimals."""


@dataclass(frozen=True)
class Corrected:
    """Mean absolute errors of one run's test images."""

    factor: float
    """With the counts multiplied so that their sum is the true one."""
    line: float
    """With the counts corrected by the straight line of least squares."""


def corrected(results: Results, row: Row) -> Corrected | None:
    """None where the predictions of a row are not kept: of variants, and where something is missing."""
    found = results.predictions(row.key)
    one = _of(found) if len(found) > 1 else None
    mae = float(np.mean([abs(each.count - each.true) for each in found])) if found else np.inf
    return one if abs(mae - row.mae) <= SAME else None


def _of(found: Sequence[Prediction]) -> Corrected | None:
    true, counts = np.array([(each.true, each.count) for each in found], np.float64).T
    if counts.sum() <= 0 or np.ptp(counts) == 0:
        return None
    slope, start = np.polyfit(counts, true, 1)
    errors = (true - counts * true.sum() / counts.sum(), true - (start + slope * counts))
    return Corrected(*(float(np.abs(each).mean()) for each in errors))
