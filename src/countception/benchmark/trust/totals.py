"""How often intervals of sums of images hold the true sum, and how wide they are, from the counts that runs left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from countception.benchmark.trust.coverage import fitted, standard_error
from countception.benchmark.trust.tables import Counted
from countception.trust.confidence import IntervalModel

DRAWS = 20
"""Sums that are looked at in each split."""


@dataclass(frozen=True)
class Totals:
    """How the intervals of sums of one kind and level did over all splits."""

    share: float
    """Of the sums whose interval holds the true one."""
    error: float | None
    """Standard error over splits; None for one split."""
    sums: int
    """Of all splits together."""
    width: float
    """Mean, relative to the true sum."""
    added: float
    """The same, had the images' intervals been added up instead."""


def totals(
    runs: Sequence[Sequence[Counted]], level: float, *, images: int, flips: bool, third: str | None = None
) -> Totals | None:
    """How intervals of the sum of so many test images did; None where the validation images are too few for the level.

    Of each run `DRAWS` sums are taken, of images drawn at random by a fixed seed, or one of all if there are no more.
    With a `third`, ``"fewest"`` or ``"most"``, they are those of the split with the lowest or highest counts alone.
    """
    held, widths, added = [], [], []
    sums = 0
    for rows in runs:
        model = fitted([row for row in rows if row.part == "validation"], flips=flips)
        if not model.supports(level):
            continue
        test = _chosen([row for row in rows if row.part == "test"], third, flips=flips)
        rng = np.random.default_rng(0)
        draws = [rng.permutation(len(test))[:images] for _ in range(DRAWS if images < len(test) else 1)]
        found = [_summed(model, [test[i] for i in draw], level, flips=flips) for draw in draws]
        sums += len(draws)
        held.append(float(np.mean([inside for inside, _, _ in found])))
        widths.append(float(np.mean([width for _, width, _ in found])))
        added.append(float(np.mean([width for _, _, width in found])))
    if not held:
        return None
    return Totals(float(np.mean(held)), standard_error(held), sums, float(np.mean(widths)), float(np.mean(added)))


def _chosen(test: Sequence[Counted], third: str | None, *, flips: bool) -> list[Counted]:
    ordered = sorted(test, key=lambda row: row.flipped if flips else row.count)
    number = len(ordered) // 3
    return {None: list(test), "fewest": ordered[:number], "most": ordered[-number:]}[third]


def _summed(model: IntervalModel, test: Sequence[Counted], level: float, *, flips: bool) -> tuple[bool, float, float]:
    """Whether the interval of a sum holds the true one, its width, and that of all intervals added up."""
    counts = [row.flipped if flips else row.count for row in test]
    spreads = [row.spread for row in test] if flips else None
    sum_, true = model.total(counts, spreads, level), sum(row.true for row in test)
    single = [model.interval(count, None if spreads is None else spreads[i], level) for i, count in enumerate(counts)]
    assert sum_ is not None
    added = sum(each.high - each.low for each in single if each is not None)
    return sum_.low <= true <= sum_.high, (sum_.high - sum_.low) / max(true, 1), added / max(true, 1)
