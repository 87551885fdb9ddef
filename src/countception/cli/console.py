"""What the commands print: plain tables and lines on standard output."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from rich.cells import cell_len

from countception.cli.screen import echo, printable
from countception.files import unique_names
from countception.images.find import closed_to, linked, unread_by, why_closed, why_unread
from countception.images.orientation import why_turned
from countception.results.row import class_names, known_note, told_together
from countception.wording import NONE, images, length, percent, signed, some_of, whole

if TYPE_CHECKING:
    from countception.data.inspection import Counts, Inspection
    from countception.evaluation.evaluation import Evaluation
    from countception.evaluation.matching import PointFigures
    from countception.results.groups import GroupTotal
    from countception.results.row import Row
    from countception.trust.metrics import Metrics


class _HasWarning(Protocol):
    @property
    def warning(self) -> str: ...


Warned = TypeVar("Warned", bound=_HasWarning)

VARIED = 2.0
"""Ratio of spacings that is told of."""
NAMED = 5
"""So many of what is left out are named."""
BAR = 40
"""Longest bar of a histogram in characters."""


def table(header: Sequence[str], cells: Sequence[Sequence[str]], *, err: bool = False) -> None:
    """Print a plain table: the first column to the left, the others, numbers, to the right."""
    rows = [[printable(cell, lines=False) for cell in row] for row in (header, *cells)]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        (first, room), *rest = [(text, " " * (width - cell_len(text))) for text, width in zip(row, widths, strict=True)]
        echo(f"{first}{room}" + "".join(f"  {room}{text}" for text, room in rest), err=err)


def show_rows(rows: Sequence[Row]) -> None:
    """Print counts and the ends of their intervals, rounded to whole numbers, and the regions of each image."""
    named = any(row.regions for row in rows)
    classes = class_names(rows)
    cells = []
    for row in rows:
        numbers = (row.count, row.low, row.high, *(row.by_class.get(name) for name in classes))
        cells.append([row.name, *([""] * named), *map(whole, numbers)])
        for region in row.regions:
            numbers = (region.count, region.low, region.high, *(region.by_class.get(n) for n in classes))
            cells.append(["", region.name, *map(whole, numbers)])
    table(["image", *(["region"] * named), "count", "low", "high", *classes], cells)


def show_totals(totals: Sequence[GroupTotal], *, err: bool) -> None:
    """Print the totals of groups, and of each class, with how many images are flagged and failed, where any is."""
    classes = class_names(totals)
    shown = [name for name in ("flagged", "failed") if any(getattr(total, name) for total in totals)]
    cells = [
        [
            total.group,
            str(total.images),
            *map(whole, (total.count if total.images else None, total.low, total.high)),
            *(whole(total.by_class.get(name)) for name in classes),
            *(NONE if each is None else f"{each:.1f}" for each in (total.mean, total.sd)),
            *(str(getattr(total, name)) for name in shown),
        ]
        for total in totals
    ]
    table(["group", "images", "objects", "low", "high", *classes, "mean", "sd", *shown], cells, err=err)


def show_summary(
    rows: Sequence[Row], total: GroupTotal, note: str, *, level: float, written: Sequence[str] = ()
) -> None:
    """Say, on standard error, what was counted in all, what was written, and what to look at."""

    def say(text: str) -> None:
        echo(text, err=True)

    between = ""
    if total.interval is not None:
        between = f" ({percent(level)}: {whole(total.interval.low)} to {whole(total.interval.high)})"
    places = f": {', '.join(written)}" if written else ""
    say(f"{images(total.images)} counted, {whole(total.count)} objects{between}{places}")
    if before := sum(row.before for row in rows):
        say(f"of these {before} before the batch was interrupted, and not again")
    if len(total.by_class) > 1:
        say(f"of these {', '.join(f'{name} {whole(value)}' for name, value in total.by_class.items())}")

    def listed(what: str, lines: Sequence[str]) -> None:
        for line in (what, *(f"  {line}" for line in lines)) if lines else ():
            say(line)

    strange, failed = [row for row in rows if row.warning], [row for row in rows if row.error]
    faint = [row for row in rows if row.faint]
    without = [row for row in rows if row.whole is not None and not row.regions]
    listed(
        f"{_are(strange)} unlike the training images: the count may be far off, and the interval does not hold:",
        _why_strange(strange),
    )
    listed(
        f"{_have(faint)} fewer points than objects, as what was counted is too faint in places to put one there:",
        [f"{row.name}: {row.faint} of {whole(row.count)} without a point" for row in faint],
    )
    listed(f"{_have(without)} no regions:", [row.name for row in without])
    for each in (known_note(rows), note if total.images else ""):
        if each:
            say(each)
    listed(f"{len(failed)} could not be counted:", told_together(failed, lambda row: row.error))


def show_evaluation(result: Evaluation) -> None:
    """Print each image's count beside the truth, and the figures over all images."""
    cells = []
    for row in result.rows:
        interval = row.intervals.get(result.level) or (None, None)
        cells.append([row.image, f"{row.true:.0f}", f"{row.count:.1f}", *map(whole, interval), signed(row.error)])
    table(["image", "true count", "count", "low", "high", "error"], cells)
    figures = result.metrics
    if result.known_note:
        echo(f"\n{result.known_note}")
    echo(f"\n{_figures(figures)}")
    for name, own in result.by_class.items():
        echo(f"  of {name}: {_figures(own)}")
    if not math.isnan(result.predict_average_mae):
        echo(f"MAE of predicting the average of the training images: {result.predict_average_mae:.2f}")
    for each in result.intervals:
        if each.coverage is None:
            echo(f"{percent(each.level)} intervals: none, {_why_none(result)}")
        else:
            which = "images" if each.images == figures.n else f"{images(each.images)} that {_has(each.images)} one"
            echo(
                f"{percent(each.level)} intervals hold the true count in {percent(each.coverage)} of the {which}, "
                f"and are {each.mean_width:.1f} objects wide on average"
            )
    if result.points is not None:
        _points(result.points)
    _flagged(result)
    if result.note:
        echo(result.note)


def tell_idle(path: Path, rows: Sequence[str]) -> None:
    """Say which rows of a table of groups are of no image, as groups may lack images that are not there or misspelt."""
    if rows:
        which = "1 row is" if len(rows) == 1 else f"{len(rows)} rows are"
        echo(f"{path}: {which} of no image that is counted ({some_of(rows)})", err=True)


def tell_same_named(images: Sequence[Path], groups: Sequence[str], pattern: str | None) -> None:
    """Say where a part of the name, without folders, puts what may be several plates into one group."""
    from countception.results.groups import PART, same_named

    if pattern is None or PART not in pattern or "/" in pattern:
        return
    if (both := same_named(images, groups)) is not None:
        first, other = both
        echo(
            f"some groups hold images of one name from several folders, such as {first} and {other}: to add up each "
            f'folder by itself, name it in the pattern, such as --group-by "{PART}/{pattern}"',
            err=True,
        )


def tell_unread(*places: Path) -> None:
    """Name what is passed over in folders and patterns: images of kinds that are not read, and closed folders."""
    for place in places:
        with suppress(OSError):  # whoever reads it says what is wrong
            why = why_unread(unread_by(place)) + why_closed(closed_to(place))
            if why:
                echo(f"{place}: {why.removeprefix('; ')}", err=True)


def tell_drawn_on(regions: Path, images: Sequence[Path]) -> None:
    """Say which regions were drawn on several planes of a stack, where all are counted on each page."""
    from countception.regions import RegionFiles

    names = dict(zip(images, unique_names(images), strict=True))
    for file, number in RegionFiles(regions, names).drawn_on().items():
        echo(
            f"{file}: its regions were drawn on {number} planes of a stack, and are all counted on every page: of "
            "those that are meant for one, keep the rows of that page",
            err=True,
        )


def tell_linked(names: Sequence[str]) -> None:
    """Say which images are named but not counted, as they are others by another name: tables have no row for them."""
    if pairs := linked(names):
        echo(f"{images(len(pairs))} left out, as links to others: {_some_pairs(pairs)}", err=True)


def tell_copies(pairs: Mapping[str, str]) -> None:
    """Say which of the counted images are there twice, as where one was copied to the place of another."""
    if pairs:
        which = "1 file is a copy of another" if len(pairs) == 1 else f"{len(pairs)} files are copies of others"
        echo(f"{which}, and all are counted and added up: {_some_pairs(pairs)}", err=True)


def _some_pairs(pairs: Mapping[Path, Path] | Mapping[str, str]) -> str:
    return some_of([f"{one} is {other}" for one, other in pairs.items()], NAMED)


def show_inspection(found: Inspection) -> None:
    """Print what was found in a data set."""
    bad = f", {len(found.unreadable)} of which cannot be used (below)" if found.unreadable else ""
    echo(f"{found.root}: {images(found.pairs)} with dots{bad}")
    if found.counts is not None:
        echo(f"sizes (height × width): {_numbers(found.sizes)}")
        echo(f"channels: {_numbers({str(channels): number for channels, number in found.channels.items()})}")
        echo(f"pixels: {_numbers(found.dtypes)}" + _range(found) + _pixel_sizes(found))
        if len(found.classes) > 1:
            where = found.class_images
            told = (f"{name} ({dots} in {images(where[name])})" for name, dots in found.classes.items())
            echo(f"classes: {', '.join(told)}")
        _histogram(found.counts)
        _spacing(found)
    _problems(found)
    turned = why_turned(len(found.turned), found.pairs)
    for doubt in (found.mixed_up, found.as_found, found.cornered, found.magnified, found.alike, turned):
        if doubt is not None:
            echo(f"\n{doubt}")
    if found.refused:
        echo("\n".join(["\ncannot be trained on as it is:", *(f"  {why}" for why in found.refused)]))


def _numbers(values: dict[str, int]) -> str:
    return ", ".join(f"{name} ({number})" for name, number in values.items())


def _problems(found: Inspection) -> None:
    """What is wrong with which files."""
    problems = {
        "images without dots": [(name, "") for name in found.unmatched_images],
        "dots without an image": [(name, "") for name in found.unmatched_dots],
        "hold no dots": [(sentence, "") for sentence in found.passed_over],
        "of a kind that is not read (export as TIFF)": [(name, "") for name in found.unread],
        "cannot be used": list(found.unreadable.items()),
        "dots outside the image": [(name, f"{n}" + _as_if(name, found)) for name, n in found.outside.items()],
        "duplicate dots": [(name, str(n)) for name, n in found.duplicates.items()],
        "the same pixels": [(", ".join(names), "") for names in found.same],
    }
    for title, names in problems.items():
        if names:
            dots = {"dots outside the image": found.outside, "duplicate dots": found.duplicates}.get(title)
            said = len(names) if dots is None else f"{sum(dots.values())}, in {images(len(names))}"
            echo(f"\n{title}: {said}")
            for name, what in names:
                echo(f"  {name}" + (f": {what}" if what else ""))


def _as_if(name: str, found: Inspection) -> str:
    """Why dots of an image lie outside, where that can be told."""
    if name in found.as_stored:
        return ", as if placed on the image as it is stored (see EXIF orientation below)"
    return ", as if x and y were swapped" if name in found.swapped else ""


def _why_strange(rows: Sequence[Row]) -> list[str]:
    """A line for the images of which the same is to be said, with the first few of them; the worst of it first."""
    named = ((some, told_together(some, lambda row: row.name)) for some in _alike(rows))
    return [f"{some_of(names)}: {some[0].warning}" for some, names in named]


def _alike(rows: Iterable[Warned]) -> list[list[Warned]]:
    """Those with warnings, by what these say in any order: films differ in which is the worst from page to page."""
    alike: dict[str, list[Warned]] = {}
    for row in rows:
        if row.warning:
            alike.setdefault("; ".join(sorted(row.warning.split("; "))), []).append(row)
    return list(alike.values())


def _are(rows: Sequence[Row]) -> str:
    return f"{len(rows)} {'is' if len(rows) == 1 else 'are'}"


def _have(rows: Sequence[Row]) -> str:
    return f"{len(rows)} {_has(len(rows))}"


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def _why_none(result: Evaluation) -> str:
    """Why no image has an interval."""
    if result.flagged == len(result.rows):
        return "as no image is like the training images"
    return "the model was validated on too few images"


def _flagged(result: Evaluation) -> None:
    if result.flagged:
        echo(f"unlike the training images: {result.flagged} of {result.metrics.n}, whose intervals do not hold")
    for some in _alike(result.rows):
        echo(f"  {some_of([row.image for row in some])}: {some[0].warning}")


def _figures(of: Metrics) -> str:
    relative = "" if math.isnan(of.relative_error) else f", relative error {percent(of.relative_error)}"
    return f"MAE {of.mae:.2f}, RMSE {of.rmse:.2f}, bias {of.bias:+.2f}{relative}"


def _points(points: PointFigures) -> None:
    shares = {"precision": points.precision, "recall": points.recall, "F1": points.f1}
    said = [f"{name} {percent(share)}" for name, share in shares.items() if not math.isnan(share)]
    said += [] if math.isnan(points.mean_distance) else [f"{points.mean_distance:.2f} pixels off on average"]
    echo(f"points within {points.tolerance:.3g} pixels of a dot: {', '.join(said) or 'no dots and no points'}")


def _range(found: Inspection) -> str:
    return "" if found.intensity is None else f", values from {found.intensity[0]:g} to {found.intensity[1]:g}"


def _pixel_sizes(found: Inspection) -> str:
    ends = dict.fromkeys(map(length, found.pixel_sizes or ()))
    return f", {' to '.join(ends)} wide" if ends else ""


def _histogram(counts: Counts) -> None:
    echo(
        f"\ndots per image: {counts.mean:.1f} ± {counts.sd:.1f}, {counts.smallest} to {counts.largest}, "
        f"{counts.total} in all"
    )
    most = max(counts.histogram)
    for number, low, high in zip(counts.histogram, counts.edges, counts.edges[1:], strict=False):
        held = f"{low}" if high == low + 1 else f"{low} – {high - 1}"
        echo(f"  {held:>15} {'█' * math.ceil(BAR * number / most)} {number}")


def _spacing(found: Inspection) -> None:
    if found.nearest is not None and found.third_nearest is not None:
        echo(
            f"\nspacing of the dots: {found.nearest:.1f} pixels to the nearest, {found.third_nearest:.1f} to the third"
        )
    low, high = found.third_nearest_range or (1.0, 1.0)
    if high > VARIED * low and found.pixel_sizes is None:  # else that is known, or they are merely sparser in some
        echo(
            f"it differs from image to image, {low:.1f} to {high:.1f} pixels to the third: no harm where there are "
            "fewer objects of the same size, but bring images of several magnifications to one, or train a model for "
            "each"
        )
    echo(
        f"suggested scale: {found.scale:.3g} working pixels per image pixel, so that the counting window is "
        f"{found.window:.0f} image pixels wide"
    )
