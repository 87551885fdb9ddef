"""Found points against true ones: one-to-one matching within a tolerance.

As many pairs as possible are made, and among all ways to do so the one with the smallest sum of distances (an
assignment problem; Kuhn 1955). Only pairs within the tolerance are looked at, which keeps the problem sparse.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countception.errors import ConfigError
from countception.geometry import Points


@dataclass(frozen=True, eq=False)
class Matching:
    """Which found point is which true one, in one image or in several (`pooled`)."""

    pairs: npt.NDArray[np.int64]
    """``(M, 2)``: index of the true point and of the found one."""
    distances: npt.NDArray[np.float64]
    """``(M,)`` in pixels, none above the tolerance."""
    true: int
    """True points."""
    found: int
    """Found points."""

    @property
    def precision(self) -> float:
        """Share of the found points that are true; nan if none was found."""
        return _share(len(self.pairs), self.found)

    @property
    def recall(self) -> float:
        """Share of the true points that were found; nan if there is none."""
        return _share(len(self.pairs), self.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, ``2 M / (true + found)``; nan if there are no points at all."""
        return _share(2 * len(self.pairs), self.true + self.found)

    @property
    def mean_distance(self) -> float:
        """Localisation error: mean distance of the pairs in pixels; nan without pairs."""
        return float(self.distances.mean()) if len(self.distances) else math.nan

    @property
    def median_distance(self) -> float:
        """Median distance of the pairs in pixels; nan without pairs."""
        return float(np.median(self.distances)) if len(self.distances) else math.nan


@dataclass(frozen=True)
class PointFigures:
    """How found points agree with true ones, over all images."""

    tolerance: float
    """Largest distance of a pair in pixels."""
    true: int
    found: int
    matched: int
    precision: float
    recall: float
    f1: float
    mean_distance: float
    """Of the pairs, in pixels; nan without any, as are shares of nothing."""
    median_distance: float


def point_figures(matchings: Iterable[Matching], tolerance: float) -> PointFigures:
    """The figures of the matchings of several images."""
    all_ = pooled(matchings)
    return PointFigures(
        tolerance=tolerance,
        true=all_.true,
        found=all_.found,
        matched=len(all_.pairs),
        precision=all_.precision,
        recall=all_.recall,
        f1=all_.f1,
        mean_distance=all_.mean_distance,
        median_distance=all_.median_distance,
    )


def check_tolerance(tolerance: float) -> None:
    """Refuse a distance in pixels within which nothing can be matched.

    Raises
    ------
    ConfigError
        It is negative, infinite or no number.
    """
    if not 0 <= tolerance < math.inf:
        raise ConfigError(
            f"points cannot be matched within {tolerance} pixels: the tolerance must be 0 or more, and finite"
        )


def match(true: npt.ArrayLike, found: npt.ArrayLike, tolerance: float) -> Matching:
    """Match points one to one.

    Parameters
    ----------
    true, found
        ``(N, 2)`` and ``(M, 2)`` float ``(y, x)`` in the same pixels.
    tolerance
        Largest distance of a pair in pixels, itself allowed.

    Raises
    ------
    ConfigError
        The tolerance is negative, infinite or no number.
    """
    check_tolerance(tolerance)
    a, b = (np.asarray(points, np.float64).reshape(-1, 2) for points in (true, found))
    rows, columns, distances = _candidates(a, b, tolerance)
    chosen = _assign(rows, columns, distances, len(a), len(b))
    pairs = np.stack([rows[chosen], columns[chosen]], axis=1)
    return Matching(pairs, distances[chosen], len(a), len(b))


def pooled(matchings: Iterable[Matching]) -> Matching:
    """The matchings of several images as one; indices go on from image to image."""
    pairs, distances = [np.zeros((0, 2), np.int64)], [np.zeros(0)]
    true = found = 0
    for one in matchings:
        pairs.append(one.pairs + np.array([true, found]))
        distances.append(one.distances)
        true, found = true + one.true, found + one.found
    return Matching(np.concatenate(pairs), np.concatenate(distances), true, found)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _candidates(
    a: Points, b: Points, tolerance: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """All pairs within the tolerance: index in `a`, index in `b`, distance."""
    from scipy.spatial import KDTree

    if not len(a) or not len(b):
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0)
    # the tree rounds, so it is asked for a little more than is kept
    near = KDTree(a).query_ball_tree(KDTree(b), tolerance * (1 + 1e-9) + 1e-12)
    rows = np.repeat(np.arange(len(a)), [len(each) for each in near])
    columns = np.array([j for each in near for j in each], np.int64)
    distances = np.hypot(*(a[rows] - b[columns]).T)
    kept = distances <= tolerance
    return rows[kept], columns[kept], distances[kept]


def _assign(
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    distances: npt.NDArray[np.float64],
    true: int,
    found: int,
) -> npt.NDArray[np.int64]:
    """Which candidates are taken: the most pairs, then the shortest.

    Every true point also has a column of its own that means "unmatched" and costs more than all distances together.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    if not len(rows):
        return np.zeros(0, np.int64)
    offset = float(distances.max()) + 1e-3  # costs must not be 0, which a sparse array would take for no edge
    unmatched = (true + 1) * 2 * offset
    every = np.arange(true)
    costs = np.concatenate([distances + offset, np.full(true, unmatched)])
    places = np.concatenate([rows, every]), np.concatenate([columns, found + every])
    graph = csr_array((costs, places), shape=(true, found + true))
    taken_rows, taken_columns = min_weight_full_bipartite_matching(graph)
    taken = np.full(true, -1)
    taken[taken_rows] = taken_columns
    return np.flatnonzero(taken[rows] == columns)
