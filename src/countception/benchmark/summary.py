"""The comparison in the README: our default beside the paper and the best figures since, from the rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countception.benchmark.protocol import DATASETS
from countception.benchmark.tables import Measured, published

START, END = "<!-- comparison: made by `countception benchmark --tables` -->\n", "<!-- /comparison -->"
OURS = "boxnet"
FLIPS = "counting.flips=true"
PAPER = "count-ception"
FEWEST = 3
"""Splits from which a figure stands beside those of others: one split alone may just be a hard one."""


def with_summary(readme: str, cells: Sequence[Measured]) -> str:
    """The README's text with the comparison between its marks made anew; without marks as it is."""
    before, mark, rest = readme.partition(START)
    _, closing, after = rest.partition(END)
    if not mark or not closing:
        return readme
    return f"{before}{mark}{comparison(cells)}\n{closing}{after}"


def summary(path: Path, cells: Sequence[Measured]) -> dict[Path, str]:
    """The README, where there is one."""
    return {path: with_summary(path.read_text(encoding="utf-8"), cells)} if path.exists() else {}


def comparison(cells: Sequence[Measured]) -> str:
    """A Markdown table with a line for each data set and N: test MAE, and the number of splits in brackets."""
    found = {(cell.data, cell.system, cell.n): cell for cell in cells if cell.split_by == "image"}
    columns = (
        "predict the average",
        "Count-ception, published",
        "best published since",
        "ours",
        "ours, flips averaged",
    )
    lines = [f"| test MAE | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for data, spec in DATASETS.items():
        for n in spec.sizes:
            own = (found.get((data, (method, settings), n)) for method, settings in _SYSTEMS)
            average, *ours = (_measured(cell) for cell in own)
            theirs = [_published(data, n, later=later) for later in (False, True)]
            lines.append(f"| {spec.title}, N = {n} | {' | '.join([average, *theirs, *ours])} |")
    return "\n".join(lines)


_SYSTEMS = (("predict-average", ""), (OURS, ""), (OURS, FLIPS))


def _measured(cell: Measured | None) -> str:
    if cell is None or len(cell.rows) < FEWEST:
        return ""
    mae = f"**{cell.mae:.1f}**" if cell.method == OURS else f"{cell.mae:.1f}"
    return f"{mae} ± {cell.sd:.1f} ({len(cell.rows)})"


def _published(data: str, n: int, *, later: bool) -> str:
    """Of the paper's method, or the least of those published since, which were measured by protocols of their own."""
    figures = [
        figure
        for figure in published()
        if figure.data == data and figure.n == n and figure.comparable != later and not figure.settings
    ]
    figures = figures if later else [figure for figure in figures if figure.method == PAPER]
    if not figures:
        return ""
    best = min(figures, key=lambda figure: figure.mae)
    spread = "" if best.sd is None else f" ± {best.sd:.1f}"
    return f"{best.mae:.1f}{spread}"
