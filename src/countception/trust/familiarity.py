"""Whether an image is like those that a counter learned from: in brightness, colour, detail and density of objects.

The field calls it out-of-distribution detection.

An image is described by a few dozen numbers (`image_features`), in normalised units and at the working scale, where
the network sees it. Its score is its largest deviation from the training images, in standard deviations widened by a
floor (what a network does not notice) and by the uncertainty of the mean. It is unfamiliar if the score exceeds what
training images score against the others (leave-one-out): the larger of the 95 % quantile of those scores, where there
are enough, and the 97 % prediction bound of a log-normal fitted to them. About 1 clean image in 30 is then flagged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from countception.geometry import working_shape
from countception.images.normalise import Normalisation
from countception.images.pieces import Pixels
from countception.images.pixel_size import magnified
from countception.images.resample import resample_region
from countception.trust.conformal import group_numbers, rank
from countception.wording import length

Array = npt.NDArray[np.float64]
Pixels32 = npt.NDArray[np.float32]

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
FEWEST = 3
OCTAVES = 5
SMALLEST_SIDE = 16
"""Shortest side, in pixels, that the strength of an octave is measured on."""
PART = 512
"""Of an image of more than three parts a side, 3 × 3 parts of this side are looked at."""
FAINT = 0.02
"""Contrast, in normalised units, that is as good as none."""
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
    """Deviation that makes a score of 1."""
    threshold: float = Field(math.e**9, gt=0)
    """Score from which an image is unfamiliar."""
    images: int = Field(0, ge=0)
    """Images that it was learned from; with fewer than 3 nothing is unfamiliar."""

    @model_validator(mode="after")
    def _lengths(self) -> Familiarity:
        if not len(self.names) == len(self.centre) == len(self.deviation) or any(d <= 0 for d in self.deviation):
            raise ValueError("every feature must have a centre and a deviation above 0")
        if any(_kind(name) not in FLOORS for name in self.names):
            raise ValueError("a feature is of no known kind")
        return self

    def score(self, features: Mapping[str, float]) -> float:
        """How unlike an image is, in thresholds: more than 1 is unfamiliar."""
        return max((abs(each) for each in self._deviations(features).values()), default=0.0)

    def unfamiliar(self, features: Mapping[str, float]) -> list[str]:
        """In what an image differs from the training images, in words, the worst first; empty for a familiar image.

        Of each kind of feature the worst is named.

        Parameters
        ----------
        features
            From `image_features`, with the same normalisation and scale. What the training images had not, and what
            this image is too small for, is passed over.
        """
        worst: dict[str, float] = {}
        for name, each in sorted(self._deviations(features).items(), key=lambda item: -abs(item[1])):
            if abs(each) > 1:
                worst.setdefault(_kind(name), each)
        if worst.get("contrast", 0) < 0:  # of next to nothing there is neither more nor less detail
            worst.pop("detail", None)
        return [WORDS[kind][int(each > 0)] for kind, each in worst.items()]

    def _deviations(self, features: Mapping[str, float]) -> dict[str, float]:
        known = zip(self.names, self.centre, self.deviation, strict=True)
        return {name: (features[name] - c) / (d * self.threshold) for name, c, d in known if name in features}


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
    floors = np.array([FLOORS[_kind(name)] for name in names])
    scores = []
    for i in range(n):
        others = values[members != members[i]]
        deviation = _deviation(others, floors, number - 1)
        scores.append(float((np.abs(values[i] - others.mean(0)) / deviation).max(initial=1e-3)))
    return Familiarity(
        names=names,
        centre=tuple(values.mean(0).tolist()),
        deviation=tuple(_deviation(values, floors, number).tolist()),
        threshold=_threshold(np.array(scores), number),
        images=n,
    )


def image_features(
    image: Pixels,
    normalisation: Normalisation,
    scale: float,
    *,
    count: float | None = None,
    area: int | None = None,
) -> dict[str, float]:
    """Numbers that describe an image.

    Parameters
    ----------
    image
        ``(channel, y, x)`` of any number type.
    normalisation, scale
        The model's.
    count
        Objects predicted in it; None leaves their density out.
    area
        Pixels that are picture; None counts those of an array.

    Returns
    -------
    dict
        Per channel the 2, 50 and 98 % quantiles (level), the log standard deviation (contrast) and the log ratios of
        the strength of neighbouring octaves, from 2 working pixels up (detail); per pair of channels the difference of
        the means and half of Fisher's z of the correlation (colour); the log density of objects. All are those of what
        is picture; what is so small that there are none is left out.
    """
    working = working_shape((image.shape[1], image.shape[2]), scale)
    shown = normalisation.shown(image)
    parts = [normalisation(resample_region(shown, scale, rows, columns)) for rows, columns in _parts(working)]
    holed = any(map(np.ma.is_masked, parts))
    pixels = np.stack([np.ma.filled(part, np.nan) for part in parts], axis=1)  # (channel, part, y, x)
    flat = pixels.reshape(len(pixels), -1)
    flat = flat[:, ~np.isnan(flat[0])] if holed else flat
    features = _intensities(flat) if flat.size else {}
    octaves = np.log(
        np.array(list(_octaves(pixels, _mean_of_seen if holed else _mean))).reshape(-1, len(pixels)) + FAINT
    )
    for k, ratios in enumerate(octaves[:-1] - octaves[1:]):
        features |= {f"detail {2 ** (k + 1)} px, channel {c}": float(ratio) for c, ratio in enumerate(ratios)}
    if count is not None:
        share = (np.ma.count(image[:1, :, :]) if area is None else area) / (image.shape[1] * image.shape[2])
        features["density"] = math.log((max(0.0, count) + 1) / (working[0] * working[1] * share))
    return {name: value for name, value in features.items() if not (holed and math.isnan(value))}


def _intensities(pixels: Pixels32) -> dict[str, float]:
    """Level, contrast and colour from ``(channel, pixels)``."""
    features: dict[str, float] = {}
    means = pixels.mean(1, dtype=np.float64)
    covariance = np.atleast_2d(torch.cov(torch.from_numpy(pixels).double(), correction=0).numpy())
    spreads = np.sqrt(np.diag(covariance))
    for c, channel in enumerate(pixels):
        ordered = np.sort(channel)  # several times as fast as numpy's own quantiles
        for percent in (2, 50, 98):
            features[f"level {percent} %, channel {c}"] = _interpolated(ordered, percent / 100 * (len(ordered) - 1))
        features[f"contrast channel {c}"] = math.log(spreads[c] + FAINT)
        for other in range(c):
            correlation = covariance[c, other] / (spreads[c] * spreads[other] + FAINT)
            features[f"colour {other} and {c}, means"] = float(means[c] - means[other])
            features[f"colour {other} and {c}, correlation"] = math.atanh(min(max(correlation, -0.99), 0.99)) / 2
    return features


def _interpolated(ordered: Pixels32, place: float) -> float:
    """What stands at a place from 0 that need not be whole, linearly between its neighbours."""
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (place - below) * (high - low)


def _octaves(pixels: Pixels32, mean: Callable[[Pixels32], Array]) -> Iterator[Array]:
    """Root mean square, per channel, of the second differences along both axes, at half the resolution each time.

    Holes are NaN, which `mean` passes over; what is made of holes is one.
    """
    for _ in range(OCTAVES):
        _, _, height, width = pixels.shape
        if min(height, width) < SMALLEST_SIDE:
            return
        bends = (np.diff(pixels, 2, axis) for axis in (2, 3))
        yield np.sqrt(sum(mean(np.square(bend, out=bend)) for bend in bends))
        pixels = pixels[:, :, : height // 2 * 2, : width // 2 * 2]
        rows = pixels[:, :, ::2] + pixels[:, :, 1::2]
        pixels = (rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25)


def _mean(values: Pixels32) -> Array:
    """Of each channel."""
    return np.asarray(values.mean((1, 2, 3), dtype=np.float64))


def _mean_of_seen(values: Pixels32) -> Array:
    """Of each channel, holes passed over; NaN where there is nothing else."""
    seen = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(values.sum((1, 2, 3), dtype=np.float64, where=seen) / seen.sum((1, 2, 3)))


def _parts(working: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Rows and columns of the whole image, or of 3 × 3 parts spread over a large one."""
    spans = []
    for side in working:
        starts = [0] if side <= 3 * PART else [0, (side - PART) // 2, side - PART]
        spans.append([(start, start + (side if len(starts) == 1 else PART)) for start in starts])
    return [(rows, columns) for rows in spans[0] for columns in spans[1]]


def _kind(name: str) -> str:
    return name.split(" ", 1)[0]


def _deviation(values: Array, floors: Array, groups: int) -> Array:
    return np.asarray(np.hypot(values.std(0, ddof=1) * math.sqrt(1 + 1 / groups), floors))


def _threshold(scores: Array, n: int) -> float:
    """The score of images of n groups that one of another group seldom has."""
    from scipy.special import stdtrit

    logs = np.log(scores)
    bound = float(np.exp(logs.mean() + stdtrit(n - 1, 0.97) * logs.std(ddof=1) * math.sqrt(1 + 1 / n)))
    return max(bound, float(np.quantile(scores, 0.95, method="weibull"))) if rank(0.95, n) <= n else bound
