"""Sums over groups of images: plates, slides, folders."""

from __future__ import annotations

import hashlib
import os
import re
import statistics
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from countception.config import LEVEL
from countception.errors import ConfigError, DatasetError, PointsError
from countception.files import same_name
from countception.points.cells import read_table
from countception.results.row import class_names
from countception.trust.confidence import Interval, IntervalModel, WithInterval
from countception.wording import rounded

if TYPE_CHECKING:
    from countception.results.row import Row

ALL = "all images"
"""The group of all images together."""
PART = "{}"
"""In a pattern, the part of a file's name that is its group."""


@dataclass(frozen=True)
class GroupTotal(WithInterval):
    """Several images together."""

    group: str
    images: int
    """How many of them were counted."""
    count: float
    interval: Interval | None
    """Where the true total lies, if the counter can say; None where all counted images are unlike the training ones."""
    by_class: dict[str, float] = field(default_factory=dict)
    sd: float | None = None
    """Standard deviation of the images' counts; None of fewer than two."""
    area_mm2: float | None = None
    """Of the counted images together, where the size of all their pixels is known."""
    flagged: int = 0
    """Counted images that are unlike the training images."""
    failed: int = 0
    """Images that could not be counted: they are missing from the total."""

    @property
    def mean(self) -> float | None:
        """Count per image; None where none was counted."""
        return self.count / self.images if self.images else None

    @property
    def per_mm2(self) -> float | None:
        """Count per area; None where that is not known."""
        return self.count / self.area_mm2 if self.area_mm2 else None


class _Named(NamedTuple):
    """A row of a table of groups."""

    image: str
    """As it is written there."""
    group: str


def group_totals(
    rows: Sequence[Row], groups: Sequence[str], intervals: IntervalModel, level: float = LEVEL
) -> list[GroupTotal]:
    """The total of each group, in the order in which the groups first come.

    Parameters
    ----------
    rows
        From `countception.count_files`.
    groups
        Name of the group of each row.
    intervals
        Of the counter: `Counter.interval_model`, with `flips` as the images were counted. The interval of a total is
        not the sum of the images' intervals, see `IntervalModel.total`.
    level
        Of the intervals.

    Raises
    ------
    ConfigError
        The level makes no sense, or there is not one group per row.
    """
    if len(groups) != len(rows):
        raise ConfigError(f"{len(rows)} images have {len(groups)} groups: there must be one per image")
    members: dict[str, list[Row]] = {}
    for row, group in zip(rows, groups, strict=True):
        members.setdefault(group, []).append(row)
    return [_total(group, some, intervals, level) for group, some in members.items()]


def _total(group: str, rows: Sequence[Row], intervals: IntervalModel, level: float) -> GroupTotal:
    counts = [row.count for row in rows if row.count is not None]
    areas = [row.area_mm2 for row in rows if row.count is not None and row.area_mm2 is not None]
    spreads = [row.spread for row in rows if row.count is not None and row.spread is not None]
    known = spreads if len(spreads) == len(counts) else None
    trusted = any(row.count is not None and not row.warning for row in rows)
    return GroupTotal(
        group=group,
        images=len(counts),
        count=float(sum(counts)),
        interval=intervals.total(counts, known, level) if trusted else None,
        by_class={name: sum(row.by_class.get(name, 0.0) for row in rows) for name in class_names(rows)},
        sd=statistics.stdev(counts) if len(counts) > 1 else None,
        area_mm2=sum(areas) if counts and len(areas) == len(counts) else None,
        flagged=sum(bool(row.warning) for row in rows),
        failed=len(rows) - len(counts),
    )


def find_groups(
    images: Sequence[str | os.PathLike[str]], *, by: str | None = None, table: str | os.PathLike[str] | None = None
) -> list[str]:
    """The group of each image: from a column of a table, its folder, a part of its name, or one of them all.

    Parameters
    ----------
    images
        Paths.
    by
        ``folder``, a pattern for `by_name`, or the name of a column.
    table
        For `by_table`.

    Raises
    ------
    ConfigError
        `by` names a column, and there is no table, or the pattern is none.
    DatasetError
        As for `by_table` and `by_name`.
    """
    if table is not None:
        return by_table(images, table, by or "group")
    if by is None:
        return [ALL] * len(images)
    if PART in by:
        return by_name(images, by)
    if by != "folder":
        raise ConfigError(
            f"images cannot be grouped by {by} without a table that has such a column (--groups); or say which "
            f'part of their names it is by a pattern such as "*_{PART}_*"'
        )
    return by_folder(images)


def by_folder(images: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The folder of each image, as it was named."""
    return [str(Path(image).parent) for image in images]


def by_name(images: Sequence[str | os.PathLike[str]], pattern: str) -> list[str]:
    """The group of each image from its file's name, with or without the suffix.

    Parameters
    ----------
    images
        Paths.
    pattern
        How all names are made: ``{}`` is the group, which ends at the first underscore, dash or the like that stands
        beside ``{}`` in the pattern, or at the first letters that come after it there, and ``*`` is anything. So
        ``*_{}_*`` finds B03 in ``exp1_B03_s2.tif``. Of several ``{}`` the parts are joined by a space. With slashes the
        last folders belong to the name: ``{}/*_{}_*`` finds P1 B03 in ``screen/P1/exp1_B03_s2.tif``.

    Raises
    ------
    DatasetError
        A name is not made so.
    """
    found = []
    for image in map(Path, images):
        folders = image.absolute().parts[-1 - pattern.count("/") : -1]
        hit = _fits(same_name(pattern), *("/".join([*folders, name]) for name in (image.stem, image.name)))
        if hit is None:
            raise DatasetError(f"{image}: its name is not made as {pattern} says, so its group is not known")
        found.append(" ".join(hit.groups()))
    return found


def _fits(pattern: str, *names: str) -> re.Match[str] | None:
    """How the first of these names that is made as a pattern says is made."""
    pieces = re.split(r"(\{\}|\*)", pattern)
    expression = "".join(
        ".*?" if piece == "*" else _part(pieces[i - 1][-1:], pieces[i + 1][:1]) if piece == PART else re.escape(piece)
        for i, piece in enumerate(pieces)
    )
    return next(filter(None, (re.fullmatch(expression, same_name(name), re.DOTALL) for name in names)), None)


def _part(before: str, after: str) -> str:
    """A group, which holds neither of the characters that it lies between, where these part words.

    It ends where what comes after it begins for the first time; where that may be anything, as late as it can.
    """
    ends = re.escape("".join(each for each in (before, after) if not each.isalnum()))
    return f"({f'[^{ends}]' if ends else '.'}+{'?' if after else ''})"


def same_named(images: Sequence[Path], groups: Sequence[str]) -> tuple[Path, Path] | None:
    """The first two images of one group that have the same name, in two folders; None where there are none."""
    seen: dict[tuple[str, str], Path] = {}
    for image, group in zip(images, groups, strict=True):
        other = seen.setdefault((group, image.name), image)
        if other.parent != image.parent:
            return other, image
    return None


def copies(rows: Sequence[Row]) -> dict[str, str]:
    """Images whose files are copies of others that were counted before them, and these: totals have both.

    Only files in which as much was counted are read again, and none in which next to nothing was, as empty ones are
    alike.
    """
    times = Tally((row.count, row.width, row.height) for row in rows)
    first: dict[str, str] = {}
    found = {}
    for row in rows:
        if times[row.count, row.width, row.height] > 1 and row.page is None and rounded(row.count or 0):
            with suppress(OSError), Path(row.image).open("rb") as stream:  # it may be gone by now
                other = first.setdefault(hashlib.file_digest(stream, "sha256").hexdigest(), row.image)
                if other != row.image:
                    found[row.image] = other
    return found


def by_table(
    images: Sequence[str | os.PathLike[str]], table: str | os.PathLike[str], column: str = "group"
) -> list[str]:
    """The group of each image from a CSV file with a column `image` and a column of groups.

    Images are named there by their path, relative to the table or to the working directory, or by their file name, both
    with or without the suffix; or many of them at once by such a name with ``*`` in it, for images that have no row
    else. The first of these ways in which the table names an image decides.

    Raises
    ------
    DatasetError
        The table cannot be read or lacks a column, an image has no row, or several images fit one row or an image
        several of different groups.
    """
    table = Path(table)
    known = _named(table, column)
    files = [Path(image) for image in images]
    times = Tally(name for file in set(files) for name in _all_names(file))
    found = []
    for file in files:
        levels = ([name for name in level if name in known] for level in _names(file))
        hits = next(filter(None, levels), None) or _fitting(known, file)
        if not hits:
            raise DatasetError(f"{table}: has no row for the image {file}; add one, with its {column}")
        if times[hits[0]] > 1 and hits[0] != same_name(str(file)):
            raise DatasetError(f"{table}: {hits[0]} is the name of several images; name them there by their paths")
        found.append(_only_group(table, known, file, hits))
    return found


def of_no_image(
    images: Sequence[str | os.PathLike[str]], table: str | os.PathLike[str], column: str = "group"
) -> list[str]:
    """What the rows of such a table say that are of none of these images, lest a group lack some without a word.

    Raises
    ------
    DatasetError
        The table cannot be read or lacks a column.
    """
    known = _named(Path(table), column)
    files = [Path(image) for image in images]
    called = {name for file in files for name in _all_names(file)}
    used = {row.image for name, row in known.items() if name in called}
    idle = {name: row.image for name, row in known.items() if row.image not in used}
    used |= {row for name, row in idle.items() if "*" in name and any(_fits_file(name, file) for file in files)}
    return [row for row in dict.fromkeys(idle.values()) if row not in used]


def _names(image: Path) -> list[list[str]]:
    """What it may be called, with and without the suffix: by its place, as it is named, by the file's name alone."""
    ways = ([path, path.with_suffix("")] for path in (image.resolve(), image, Path(image.name)))
    return [[same_name(str(path)) for path in way] for way in ways]


def _all_names(image: Path) -> set[str]:
    return {name for way in _names(image) for name in way}


def _fitting(known: Mapping[str, _Named], image: Path) -> list[str]:
    """The names with ``*`` in them that an image fits."""
    return [each for each in known if "*" in each and _fits_file(each, image)]


def _only_group(table: Path, known: Mapping[str, _Named], image: Path, hits: Sequence[str]) -> str:
    """The group in which all of these names of an image are."""
    rows = {known[name].group: known[name].image for name in reversed(hits)}
    if len(rows) > 1:
        *_, (other, by_other), (group, by) = rows.items()
        raise DatasetError(f"{table}: {image} is in the groups {group} and {other}, by {by} and {by_other}")
    return known[hits[0]].group


def _fits_file(pattern: str, image: Path) -> bool:
    names = [image.name, image.stem]
    if "/" in pattern or "\\" in pattern:  # others are of files, and no folder is to be taken for one
        names += [str(image), *([str(image.resolve())] if Path(pattern).is_absolute() else [])]
    only_stars = re.sub(r"[?[]", r"[\g<0>]", same_name(pattern))  # and in a time that a table cannot make endless
    return any(fnmatchcase(same_name(name), only_stars) for name in names)


def _named(table: Path, column: str) -> dict[str, _Named]:
    """Rows by all that an image may be called: the text in the table, and the path that it is relative to it."""
    try:
        rows = read_table(table).rows
    except PointsError as error:
        raise DatasetError(str(error)) from error
    header = [cell.lower() for cell in rows[0][1]] if rows else []
    if "image" not in header or column.lower() not in header:
        others = [cell for cell in header if cell not in ("", "image")]
        hint = f"; or group by another (--group-by): {', '.join(others)}" if "image" in header and others else ""
        raise DatasetError(f"{table}: its first line must name columns image and {column}{hint}")
    if twice := [name for name in dict.fromkeys(("image", column.lower())) if header.count(name) > 1]:
        raise DatasetError(f"{table}: has several columns {twice[0]}; rename all but the one that is meant")
    places = header.index("image"), header.index(column.lower())
    known: dict[str, _Named] = {}
    for line, cells in rows[1:]:
        image, group = (cells[place] if place < len(cells) else "" for place in places)
        if not image or not group:
            raise DatasetError(f"{table}, line {line}: needs both an image and a {column}")
        name = same_name(image)
        if name in known and known[name].group != group:
            raise DatasetError(f"{table}, line {line}: {image} is in two groups, {known[name].group} and {group}")
        known[name] = _Named(image, group)
        if "*" not in image or "/" in image:  # a name with * is that of a file, wherever it lies
            known[same_name(str((table.parent / image).resolve()))] = known[name]
    return known
