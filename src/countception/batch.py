"""Counting many files: one row per image, good ones counted, bad ones named with what is wrong with them."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypedDict, Unpack

from countception.errors import ImageError, OutputError
from countception.files import check_writable, whole_file
from countception.images import find_images, read_image
from countception.points import write_points

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from countception.counter import Count, Counter

StrPath = str | os.PathLike[str]

DECIMALS = 3
"""Of the counts in a CSV file."""


class CountOptions(TypedDict, total=False):
    """Options of counting one image, as in `Counter.count`."""

    tile: int | None
    flips: bool | None
    shifts: int | None


class FileOptions(CountOptions, total=False):
    """Options of counting one file: also what to read of a stack, as in `countception.images.read_image`."""

    page: int | None
    axis: int | str | None


@dataclass(frozen=True)
class Row:
    """What became of one image."""

    image: str
    """The file, as it was named."""
    count: float | None = None
    """Fractional; None where it could not be counted."""
    low: float | None = None
    high: float | None = None
    """Interval that holds the true count with the level asked for; None where the model cannot say."""
    by_class: dict[str, float] = field(default_factory=dict)
    width: int | None = None
    """In pixels."""
    height: int | None = None
    overlay: str = ""
    """The picture written for it, if any."""
    map: str = ""
    """The count map written for it, if any."""
    points: str = ""
    """The table of points written for it, if any."""
    warning: str = ""
    """In what the image is unlike the training images, worst first; empty if it is like them."""
    error: str = ""
    """Why it was not counted; empty if it was."""

    @property
    def rounded(self) -> int | None:
        """The count for display, as `Count.rounded`."""
        return None if self.count is None else max(0, int(self.count + 0.5))


def count_files(
    counter: Counter,
    paths: StrPath | Iterable[StrPath],
    *,
    out: StrPath | None = None,
    overlays: StrPath | None = None,
    maps: StrPath | None = None,
    points: StrPath | None = None,
    level: float = 0.9,
    report: Callable[[int, int, str], None] | None = None,
    **options: Unpack[FileOptions],
) -> list[Row]:
    """Count the objects in image files.

    Parameters
    ----------
    counter
        A trained counter.
    paths
        Files, folders and patterns, as in `countception.images.find_images`.
    out
        CSV file of the rows. It is written at the end; after Ctrl-C it holds the rows so far.
    overlays
        Folder for pictures of the density over each image.
    maps
        Folder for float32 TIFF count maps. The sum of a map over the `redundancy` in its description is the count.
    points
        Folder for tables of points, one per counted object, in the form that dots are read in.
    level
        Of the intervals.
    report
        Called after each image with how many are done, how many there are, and the name of the file.
    **options
        As in `Counter.count`.

    Returns
    -------
    A row per image. One that cannot be counted has its `error` set, and the others are counted all the same.

    Raises
    ------
    ImageError
        A name matches no file.
    ConfigError
        The options make no sense.
    OutputError
        A result cannot be written; checked before counting starts.
    """
    files = find_images(paths)
    outputs = _Outputs(files, overlays, maps, points)
    outputs.check(out)
    counter.model.intervals.interval(0.0, None, level)  # an impossible level is refused before counting starts
    rows: list[Row] = []
    try:
        for file in files:
            rows.append(_count_file(counter, file, outputs, level, options))
            if report:
                report(len(rows), len(files), file.name)
    finally:  # also after Ctrl-C or a full disk: what was counted is kept
        if out is not None and rows:
            write_counts(out, rows)
    return rows


def _count_file(counter: Counter, file: Path, outputs: _Outputs, level: float, options: FileOptions) -> Row:
    tile, flips, shifts = options.get("tile"), options.get("flips"), options.get("shifts")
    try:
        pixels = read_image(file, page=options.get("page"), axis=options.get("axis"))
        counter.model.normalisation.check(pixels, str(file))
        wanted = outputs.points is not None
        count = counter.count(pixels.transpose(1, 2, 0), tile=tile, flips=flips, shifts=shifts, points=wanted)
    except ImageError as error:
        return Row(str(file), error=str(error))
    overlay, map_file, point_file = outputs.write(file, pixels, count)
    low, high = count.interval(level) or (None, None)
    by_class = count.by_class if len(count.by_class) > 1 else {}
    height, width = count.shape
    places = (overlay, map_file, point_file)
    return Row(str(file), count.value, low, high, by_class, width, height, *places, "; ".join(count.warnings))


class _Outputs:
    """Names of the pictures and maps: those of the images, made different where two images share theirs."""

    def __init__(self, files: Sequence[Path], *folders: StrPath | None) -> None:
        self.files = files
        self.names = dict(zip(files, unique_names(files), strict=True))
        self.overlays, self.maps, self.points = (None if folder is None else Path(folder) for folder in folders)

    def check(self, out: StrPath | None) -> None:
        inputs = {file.resolve() for file in self.files}
        for file in self.files:
            for target in (self.overlay(file), self.map(file), self.table(file)):
                if target is not None and target.resolve() in inputs:
                    raise OutputError(
                        f"{target} would be overwritten, and it is one of the images: name another folder"
                    )
        if out is not None and Path(out).resolve() in inputs:
            raise OutputError(f"{out} would be overwritten, and it is one of the images: name another file")
        folders = (self.overlays, self.maps, self.points)
        for place in (out, *(folder and folder / "file" for folder in folders)):
            if place is not None:
                check_writable(place)

    def overlay(self, file: Path) -> Path | None:
        return self.overlays and self.overlays / f"{self.names[file]}.png"

    def map(self, file: Path) -> Path | None:
        return self.maps and self.maps / f"{self.names[file]}.tif"

    def table(self, file: Path) -> Path | None:
        return self.points and self.points / f"{self.names[file]}.csv"

    def write(self, file: Path, pixels: npt.NDArray[np.generic], count: Count) -> tuple[str, str, str]:
        from countception.pictures import overlay, save_picture

        picture, map_file, table = self.overlay(file), self.map(file), self.table(file)
        if picture is not None:
            save_picture(overlay(pixels, count), picture)
        if map_file is not None:
            write_map(map_file, count, image=str(file))
        if table is not None and count.points is not None and count.confidence is not None:
            write_points(table, count.points, extra={"confidence": count.confidence.round(DECIMALS)})
        return str(picture or ""), str(map_file or ""), str(table or "")


def unique_names(files: Sequence[Path]) -> list[str]:
    """A name without suffix for each file: its stem, or, where files share one, the folders that differ before it.

    A number goes after what is still the same. Names that differ in case alone count as the same, as they do on some
    file systems.
    """
    times = Tally(file.stem.lower() for file in files)
    shared = [file.resolve() for file in files if times[file.stem.lower()] > 1]
    common = os.path.commonpath([file.parent for file in shared]) if shared else ""
    taken = {stem for stem, number in times.items() if number == 1}
    names = []
    for file in files:
        name = file.stem
        if times[name.lower()] > 1:
            wanted = "_".join([*file.resolve().parent.relative_to(common).parts, file.stem])
            name, number = wanted, 1
            while name.lower() in taken:
                number += 1
                name = f"{wanted}_{number}"
            taken.add(name.lower())
        names.append(name)
    return names


def write_map(path: StrPath, count: Count, *, image: str = "") -> None:
    """Write a count map as a float32 TIFF, ``(y, x)`` or, of several classes, ``(class, y, x)``.

    Its ImageDescription is a JSON object: the sum of all values over `redundancy` is `count`; entry ``(j, i)`` counts
    in a square of `window` working pixels whose centre lies ``(j, i) * stride / scale`` image pixels from `origin`.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    import tifffile

    description = {
        "image": image,
        "count": count.value,
        "by_class": count.by_class,
        "redundancy": count.redundancy,
        "window": count.window,
        "stride": count.stride,
        "scale": count.scale,
        "origin": count.origin(),
        "image_shape": count.shape,
    }
    values = count.map[0] if len(count.map) == 1 else count.map
    stream = io.BytesIO()  # in memory, as numpy's own writing to a full disk does not say that the disk is full
    tifffile.imwrite(stream, values, photometric="minisblack", description=json.dumps(description), metadata=None)
    with whole_file(path) as temporary:
        temporary.write_bytes(stream.getvalue())


def write_counts(path: StrPath, rows: Sequence[Row]) -> None:
    """Write rows as a CSV file, whole or not at all; see `write_rows` for the columns.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        write_rows(stream, rows)


def write_rows(stream: TextIO, rows: Sequence[Row]) -> None:
    """Write rows as CSV.

    The columns are `image`, `count` (fractional, three decimals; empty where the image could not be counted), `low` and
    `high` (the interval; empty where the model was validated on too few images to say), one `count_<class>` per class
    where there are several, `width` and `height` in pixels, `overlay`, `map` and `points` where those were asked for,
    `warning` (in what the image is unlike the training images) and `error`.
    """
    classes = list(dict.fromkeys(name for row in rows for name in row.by_class))
    files = [name for name in ("overlay", "map", "points") if any(getattr(row, name) for row in rows)]
    writer = csv.writer(stream, lineterminator="\n")
    kinds = [f"count_{name}" for name in classes]
    writer.writerow(["image", "count", "low", "high", *kinds, "width", "height", *files, "warning", "error"])
    for row in rows:
        by_class = [_number(row.by_class.get(name)) for name in classes]
        numbers = [_number(value) for value in (row.count, row.low, row.high)]
        places = [getattr(row, name) for name in files]
        texts = [*places, row.warning, row.error]
        writer.writerow([row.image, *numbers, *by_class, row.width, row.height, *texts])


def _number(value: float | None) -> Any:
    return "" if value is None else f"{value:.{DECIMALS}f}"
