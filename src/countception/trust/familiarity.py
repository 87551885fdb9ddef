"""Whether an image is like those that a counter learned from: in brightness, colour, detail and density of objects.

The field calls it out-of-distribution detection.

An image is described by a few dozen numbers (`image_features`). Two figures say how far it is from the training
images: Mahalanobis' distance, so that colours that do not go with the brightness count, too, with deviations widened by
a floor (what a network does not notice) and by the uncertainty of the mean, and with shrunk correlations; and how many
octaves its detail has slid along, as it does in another magnification. Its score is the larger of the two. It is
unfamiliar if the score exceeds what training images score against the others (leave-one-out): the larger of the 95 %
quantile of those scores, where there are enough, and the 97 % prediction bound of a log-normal fitted to them. About 1
clean image in 40 is then flagged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from countception.images.pieces import Pixels
from countception.images.pixel_size import magnified
from countception.trust.conformal import group_numbers, rank
from countception.trust.features import OCTAVES, detail_name, kind_of
from countception.wording import length

Array = npt.NDArray[np.float64]
Columns = npt.NDArray[np.intp]

FLOORS = {"level": 0.1, "contrast": 0.1, "colour": 0.05, "detail": 0.1, "density": 0.15}
"""Kinds of feature, and the deviation of each that is taken to be harmless, in normalised units or logs."""
WORDS = {
    "level": ("darker than the training images", "brighter than the training images"),
    "contrast": ("less contrast than the training images", "more contrast than the training images"),
    "colour": ("other colours than the training images", "other colours than the training images"),
    "detail": (
        "less fine detail than the training images: out of focus, or another magnification",
        "more fine detail than the training images: noise, or another magnification",
    ),
    "density": ("fewer objects per area than the training images", "more objects per area than the training images"),
}
"""What is said of an image whose feature is too low, and too high."""
TOGETHER = {
    "level": "brightness that the training images have, but not together with the rest",
    "contrast": "contrast that the training images have, but not together with the rest",
    "colour": "colours that the training images have, but not together with the rest",
    "detail": "detail that the training images have, but not together with the rest",
    "density": "as many objects per area as training images have, but not together with the rest",
}
"""What is said where each feature is in the range of the training images."""
MAGNIFIED = (
    "everything looks about {:.1f} times larger than in the training images: another magnification, or out of focus",
    "everything looks about {:.1f} times smaller than in the training images: another magnification, or noise",
)
"""What is said of an image that has slid along."""
ORDINARY = 2.0
"""Deviations up to which a feature by itself is nothing special."""
ALIKE = 2.5
"""Weight of the distance, a root mean square, beside the slide: those of training images are much alike then."""
STILL = 0.1
"""Slide that is taken to be harmless, in octaves."""
FEWEST = 3
PARTS = 100
"""Most parts that are left out in turn."""
WHOLE = ("uint8", "uint16")
"""Types of pixels that are whole numbers."""


class Familiarity(BaseModel):
    """What training images look like; plain numbers, so that a model file can hold them (`model_dump`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    names: tuple[str, ...] = ()
    """Of the features, the kind first."""
    centre: tuple[float, ...] = ()
    """Mean of each feature."""
    deviation: tuple[float, ...] = ()
    """Deviation of each feature."""
    correlation: tuple[tuple[float, ...], ...] = ()
    """Of each feature with those before it; empty in older models, whose score is that of the worst feature."""
    slope: tuple[float, ...] = ()
    """How much each feature changes as everything becomes twice as small."""
    slide: float = Field(STILL, gt=0)
    """Deviation of the slide, in octaves."""
    threshold: float = Field(math.e**9, gt=0)
    """Score from which an image is unfamiliar."""
    images: int = Field(0, ge=0)
    """Images that it was learned from; with fewer than 3 nothing is unfamiliar."""

    @model_validator(mode="after")
    def _lengths(self) -> Familiarity:
        if not len(self.names) == len(self.centre) == len(self.deviation) or any(d <= 0 for d in self.deviation):
            raise ValueError("every feature must have a centre and a deviation above 0")
        if any(kind_of(name) not in FLOORS for name in self.names):
            raise ValueError("a feature is of no known kind")
        if self.correlation:
            if [len(row) for row in self.correlation] != list(range(len(self.names))):
                raise ValueError("every feature must have a correlation with those before it")
            if len(self.slope) != len(self.names):
                raise ValueError("every feature must have a slope")
            if np.linalg.eigvalsh(self._correlations()).min(initial=1) <= 0:
                raise ValueError("the correlations of the features contradict each other")
        return self

    def score(self, features: Mapping[str, float]) -> float:
        """How unlike an image is, in thresholds: more than 1 is unfamiliar."""
        columns, deviations = self._deviations(features)
        return max(self._distance(columns, deviations), abs(self._octaves(columns, deviations)) / self._furthest)

    def unfamiliar(self, features: Mapping[str, float]) -> list[str]:
        """In what an image differs from the training images, in words, the worst first; empty for a familiar image.

        The kinds of features without which it would be familiar are named, or another magnification, if all detail is
        as it would be in one.

        Parameters
        ----------
        features
            From `image_features`, with the same normalisation and scale. What the training images had not, and what
            this image is too small for, is passed over.
        """
        columns, deviations = self._deviations(features)
        octaves = self._octaves(columns, deviations)
        if abs(octaves) > self._furthest:
            moved = octaves * np.array(self.slope)[columns] / np.array(self.deviation)[columns]
            left = self._kinds(columns, deviations - moved)
            if "detail" not in left:
                return [MAGNIFIED[int(octaves > 0)].format(2 ** abs(octaves)), *_said(left)]
        return _said(self._kinds(columns, deviations))

    @property
    def _furthest(self) -> float:
        """Octaves from which an image is of another magnification."""
        return self.slide * self.threshold

    def _correlations(self) -> Array:
        matrix = np.eye(len(self.names))
        for i, row in enumerate(self.correlation):
            matrix[i, :i] = matrix[:i, i] = row
        return matrix

    def _deviations(self, features: Mapping[str, float]) -> tuple[Columns, Array]:
        """Which features both have, and by how many deviations these are off."""
        columns = np.array([i for i, name in enumerate(self.names) if name in features], np.intp)
        values = np.array([features[self.names[i]] for i in columns], np.float64)
        return columns, (values - np.array(self.centre)[columns]) / np.array(self.deviation)[columns]

    def _distance(self, columns: Columns, deviations: Array) -> float:
        """Mahalanobis' distance, per feature, in thresholds."""
        if not len(columns):
            return 0.0
        if not self.correlation:
            return float(np.abs(deviations).max()) / self.threshold
        solved = np.linalg.solve(self._correlations()[np.ix_(columns, columns)], deviations)
        return ALIKE * math.sqrt(max(0.0, float(deviations @ solved)) / len(columns)) / self.threshold

    def _octaves(self, columns: Columns, deviations: Array) -> float:
        """How much smaller everything looks, by least squares over the detail: 1 is half the size, −1 twice."""
        if not self.correlation:
            return 0.0
        slope = np.array(self.slope)[columns] / np.array(self.deviation)[columns]
        steep = slope != 0
        known = columns[steep]
        weights = np.linalg.solve(self._correlations()[np.ix_(known, known)], slope[steep])
        power = float(weights @ slope[steep])
        return float(weights @ deviations[steep]) / power if power > 0 else 0.0

    def _kinds(self, columns: Columns, deviations: Array) -> dict[str, float]:
        """Kinds of features to pass over until an image is familiar, that which helps most first, with their worst."""
        kinds = np.array([kind_of(self.names[i]) for i in columns])
        worst: dict[str, float] = {}
        while self._distance(columns, deviations) > 1:
            without = {kind: kinds != kind for kind in dict.fromkeys(kinds.tolist())}
            kind = min(without, key=lambda kind: self._distance(columns[without[kind]], deviations[without[kind]]))
            of_kind = deviations[kinds == kind]
            worst[kind] = float(of_kind[np.abs(of_kind).argmax()])
            columns, deviations, kinds = (each[kinds != kind] for each in (columns, deviations, kinds))
        return worst


def _said(worst: Mapping[str, float]) -> list[str]:
    """In words. Of next to nothing there is neither more nor less detail."""
    special = [kind for kind, each in worst.items() if abs(each) > ORDINARY]
    if "contrast" in special and worst["contrast"] < 0:
        special = [kind for kind in special if kind != "detail"]
    return [WORDS[kind][int(worst[kind] > 0)] for kind in special] or [TOGETHER[kind] for kind in list(worst)[:1]]


def other_pixels(size: float | None, known: float | None) -> list[str]:
    """That an image's pixels are of another size than those of the training images, in words; empty if they are not.

    Parameters
    ----------
    size, known
        Sides in micrometres of the image's pixels and of the training images'; None is not known.
    """
    if size is None or known is None or not magnified((size, known)):
        return []
    return [
        f"pixels of {length(size)}, where those of the training images are of {length(known)} (--rescale mends that)"
    ]


def other_depth(image: Pixels, known: str | None) -> list[str]:
    """That an image's values cannot mean what those of the training images do, in words; empty if they may.

    Where the training images differ much in brightness, as dim wells do from crowded ones, `Familiarity` takes a copy
    of another depth for a dim image, in which next to nothing is counted.

    Parameters
    ----------
    image
        ``(channel, y, x)``.
    known
        Type of the pixels of the training images; None is not known. Real numbers may be in any unit, and pass unless
        the training images are of whole numbers and these were brought to the range from 0 to 1.
    """
    kind = str(image[:1, :1, :1].dtype)
    if known not in WHOLE or kind == known:
        return []
    if kind in WHOLE:
        return [f"pixels of type {kind}, where those of the training images are of type {known}"]
    if isinstance(image, np.ndarray) and image.max() <= 1:
        return [f"pixels of at most 1, where those of the training images are of type {known}"]
    return []


def blank(image: npt.NDArray[np.generic]) -> bool:
    """Whether an image ``(channel, y, x)`` is no picture, as each channel has one value throughout.

    That is how acquisitions and exports fail; next to nothing is counted there, as in an empty well.
    """
    return bool((image.min((1, 2)) == image.max((1, 2))).all())


def fit_familiarity(images: Sequence[Mapping[str, float]], groups: Sequence[str] = ()) -> Familiarity:
    """Learn from the features of the training images, and of the validation images, what is familiar.

    Parameters
    ----------
    images
        From `image_features`.
    groups
        For each image the name of its group, where images of one group, such as parts of a slide, look alike: a new
        image is of another group, so whole groups are left out, if there are three or more. Empty where none do.
    """
    n = len(images)
    if n < FEWEST:
        return Familiarity(images=n)
    members, number = group_numbers(groups, n)
    if number < FEWEST:
        members, number = np.arange(n), n
    names = tuple(name for name in images[0] if all(name in each for each in images))
    values = np.array([[each[name] for name in names] for each in images], np.float64).reshape(n, -1)
    part = members % PARTS
    scores = np.empty(n)
    for k in range(min(number, PARTS)):
        others = _learned(names, values[part != k], number - len(np.unique(members[part == k])))
        scores[part == k] = [others.score(image) for image, here in zip(images, part == k, strict=True) if here]
    threshold = _threshold(np.maximum(scores, 1e-3), number)
    return _learned(names, values, number).model_copy(update={"threshold": threshold})


def _learned(names: Sequence[str], values: Array, groups: int) -> Familiarity:
    """What images of so many groups look like, with scores in deviations."""
    floors = np.array([FLOORS[kind_of(name)] for name in names])
    centre, wider = values.mean(0), 1 + 1 / groups
    deviation = np.hypot(values.std(0, ddof=1) * math.sqrt(wider), floors)
    standard = (values - centre) / deviation
    kept = (1 - _shrinkage(standard)) * wider
    together = kept * standard.T @ standard / (len(values) - 1)
    model = Familiarity(
        names=tuple(names),
        centre=tuple(centre.tolist()),
        deviation=tuple(deviation.tolist()),
        correlation=tuple(tuple(row[:i].tolist()) for i, row in enumerate(together)),
        slope=_slope(names, centre),
        threshold=1.0,
        images=len(values),
    )
    columns = np.arange(len(names))
    slides = np.array([model._octaves(columns, each) for each in standard])
    return model.model_copy(update={"slide": math.hypot(slides.std(ddof=1) * math.sqrt(wider), STILL)})


def _slope(names: Sequence[str], centre: Array) -> tuple[float, ...]:
    """By how much each feature changes as everything becomes twice as small: detail becomes that of the next octave.

    That of the coarsest octave is taken to change as the one before it does.
    """
    at = dict(zip(names, centre.tolist(), strict=True))
    slope = dict.fromkeys(names, 0.0)
    for channel in range(len(names)):
        ratios = [at[name] for k in range(OCTAVES) if (name := detail_name(k, channel)) in at]
        rises = [after - before for before, after in pairwise(ratios)]
        slope |= {detail_name(k, channel): rise for k, rise in enumerate(rises + rises[-1:])}
    return tuple(slope.values())


def _shrinkage(standard: Array) -> float:
    """Share by which correlations are brought to none: Ledoit and Wolf (2004), lemma 3.3.

    A well-conditioned estimator for large-dimensional covariance matrices, Journal of Multivariate Analysis 88.
    """
    n, p = standard.shape
    covariance = standard.T @ standard / n
    far = float(np.square(covariance - np.trace(covariance) / p * np.eye(p)).sum())
    noise = float((np.square(standard).sum(1) ** 2).sum() / n - np.square(covariance).sum()) / n
    return min(1.0, noise / far) if far > 0 else 1.0


def _threshold(scores: Array, n: int) -> float:
    """The score of images of n groups that one of another group seldom has."""
    from scipy.special import stdtrit

    logs = np.log(scores)
    bound = float(np.exp(logs.mean() + stdtrit(n - 1, 0.97) * logs.std(ddof=1) * math.sqrt(1 + 1 / n)))
    return max(bound, float(np.quantile(scores, 0.95, method="weibull"))) if rank(0.95, n) <= n else bound
