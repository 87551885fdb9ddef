"""Counting images whose true counts are known, and how far off the counts are."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

from countception.batch import DECIMALS, CountOptions
from countception.errors import DatasetError
from countception.evaluate.metrics import Metrics, metrics, predict_average_mae
from countception.files import whole_file

if TYPE_CHECKING:
    from countception.counter import Counter
    from countception.training import Data

StrPath = str | os.PathLike[str]


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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is undefined, such as a relative error of nothing, is None."""
        figures = {**asdict(self.metrics), "predict_average_mae": self.predict_average_mae}
        images = [{"image": row.image, "true": row.true, "count": row.count, "error": row.error} for row in self.rows]
        return {**{key: _defined(value) for key, value in figures.items()}, "images": images}

    def write_csv(self, path: StrPath) -> None:
        """Write the images to a CSV file: `image,true,count,error`, then `true_<class>` and `count_<class>`.

        Raises
        ------
        OutputError
            The place cannot be written to.
        """
        classes = list(self.rows[0].by_class) if self.rows else []
        header = [f"{kind}_{name}" for name in classes for kind in ("true", "count")]
        with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["image", "true", "count", "error", *header])
            for row in self.rows:
                pairs = [f"{value:.{DECIMALS}f}" for name in classes for value in row.by_class[name]]
                writer.writerow(
                    [row.image, f"{row.true:g}", *(f"{v:.{DECIMALS}f}" for v in (row.count, row.error)), *pairs]
                )

    def write_plot(self, path: StrPath) -> None:
        """Write a PNG of counts against true counts.

        Raises
        ------
        OutputError
            The place cannot be written to.
        """
        from countception import plots

        true, counts = [row.true for row in self.rows], [row.count for row in self.rows]
        plots.save_figure(plots.scatter(true, counts, self.metrics.mae), path)


def evaluate(
    counter: Counter,
    data: Data,
    *,
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
        A folder or manifest as `countception.read_dataset` reads it, or samples.
    pictures
        Also make a small overlay of each image, for the report.
    report
        Called after each image with how many are done, how many there are, and the name of the image.
    **options
        As in `Counter.count`.

    Raises
    ------
    DatasetError, ImageError, PointsError
        The data cannot be read, have other classes than the counter, or images of other channels.
    """
    from countception.dataset import load_dataset

    samples = load_dataset(data)
    known = counter.model.class_names
    rows = []
    for sample in samples:
        names = sample.dots.class_names
        if len(names) != len(known) or (len(known) > 1 and names != known):
            raise DatasetError(
                f"{sample.name} has dots of {len(names)} classes ({', '.join(names)}) "
                f"but the model counts {len(known)} ({', '.join(known)}): evaluate on dots of the same classes"
            )
        rows.append(_evaluated(counter, sample, options, pictures=pictures))
        if report:
            report(len(rows), len(samples), sample.name)
    true, counts = [row.true for row in rows], [row.count for row in rows]
    average = float(counter.model.trained_on.get("mean_count", math.nan))
    return Evaluation(metrics(true, counts), tuple(rows), predict_average_mae(true, average))


def _evaluated(counter: Counter, sample: Any, options: CountOptions, *, pictures: bool) -> EvaluatedImage:
    counter.model.normalisation.check(sample.image, sample.name)
    count = counter.count(sample.image.transpose(1, 2, 0), **options)
    picture = None
    if pictures:
        from countception.pictures import encoded, overlay

        picture = encoded(overlay(sample.image, count, dots=sample.dots.points))
    by_class = {}
    if len(count.by_class) > 1:
        numbers = [(sample.dots.labels == label).sum() for label in range(len(count.by_class))]
        by_class = {name: (float(n), value) for n, (name, value) in zip(numbers, count.by_class.items(), strict=True)}
    return EvaluatedImage(sample.name, float(len(sample.dots)), count.value, by_class, picture)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
