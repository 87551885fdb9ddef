"""Examining a run: what was learned is shown the test images again, and images that are unlike them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from countception.benchmark.networks import FittedNetwork
from countception.benchmark.protocol import Cell, Parts, draw
from countception.benchmark.trust import tables
from countception.benchmark.trust.locators import Locator, locators
from countception.benchmark.trust.tables import Counted, Flagged, Located
from countception.benchmark.trust.unlike import corruptions
from countception.evaluation.matching import match, pooled
from countception.points.scale import spacing
from countception.trust.features import image_features

if TYPE_CHECKING:
    from countception.benchmark.method import Fitted
    from countception.benchmark.results import Results
    from countception.benchmark.runner import Data
    from countception.counting.counter import Counter
    from countception.data.dataset import Sample
    from countception.images.read import Image

TOLERANCE = {"vgg": 8.0, "mbm": 16.0, "adipocyte": 8.0}
"""Farthest that a found point may lie from its object's dot, in image pixels."""
SHARES = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Of that tolerance: where F1 is measured besides."""
UNLIKE = 10
"""Images of each kind that a counter is shown to see whether it flags them."""


class Examiner:
    """Measures more than counts in each run of the benchmark, and leaves it in tables.

    Parameters
    ----------
    data
        The data sets by name; those that are not a run's own are shown to its counter.
    results
        Where the tables go.
    """

    def __init__(self, data: Mapping[str, Data], results: Results) -> None:
        self.data, self.results = data, results

    def __call__(self, cell: Cell, key: str, fitted: Fitted) -> None:
        """Examine a run; one that has learned neither to find points nor to give intervals leaves no table."""
        parts = draw(self.data[cell.data].samples, cell)
        if isinstance(fitted, FittedNetwork) and fitted.counter.model.validation.get("folds"):  # none put aside
            tables.save(self.results, key, counted(fitted.counter, parts))
            return
        ways = locators(fitted, parts.validation, TOLERANCE[cell.data])
        tables.save(self.results, key, located(ways, parts.test, TOLERANCE[cell.data]))
        if isinstance(fitted, FittedNetwork) and fitted.counter.model.network.window > 1:
            counter = fitted.counter
            tables.save(self.results, key, counted(counter, parts))
            others = {name: each.samples for name, each in self.data.items() if name != cell.data}
            tables.save(self.results, key, flagged(counter, parts, others, seed=cell.split_seed))


def located(ways: Mapping[str, Locator], test: Sequence[Sample], tolerance: float) -> list[Located]:
    """F1 of each way to find points, at each tolerance."""
    rows = []
    for name, locate in ways.items():
        found = [(sample.dots.points, locate(sample)) for sample in test]
        for share in SHARES:
            one = pooled(match(true, points, share * tolerance) for true, points in found)
            distance = one.mean_distance if len(one.pairs) else 0.0
            rows.append(Located(name, share * tolerance, one.true, one.found, len(one.pairs), distance))
    return rows


def counted(counter: Counter, parts: Parts) -> list[Counted]:
    """Counts and spreads of the validation images, whose errors intervals are made of, and of the test images.

    After a cross-validation those of the images when they were not learned from, as the model file has them.
    """
    validation, rows = parts.validation, list[Counted]()
    known = counter.model.validation
    if known.get("folds"):
        columns = (known[key] for key in ("names", "true", "counts", "flipped", "spreads", "parts"))
        for name, true, count, flipped, spread, part in zip(*columns, strict=True):
            rows.append(Counted("validation", name, int(true), count, flipped, spread, part + 1))
        validation = []
    for part, samples in (("validation", validation), ("test", parts.test)):
        for sample in samples:
            plain, flipped = counter.count_pixels(sample.image), counter.count_pixels(sample.image, flips=True)
            counts = plain.value, flipped.value, flipped.spread or 0.0
            rows.append(Counted(part, sample.name, len(sample.dots), *counts))
    return rows


def flagged(counter: Counter, parts: Parts, others: Mapping[str, Sequence[Sample]], *, seed: int) -> list[Flagged]:
    """What is said of the test images, of some of them corrupted, and of images of other data sets."""
    rng = np.random.default_rng(seed)
    apart = spacing(sample.dots.points for sample in parts.training)
    assert apart is not None, "the benchmark's images have dots enough"
    rows = [_shown(counter, "clean", sample.name, sample.image) for sample in parts.test]
    for kind, corrupt in corruptions(apart, rng).items():
        rows += [_shown(counter, kind, sample.name, corrupt(sample.image)) for sample in parts.test[:UNLIKE]]
    for name, samples in others.items():
        rows += [_shown(counter, name, sample.name, sample.image) for sample in _some(samples, rng)]
    return rows


def _some(samples: Sequence[Sample], rng: np.random.Generator) -> Iterable[Sample]:
    return (samples[i] for i in rng.choice(len(samples), min(UNLIKE, len(samples)), replace=False))


def _shown(counter: Counter, kind: str, name: str, image: Image) -> Flagged:
    count, model = counter.count_pixels(image), counter.model
    features = image_features(image, model.normalisation, model.scale, count=count.value)
    return Flagged(kind, name, model.familiarity.score(features), "; ".join(count.warnings))
