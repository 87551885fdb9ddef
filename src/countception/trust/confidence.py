"""How far to trust a count: intervals from the errors on the validation images.

One image
    Split conformal prediction with normalised scores (Lei et al. 2018, section 5.2). Errors are taken to scale with
    ``s(x) = (1 + count)^β · spread^γ``, where spread is how much the count changes under test-time flips and shifts,
    relative to the square root of the count. For every validation image i the exponents are fitted on the others
    (`countception.trust.conformal`), and its error is brought to the new image's scale: ``h_i(x) = |e_i| s₋ᵢ(x) /
    s₋ᵢ(x_i)`` (the jackknife+, Barber et al. 2021, where only the scale is refitted). The interval is ``count ±
    Q(h(x))``, Q a quantile in which images of a like count weigh more (localised conformal prediction, Guan 2023), as
    large errors are often those of crowded images. Which quantile, the validation images say: of each, p is the share
    of the others, by weight, whose scores ``|e_i| / s₋ᵢ(x_i)`` are smaller than its own, and Q takes the share that is
    the quantile of these p of rank ``level · (n + 1)``, interpolated where that is no whole number: rounding it up
    would guarantee coverage (Lei et al. 2018, theorem 2.2) but overshoot by up to ``1 / (n + 1)``. With equal weights Q
    is the quantile of that rank itself.
A sum of images
    Independent errors add up in quadrature, while what a network counts too many or too few of is shared by all images
    and grows with the total; see `IntervalModel.total`. One network's validation images tell it up to their mean's
    error. Of a cross-validation each part was counted by another network, so that only the spread over parts tells how
    far off one network is; see `fit_intervals`.
A region of an image
    The same, backwards; see `IntervalModel.part`.
An image with more objects than any validation image
    Such as a whole slide. It is taken for a sum of images of the largest size that is known, unless the power law that
    was fitted to smaller ones makes its interval wider than that.

All this assumes that new images are like the validation images; whether they are, `countception.trust.familiarity`
says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from countception.errors import ConfigError
from countception.trust.conformal import (
    fit_exponents,
    nearness,
    rank,
    share_below,
    unlucky_coverage,
    weighted_quantile,
)
from countception.wording import percent

Array = npt.NDArray[np.float64]

FEWEST = 3
"""Images from which anything can be learned about errors."""
SMALLEST_ERROR = 1e-3
"""In objects; smaller errors and spreads are taken for this, as 0 has no logarithm."""
SMALLEST_SPREAD = 0.05
"""In median spreads; smaller spreads are taken for this."""


class Interval(NamedTuple):
    """Where the true count lies, in objects."""

    low: float
    high: float


class IntervalModel(BaseModel):
    """What is known about errors; plain numbers, so that a model file can hold them (`model_dump`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    log_scores: tuple[float, ...] = ()
    """Of each validation image: log of its error over its scale, ``log |e_i| - log s₋ᵢ(x_i)``."""
    exponents: tuple[tuple[float, float], ...] = ()
    """β and γ as fitted without that image."""
    features: tuple[tuple[float, float], ...] = ()
    """Its features (`_features`), centred; none in models made before they were kept, which take all for alike."""
    centre: tuple[float, float] = (0.0, 0.0)
    """Medians of the two features (`_features`)."""
    lowest_spread: float = 0.0
    """Smallest centred feature of the spread that was seen; less does not make an interval narrower."""
    bias: float = Field(0.0, ge=0)
    """Standard error of what the counts have in common, relative to the count."""
    networks: int = Field(1, ge=1)
    """That counted the validation images: the parts of a cross-validation."""
    most: float | None = Field(None, gt=0)
    """Largest count of the validation images; None in models made before it was kept."""

    @model_validator(mode="after")
    def _lengths(self) -> IntervalModel:
        if len(self.log_scores) != len(self.exponents) or len(self.features) not in (0, len(self.log_scores)):
            raise ValueError("there must be as many exponents and features as scores")
        return self

    @property
    def images(self) -> int:
        """Validation images that it was made from."""
        return len(self.log_scores)

    def supports(self, level: float) -> bool:
        """Whether there are enough images for intervals of `level`: 4 for 80 %, 9 for 90 %, 19 for 95 %."""
        return supported(level, self.images)

    def note(self, level: float) -> str:
        """What to say beside intervals of `level`, in one sentence; empty if there is nothing to warn of."""
        n, share = self.images, percent(level)
        if not self.supports(level):
            needed = max(FEWEST, math.ceil(level / (1 - level) - 1e-9))
            number = str(n) if n else f"fewer than {FEWEST}"
            return (
                f"no {share} intervals: they need at least {needed} validation images and there are {number}; "
                "validate on more images or ask for a lower level"
            )
        worst = unlucky_coverage(level, n)
        if worst >= level - 0.1:
            return ""
        return (
            f"the {share} intervals rest on only {n} validation images: "
            f"they may hold for as few as {100 * worst:.0f} % of new images"
        )

    def interval(self, count: float, spread: float | None, level: float) -> Interval | None:
        """Interval that holds the true count of a new image with probability `level`.

        Parameters
        ----------
        count
            Predicted, calibrated count; less than 0 is taken for 0.
        spread
            Standard deviation of the count under the same test-time flips and shifts as in `fit_intervals`; None takes
            the image for a typical one.
        level
            Above 0 and below 1, such as 0.9. A higher level gives an interval at least as wide.

        Returns
        -------
        Interval or None
            None where the validation images are too few for the level: `note` says so in words.

        Raises
        ------
        ConfigError
            A level, count or spread out of range.
        """
        return self.total([count], None if spread is None else [spread], level)

    def total(self, counts: Sequence[float], spreads: Sequence[float] | None, level: float) -> Interval | None:
        """Interval for the sum of the true counts of several images.

        With h_i the half widths of the images' own intervals, ``b`` the relative standard error of the shared bias and
        t the quantile of Student's distribution at the level, with a degree of freedom less than there are validation
        images, or parts of a cross-validation, the half width H of the total is::

            B_i = min(t b c_i, h_i)        H² = Σ (h_i² - B_i²) + (Σ B_i)²

        For one image this is the image's interval; for many, the shared part B dominates. Errors that groups of images
        share beyond the calibration, such as a badly stained plate, are not known to it.

        Parameters
        ----------
        counts, spreads, level
            As for `interval`, one count and spread per image.

        Raises
        ------
        ConfigError
            As for `interval`; or not one spread per count.
        """
        values, widths = _checked(counts, spreads)
        parts = self._own_and_shared(values, widths, level)
        if parts is None:
            return None
        own, shared = parts
        count, width = max(0.0, float(np.sum(counts))), math.sqrt(own.sum() + shared.sum() ** 2)
        return Interval(max(0.0, count - width), count + width)

    def part(self, part: float, count: float, spread: float | None, level: float) -> Interval | None:
        """Interval for the true count of a region of an image.

        With f the share of the image's objects that are in the region, one object added to both, h the half width of
        the image's interval and B the shared part of it as in `total`, the half width is ``H² = (h² - B²) f + B² f²``:
        apart from the calibration, errors are taken to be as independent from object to object as they are from image
        to image. They were only ever measured on whole images. The region that is the image has the image's interval.

        Parameters
        ----------
        part
            Count in the region.
        count, spread, level
            Of the whole image, as for `interval`.

        Raises
        ------
        ConfigError
            As for `interval`.
        """
        values, widths = _checked([count], None if spread is None else [spread])
        parts = self._own_and_shared(values, widths, level)
        if parts is None:
            return None
        inside = max(0.0, part)
        share = min(1.0, (1 + inside) / (1 + float(values[0])))
        own, shared = (float(each[0]) for each in parts)
        width = math.sqrt(own * share + (shared * share) ** 2)
        return Interval(max(0.0, inside - width), inside + width)

    def _own_and_shared(self, counts: Array, spreads: Array | None, level: float) -> tuple[Array, Array] | None:
        """Of each half width the square of the image's own part, and the part that all counts share."""
        half = self._half_widths(counts, spreads, level)
        if half is None:
            return None
        shared = self._shared(counts, half, level)
        own = np.square(half) - np.square(shared)
        if self.most is None or (counts <= self.most).all():
            return own, shared
        k = np.maximum(1.0, np.ceil(counts / self.most - 1e-9))
        small = self._half_widths(counts / k, None if spreads is None else spreads / np.sqrt(k), level)
        assert small is not None
        each = self._shared(counts / k, small, level)
        sums = k * (np.square(small) - np.square(each)), k * each
        wider = sums[0] + np.square(sums[1]) > np.square(half)
        return np.where(wider, sums[0], own), np.where(wider, sums[1], shared)

    def _shared(self, counts: Array, half: Array, level: float) -> Array:
        """The part of the half widths that the network's bias makes, which all counts share."""
        from scipy.special import stdtrit

        known = (self.networks if self.networks > 1 else self.images) - 1
        return np.asarray(np.minimum(stdtrit(known, 0.5 + level / 2) * self.bias * counts, half))

    def _half_widths(self, counts: Array, spreads: Array | None, level: float) -> Array | None:
        if not 0 < level < 1:
            raise ConfigError(f"an interval cannot have the level {level}: choose one between 0 and 1, such as 0.9")
        if not self.supports(level):
            return None
        features = _features(counts, spreads) - self.centre
        if spreads is None:
            features[:, 1] = 0
        features[:, 1] = np.maximum(features[:, 1], self.lowest_spread)
        logs = np.array(self.log_scores)[:, None] + np.array(self.exponents) @ features.T
        share = float(np.quantile(self._shares, level, method="weibull"))
        return np.exp(weighted_quantile(logs, nearness(self._places, features[:, 0]), share))

    @property
    def _places(self) -> Array:
        """The first feature of each validation image, which tells what count it is like."""
        return np.array([first for first, _ in self.features] or [0.0] * self.images)

    @cached_property
    def _shares(self) -> Array:
        """For each validation image, of the others near it, the share whose scores are smaller."""
        return share_below(np.array(self.log_scores), nearness(self._places, self._places))


def supported(level: float, images: int) -> bool:
    """Whether so many validation images are enough for intervals of `level`."""
    return images >= FEWEST and rank(level, images) <= images


def left_out_errors(true: Array, counts: Array) -> Array:
    """Errors of counts that were multiplied by a factor fitted on these very images, had each been left out of it.

    They are ``e_i / (1 - c_i / Σc)``, and so larger.
    """
    return np.asarray((true - counts) / np.maximum(1 - counts / max(counts.sum(), SMALLEST_ERROR), 1 / len(counts)))


def fit_intervals(
    true: Sequence[float],
    counts: Sequence[float],
    spreads: Sequence[float] | None = None,
    *,
    calibrated: bool = False,
    parts: Sequence[int] = (),
) -> IntervalModel:
    """Learn from images that the network was not trained on how large its errors are.

    Parameters
    ----------
    true, counts
        True and predicted counts of the validation images.
    spreads
        Standard deviation of each predicted count under test-time flips and shifts, where known.
    calibrated
        Whether the counts were multiplied by a factor fitted on these very images; errors are then `left_out_errors`.
    parts
        For each image the number of its part, where each part was counted by a network of its own; empty for one
        network. With E_k the sum of the errors of part k of K and C all that was counted, the bias of a network is
        then taken for ``√(K Σ E_k²) / C``: too large by the errors of so few images, which cannot be told apart from
        it.

    Returns
    -------
    IntervalModel
        With fewer than 3 images one that supports no level.

    Raises
    ------
    ConfigError
        Not one number of each kind per image, or numbers that make no sense.
    """
    values, widths = _checked(counts, spreads)
    truth, _ = _checked(true, None)
    if len(truth) != len(values):
        raise ConfigError(f"{len(values)} counts have {len(truth)} true counts: there must be one per count")
    n, sum_ = len(values), float(values.sum())
    if n < FEWEST:
        return IntervalModel()
    errors = left_out_errors(truth, values) if calibrated else truth - values
    if len(parts) not in (0, n):
        raise ConfigError(f"{n} counts have {len(parts)} numbers of parts: there must be one per count")
    bias = _shared_error(errors, parts) / sum_ if sum_ > SMALLEST_ERROR else 0.0
    if widths is not None:  # spreads have no meaning if all are 0
        least = max(SMALLEST_SPREAD * float(np.median(widths)), SMALLEST_ERROR)
        widths = np.maximum(widths, least) if widths.any() else None
    features = _features(values, widths)
    centre = np.median(features, axis=0)
    features = features - centre
    sizes = np.maximum(np.abs(errors), SMALLEST_ERROR)
    exponents = fit_exponents(sizes, features, 1 - np.eye(n))
    scores = np.log(sizes) - (exponents * features).sum(1)
    return IntervalModel(
        log_scores=tuple(scores.tolist()),
        exponents=tuple((float(b), float(g)) for b, g in exponents),
        features=tuple((float(x), float(z)) for x, z in features),
        centre=(float(centre[0]), float(centre[1])),
        lowest_spread=float(features[:, 1].min()),
        bias=bias,
        networks=len(set(parts)) or 1,
        most=float(values.max()) or None,
    )


def _shared_error(errors: Array, parts: Sequence[int]) -> float:
    """How far off the sum of so many counts of one network is likely to be, beside the errors of single images."""
    n = len(errors)
    sums = [float(errors[np.equal(parts, part)].sum()) for part in sorted(set(parts))]
    if len(sums) > 1:
        return math.sqrt(len(sums) * sum(each**2 for each in sums))
    return math.hypot(float(errors.sum()), math.sqrt(n / (n - 1) * float(np.square(errors).sum())))


def _checked(counts: Sequence[float], spreads: Sequence[float] | None) -> tuple[Array, Array | None]:
    values = np.maximum(np.asarray(counts, np.float64), 0)
    widths = None if spreads is None else np.asarray(spreads, np.float64)
    if widths is not None and widths.shape != values.shape:
        raise ConfigError(f"{len(values)} counts have {len(widths)} spreads: there must be one per count")
    if not np.isfinite(values).all() or (widths is not None and not (np.isfinite(widths) & (widths >= 0)).all()):
        raise ConfigError("counts and spreads must be finite, and spreads not negative")
    return values, widths


def _features(counts: Array, spreads: Array | None) -> Array:
    """``(n, 2)``: log of the count, and log of the spread over the square root of the count (0 if not known)."""
    relative = np.ones(len(counts)) if spreads is None else spreads / np.sqrt(1 + counts)
    return np.stack([np.log1p(counts), np.log(np.maximum(relative, np.finfo(np.float64).tiny))], axis=1)
