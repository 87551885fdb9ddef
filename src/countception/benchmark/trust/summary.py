"""From the tables of all runs to the figures on the page: means over splits, nothing chosen."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from countception.benchmark.methods import title
from countception.benchmark.protocol import DATASETS
from countception.benchmark.results import Results, Row
from countception.benchmark.tables import measured
from countception.benchmark.trust import tables
from countception.benchmark.trust.tables import Counted, Flagged, Located

TOLD = ("training.places=", "training.keep_from=", "network.width=", "scale.spacing=", "scale.widest=", "folds=")
"""Settings that the page tells apart."""


@dataclass(frozen=True)
class Run:
    """One finished run with its tables."""

    row: Row
    located: list[Located]
    counted: list[Counted]
    flagged: list[Flagged]

    @property
    def system(self) -> str:
        """Method, N, length and what was learned besides, as runs are told apart on the page."""
        return f"{title(self.row.method)}, {self.learned}"

    @property
    def learned(self) -> str:
        """The same without the method."""
        steps = f", {self.row.steps} steps" if self.row.steps else ""
        changes = [text for text in self.row.settings.split() if text.startswith(TOLD)]
        return ", ".join([f"N = {self.row.n}{steps}", *changes])


@dataclass(frozen=True)
class F1:
    """One way to find points with one system, over splits."""

    method: str
    system: str
    locator: str
    steps: int
    """Of learning; 0 where there are none."""
    seconds: float
    """Of learning, on average."""
    precision: float
    recall: float
    by_split: Mapping[tuple[int, int], float]
    """F1 by seed and split."""
    distance: float
    """Mean over the pairs, in image pixels."""
    curve: tuple[tuple[float, float], ...]
    """Tolerance in pixels, and F1."""

    @property
    def f1(self) -> float:
        """Mean over splits."""
        return statistics.fmean(self.by_split.values())

    @property
    def deviation(self) -> float | None:
        """Standard deviation of F1 over splits; None for one split."""
        return deviation(self.by_split.values())

    def at(self, tolerance: float) -> str:
        """F1 at another tolerance; empty where it was not measured there."""
        found = [f1 for distance, f1 in self.curve if distance == tolerance]
        return f"{found[0]:.3f}" if found else ""

    def less_than(self, other: F1) -> list[float]:
        """How much lower F1 is than with another way, on each split that both were measured on."""
        return [other.by_split[key] - mine for key, mine in self.by_split.items() if key in other.by_split]


def deviation(values: Collection[float]) -> float | None:
    """Standard deviation; None of a single value."""
    return statistics.stdev(values) if len(values) > 1 else None


def runs(folders: Sequence[Results]) -> dict[str, list[Run]]:
    """The examined runs of each data set; where a method's defaults have changed, those of its newest configuration."""
    found: dict[str, list[Run]] = {name: [] for name in DATASETS}
    known = set()
    for results in folders:  # what was run in both is taken from the first
        for row in results.rows():
            if row.key in known:  # of a variant: the tables are the run's
                continue
            kinds = (Located, Counted, Flagged)
            run = Run(row, *(tables.load(results, row.key, kind) for kind in kinds))  # type: ignore[arg-type, type-var]
            if run.located or run.counted or run.flagged:
                known.add(row.key)
                found[row.data].append(run)
    return {name: _newest(some) for name, some in found.items()}


def _newest(some: Sequence[Run]) -> list[Run]:
    kept = {row.key for cell in measured([run.row for run in some]) for row in cell.rows}
    return [run for run in some if run.row.key in kept]


def points(some: Sequence[Run], tolerance: float) -> list[F1]:
    """Every way to find points, the best first."""
    grouped: dict[tuple[str, str], list[tuple[Run, list[Located]]]] = {}
    for run in some:
        for locator in dict.fromkeys(each.locator for each in run.located):
            mine = [each for each in run.located if each.locator == locator]
            grouped.setdefault((run.system, locator), []).append((run, mine))
    found = []
    for (system, locator), members in grouped.items():
        at = [(run.row, each) for run, mine in members for each in mine if each.tolerance == tolerance]
        stated = [each for _, each in at]
        tolerances = sorted({each.tolerance for _, mine in members for each in mine})
        found.append(
            F1(
                method=members[0][0].row.method,
                system=system,
                locator=locator,
                steps=members[0][0].row.steps or 0,
                seconds=float(np.mean([run.row.seconds for run, _ in members])),
                precision=float(np.mean([each.precision for each in stated])),
                recall=float(np.mean([each.recall for each in stated])),
                by_split={(row.seed, row.split): each.f1 for row, each in at},
                distance=float(np.mean([each.distance for each in stated])),
                curve=tuple(
                    (t, float(np.mean([each.f1 for _, mine in members for each in mine if each.tolerance == t])))
                    for t in tolerances
                ),
            )
        )
    return sorted(found, key=lambda each: -each.f1)


def longest(ways: Sequence[F1]) -> list[F1]:
    """Of each method, the ways to find points with its longest training."""
    most = {way.method: max(each.steps for each in ways if each.method == way.method) for way in ways}
    return [way for way in ways if way.steps == most[way.method]]


def systems(some: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that have counts, by system, the one with the most splits first."""
    grouped: dict[str, list[Run]] = {}
    for run in some:
        if run.counted:
            grouped.setdefault(run.system, []).append(run)
    return dict(sorted(grouped.items(), key=lambda item: -len(item[1])))


def flagging(some: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that were shown unlike images, by N, length and what was learned besides."""
    grouped: dict[str, list[Run]] = {}
    for run in some:
        if run.flagged:
            grouped.setdefault(run.learned, []).append(run)
    return dict(sorted(grouped.items(), key=lambda item: -(item[1][0].row.steps or 0)))


def flags(some: Sequence[Run]) -> dict[str, tuple[int, int]]:
    """Images flagged and images shown, by kind."""
    found: dict[str, tuple[int, int]] = {}
    for run in some:
        for each in run.flagged:
            flagged, shown = found.get(each.kind, (0, 0))
            found[each.kind] = (flagged + (each.score > 1), shown + 1)
    return found
