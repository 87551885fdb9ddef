"""Counting one file after the other: what is read of each, how it is counted, and what a row says of it."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from countception.config import CountOptions
from countception.errors import ImageError, RegionsError
from countception.files import unique_names
from countception.images.pieces import Pieces, Source
from countception.images.pixel_size import read_pixel_size
from countception.images.planes import EVERY, Plane, called
from countception.images.projection import Page
from countception.images.read import Image, about, unchanged
from countception.memory import enough_to_count
from countception.results.journal import Journal
from countception.results.outputs import Outputs
from countception.results.row import Row
from countception.wording import WHOLE

if TYPE_CHECKING:
    from countception.cli.progress import Each
    from countception.counting.count import Count
    from countception.counting.counter import Counter
    from countception.counting.predict import Report
    from countception.regions import Region, RegionCount, RegionFiles
    from countception.trust.confidence import Interval

StrPath = str | os.PathLike[str]

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
    groups: Mapping[str, str]
    overwrite: bool
    others: Sequence[StrPath]


@dataclass
class Job:
    """How each file is counted.

    Parameters
    ----------
    counter, level, pixel_size, options
        As in `countception.results.batch.count_files`.
    planes
        What is counted.
    outputs
        What is written of each.
    journal
        What was counted before the batch was interrupted, and is kept in case it is.
    """

    counter: Counter
    planes: Sequence[Plane]
    outputs: Outputs
    journal: Journal
    level: float
    pixel_size: float | None
    options: BatchOptions
    regions: RegionFiles | None = None
    regions_of: Callable[[Path], list[Region]] = field(default=lambda _: [])
    size_of: Callable[..., float | None] = field(default_factory=lambda: functools.lru_cache(1)(read_pixel_size))
    """These two are read once for all pages of a file."""
    before: dict[Plane, Row] = field(default_factory=dict)
    """What need not be counted again."""

    def add_regions(self, path: StrPath | None) -> None:
        """Count in the regions of a file or folder, too."""
        if path is not None:
            from countception.regions import RegionFiles

            files = self.outputs.files
            self.regions = RegionFiles(path, dict(zip(files, unique_names(files), strict=True)))
            self.regions_of = functools.lru_cache(maxsize=1)(self.regions.of)

    def take_over(self) -> None:
        """Find what was counted before, of files that have not changed since, and written where it would be now."""
        for plane in self.planes:
            row = self.journal.row(plane, *self._drawn(plane))
            if row is not None and self.outputs.holds(plane, row):
                self.before[plane] = self._grouped(row)
        self.outputs.take_over(self.before.keys(), self.journal.begun - self.journal.rows.keys())

    def rows(self, pictures: int, report: Each | None) -> Iterator[Row]:
        """The row of each image, with pictures of `pictures` of them and of the first so many with warnings."""
        sample = set(_spread(len(self.planes), pictures))
        strange = 0
        for file, pages in itertools.groupby(enumerate(self.planes), key=lambda numbered: numbered[1].path):
            with Source(file) as source:
                for k, plane in pages:
                    within = report and self._within(report, k)
                    row = self._row(plane, source, within, sampled=k in sample, flagged=strange < pictures)
                    strange += bool(row.warning)
                    yield self._grouped(row)

    def known(self, planes: Sequence[Plane]) -> list[Row]:
        """The rows of those that need not be counted again."""
        return [self.before[plane] for plane in planes if plane in self.before]

    def _grouped(self, row: Row) -> Row:
        return replace(row, group=self.options.get("groups", {}).get(row.image, ""))

    def _row(self, plane: Plane, source: Source, report: Report | None, *, sampled: bool, flagged: bool) -> Row:
        """As `count`, unless that was done before; the picture that it is to have is made where it has none."""
        known = self.before.get(plane)
        if known is None:
            self.journal.begin(plane)
            row = self.count(plane, source, report, sampled=sampled, flagged=flagged)
        elif known.picture or not (sampled or (flagged and known.warning)):
            return known
        else:
            row = replace(known, picture=self.count(plane, source, report, sampled=True, flagged=False).picture)
        self.journal.add(plane, row, *self._drawn(plane))
        return row

    def _drawn(self, plane: Plane) -> list[Path]:
        """The file of its regions, if there is one."""
        file = None if self.regions is None else self.regions.file_of(plane.path)
        return [] if file is None or file.is_dir() else [file]

    def _within(self, report: Each, done: int) -> Report:
        """Reports the share of the image that is being counted; the end of an image is reported with its row."""
        return lambda share: report(done + share, len(self.planes), self.planes[done].name) if share < 1 else None

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
            known=not isinstance(pixels, Pieces) and self.counter.model.knows(pixels),
            whole=whole,
            regions=inside,
            picture=picture,
            model=self.counter.model.identity,
            missing=count.missing,
            missing_by_class=count.missing_by_class if len(count.by_class) > 1 else {},
            overlay=written["overlay"],
            map=written["map"],
            points=written["points"],
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


def _mm2(count: Count, pixel_size: float | None) -> float | None:
    return None if pixel_size is None else count.area * pixel_size**2 / 1e6


def _spread(n: int, number: int) -> list[int]:
    """Up to `number` of n indices, spread evenly."""
    number = min(n, number)
    return [(2 * k + 1) * n // (2 * number) for k in range(number)]
