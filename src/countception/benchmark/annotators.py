"""Dots by several noisy annotators (Arteta, Lempitsky and Zisserman 2016, Counting in the wild).

Volunteers place their dots a little off, miss objects and mark some twice. Here such annotators are simulated from true
dots, and their dots are combined: they are matched from annotator to annotator, and a dot that enough of them agree on
is kept, at its mean place. Training with one annotator's dots can then be compared with training on the combination.

Deviation: the paper feeds the annotators' agreement into the loss of its network and learns to predict it; here the
combination is made first, so that any method can learn from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from countception.benchmark.noisy_dots import on_image
from countception.data.dataset import Sample
from countception.errors import ConfigError
from countception.evaluation.matching import match
from countception.geometry import Points, ceil_div
from countception.points import Dots


@dataclass(frozen=True)
class Annotator:
    """How badly someone annotates.

    Raises
    ------
    ConfigError
        A negative jitter or a share that is none.
    """

    jitter: float = 3.0
    """Standard deviation of a dot's place along each axis, in pixels."""
    misses: float = 0.15
    """Share of the objects that is not marked, 0 to 1."""
    doubles: float = 0.05
    """Share of the marked objects that is marked twice, 0 to 1."""

    def __post_init__(self) -> None:
        if self.jitter < 0 or not (0 <= self.misses <= 1 and 0 <= self.doubles <= 1):
            raise ConfigError(
                f"nobody annotates with jitter {self.jitter:g}, misses {self.misses:g} and doubles {self.doubles:g}: "
                "the jitter must be at least 0 and the shares between 0 and 1"
            )

    def annotate(self, dots: Dots, shape: tuple[int, int], rng: np.random.Generator) -> Dots:
        """Dots that the annotator places on an image of `shape` whose true dots are given."""
        times = np.where(rng.uniform(size=len(dots)) < self.misses, 0, 1)
        times += times * (rng.uniform(size=len(dots)) < self.doubles)
        points = np.repeat(dots.points, times, axis=0)
        points = on_image(points + rng.normal(0, self.jitter, points.shape), shape)
        return replace(dots, points=points, labels=np.repeat(dots.labels, times))


def annotate_all(samples: Sequence[Sample], annotators: Sequence[Annotator], *, seed: int) -> list[list[Sample]]:
    """The samples with each annotator's dots, one list for each annotator; images are shared."""
    return [
        [
            replace(
                s, dots=who.annotate(s.dots, (s.image.shape[1], s.image.shape[2]), np.random.default_rng([seed, k, i]))
            )
            for i, s in enumerate(samples)
        ]
        for k, who in enumerate(annotators)
    ]


def combine_all(annotated: Sequence[Sequence[Sample]], *, reach: float) -> list[Sample]:
    """The samples with the combined dots of all annotators, as `annotate_all` gives them; see `combine`."""
    return [
        replace(versions[0], dots=combine([version.dots for version in versions], reach=reach))
        for versions in zip(*annotated, strict=True)
    ]


def combine(annotations: Sequence[Dots], *, reach: float, votes: int | None = None) -> Dots:
    """One dot for each object that enough annotators agree on, class by class.

    Parameters
    ----------
    annotations
        Each annotator's dots on the same image.
    reach
        Farthest that a dot lies from the mean of the others of its object, in pixels.
    votes
        Annotators that must have marked an object; None takes half of them or more.

    Returns
    -------
    Dots at the mean place of their clusters.
    """
    needed = ceil_div(len(annotations), 2) if votes is None else votes
    names = annotations[0].class_names
    points, labels = [np.empty((0, 2))], []
    for k in range(len(names)):
        found = cluster([dots.of_class(k) for dots in annotations], reach, needed)
        points.append(found)
        labels += [k] * len(found)
    return Dots(np.concatenate(points), np.array(labels, np.int64), names)


def cluster(annotations: Sequence[Points], reach: float, needed: int) -> Points:
    """Mean places, ``(M, 2)``, of the clusters that at least `needed` annotators have a dot in.

    The annotators' dots are matched one to one, within `reach`, with the clusters of those before them; a dot without
    a match begins a cluster. So two dots of one annotator are never taken for the same object: where cells overlap,
    clustering by distance alone makes one object of several.
    """
    sums, votes = np.empty((0, 2)), np.empty(0, np.int64)
    for points in annotations:
        pairs = match(sums / votes[:, None], points, reach).pairs
        sums[pairs[:, 0]] += points[pairs[:, 1]]
        votes[pairs[:, 0]] += 1
        alone = np.delete(points, pairs[:, 1], axis=0)
        sums, votes = np.concatenate([sums, alone]), np.concatenate([votes, np.ones(len(alone), np.int64)])
    return (sums / votes[:, None])[votes >= needed]
