"""The commands that count: `count`, and `evaluate` where the truth is known."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from countception.cli import options as given
from countception.cli import parse
from countception.cli.screen import echo
from countception.errors import ConfigError
from countception.files import is_device, state

if TYPE_CHECKING:
    from countception.counting.counter import Counter
    from countception.evaluation.evaluation import Evaluation
    from countception.results.groups import GroupTotal
    from countception.results.job import BatchOptions
    from countception.results.row import Row
    from countception.trust.confidence import IntervalModel

Written = tuple[Path | None, Path | None, Path | None, Path | None]
"""Tables of counts, of regions and of totals, and the report, where asked for."""


def count(
    model: given.Model,
    images: given.Images,
    *,
    out: given.CountsFile = None,
    report: given.CountReport = None,
    overlays: given.Overlays = None,
    maps: given.Maps = None,
    points: given.PointsFolder = None,
    points_as: given.PointsAs = None,
    overwrite: given.Overwrite = False,
    regions: given.Regions = None,
    regions_csv: given.RegionsFile = None,
    pixel_size: given.PixelSize = None,
    rescale: given.Rescale = False,
    group_by: given.GroupBy = None,
    groups: given.GroupsTable = None,
    totals: given.TotalsFile = None,
    level: given.Level = None,
    flips: given.Flips = False,
    shifts: given.Shifts = None,
    tile: given.Tile = None,
    page: given.Pages = None,
    axis: given.Axis = None,
    channels: given.OtherChannels = None,
    device: given.Device = None,
) -> None:
    """Count the objects in images.

    Writes a CSV file with columns image, page with --page all, count, low and high, then count_<class> where there
    are several classes, width, height, area_mm2 and per_mm2 where the size of pixels is known, overlay, map and
    points where asked for, with these points_missing (objects of the rounded count without one) and
    points_missing_<class>, warning (in what an image is unlike the training images), error, model (which one
    counted), known where it learned from an image or was validated on it, and group where groups are named. The true
    count lies between low and high with the probability --level; they stay empty where the model was validated on too
    few images, and of an image with a warning. Counts are fractional, as the network estimates them: the file keeps
    three decimals; on the screen and in overlays they are rounded to the nearest whole number.

    An image that cannot be counted is named at the end and in the column error; the others are counted, and the exit
    status is 1. The sum of a count map over the redundancy in its ImageDescription is the count.

    \b
      countception count cells.count new/ 'old/*.tif' -o counts.csv --report report.html
      countception count cells.count new/ -o counts.csv --regions rois/ --pixel-size 0.65
      countception count cells.count plates/*/*.tif -o counts.csv --group-by folder --totals totals.csv
    """
    from countception.images.find import find_images
    from countception.results.job import BatchOptions

    _check_kinds(model, images)
    level = parse.read_level(level)
    if out is None and sys.stdout is None:  # as some schedulers start programs
        raise ConfigError("standard output is closed: name a file for the counts with -o")
    shown = out is None and sys.stdout.isatty()  # otherwise the table goes to standard output
    regions_csv = _regions_file(out, regions, regions_csv, shown=shown)
    counter = _load(model, device, channels)
    files = find_images(images)
    _tell_left_out(images, files, regions, page)
    names, grouped = _groups_of(files, group_by, groups), group_by is not None or groups is not None
    written = (out, regions_csv, totals, report)
    _check_written(written, [*files, *(place for place in (model, groups, regions) if place is not None)])
    options = BatchOptions(
        out=out,
        overlays=overlays,
        maps=maps,
        points=points,
        points_as=parse.read_points_as(points_as, points, overwrite=overwrite),
        overwrite=overwrite,
        regions_out=regions_csv,
        groups=names if grouped else {},
        others=[place for place in (model, groups, totals, report) if place is not None],
        page=parse.read_page(page),
        axis=parse.read_axis(axis),
        flips=flips or None,
        shifts=shifts,
        tile=tile,
        rescale=rescale,
    )
    together = _Together(counter, names if grouped else None, level, flips or None, totals, report)
    rows = _count_all(counter, files, regions, pixel_size, options, together)
    _tell(rows, together, written=written, shown=shown)


@dataclass(frozen=True)
class _Together:
    """What is made of all rows together: totals, and a report."""

    counter: Counter
    groups: Mapping[str, str] | None
    """Of each image, if any are asked for."""
    level: float
    flips: bool | None
    totals: Path | None
    report: Path | None

    @property
    def intervals(self) -> IntervalModel:
        """What is known about the errors of these counts."""
        return self.counter.interval_model(flips=self.flips)

    def sums(self, rows: Sequence[Row]) -> list[GroupTotal]:
        """Of each group, or of all images."""
        from countception.results.groups import ALL, group_totals

        groups = [ALL if self.groups is None else self.groups[row.image] for row in rows]
        return group_totals(rows, groups, self.intervals, self.level)

    def write(self, rows: Sequence[Row]) -> None:
        """The files that were asked for."""
        from countception.results.count_report import write_count_report
        from countception.results.tables import write_totals

        sums = self.sums(rows)
        if self.totals is not None:
            write_totals(self.totals, sums)
        if self.report is not None:
            asked = () if self.groups is None else sums
            write_count_report(self.report, rows, self.counter, level=self.level, totals=asked, flips=self.flips)


def _tell(rows: Sequence[Row], together: _Together, *, written: Written, shown: bool) -> None:
    """Show the counts and their sums, or give them to the next program, and say where they were written."""
    sums = () if together.groups is None else together.sums(rows)
    _show(rows, sums, shown=shown, piped=written[0] is None and not shown)
    _sum_up(rows, together.intervals, together.level, written=written)


def _check_kinds(model: Path, images: Sequence[str]) -> None:
    usage = "count MODEL IMAGE…"
    parse.check_kind(model, parse.A_MODEL, usage)
    for image in images:
        parse.check_kind(image, parse.AN_IMAGE, usage)


def _tell_left_out(images: Sequence[str], files: Sequence[Path], regions: Path | None, page: str | None) -> None:
    """What of the images that are named is not counted, and what of the regions is counted more than once."""
    from countception.cli import console
    from countception.images.planes import EVERY

    console.tell_unread(*map(Path, images))
    console.tell_linked(images)
    if regions is not None and parse.read_page(page) == EVERY:
        console.tell_drawn_on(regions, files)


def _check_written(written: Written, read: Sequence[Path]) -> None:
    """Refuse results that would be something else by their names, lie where something is read, or could not be made."""
    from countception.results.outputs import check_places, check_tables
    from countception.results.plots import check_drawing

    _, _, totals, report = written
    check_places(read, *written)
    check_tables(totals)
    if report is not None:
        check_drawing()


def _load(model: Path, device: str | None, channels: str | None) -> Counter:
    """The counter, for other channels than it was trained on where they are named."""
    from countception.counting.counter import Counter

    counter = Counter.load(model, device=device)
    return counter if channels is None else counter.with_channels(parse.read_channels(channels))


def _groups_of(files: Sequence[Path], group_by: str | None, table: Path | None) -> dict[str, str]:
    """The group of each image, by its name; says where plates may have been mixed, or a group spelled in two ways."""
    from countception.cli import console
    from countception.results.groups import find_groups, of_no_image
    from countception.wording import why_alike

    found = find_groups(files, by=group_by, table=table)
    console.tell_same_named(files, found, group_by if table is None else None)
    if table is not None:
        console.tell_idle(table, of_no_image(files, table, group_by or "group"))
    if (alike := why_alike(found, "groups")) is not None:
        echo(alike, err=True)
    return dict(zip(map(str, files), found, strict=True))


def _count_all(
    counter: Counter,
    files: Sequence[Path],
    regions: Path | None,
    pixel_size: float | None,
    options: BatchOptions,
    together: _Together,
) -> list[Row]:
    """The rows of all files, with a bar that shows how far it has come, and all files written."""
    from countception.cli.progress import file_bar
    from countception.results import batch

    out = options.get("out")
    part = None if out is None else batch.unfinished(out)
    before = None if part is None else state(part)
    try:
        with file_bar() as progress:
            return batch.count_files(
                counter,
                files,
                regions=regions,
                pixel_size=pixel_size,
                level=together.level,
                pictures=0 if together.report is None else batch.PICTURES,
                report=progress,
                finish=together.write,
                **options,
            )
    except KeyboardInterrupt:
        if part is not None and not is_device(part) and state(part) not in (None, before):
            unwritten = f"{out}, other tables and the report are not written; the same command goes on from there"
            echo(f"the images counted by now are in {part}: {unwritten}", err=True)
        raise


def _show(rows: Sequence[Row], sums: Sequence[GroupTotal], *, shown: bool, piped: bool) -> None:
    """The counts on the screen, or as a table for the next program, and the sums of groups if there are any."""
    from countception.cli import console
    from countception.results import tables

    if shown:
        console.show_rows(rows)
    elif piped:
        with _in_utf8(sys.stdout) as stream:
            tables.write_rows(stream, rows)
    if sums:
        console.show_totals(sums, err=piped)


@contextmanager
def _in_utf8(stream: TextIO) -> Iterator[TextIO]:
    """Standard output as files are written, be it redirected in a language's own encoding, as on Windows."""
    if not isinstance(stream, TextIOWrapper):
        yield stream
        return
    stream.flush()
    table = TextIOWrapper(stream.buffer, encoding="utf-8", errors="surrogateescape", newline="", write_through=True)
    try:
        yield table
        table.flush()  # a full disk is said here
    finally:
        table.detach()


def _sum_up(rows: Sequence[Row], intervals: IntervalModel, level: float, *, written: Sequence[Path | None]) -> None:
    """Say what was counted in all and where it was written; exit status 1 where an image could not be counted."""
    from countception.cli import console
    from countception.results.groups import ALL, copies, group_totals

    total = group_totals(rows, [ALL] * len(rows), intervals, level)[0]
    places = [str(place) for place in written if place is not None]
    console.show_summary(rows, total, intervals.note(level), level=level, written=places)
    console.tell_copies(copies(rows))
    if total.failed:
        raise typer.Exit(1)


def _regions_file(out: Path | None, regions: Path | None, named: Path | None, *, shown: bool) -> Path | None:
    """Where the counts of regions go, beside the others unless a file is `named`; nowhere if they are `shown`."""
    if regions is None and named is not None:
        raise ConfigError("--regions-csv needs --regions, a file or folder of regions")
    if regions is None or named is not None or shown:
        return named
    if out is None or is_device(out):
        raise ConfigError("--regions needs a file for their counts: name one with -o or --regions-csv")
    return out.with_name(f"{out.stem}.regions.csv")


def evaluate(
    model: given.Model,
    data: given.Data,
    *,
    json: given.JsonFile = None,
    csv: given.CsvFile = None,
    plot: given.PlotFile = None,
    report: given.ReportFile = None,
    against: given.Against = None,
    points: given.FindPoints = False,
    tolerance: given.Tolerance = None,
    level: given.Level = None,
    flips: given.Flips = False,
    shifts: given.Shifts = None,
    tile: given.Tile = None,
    rescale: given.Rescale = False,
    order: given.Order = None,
    image_suffix: given.ImageSuffix = None,
    dots_suffix: given.DotsSuffix = None,
    ignore_unmatched: given.IgnoreUnmatched = False,
    regions: given.MarkedIn = None,
    pixel_size: given.PixelsOf = None,
    page: given.Page = None,
    axis: given.Axis = None,
    channels: given.OtherChannels = None,
    device: given.Device = None,
) -> None:
    """Compare counts with the truth on images with dots.

    Shows the true count, the count and the error of each image, and over all of them the mean absolute error (MAE), the
    root mean squared error (RMSE), the bias (count minus true count) and the relative error (sum of absolute errors
    over sum of true counts), beside the MAE of always saying the average count of the training images; how often the
    80, 90 and 95 % intervals held the true count; and how many images are unlike the training images.

    With --points, also how well one point per counted object agrees with the dots, matched one to one. With --regions,
    rectangles are evaluated as images of their own. With --against, which of two models is closer to the truth.

    \b
      countception evaluate cells.count more-cells/ --report report.html --points
      countception evaluate round2.count more-cells/ --against round1.count
    """
    from countception.cli import console
    from countception.cli.progress import file_bar
    from countception.evaluation import evaluation
    from countception.results.outputs import check_tables
    from countception.results.plots import check_drawing, plot_kind

    for name, kind in ((model, parse.A_MODEL), (data, parse.DATA)):
        parse.check_kind(name, kind, "evaluate MODEL DATA")
    parse.check_results(json, csv, plot, report, data=(data,), read=(model, regions, against))
    check_tables(csv)
    if plot is not None:
        plot_kind(plot)
    if plot is not None or report is not None:
        check_drawing()
    counter = _load(model, device, channels)
    other = None if against is None else _load(against, device, channels)
    reading = parse.Reading(order, image_suffix, dots_suffix, ignore_unmatched, page, axis, regions, pixel_size)
    console.tell_unread(data, data / "images")
    if counter.model.trained_on.get("parts") and regions is None:
        where = f"where {data}, too, has dots in parts of its images only, say which (--regions)"
        echo(f"the model learned from parts of images: {where}", err=True)
    with file_bar() as shown:
        result = evaluation.evaluate(
            counter,
            reading.data(data),
            level=parse.read_level(level),
            points=points,
            tolerance=tolerance,
            against=other,
            pictures=report is not None,
            report=shown,
            flips=flips or None,
            shifts=shifts,
            tile=tile,
            rescale=rescale,
        )
    _write_evaluation(result, counter, json=json, csv=csv, plot=plot, report=report)  # whoever reads on, or does not
    console.show_evaluation(result)
    if (comparison := result.comparison) is not None:
        echo(comparison.note(str(against)))


def _write_evaluation(
    result: Evaluation, counter: Counter, *, json: Path | None, csv: Path | None, plot: Path | None, report: Path | None
) -> None:
    """What of it was asked for."""
    from countception.files import write_json
    from countception.results.report import write_report

    if json is not None:
        write_json(json, result.to_dict())
    if csv is not None:
        result.write_csv(csv)
    if plot is not None:
        result.write_plot(plot)
    if report is not None:
        write_report(report, result, counter)
