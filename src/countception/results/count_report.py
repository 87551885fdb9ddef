"""One HTML page about the counts of many images: opens from disk, needs nothing else, runs no scripts.

Kept light for thousands of images: pictures are shown of those with warnings and of a sample only, and the table of all
images is folded into parts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from countception.config import LEVEL
from countception.results import plots
from countception.results.facts import facts
from countception.results.groups import ALL, GroupTotal, group_totals
from countception.results.html import data_url, render
from countception.results.row import class_names, known_note
from countception.wording import sentence

if TYPE_CHECKING:
    from countception.counting.counter import Counter
    from countception.regions import RegionCount
    from countception.results.row import Row

MOST_ROWS = 250
"""Rows of a table before it is folded into parts."""
FEW_ROWS = 30
"""Rows of a secondary table that is not folded."""
SQUARE_METRE = 1e6
"""In mm²."""


def write_count_report(
    path: str | os.PathLike[str],
    rows: Sequence[Row],
    counter: Counter,
    *,
    level: float = LEVEL,
    totals: Sequence[GroupTotal] = (),
    flips: bool | None = None,
    title: str = "Counts",
) -> None:
    """Write a self-contained HTML report of counts, images with warnings first.

    Parameters
    ----------
    path
        File to write.
    rows
        From `countception.count_files`; with `pictures` the report has some.
    counter
        That counted.
    level
        That the intervals of the rows and totals have.
    totals
        Of groups of the images, from `countception.results.groups.group_totals`.
    flips
        As the images were counted with; None for the counter's own setting.
    title
        Of the page.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    folder = _common(rows)
    counted = [replace(row, image=_below(folder, row.image)) for row in rows if row.count is not None]
    flagged = [row for row in counted if row.warning]
    plain = [row for row in counted if not row.warning]
    ordered = flagged + plain
    intervals = counter.interval_model(flips=flips)
    highest = max((row.high or row.count or 0.0 for row in counted), default=0.0)
    render(
        path,
        "counts.html.jinja",
        title=title,
        folder=folder,
        level=level,
        counted=len(counted),
        total=group_totals(rows, [ALL] * len(rows), intervals, level)[0],
        note=" ".join(filter(None, map(sentence, (known_note(counted), intervals.note(level))))) if counted else "",
        failed=[row for row in rows if row.count is None],
        flagged=flagged,
        groups=totals,
        unit="m²" if _is_of_land(counted) else "mm²",
        mm2=SQUARE_METRE if _is_of_land(counted) else 1,
        dense=any(line.per_mm2 is not None for line in totals),
        highest_total=max((line.high or line.count for line in totals), default=0.0),
        plot=data_url(plots.png(plots.counts(ordered))) if len(counted) > 1 else None,
        bars=any(row.low is not None for row in counted),
        regions=_regions(counted),
        highest=highest,
        classes=class_names(counted),
        images=ordered,
        most_rows=MOST_ROWS,
        few_rows=FEW_ROWS,
        sample=[row for row in plain if row.picture],
        facts=facts(counter.model),
    )


def _is_of_land(rows: Sequence[Row]) -> bool:
    """Whether an image of a usual size is of a square metre or more."""
    areas = [row.area_mm2 for row in rows if row.area_mm2 is not None]
    return bool(areas) and median(areas) >= SQUARE_METRE


def _common(rows: Sequence[Row]) -> str:
    """The folder that all images are in, as they are named; empty if there is no such."""
    folders = {os.path.dirname(row.image) for row in rows}  # noqa: PTH120 - names, which may be hostile, stay text
    try:
        return os.path.commonpath(folders)
    except ValueError:  # absolute and relative names
        return ""


def _below(folder: str, name: str) -> str:
    return os.path.relpath(name, folder) if folder else name


def _regions(rows: Sequence[Row]) -> list[tuple[str, RegionCount]]:
    """The regions of all images, each with the image that it is in."""
    inside = [(row.name, (row.whole, *row.regions)) for row in rows if row.whole is not None and row.regions]
    return [(name, region) for name, regions in inside for region in regions]
