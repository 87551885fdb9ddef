"""From rows to tables: mean and standard deviation over the splits of each cell, beside the published figures."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from countception.benchmark.corrected import Corrected
from countception.benchmark.methods import title
from countception.benchmark.results import Row
from countception.images.find import natural_key

System = tuple[str, str]
"""Method and settings."""


@dataclass(frozen=True)
class Measured:
    """One cell of a table."""

    data: str
    split_by: str
    method: str
    settings: str
    n: int
    rows: tuple[Row, ...]
    """One per split, all of one configuration."""

    @property
    def system(self) -> System:
        """Method and settings."""
        return self.method, self.settings

    @property
    def mae(self) -> float:
        """Mean test MAE over the splits."""
        return self.mean("mae")

    @property
    def sd(self) -> float | None:
        """Standard deviation of the test MAE over the splits; None of one split."""
        return statistics.stdev(row.mae for row in self.rows) if len(self.rows) > 1 else None

    def mean(self, column: str) -> float:
        """Mean of a column over the splits."""
        return statistics.fmean(getattr(row, column) for row in self.rows)


@dataclass(frozen=True)
class Published:
    """A figure from a paper."""

    data: str
    method: str
    settings: str
    name: str
    n: int | None
    """None for a method that does not train."""
    mae: float
    sd: float | None
    note: str
    source: str

    @property
    def system(self) -> System:
        """Method and settings."""
        return self.method, self.settings

    @property
    def comparable(self) -> bool:
        """Whether it was measured by the paper's protocol."""
        return self.note != "other protocol"

    @property
    def same_n(self) -> bool:
        """Whether it was measured with the N that it stands under; the note says so where it was not."""
        return not self.note.startswith("N = ")


@cache
def published() -> tuple[Published, ...]:
    """All published figures, in the order of the paper's tables."""
    with Path(__file__).with_name("published.csv").open(newline="", encoding="utf-8") as stream:
        return tuple(
            Published(
                data=row["data"],
                method=row["method"],
                settings=row["settings"],
                name=row["system"],
                n=int(row["n"]) if row["n"] else None,
                mae=float(row["mae"]),
                sd=float(row["sd"]) if row["sd"] else None,
                note=row["note"],
                source=row["source"],
            )
            for row in csv.DictReader(stream)
        )


def measured(rows: Iterable[Row]) -> list[Measured]:
    """The cells that rows give, in order of data set, system and N.

    Runs of different configurations are never averaged: where a method's defaults have changed, a cell holds the runs
    of its newest configuration: the one whose first run is the latest, so that a run of an old one takes no cell back.
    """
    cells: dict[tuple[str, str, str, str, int], dict[str, list[Row]]] = {}
    for row in rows:
        by_configuration = cells.setdefault((row.data, row.split_by, row.method, row.settings, row.n), {})
        by_configuration.setdefault(row.config_hash, []).append(row)
    return [
        Measured(*place, tuple(sorted(max(found.values(), key=_begun), key=lambda row: (row.seed, row.split))))
        for place, found in sorted(cells.items(), key=lambda cell: [natural_key(str(part)) for part in cell[0]])
    ]


def _begun(rows: Iterable[Row]) -> str:
    return min(row.started for row in rows)


def published_for(cell: Measured) -> Published | None:
    """The published figure of a measured cell, if there is one by the same protocol."""
    if cell.split_by != "image":
        return None
    for figure in published():
        if (figure.data, *figure.system) == (cell.data, *cell.system) and figure.n in (None, cell.n):
            return figure if figure.comparable and figure.same_n else None
    return None


def differs(cell: Measured) -> Published | None:
    """The published figure, where the measured one is farther from it than the two standard deviations together.

    One split has no deviation, and adds none.
    """
    figure = published_for(cell)
    if figure is None or figure.sd is None:
        return None
    return figure if abs(cell.mae - figure.mae) > (cell.sd or 0.0) + figure.sd else None


def markdown(cells: Sequence[Measured], figures: Sequence[Published], usual: Sequence[int] = ()) -> str:
    """A Markdown table of one data set: a system's measured figures and below them its published ones.

    Parameters
    ----------
    cells
        Measured cells of one data set and way of splitting.
    figures
        Published figures of that data set.
    usual
        The columns where there is nothing but methods that do not train.
    """
    sizes = sorted({cell.n for cell in cells} | {figure.n for figure in figures if figure.n is not None}) or usual
    lines = ["| system | | " + " | ".join(f"N = {n}" for n in sizes) + " |"]
    lines.append("|---|---|" + "---:|" * len(sizes))
    for system in order(cells, figures):
        own = {cell.n: text_of(cell) for cell in cells if cell.system == system}
        theirs = {n: _published_text(f) for f in figures if f.system == system for n in ([f.n] if f.n else sizes)}
        name = label(system)
        for kind, texts in (("measured", own), ("published", theirs)):
            if texts:
                lines.append(f"| {name} | {kind} | " + " | ".join(texts.get(n, "") for n in sizes) + " |")
                name = ""
    return "\n".join(lines)


def paired(cells: Sequence[Measured], reference: System) -> str:
    """A Markdown table of how much larger each system's error is than the reference's, on the splits that both have.

    Test sets differ in difficulty from split to split, so means over different splits do not compare. Each figure is
    the mean difference of the MAE ± its standard deviation, with the number of common splits. Empty without any.
    """
    ours = {cell.n: {(row.seed, row.split): row.mae for row in cell.rows} for cell in cells if cell.system == reference}
    lines: dict[System, dict[int, str]] = {}
    for cell in cells:
        known = ours.get(cell.n, {})
        both = [row.mae - known[row.seed, row.split] for row in cell.rows if (row.seed, row.split) in known]
        if cell.system != reference and both:
            spread = f" ± {statistics.stdev(both):.2f}" if len(both) > 1 else ""
            lines.setdefault(cell.system, {})[cell.n] = f"{statistics.fmean(both):+.2f}{spread} ({len(both)})"
    sizes = sorted({n for texts in lines.values() for n in texts})
    head = ["| system | " + " | ".join(f"N = {n}" for n in sizes) + " |", "|---|" + "---:|" * len(sizes)]
    body = [f"| {label(s)} | " + " | ".join(texts.get(n, "") for n in sizes) + " |" for s, texts in lines.items()]
    return "\n".join([*head, *body]) if lines else ""


def label(system: System) -> str:
    """What a system is called in tables and plots."""
    method, settings = system
    name = next((figure.name for figure in published() if figure.method == method), title(method))
    return f"{name}, {settings}" if settings else name


def order(cells: Sequence[Measured], figures: Sequence[Published]) -> list[System]:
    """The paper's systems as there, then those that are only measured, then later ones."""
    paper = [figure.system for figure in figures if figure.comparable]
    later = [figure.system for figure in figures if not figure.comparable]
    own = [cell.system for cell in cells if cell.system not in paper and cell.system not in later]
    return list(dict.fromkeys([*paper, *own, *later]))


def text_of(cell: Measured) -> str:
    """``**mean** ± standard deviation (number of splits)`` of the test MAE."""
    spread = "" if cell.sd is None else f" ± {cell.sd:.2f}"
    return f"**{cell.mae:.2f}**{spread} ({len(cell.rows)})"


def _published_text(figure: Published) -> str:
    spread = "" if figure.sd is None else f" ± {figure.sd:.1f}"
    return f"{figure.mae:.1f}{spread}" + (f" ({figure.note})" if figure.note else "")


CSV_HEADER = (
    *("data", "split_by", "method", "settings", "n", "splits", "mae", "mae_sd", "rmse", "bias", "relative_error"),
    *("seconds", "published_mae", "published_sd", "config_hash"),
    *("mae_factor", "mae_factor_sd", "mae_line", "mae_line_sd", "bfloat16"),
)


def csv_rows(cells: Sequence[Measured], left: Callable[[Row], Corrected | None]) -> list[list[str]]:
    """All measured cells as lines of a CSV file with the columns `CSV_HEADER`; means over the splits.

    `left` says what is left of a row's error once it is corrected; `bfloat16` is how many splits were trained in it.
    """
    lines = []
    for cell in cells:
        figure = published_for(cell)
        means = [f"{cell.mean(column):.4g}" for column in ("rmse", "bias", "relative_error", "seconds")]
        theirs = ["", ""] if figure is None else [f"{figure.mae:g}", "" if figure.sd is None else f"{figure.sd:g}"]
        place = [cell.data, cell.split_by, cell.method, cell.settings, str(cell.n), str(len(cell.rows))]
        spread = "" if cell.sd is None else f"{cell.sd:.4g}"
        halves = str(sum(row.precision == "bfloat16" for row in cell.rows))
        rest = _corrected_texts([left(row) for row in cell.rows])
        lines.append([*place, f"{cell.mae:.4g}", spread, *means, *theirs, cell.rows[0].config_hash, *rest, halves])
    return lines


def _corrected_texts(found: Sequence[Corrected | None]) -> list[str]:
    """Means and standard deviations with a factor and with a line; empty unless all rows have them."""
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found):
        return [""] * 4
    texts = []
    for values in ([each.factor for each in known], [each.line for each in known]):
        texts += [f"{statistics.fmean(values):.4g}", f"{statistics.stdev(values):.4g}" if len(values) > 1 else ""]
    return texts
