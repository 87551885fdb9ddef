"""Whether an image is like those that a counter learned from: in brightness, colour, detail and density of objects.

The field calls it out-of-distribution detection.

An image is described by a few dozen numbers (`image_features`). Two figures say how far it is from the training
images. One is Mahalanobis' distance, so that colours that do not go with the brightness count, too, with deviations
widened by a floor (what a network does not notice) and by the uncertainty of the mean, and with shrunk correlations.
The other is how far it has gone to where training images would lie after a mishap (Fisher's linear discriminant).
Its score is the larger of the two. It is unfamiliar if the score exceeds what training images score against the others
(leave-one-out): the larger of the 96 % quantile of those scores, where there are enough, and the 98 % prediction bound
of a log-normal fitted to them. About 1 clean image in 30 is then flagged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from countception.images.pieces import Pixels
from countception.images.pixel_size import magnified
from countception.trust.conformal import group_numbers, rank
from countception.trust.features import kind_of
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
MISHAPS = {
    "smaller": (
        "everything looks larger than in the training images: another magnification, or out of focus",
        "everything looks smaller than in the training images: another magnification, or noise",
    ),
    "reversed": ("", "channels in the reverse order of the training images: red is blue"),
}
"""What is said of an image that lies where training images would after the opposite of a mishap, and after it."""
ORDINARY = 2.0
"""Deviations up to which a feature by itself is nothing special."""
DISTANCE_WEIGHT = 3.0
"""Of the distance, a root mean square, beside the shares of mishaps: those of training images are much alike then."""
SHARE = 0.1
"""Of a mishap, that is taken to be harmless."""
EXPLAINED = 0.6
"""Share of the distance that may be left once a mishap is undone that is to be the reason."""
MOST = 2.0
"""Times a mishap that can be one: a quarter of the size."""
LEAST = 1.0
"""Least threshold: what images may differ by that were all but the same in training, as frames of a film are."""
FEWEST = 3
PARTS = 100
"""Most parts that are left out in turn."""
WHOLE = ("uint8", "uint16")
"""Types of pixels that are whole numbers."""


class Mishap(BaseModel):
    """Where training images would lie after something had happened to them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shift: tuple[float, ...]
    """How much each feature would change."""
    deviation: float = Field(gt=0)
    """Of the share of it that images have to which nothing happened."""


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
    mishaps: dict[str, Mishap] = {}
    """By name."""
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
            if np.linalg.eigvalsh(self._correlations()).min(initial=1) <= 0:
                raise ValueError("the correlations of the features contradict each other")
        for name, mishap in self.mishaps.items():
            if name not in MISHAPS or not self.correlation or len(mishap.shift) != len(self.names):
                raise ValueError("a mishap is of no known kind, or not of these features")
        return self

    def score(self, features: Mapping[str, float]) -> float:
        """How unlike an image is, in thresholds: more than 1 is unfamiliar."""
        columns, deviations = self._deviations(features)
        return max(self._distance(columns, deviations), *self._happened(columns, deviations).values(), 0.0)

    def unfamiliar(self, features: Mapping[str, float]) -> list[str]:
        """In what an image differs from the training images, in words, the worst first; empty for a familiar image.

        A mishap that explains most of it is named, or else kinds of features without which it would be familiar.

        Parameters
        ----------
        features
            From `image_features`, with the same normalisation and scale. What the training images had not, and what
            this image is too small for, is passed over.
        """
        columns, deviations = self._deviations(features)
        happened = self._happened(columns, deviations)
        for name in sorted(happened, key=lambda name: -happened[name]):
            if happened[name] <= 1:
                break
            shift, weights = self._direction(name, columns)
            share = float(weights @ deviations)
            rest = deviations - share * shift
            left, before = self._kinds(columns, rest), self._distance(columns, deviations)
            most = set(left) <= {"density"} or self._distance(columns, rest) < EXPLAINED * before
            if before <= 1 or (most and abs(share) < MOST):
                return [MISHAPS[name][int(share > 0)], *_said(left)]
        kinds = self._kinds(columns, deviations)
        return _said(kinds) or [TOGETHER[kind] for kind in list(kinds)[:1]]

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
        return DISTANCE_WEIGHT * math.sqrt(max(0.0, float(deviations @ solved)) / len(columns)) / self.threshold

    def _happened(self, columns: Columns, deviations: Array) -> dict[str, float]:
        """How sure each mishap is, in thresholds."""
        shares = {name: float(self._direction(name, columns)[1] @ deviations) for name in self.mishaps}
        return {
            name: abs(share) / (self.mishaps[name].deviation * self.threshold)
            for name, share in shares.items()
            if MISHAPS[name][int(share > 0)]
        }

    def _direction(self, name: str, columns: Columns) -> tuple[Array, Array]:
        """By how many deviations a mishap moves each feature, and what deviations weigh in how much of it there is."""
        shift = np.array(self.mishaps[name].shift)[columns] / np.array(self.deviation)[columns]
        weights = np.linalg.solve(self._correlations()[np.ix_(columns, columns)], shift)
        power = float(weights @ shift)
        return shift, weights / power if power > 0 else 0 * weights

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
    """In words, what is off by itself. Of next to nothing there is neither more nor less detail."""
    special = [kind for kind, each in worst.items() if abs(each) > ORDINARY]
    if "contrast" in special and worst["contrast"] < 0:
        special = [kind for kind in special if kind != "detail"]
    return [WORDS[kind][int(worst[kind] > 0)] for kind in special]


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


def fit_familiarity(
    images: Sequence[Mapping[str, float]],
    groups: Sequence[str] = (),
    altered: Mapping[int, Mapping[str, Mapping[str, float]]] | None = None,
) -> Familiarity:
    """Learn from the features of the training images, and of the validation images, what is familiar.

    Parameters
    ----------
    images
        From `image_features`.
    groups
        For each image the name of its group, where images of one group, such as parts of a slide, look alike: a new
        image is of another group, so whole groups are left out, if there are three or more. Empty where none do.
    altered
        For some of the images, by number, how they would be after mishaps, from `altered_features`; None looks for
        none.
    """
    n = len(images)
    if n < FEWEST:
        return Familiarity(images=n)
    members, number = group_numbers(groups, n)
    if number < FEWEST:
        members, number = np.arange(n), n
    names = tuple(name for name in images[0] if all(name in each for each in images))
    values = np.array([[each[name] for name in names] for each in images], np.float64).reshape(n, -1)
    shifts = _shifts(names, images, altered or {})
    part = members % PARTS
    scores = np.empty(n)
    for k in range(min(number, PARTS)):
        rest, out = part != k, len(np.unique(members[part == k]))
        others = _learned(names, values[rest], {name: each[rest] for name, each in shifts.items()}, number - out)
        scores[~rest] = [others.score(images[i]) for i in np.flatnonzero(~rest).tolist()]
    threshold = max(LEAST, _threshold(np.maximum(scores, 1e-3), number))
    return _learned(names, values, shifts, number).model_copy(update={"threshold": threshold})


def _shifts(
    names: Sequence[str],
    images: Sequence[Mapping[str, float]],
    altered: Mapping[int, Mapping[str, Mapping[str, float]]],
) -> dict[str, Array]:
    """How much each feature of each image changes by each mishap, ``(image, feature)``; NaN of images left out.

    What is not known of some is taken to stay as it is.
    """
    kinds = [name for name in MISHAPS if altered and all(name in each for each in altered.values())]
    shifts = {kind: np.full((len(images), len(names)), np.nan) for kind in kinds}
    for kind, shift in shifts.items():
        known = [name for name in names if all(name in each[kind] for each in altered.values())]
        for i, each in altered.items():
            shift[i] = [each[kind][name] - images[i][name] if name in known else 0.0 for name in names]
    return shifts


def _learned(names: tuple[str, ...], values: Array, shifts: Mapping[str, Array], groups: int) -> Familiarity:
    """What images of so many groups look like, with scores in deviations."""
    floors = np.array([FLOORS[kind_of(name)] for name in names])
    centre, wider = values.mean(0), 1 + 1 / groups
    deviation = np.hypot(values.std(0, ddof=1) * math.sqrt(wider), floors)
    standard = (values - centre) / deviation
    together = (1 - _shrinkage(standard)) * wider * standard.T @ standard / (len(values) - 1)
    model = Familiarity(
        names=names,
        centre=tuple(centre.tolist()),
        deviation=tuple(deviation.tolist()),
        correlation=tuple(tuple(row[:i].tolist()) for i, row in enumerate(together)),
        mishaps={name: Mishap(shift=_mean(each), deviation=SHARE) for name, each in shifts.items()},
        threshold=1.0,
        images=len(values),
    )
    columns = np.arange(len(names))
    mishaps = {}
    for name, mishap in model.mishaps.items():
        shares = standard @ model._direction(name, columns)[1]
        spread = math.hypot(float(shares.std(ddof=1)) * math.sqrt(wider), SHARE)
        mishaps[name] = mishap.model_copy(update={"deviation": spread})
    return model.model_copy(update={"mishaps": mishaps})


def _mean(shifts: Array) -> tuple[float, ...]:
    """Over the images that were not left out; none at all where all were."""
    known = shifts[~np.isnan(shifts).any(1)]
    return tuple((known.mean(0) if len(known) else np.zeros(shifts.shape[1])).tolist())


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
    bound = float(np.exp(logs.mean() + stdtrit(n - 1, 0.98) * logs.std(ddof=1) * math.sqrt(1 + 1 / n)))
    return max(bound, float(np.quantile(scores, 0.96, method="weibull"))) if rank(0.96, n) <= n else bound
