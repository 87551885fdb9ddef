"""CSV files of counts: of images, of regions, and of groups of images."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from countception.files import CSVLines, whole_file
from countception.results.row import class_names

if TYPE_CHECKING:
    from countception.regions import RegionCount
    from countception.results.groups import GroupTotal
    from countception.results.row import Row

StrPath = str | os.PathLike[str]
T = TypeVar("T")
Columns = dict[str, Callable[[T], object]]
"""Of a table: the name of each, and what of an item stands in it."""

DECIMALS = 3
"""Of counts."""
DIGITS = 6
"""Of areas in mm² and of densities: how many are significant."""


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
    unlike the training images), `error`, `model` (which counted: its identity), `known` (`yes` for an image that it
    learned from or was validated on) where there is such a one, and `group` where groups were named.
    """
    files = [name for name in ("overlay", "map", "points") if any(getattr(row, name) for row in rows)]
    classes = class_names(rows)
    columns: Columns[Row] = {
        **_images(rows),
        **_counts(classes),
        **_as_they_are("width", "height"),
        **(_areas() if any(row.area_mm2 for row in rows) else {}),
        **_as_they_are(*files),
        **(_missing(classes) if any(row.missing is not None for row in rows) else {}),
        **_as_they_are("warning", "error", "model"),
        **({"known": lambda row: "yes" if row.known else ""} if any(row.known for row in rows) else {}),
        **_grouped(rows),
    }
    _write(stream, columns, (_cells(columns, row) for row in rows))


def write_regions(path: StrPath, rows: Sequence[Row]) -> None:
    """Write the counts of regions as a CSV file: for each counted image a row of the whole image, then its regions.

    The columns are `image`, `page` as in `write_rows`, `region`, `count`, `low`, `high`, `count_<class>` where there
    are several classes, `area_px`, and `area_mm2` and `per_mm2`, which are empty where the size of the pixels is not
    known, the `warning` of the image, as its regions have no interval either, and `group` as in `write_rows`.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    of_image: Columns[Row] = _images(rows)
    of_region: Columns[RegionCount] = {
        "region": attrgetter("name"),
        **_counts(class_names(rows)),
        "area_px": lambda region: f"{region.area:.1f}",
        **_areas(),
    }
    last: Columns[Row] = {**_as_they_are("warning"), **_grouped(rows)}
    pairs = [(row, region) for row in rows if row.whole is not None for region in (row.whole, *row.regions)]
    with csv_file(path) as stream:
        lines = ([*_cells(of_image, row), *_cells(of_region, region), *_cells(last, row)] for row, region in pairs)
        _write(stream, [*of_image, *of_region, *last], lines)


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
    columns: Columns[GroupTotal] = {
        **_as_they_are("group", "images"),
        **_counts(class_names(totals)),
        "count": lambda total: number(total.count if total.images else None),  # in its place among the others
        **_numbers("mean", "sd"),
        **(_areas() if any(total.area_mm2 is not None for total in totals) else {}),
        **_as_they_are("flagged", "failed"),
    }
    _write(stream, columns, (_cells(columns, total) for total in totals))


def _images(rows: Sequence[Row]) -> Columns[Row]:
    """Which image it is."""
    return _as_they_are("image", *(["page"] if any(row.page is not None for row in rows) else []))


def _grouped(rows: Sequence[Row]) -> Columns[Row]:
    """What it is added up with, where that was asked for; at the end, so that others stay where they are."""
    return _as_they_are(*(["group"] if any(row.group for row in rows) else []))


def _counts(classes: Sequence[str]) -> Columns[Any]:
    """How many objects there are, in all and of each class, where there are several."""
    of_class = {f"count_{name}": _written(number, _of_class("by_class", name)) for name in classes}
    return _numbers("count", "low", "high") | of_class


def _areas() -> Columns[Any]:
    return {name: _written(_digits, attrgetter(name)) for name in ("area_mm2", "per_mm2")}


def _missing(classes: Sequence[str]) -> Columns[Row]:
    """How many points there are too few."""
    of_class = {f"points_missing_{name}": _of_class("missing_by_class", name) for name in classes}
    return {"points_missing": attrgetter("missing"), **of_class}


def _numbers(*names: str) -> Columns[Any]:
    return {name: _written(number, attrgetter(name)) for name in names}


def _as_they_are(*names: str) -> Columns[Any]:
    return {name: attrgetter(name) for name in names}


def _of_class(values: str, name: str) -> Callable[[Any], Any]:
    """One class's of the values of all."""
    return lambda counted: getattr(counted, values).get(name)


def _written(how: Callable[[float | None], str], get: Callable[[Any], Any]) -> Callable[[Any], str]:
    """What is got, as it is written."""
    return lambda counted: how(get(counted))


def _cells(columns: Columns[T], item: T) -> list[object]:
    return [value_of(item) for value_of in columns.values()]


def _write(stream: TextIO, header: Iterable[str], lines: Iterable[list[object]]) -> None:
    writer = csv.writer(CSVLines(stream))
    writer.writerow(header)
    writer.writerows(lines)


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
