"""How often intervals hold the true count, and how wide they are, from the counts that runs left.

Three kinds of interval, all calibrated on the same validation images:

constant
    The same width for every image: split conformal prediction (Lei et al. 2018) with the error itself as score, but
    that the quantile is interpolated between ranks, as for the others; the rank above would be wider and hold more.
by count
    What a counter gives without flips: the width grows with a fitted power of the count.
by spread
    What it gives with flips: around the mean over them, the width also growing with a power of their spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countception.benchmark.trust.tables import Counted
from countception.trust.confidence import IntervalModel, supported
from countception.trust.fitting import fit_intervals, left_out_errors

Array = npt.NDArray[np.float64]

Held = tuple[npt.NDArray[np.bool_], npt.NDArray[np.str_]]
"""Which intervals of a split hold the true count, and the names of the images."""
GROUPS = ("all", "fewest", "middle", "most")
"""All test images of a split, and its thirds by predicted count."""


@dataclass(frozen=True)
class Intervals:
    """Of the test images of one split."""

    true: Array
    count: Array
    half: Array
    """Half widths, in objects; one below 0 counts is not cut off, so that widths compare."""
    images: tuple[str, ...]

    @property
    def errors(self) -> Array:
        """In half widths."""
        return np.asarray(np.abs(self.true - self.count) / np.maximum(self.half, 1e-9))


def constant(validation: Sequence[Counted], test: Sequence[Counted], level: float) -> Intervals | None:
    """The same width for every image."""
    if not supported(level, len(validation)):
        return None
    true, counts = np.array([(row.true, row.count) for row in validation], np.float64).T
    half = float(np.quantile(np.abs(left_out_errors(true, counts)), level, method="weibull"))
    return _around(test, [row.count for row in test], np.full(len(test), half))


def by_count(validation: Sequence[Counted], test: Sequence[Counted], level: float) -> Intervals | None:
    """As a counter gives them without flips."""
    return _model(fitted(validation, flips=False), test, [row.count for row in test], None, level)


def by_spread(validation: Sequence[Counted], test: Sequence[Counted], level: float) -> Intervals | None:
    """As a counter gives them with flips."""
    counts, spreads = [row.flipped for row in test], [row.spread for row in test]
    return _model(fitted(validation, flips=True), test, counts, spreads, level)


def fitted(validation: Sequence[Counted], *, flips: bool) -> IntervalModel:
    """What a counter knows of its errors, with flips or without."""
    counts = [row.flipped if flips else row.count for row in validation]
    spreads = [row.spread for row in validation] if flips else None
    parts = [row.fold for row in validation if row.fold]
    return fit_intervals([row.true for row in validation], counts, spreads, calibrated=True, parts=parts)


WAYS: dict[str, Callable[[Sequence[Counted], Sequence[Counted], float], Intervals | None]] = {
    "constant": constant,
    "by count": by_count,
    "by spread": by_spread,
}


@dataclass(frozen=True)
class Coverage:
    """How the intervals of one kind and level did over all splits."""

    shares: dict[str, float]
    """Share of images whose interval holds the true count, by group."""
    errors: dict[str, float | None]
    """Standard error of each, clustered by split and by image; None for one split."""
    numbers: dict[str, int]
    """Of images in each, of all splits together."""
    width: float
    """Mean width in objects."""
    equal_width: float
    """The same, if all intervals were stretched so that they held exactly the level's share of the test images."""


def coverage(runs: Sequence[Sequence[Counted]], way: str, level: float) -> Coverage | None:
    """How intervals did over runs; None where the validation images are too few for the level.

    Parameters
    ----------
    runs
        The table of each run.
    way
        From `WAYS`.
    level
        Above 0 and below 1.
    """
    found: list[Intervals] = []
    for rows in runs:
        validation, test = ([row for row in rows if row.part == part] for part in ("validation", "test"))
        one = WAYS[way](validation, test, level)
        if one is not None:
            found.append(one)
    if not found:
        return None
    held: dict[str, list[Held]] = {group: [] for group in GROUPS}
    for one in found:
        inside, images = one.errors <= 1, np.array(one.images)
        held["all"].append((inside, images))
        for group, part in zip(GROUPS[1:], thirds(one.count), strict=True):
            held[group].append((inside[part], images[part]))
    widths = 2 * np.concatenate([one.half for one in found])
    stretch = float(np.quantile(np.concatenate([one.errors for one in found]), level))
    return Coverage(
        shares={group: float(np.concatenate([inside for inside, _ in parts]).mean()) for group, parts in held.items()},
        errors={group: clustered_error(parts) for group, parts in held.items()},
        numbers={group: sum(len(inside) for inside, _ in parts) for group, parts in held.items()},
        width=float(widths.mean()),
        equal_width=float(stretch * widths.mean()),
    )


def thirds(counts: Array) -> list[npt.NDArray[np.intp]]:
    """Which images have the lowest, middle and highest counts."""
    return np.array_split(np.argsort(counts, kind="stable"), 3)


def alike_in_hindsight(runs: Sequence[Sequence[Counted]], level: float) -> float:
    """How wide intervals have to be that hold alike in each third, relative to those of one width for all.

    Both hold exactly `level` of the test images, as their widths are chosen by the errors of these. So this is what
    knowing which third an image is in is worth for the mean width at equal coverage, without any chance in calibration.
    """
    errors: list[list[Array]] = [[], [], []]
    for rows in runs:
        true, counts = np.array([(row.true, row.count) for row in rows if row.part == "test"], np.float64).T
        for some, part in zip(errors, thirds(counts), strict=True):
            some.append(np.abs(true - counts)[part])
    pooled = [np.concatenate(some) for some in errors]
    apart = sum(float(np.quantile(some, level)) * len(some) for some in pooled)
    return apart / float(np.quantile(np.concatenate(pooled), level)) / sum(map(len, pooled))


def clustered_error(splits: Sequence[Held]) -> float | None:
    """Standard error of the share that holds, as images of one split share a network, and splits share images.

    Cameron, Gelbach and Miller 2011: the variance by split and that by image, less that of all by themselves; None for
    one split.
    """
    if len(splits) < 2:
        return None
    inside = np.concatenate([each for each, _ in splits]).astype(np.float64)
    apart = inside - inside.mean()
    split = np.repeat(np.arange(len(splits)), [len(each) for each, _ in splits])
    image = np.unique(np.concatenate([names for _, names in splits]), return_inverse=True)[1]
    by_split, by_image = (np.square(np.bincount(each, apart)).sum() for each in (split, image))
    by_split *= len(splits) / (len(splits) - 1)
    return math.sqrt(max(by_split, by_split + by_image - np.square(apart).sum())) / len(inside)


def standard_error(shares: Sequence[float]) -> float | None:
    """Of their mean; None for a single one."""
    return float(np.std(shares, ddof=1) / math.sqrt(len(shares))) if len(shares) > 1 else None


def _around(test: Sequence[Counted], counts: Sequence[float], half: Array) -> Intervals:
    images = tuple(row.image for row in test)
    return Intervals(np.array([row.true for row in test], np.float64), np.array(counts, np.float64), half, images)


def _model(
    model: IntervalModel,
    test: Sequence[Counted],
    counts: Sequence[float],
    spreads: Sequence[float] | None,
    level: float,
) -> Intervals | None:
    half = []
    for i, count in enumerate(counts):
        interval = model.interval(count, None if spreads is None else spreads[i], level)
        if interval is None:
            return None
        half.append(interval.high - max(count, 0.0))
    return _around(test, counts, np.array(half))
