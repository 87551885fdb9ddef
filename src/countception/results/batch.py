"""Counting many files: one row per image, good ones counted, bad ones named with what is wrong with them."""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from countception.config import LEVEL, CountOptions
from countception.errors import ConfigError, ImageError, OutputError, RegionsError
from countception.files import WINDOWS, is_device, unique_names
from countception.images.find import find_images
from countception.images.pieces import Pieces, Source
from countception.images.pixel_size import checked_size, read_pixel_size
from countception.images.planes import EVERY, Plane, called, planes
from countception.images.projection import PROJECTIONS, Page
from countception.images.read import Image, about, unchanged
from countception.memory import enough_to_count
from countception.results.outputs import Outputs
from countception.results.row import Row
from countception.results.tables import WHOLE, write_counts, write_regions

if TYPE_CHECKING:
    from countception.cli.progress import Each
    from countception.counting.count import Count
    from countception.counting.counter import Counter
    from countception.counting.predict import Report
    from countception.regions import Region, RegionCount, RegionFiles
    from countception.trust.confidence import Interval

StrPath = str | os.PathLike[str]

PICTURES = 24
"""In a report, of ordinary images and of those with warnings."""
SAVED_EVERY = 60.0
"""Seconds after which the rows so far are written, lest a long batch be lost with the machine."""
THUMBNAIL = 320
"""Largest side, in pixels, of the pictures in a report."""


class FileOptions(CountOptions, total=False):
    """Options of counting one file: also what to read of a stack, as in `countception.images.read.read_image`.

    With ``"all"`` as its page, each page of a stack is an image of its own.
    """

    page: Page | Literal["all"] | None
    axis: int | str | None


class BatchOptions(FileOptions, total=False):
    """Options of counting many files: also where to write what, as in `count_files`."""

    out: StrPath | None
    overlays: StrPath | None
    maps: StrPath | None
    points: StrPath | None
    points_as: str
    regions_out: StrPath | None
    overwrite: bool
    others: Sequence[StrPath]


def count_files(
    counter: Counter,
    paths: StrPath | Iterable[StrPath],
    *,
    regions: StrPath | None = None,
    pixel_size: float | None = None,
    level: float = LEVEL,
    pictures: int = 0,
    report: Each | None = None,
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
    **options
        What to write, and how to count:

        - `out`: CSV file of the rows, written at the end only. Until then, and after Ctrl-C, the rows so far are beside
          it, written every minute: see `unfinished`; and all of them where it cannot be replaced, as on Windows while
          Excel has it open.
        - `overlays`: folder for pictures of the density over each image.
        - `maps`: folder for float32 TIFF count maps. The sum of a map over the `redundancy` in its description is the
          count.
        - `points`: folder for files of points, one per counted object, in a form that dots are read in.
        - `points_as`: ``"csv"``, with the confidence in each; ``"geojson"`` for QuPath; ``"zip"`` for ImageJ.
        - `overwrite`: whether points may replace others there, which may have been corrected by hand.
        - `regions_out`: CSV file of the regions, written as `out` is.
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
    rows: list[Row] = []
    saved = time.monotonic()
    try:
        for row in job.rows(pictures, report):
            rows.append(row)
            if time.monotonic() - saved > SAVED_EVERY:
                job.save(rows)
                saved = time.monotonic()
            if report:
                report(len(rows), len(job.planes), job.planes[len(rows) - 1].name)
    finally:  # also after Ctrl-C or a full disk: what was counted is kept
        job.write(rows, finished=len(rows) == len(job.planes))
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
) -> _Job:
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
    job = _Job(counter, found, outputs, level, pixel_size, options)
    job.add_regions(regions)
    others = [*options.get("others", ()), *(job.regions.paths if job.regions is not None else ())]
    names = counter.model.class_names
    job.outputs.check(options.get("out"), options.get("regions_out"), others=others, classes=names)
    counter.model.intervals.interval(0.0, None, level)  # an impossible level
    return job


@dataclass
class _Job:
    """How each file is counted."""

    counter: Counter
    planes: Sequence[Plane]
    outputs: Outputs
    level: float
    pixel_size: float | None
    options: BatchOptions
    regions: RegionFiles | None = None
    regions_of: Callable[[Path], list[Region]] = field(default=lambda _: [])
    size_of: Callable[..., float | None] = field(default_factory=lambda: functools.lru_cache(1)(read_pixel_size))
    """These two are read once for all pages of a file."""

    @property
    def tables(self) -> list[StrPath]:
        """Where the counts, and those of regions, are to be written."""
        places = (self.options.get("out"), self.options.get("regions_out"))
        return [place for place in places if place is not None]

    def add_regions(self, path: StrPath | None) -> None:
        if path is not None:
            from countception.regions import RegionFiles

            files = self.outputs.files
            self.regions = RegionFiles(path, dict(zip(files, unique_names(files), strict=True)))
            self.regions_of = functools.lru_cache(maxsize=1)(self.regions.of)

    def rows(self, pictures: int, report: Each | None) -> Iterator[Row]:
        """The row of each image, with pictures of `pictures` of them and of the first so many with warnings."""
        sample = set(_spread(len(self.planes), pictures))
        strange = 0
        for file, pages in itertools.groupby(enumerate(self.planes), key=lambda numbered: numbered[1].path):
            with Source(file) as source:
                for k, plane in pages:
                    within = report and self._within(report, k)
                    row = self.count(plane, source, within, sampled=k in sample, flagged=strange < pictures)
                    strange += bool(row.warning)
                    yield row

    def _within(self, report: Each, done: int) -> Report:
        """Reports the share of the image that is being counted; the end of an image is reported with its row."""
        return lambda share: report(done + share, len(self.planes), self.planes[done].name) if share < 1 else None

    def write(self, rows: Sequence[Row], *, finished: bool) -> None:
        """The tables that were asked for; none where nothing was counted, and no part in the place of a whole one.

        Raises
        ------
        OutputError
            One has no place, or cannot be replaced; the other is written all the same.
        """
        errors = []
        for table, write in ((self.options.get("out"), write_counts), (self.options.get("regions_out"), write_regions)):
            try:
                if table is not None and rows:
                    _write(table, write, rows, finished=finished)
            except OutputError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def save(self, rows: Sequence[Row]) -> None:
        """The tables so far, where they can be replaced by the whole ones."""
        if not any(is_device(Path(place)) for place in self.tables):
            with suppress(OutputError) if WINDOWS else nullcontext():  # Excel may have one open: the next time will do
                self.write(rows, finished=False)

    def count(self, plane: Plane, source: Source, report: Report | None, *, sampled: bool, flagged: bool) -> Row:
        """The row of an image, with a picture if it is `sampled`, or has a warning and those are `flagged`."""
        file, page = plane.path, plane.page
        chosen = self.options.get("page")
        try:
            with about(file), enough_to_count(), unchanged(file):
                pixels = source.read(page=page if chosen == EVERY else chosen, axis=self.options.get("axis"))
                return self._counted(plane, pixels, report, sampled=sampled, flagged=flagged)
        except ImageError as error:
            return Row(str(file), page=page, error=str(error).replace(str(file), called(str(file), page), 1))
        except RegionsError as error:
            return Row(str(file), page=page, error=f"{called(str(file), page)}: {error}")

    def _counted(
        self,
        plane: Plane,
        pixels: Image | Pieces,
        report: Report | None,
        *,
        sampled: bool,
        flagged: bool,
    ) -> Row:
        file = plane.path
        self.counter.model.normalisation.check(pixels, str(file))
        regions = self.regions_of(file)  # what is wrong with them is said at once
        size = self.pixel_size or self.size_of(file, page=self.options.get("page"))
        count = self.counter.count_pixels(
            pixels,
            tile=self.options.get("tile"),
            flips=self.options.get("flips"),
            shifts=self.options.get("shifts"),
            pixel_size=size,
            rescale=self.options.get("rescale", False),
            points=self.outputs.points is not None,
            report=report,
        )
        whole, inside = self._regions(file, count, regions, size)
        small = sampled or (flagged and bool(count.warnings))
        drawn = picture = None
        if small or self.outputs.overlays is not None:
            from countception.results.pictures import encoded, overlay

            drawn = overlay(self.counter.shown(pixels), count, regions=regions)
            picture = encoded(drawn, largest=THUMBNAIL) if small else None
        written = self.outputs.write(plane, count, drawn)
        low, high = self._interval(count) or (None, None)
        return Row(
            image=str(file),
            page=plane.page,
            count=count.value,
            low=low,
            high=high,
            spread=count.spread,
            by_class=count.by_class if len(count.by_class) > 1 else {},
            width=count.shape[1],
            height=count.shape[0],
            area_mm2=_mm2(count, size),
            warning="; ".join(count.warnings),
            whole=whole,
            regions=inside,
            picture=picture,
            model=self.counter.model.identity,
            missing=count.missing,
            missing_by_class=count.missing_by_class if len(count.by_class) > 1 else {},
            **written,
        )

    def _regions(
        self, file: Path, count: Count, regions: Sequence[Region], size: float | None
    ) -> tuple[RegionCount | None, tuple[RegionCount, ...]]:
        """The whole image and its regions, counted; pixels are of `size` micrometres."""
        if self.regions is None:
            return None, ()
        from countception.regions import RegionCount, why_astray

        interval = self._interval(count)
        whole = RegionCount(WHOLE, count.value, float(count.area), _mm2(count, size), count.by_class, interval)
        inside = count.in_regions(regions, pixel_size=size, level=self.level)
        for region, one in zip(regions, inside, strict=True):
            if why := why_astray(region, one.area, count.shape):
                raise RegionsError(f"the region {one.name} of {self.regions.file_of(file)} {why}")
        return whole, tuple(replace(one, interval=None) if count.warnings else one for one in inside)

    def _interval(self, count: Count) -> Interval | None:
        """None for an image unlike those of the validation: it would promise what nobody has measured."""
        return None if count.warnings else count.interval(self.level)


def _write(
    table: StrPath, write: Callable[[StrPath, Sequence[Row]], None], rows: Sequence[Row], *, finished: bool
) -> None:
    """Write a table; or beside it, before all is counted, and where it cannot be replaced as Excel has it open."""
    part = unfinished(table)
    if not finished or part == Path(table):
        write(part, rows)
        return
    try:
        write(table, rows)
    except OutputError as error:
        try:
            write(part, rows)
        except OutputError:  # there is no place at all, as on a full disk
            raise error from None
        raise OutputError(f"{error}; what was counted is in {part}") from None
    with suppress(OSError):  # it may be open, too
        part.unlink(missing_ok=True)


def _mm2(count: Count, pixel_size: float | None) -> float | None:
    return None if pixel_size is None else count.area * pixel_size**2 / 1e6


def _spread(n: int, number: int) -> list[int]:
    """Up to `number` of n indices, spread evenly."""
    number = min(n, number)
    return [(2 * k + 1) * n // (2 * number) for k in range(number)]
