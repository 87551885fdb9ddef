"""Counting images whose true counts are known, and how far off the counts are."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from countception.config import LEVEL, CountOptions
from countception.evaluation.comparison import Comparison, compare
from countception.evaluation.matching import Matching, PointFigures, check_tolerance, match, point_figures, pooled
from countception.files import CSVLines, defined
from countception.images.pixel_size import enlargement
from countception.images.read import about
from countception.memory import enough_to_count
from countception.results.tables import csv_file, number
from countception.trust.confidence import Interval
from countception.trust.metrics import (
    LEVELS,
    IntervalFigures,
    Metrics,
    interval_figures,
    metrics,
    predict_average_mae,
)
from countception.wording import known_among

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from countception.counting.counter import Counter
    from countception.data.dataset import Opened
    from countception.points import Dots
    from countception.training import Data

StrPath = str | os.PathLike[str]

TOLERANCE = 8 / 22
"""Of the distance of an object's third neighbour."""
UNKNOWN = 22.0
"""That distance, in working pixels, where it is not known."""


@dataclass(frozen=True)
class EvaluatedImage:
    """One image's count beside the truth."""

    image: str
    true: float
    count: float
    by_class: dict[str, tuple[float, float]] = field(default_factory=dict)
    """True number and count of each class, where there are several."""
    picture: bytes | None = field(default=None, repr=False)
    """JPEG of the overlay with the true dots, if pictures were asked for."""
    intervals: dict[float, Interval] = field(default_factory=dict)
    """Where the true count was said to lie, by level; a level that the model has no intervals of is left out, and all
    are for an image unlike the training images, as in counting."""
    warning: str = ""
    """In what the image is unlike the training images, the worst first; empty if it is like them."""
    known: bool = False
    """Whether the counter learned from this image, or was validated on it, so that its error says little."""
    matching: Matching | None = field(default=None, repr=False)
    """Found points and true ones, if they were asked for."""
    other: float | None = None
    """The count of the counter that this one is compared with, if there is one."""
    known_to_other: bool = False
    """As `known`, of that counter."""

    @property
    def error(self) -> float:
        """Count minus true count."""
        return self.count - self.true


@dataclass(frozen=True)
class Evaluation:
    """Errors of a counter on a data set."""

    metrics: Metrics
    rows: tuple[EvaluatedImage, ...]
    predict_average_mae: float
    """MAE of always saying the mean count of the images that the counter was trained on."""
    level: float = LEVEL
    """Of the intervals that are shown; those of the levels in `LEVELS` are measured, too."""
    note: str = ""
    """What is to be said beside these intervals; empty if there is nothing to warn of."""
    tolerance: float | None = None
    """Largest distance, in pixels, of a found point from the true one, if points were asked for."""

    @property
    def intervals(self) -> list[IntervalFigures]:
        """Coverage and mean width of the intervals of each level."""
        true = [row.true for row in self.rows]
        levels = sorted({*LEVELS, self.level})
        return [interval_figures(true, [row.intervals.get(level) for row in self.rows], level) for level in levels]

    @property
    def by_class(self) -> dict[str, Metrics]:
        """The errors of each class, where there are several."""
        names = self.rows[0].by_class if self.rows else {}
        pairs = {name: [row.by_class[name] for row in self.rows] for name in names}
        return {name: metrics(*zip(*each, strict=True)) for name, each in pairs.items()}

    @property
    def flagged(self) -> int:
        """How many images are unlike the training images."""
        return sum(bool(row.warning) for row in self.rows)

    @property
    def known(self) -> int:
        """How many images the counter learned from or was validated on: errors on others are larger."""
        return sum(row.known for row in self.rows)

    @property
    def known_note(self) -> str:
        """What is to be said of such images, in one sentence, with the MAE of the others; empty if there are none."""
        which = known_among([row.image for row in self.rows if row.known], len(self.rows))
        if not which:
            return ""
        new = [row for row in self.rows if not row.known]
        if not new:
            return f"{which}: expect larger errors on new ones"
        mae = metrics([row.true for row in new], [row.count for row in new]).mae
        others = "of the other one" if len(new) == 1 else f"of the other {len(new)}"
        return f"{which}: the MAE {others} is {mae:.2f}"

    @property
    def comparison(self) -> Comparison | None:
        """With the other counter, on what is new to both; None where there is none."""
        pairs = [(row, row.other) for row in self.rows if row.other is not None]
        if not pairs:
            return None
        new = [(row.true, row.count, other) for row, other in pairs if not (row.known or row.known_to_other)]
        true, counts, others = zip(*new, strict=True) if new else ((), (), ())
        return compare(true, counts, others)

    @property
    def points(self) -> PointFigures | None:
        """How the found points agree with the true ones, if they were asked for."""
        if self.tolerance is None:
            return None
        return point_figures([row.matching for row in self.rows if row.matching is not None], self.tolerance)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is undefined, such as a relative error of nothing, is None."""
        figures = {**asdict(self.metrics), "predict_average_mae": self.predict_average_mae}
        points, comparison = self.points, self.comparison
        return {
            **defined(figures),
            "level": self.level,
            "intervals": [asdict(each) for each in self.intervals],
            "note": self.note,
            "flagged": self.flagged / len(self.rows),
            "known": self.known / len(self.rows),
            "points": points and defined(asdict(points)),
            "by_class": {name: defined(asdict(each)) for name, each in self.by_class.items()},
            "against": comparison and defined({**asdict(comparison), "difference": comparison.difference}),
            "images": [self._image(row) for row in self.rows],
        }

    def _image(self, row: EvaluatedImage) -> dict[str, Any]:
        """The columns of an image; of classes and points, where there are any."""
        low, high = row.intervals.get(self.level) or (None, None)
        values = {
            "image": row.image,
            "true": row.true,
            "count": row.count,
            "error": row.error,
            "low": low,
            "high": high,
        }
        for name, (true, count) in row.by_class.items():
            values |= {f"true_{name}": true, f"count_{name}": count}
        if row.matching is not None:
            values |= {"found": row.matching.found, "matched": len(row.matching.pairs)}
        values |= {"warning": row.warning, "known": row.known}
        return values if row.other is None else {**values, "other": row.other, "known_to_other": row.known_to_other}

    def write_csv(self, path: StrPath) -> None:
        """Write the images to a CSV file.

        The columns are `image`, `true`, `count`, `error`, `low` and `high` (the interval; empty where there is none),
        `true_<class>` and `count_<class>` where there are several classes, `found` and `matched` points where they were
        asked for, `warning`, `known` (`yes` for an image that the counter learned from or was validated on), and of a
        counter that it is compared with `other`, its count, and `known_to_other`.

        Raises
        ------
        OutputError
            The place cannot be written to.
        """
        images = [self._image(row) for row in self.rows]
        with csv_file(path) as stream:
            writer = csv.DictWriter(CSVLines(stream), list(images[0]) if images else ["image"])
            writer.writeheader()
            writer.writerows({key: _text(key, value) for key, value in image.items()} for image in images)

    def write_plot(self, path: StrPath) -> None:
        """Write a plot of counts against true counts, as PNG, SVG or PDF by its name.

        Raises
        ------
        OutputError
            The place cannot be written to.
        """
        from countception.results.plots import save_figure

        save_figure(self.plot(), path)

    def plot(self) -> Figure:
        """Counts against true counts, with intervals where there are any."""
        from countception.results.plots import scatter

        true, counts = [row.true for row in self.rows], [row.count for row in self.rows]
        return scatter(true, counts, self.metrics.mae, [row.intervals.get(self.level) for row in self.rows])


def evaluate(
    counter: Counter,
    data: Data,
    *,
    level: float = LEVEL,
    points: bool = False,
    tolerance: float | None = None,
    against: Counter | None = None,
    pictures: bool = False,
    report: Callable[[int, int, str], None] | None = None,
    **options: Unpack[CountOptions],
) -> Evaluation:
    """Count images with dots, and compare.

    Parameters
    ----------
    counter
        A trained counter.
    data
        A folder or manifest, what `countception.read_dataset` found in one, or samples. Of files one image at a time is
        in memory, and of large TIFF files a part.
    level
        Of the intervals that are shown.
    points
        Also find a point per object, and match these with the dots; a tolerance asks for that, too.
    tolerance
        How many pixels a found point may lie from the dot that it stands for; None takes 4/11 of the
        median distance of an object's third neighbour in the training images, or 8 working pixels where the scale was
        set by hand. With `rescale` it is in pixels of the training images, as distances are.
    against
        Another counter to compare with, which counts the same images with the same options.
    pictures
        Also make a small overlay of each image, for the report.
    report
        Called after each image with how many are done, how many there are, and the name of the image.
    **options
        As in `Counter.count`.

    Raises
    ------
    DatasetError, ImageError, PointsError
        The data cannot be read, have classes that the counter does not count, or images of other channels.
    ConfigError
        A level or a tolerance makes no sense.
    """
    from countception.data.dataset import Stream, renamed

    counter.model.intervals.interval(0.0, None, level)  # an impossible level is refused before counting starts
    counters = [counter] if against is None else [counter, against]
    wanted = [each.check_rescaling() for each in counters] if options.get("rescale") else []
    if points and tolerance is None:
        tolerance = TOLERANCE * (counter.apart or UNKNOWN) / counter.model.scale
    if tolerance is not None:
        check_tolerance(tolerance)
    images = Stream(data, counter.model.class_names, whose="the model")
    for image in images:  # what is wrong with any of them is said before counting starts
        for each in counters:
            each.model.normalisation.check(image.image, image.name)
        if against is not None:
            renamed(image, against.model.class_names, "the other model")
        with about(image.name):
            for size in wanted:
                enlargement(image.pixel_size, size)
    rows = []
    for image in images:
        with about(image.name), enough_to_count():
            row = _evaluated(counter, image, options, level, tolerance, pictures=pictures)
            rows.append(row if against is None else _compared(row, against, image, options))
        if report:
            report(len(rows), len(images), image.name)
    true, counts = [row.true for row in rows], [row.count for row in rows]
    average = float(counter.model.trained_on.get("mean_count", math.nan))
    return Evaluation(
        metrics=metrics(true, counts),
        rows=tuple(rows),
        predict_average_mae=predict_average_mae(true, average),
        level=level,
        note=counter.model.intervals.note(level),
        tolerance=tolerance,
    )


def _evaluated(
    counter: Counter, seen: Opened, options: CountOptions, level: float, tolerance: float | None, *, pictures: bool
) -> EvaluatedImage:
    count = counter.count_pixels(seen.image, pixel_size=seen.pixel_size, points=tolerance is not None, **options)
    picture = None
    if pictures:
        from countception.results.pictures import encoded, overlay

        picture = encoded(overlay(counter.shown(seen.image), count, dots=seen.dots.points))
    by_class = {}
    if len(count.by_class) > 1:
        numbers = [(seen.dots.labels == label).sum() for label in range(len(count.by_class))]
        by_class = {name: (float(n), value) for n, (name, value) in zip(numbers, count.by_class.items(), strict=True)}
    levels = () if count.warnings else {*LEVELS, level}  # as `count`, which gives flagged images none
    intervals = {each: interval for each in levels if (interval := count.interval(each)) is not None}
    return EvaluatedImage(
        image=seen.name,
        true=float(len(seen.dots)),
        count=count.value,
        by_class=by_class,
        picture=picture,
        intervals=intervals,
        warning="; ".join(count.warnings),
        known=counter.model.knows(seen.image),
        matching=None
        if tolerance is None or count.points is None
        else _matching(seen.dots, count.points, tolerance, count.scale / counter.model.scale),
    )


def _compared(row: EvaluatedImage, against: Counter, seen: Opened, options: CountOptions) -> EvaluatedImage:
    """With what another counter says of the image."""
    count = against.count_pixels(seen.image, pixel_size=seen.pixel_size, **options)
    return replace(row, other=count.value, known_to_other=against.model.knows(seen.image))


def _matching(true: Dots, found: Dots, tolerance: float, enlarged: float) -> Matching:
    """Points of one class match dots of the same class, in an image that was so many times enlarged to be counted."""
    of_class = [
        [np.flatnonzero(dots.labels == kind) for dots in (true, found)] for kind in range(len(found.class_names))
    ]
    all_pairs = pooled(match(enlarged * true.points[a], enlarged * found.points[b], tolerance) for a, b in of_class)
    order = [np.concatenate(indices) for indices in zip(*of_class, strict=True)]
    pairs = np.stack([indices[all_pairs.pairs[:, k]] for k, indices in enumerate(order)], axis=1)
    return replace(all_pairs, pairs=pairs)


def _text(key: str, value: Any) -> str:
    """A cell of the table: numbers of true objects and points are whole, counts have decimals, no is nothing."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.0f}" if key.startswith("true") else number(value)
    return "" if value is None else str(value)
