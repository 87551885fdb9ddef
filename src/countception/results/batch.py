"""Counting many files: one row per image, good ones counted, bad ones named with what is wrong with them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from countception import __version__
from countception.config import LEVEL
from countception.errors import ConfigError, OutputError
from countception.files import WINDOWS, is_device, make_way
from countception.images.find import find_images
from countception.images.pixel_size import checked_size
from countception.images.planes import EVERY, planes
from countception.images.projection import PROJECTIONS
from countception.results.job import BatchOptions, Job
from countception.results.journal import Journal
from countception.results.outputs import Outputs
from countception.results.row import Row
from countception.results.tables import write_counts, write_regions

if TYPE_CHECKING:
    from countception.cli.progress import Each
    from countception.counting.counter import Counter

StrPath = str | os.PathLike[str]
Finish = Callable[[Sequence[Row]], None]

PICTURES = 24
"""In a report, of ordinary images and of those with warnings."""
SAVED_EVERY = 60.0
"""Seconds after which the rows so far are written, lest a long batch be lost with the machine."""


def count_files(
    counter: Counter,
    paths: StrPath | Iterable[StrPath],
    *,
    regions: StrPath | None = None,
    pixel_size: float | None = None,
    level: float = LEVEL,
    pictures: int = 0,
    report: Each | None = None,
    finish: Finish | None = None,
    **options: Unpack[BatchOptions],
) -> list[Row]:
    """Count the objects in image files.

    Parameters
    ----------
    counter
        A trained counter.
    paths
        Files, folders and patterns, as in `countception.images.find.find_images`.
    regions
        Count inside these regions, too: one file for all images, or a folder with a file for each, as
        `countception.regions.RegionFiles` takes it.
    pixel_size
        Side of a pixel in micrometres; None takes what a file says, as `countception.images.pixel_size` reads it.
    level
        Of the intervals.
    pictures
        Make small overlays for a report: of this many images, spread evenly over all of them, and of as many again
        that are unlike the training images.
    report
        Called after each image, and after each tile of a large one, with how many images are done, how many there are,
        and the name of the file.
    finish
        Called with all rows when the tables are written, to write what is made of them: until it has, the same call
        goes on where it was interrupted.
    **options
        What to write, and how to count:

        - `out`: CSV file of the rows, written at the end only. Until then, and after Ctrl-C, the rows so far are beside
          it, written every minute: see `unfinished`; and all of them where it cannot be replaced, as on Windows while
          Excel has it open. The same call goes on where it was interrupted (`countception.results.journal`).
        - `overlays`: folder for pictures of the density over each image.
        - `maps`: folder for float32 TIFF count maps: their sum over the `redundancy` in their description is the count.
        - `points`: folder for files of points, one per counted object, in a form that dots are read in.
        - `points_as`: ``"csv"``, with the confidence in each; ``"geojson"`` for QuPath; ``"zip"`` for ImageJ.
        - `overwrite`: whether points may replace others there, which may have been corrected by hand.
        - `regions_out`: CSV file of the regions, written as `out` is.
        - `groups`: a mapping from the name of each image in rows to its group, for tables: such as
          ``dict(zip(map(str, files), countception.find_groups(files, by=…)))``.
        - `others`: files that are not to be written over, as they are read or written elsewhere.
        - the others as in `Counter.count`.

    Returns
    -------
    A row per image, or per page of stacks with ``page="all"``. One that cannot be counted has its `error` set, and the
    others are counted all the same.

    Raises
    ------
    ImageError
        A name matches no file.
    RegionsError
        The file of regions cannot be read, or a folder has none for any of the images.
    ConfigError
        The options make no sense.
    OutputError, PointsError
        A result cannot be written; checked before counting starts.
    """
    job = _job(counter, find_images(paths), regions, pixel_size, level, options)
    tables = _Tables(options.get("out"), options.get("regions_out"))
    with job.journal:
        rows = _rows(job, tables, pictures, report)
        if finish:
            finish(rows)
        job.journal.remove()
    return rows


def _rows(job: Job, tables: _Tables, pictures: int, report: Each | None) -> list[Row]:
    """Of each image, with the tables written now and then, and in the end however that comes."""
    rows: list[Row] = []
    saved = time.monotonic()
    try:
        for row in job.rows(pictures, report):
            rows.append(row)
            if time.monotonic() - saved > SAVED_EVERY:
                tables.save([*rows, *job.known(job.planes[len(rows) :])])
                saved = time.monotonic()
            if report:
                report(len(rows), len(job.planes), job.planes[len(rows) - 1].name)
    finally:  # also after Ctrl-C or a full disk: what was counted is kept, now and before
        tables.write([*rows, *job.known(job.planes[len(rows) :])], finished=len(rows) == len(job.planes))
    return rows


def unfinished(table: StrPath) -> Path:
    """Where the rows so far are written: a table of its own name is a whole one. Of a device, itself."""
    path = Path(table)
    return path if is_device(path) else path.with_suffix(f".unfinished{path.suffix}")


def _job(
    counter: Counter,
    files: Sequence[Path],
    regions: StrPath | None,
    pixel_size: float | None,
    level: float,
    options: BatchOptions,
) -> Job:
    """What is to be done; whatever cannot be done is refused before counting starts."""
    if unknown := options.keys() - BatchOptions.__optional_keys__:
        raise TypeError(f"count_files() has no option {', '.join(sorted(unknown))}")
    if pixel_size is not None:
        checked_size(pixel_size)
    page = options.get("page")
    if isinstance(page, str) and page not in (EVERY, *PROJECTIONS):
        raise ConfigError(f"{page!r} is no page: give its number, from 0, or {', '.join(PROJECTIONS)} or {EVERY}")
    found = planes(files, page, options.get("axis"))
    outputs = Outputs(
        found,
        overlays=options.get("overlays"),
        maps=options.get("maps"),
        points=options.get("points"),
        points_as=options.get("points_as", "csv"),
        overwrite=options.get("overwrite", False),
    )
    if options.get("rescale"):
        counter.check_rescaling()
    batch = _batch(counter, regions, pixel_size, level, options)
    job = Job(counter, found, outputs, Journal(_journal(options.get("out")), batch), level, pixel_size, options)
    job.add_regions(regions)
    job.take_over()
    others = [*options.get("others", ()), *(job.regions.paths if job.regions is not None else ())]
    names = counter.model.class_names
    job.outputs.check(options.get("out"), options.get("regions_out"), others=others, classes=names)
    counter.model.intervals.interval(0.0, None, level)  # an impossible level
    return job


class _Tables:
    """Where the counts, and those of regions, are to be written; None is nowhere."""

    def __init__(self, out: StrPath | None, regions_out: StrPath | None) -> None:
        self.places = ((out, write_counts), (regions_out, write_regions))

    def write(self, rows: Sequence[Row], *, finished: bool) -> None:
        """The tables that were asked for; none where nothing was counted, and no part in the place of a whole one.

        Raises
        ------
        OutputError
            One has no place, or cannot be replaced; the other is written all the same.
        """
        errors = []
        for table, write in self.places:
            try:
                if table is not None and rows:
                    _write(table, write, rows, finished=finished)
            except OutputError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def save(self, rows: Sequence[Row]) -> None:
        """The tables so far, where they can be replaced by the whole ones."""
        if not any(is_device(Path(table)) for table, _ in self.places if table is not None):
            with suppress(OutputError) if WINDOWS else nullcontext():  # Excel may have one open: the next time will do
                self.write(rows, finished=False)


def _journal(table: StrPath | None) -> Path | None:
    """Where it is kept what a batch goes on from."""
    if table is None or is_device(Path(table)):
        return None
    part = unfinished(table)
    return part.with_name(f"{part.name.removesuffix('.csv')}.jsonl")


def _batch(
    counter: Counter,
    regions: StrPath | None,
    pixel_size: float | None,
    level: float,
    options: BatchOptions,
) -> dict[str, object]:
    """All that rows depend on but the files, and the pictures of the report, which are made where they are missing."""
    elsewhere = ("out", "regions_out", "groups", "overwrite", "others", "tile")
    return {
        "version": __version__,
        "model": counter.model.identity,
        "channels": counter.model.normalisation.numbers,
        "regions": regions,
        "pixel_size": pixel_size,
        "level": level,
        **{key: value for key, value in options.items() if key not in elsewhere},
    }


def _write(
    table: StrPath, write: Callable[[StrPath, Sequence[Row]], None], rows: Sequence[Row], *, finished: bool
) -> None:
    """Write a table; or beside it, before all is counted, and where it cannot be replaced as Excel has it open."""
    part = unfinished(table)
    if part == Path(table):
        write(part, rows)
        return
    if not finished:
        _write_part(part, write, rows)
        return
    try:
        write(table, rows)
    except OutputError as error:
        try:
            _write_part(part, write, rows)
        except OutputError:  # there is no place at all, as on a full disk
            raise error from None
        raise OutputError(f"{error}; what was counted is in {part}") from None
    with suppress(OSError):  # it may be open, too
        part.unlink(missing_ok=True)


def _write_part(part: Path, write: Callable[[StrPath, Sequence[Row]], None], rows: Sequence[Row]) -> None:
    """What there is so far, in a place that nobody named."""
    make_way(part)
    write(part, rows)
