"""CSV files of counts: of images, of regions, and of groups of images."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from countception.files import whole_file
from countception.results.row import class_names

if TYPE_CHECKING:
    from countception.results.groups import GroupTotal
    from countception.results.row import Row

StrPath = str | os.PathLike[str]

DECIMALS = 3
"""Of counts."""
DIGITS = 6
"""Of areas in mm² and of densities: how many are significant."""
WHOLE = "whole image"
"""What the region of all pixels is called."""


def write_counts(path: StrPath, rows: Sequence[Row]) -> None:
    """Write rows as a CSV file, whole or not at all; see `write_rows` for the columns.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    with csv_file(path) as stream:
        write_rows(stream, rows)


def write_rows(stream: TextIO, rows: Sequence[Row]) -> None:
    """Write rows as CSV.

    The columns are `image`, `page` where each page of stacks was counted (from 0; empty for other files), `count`
    (fractional, three decimals; empty where the image could not be counted), `low` and
    `high` (the interval; empty where the model was validated on too few images to say), one `count_<class>` per class
    where there are several, `width` and `height` in pixels, `area_mm2` and `per_mm2` where the size of pixels is known,
    `overlay`, `map` and `points` where those were asked for, with points `points_missing` (the rounded count less the
    points; 0 where they agree) and `points_missing_<class>` where there are several, `warning` (in what the image is
    unlike the training images), `error` and `model` (which counted: its identity).
    """
    classes, pages = class_names(rows), any(row.page is not None for row in rows)
    files = [name for name in ("overlay", "map", "points") if any(getattr(row, name) for row in rows)]
    sizes = ["area_mm2", "per_mm2"] if any(row.area_mm2 for row in rows) else []
    located = any(row.missing is not None for row in rows)
    writer = csv.writer(stream, lineterminator="\n")
    kinds = [f"count_{name}" for name in classes]
    missing = ["points_missing", *(f"points_missing_{name}" for name in classes)] if located else []
    header = ["count", "low", "high", *kinds, "width", "height", *sizes, *files, *missing, "warning", "error", "model"]
    writer.writerow(["image", *["page"] * pages, *header])
    for row in rows:
        by_class = [number(row.by_class.get(name)) for name in classes]
        numbers = [number(value) for value in (row.count, row.low, row.high)]
        areas = [_digits(getattr(row, name)) for name in sizes]
        names = [getattr(row, name) for name in files]
        lacking = [row.missing, *(row.missing_by_class.get(name) for name in classes)] if located else []
        rest = [row.width, row.height, *areas, *names, *lacking, row.warning, row.error, row.model]
        writer.writerow([row.image, *[row.page] * pages, *numbers, *by_class, *rest])


def write_regions(path: StrPath, rows: Sequence[Row]) -> None:
    """Write the counts of regions as a CSV file: for each counted image a row of the whole image, then its regions.

    The columns are `image`, `page` as in `write_rows`, `region`, `count`, `low`, `high`, `count_<class>` where there
    are several classes, `area_px`, and `area_mm2` and `per_mm2`, which are empty where the size of the pixels is not
    known.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    classes, pages = class_names(rows), any(row.page is not None for row in rows)
    kinds = [f"count_{name}" for name in classes]
    with csv_file(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        header = [
            "image",
            *["page"] * pages,
            "region",
            "count",
            "low",
            "high",
            *kinds,
            "area_px",
            "area_mm2",
            "per_mm2",
        ]
        writer.writerow(header)
        for row in rows:
            if row.whole is None:
                continue
            for region in (row.whole, *row.regions):
                numbers = [number(value) for value in (region.count, region.low, region.high)]
                by_class = [number(region.by_class.get(name)) for name in classes]
                areas = [f"{region.area:.1f}", _digits(region.area_mm2), _digits(region.per_mm2)]
                writer.writerow([row.image, *[row.page] * pages, region.name, *numbers, *by_class, *areas])


def write_totals(path: StrPath, totals: Sequence[GroupTotal]) -> None:
    """Write totals as a CSV file, whole or not at all; see `write_total_rows` for the columns.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    with csv_file(path) as stream:
        write_total_rows(stream, totals)


def write_total_rows(stream: TextIO, totals: Sequence[GroupTotal]) -> None:
    """Write totals as CSV.

    The columns are `group`, `images` (those counted), `count` (empty where that is none), `low`, `high`,
    `count_<class>` where there are several classes, `mean` and `sd` of the images' counts, `area_mm2` and `per_mm2`
    where the size of pixels is known of any, `flagged` (images unlike the training images) and `failed` (images that
    could not be counted and are missing from the total).
    """
    classes = class_names(totals)
    writer = csv.writer(stream, lineterminator="\n")
    kinds = [f"count_{name}" for name in classes]
    sized = any(total.area_mm2 is not None for total in totals)
    areas = ["area_mm2", "per_mm2"] if sized else []
    writer.writerow(["group", "images", "count", "low", "high", *kinds, "mean", "sd", *areas, "flagged", "failed"])
    for total in totals:
        numbers = [number(value) for value in (total.count if total.images else None, total.low, total.high)]
        by_class = [number(total.by_class.get(name)) for name in classes]
        spread = [number(total.mean), number(total.sd)]
        area = [_digits(total.area_mm2), _digits(total.per_mm2)] if sized else []
        writer.writerow([total.group, total.images, *numbers, *by_class, *spread, *area, total.flagged, total.failed])


@contextmanager
def csv_file(path: StrPath) -> Iterator[TextIO]:
    """A UTF-8 file; names of files that are not UTF-8, as from old archives, are written byte by byte as they are."""
    with (
        whole_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        yield stream


def number(value: float | None) -> str:
    """A count as it is written; empty where there is none."""
    return "" if value is None else f"{value:.{DECIMALS}f}"


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}g}"
