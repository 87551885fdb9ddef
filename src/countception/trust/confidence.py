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
    far off one network is; see `countception.trust.fitting.fit_intervals`.
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
    nearness,
    rank,
    share_below,
    unlucky_coverage,
    weighted_quantile,
)
from countception.wording import percent

Array = npt.NDArray[np.float64]
Parts = tuple[Array, Array, Array, Array]

FEWEST = 3
"""Images from which anything can be learned about errors."""
SMALLEST_ERROR = 1e-3
"""In objects; smaller errors and spreads are taken for this, as 0 has no logarithm."""
SMALLEST_SPREAD = 0.05
"""In median spreads; smaller spreads are taken for this."""
EMPTY = 0.5
"""Objects, of which an image seems empty if fewer are counted."""


class Interval(NamedTuple):
    """Where the true count lies, in objects."""

    low: float
    high: float


class WithInterval:
    """What has a count whose interval may be known."""

    interval: Interval | None

    @property
    def low(self) -> float | None:
        """The lower end of the interval; None without one."""
        return None if self.interval is None else self.interval.low

    @property
    def high(self) -> float | None:
        """The upper end."""
        return None if self.interval is None else self.interval.high


class IntervalModel(BaseModel):
    """What is known about errors; plain numbers, so that a model file can hold them (`model_dump`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    log_scores: tuple[float, ...] = ()
    """Of each validation image: log of its error over its scale, ``log |e_i| - log s₋ᵢ(x_i)``."""
    exponents: tuple[tuple[float, float], ...] = ()
    """β and γ as fitted without that image."""
    features: tuple[tuple[float, float], ...] = ()
    """Its features (`features_of`), centred; none in models made before they were kept, which take all for alike."""
    centre: tuple[float, float] = (0.0, 0.0)
    """Medians of the two features (`features_of`)."""
    lowest_spread: float = 0.0
    """Smallest centred feature of the spread that was seen; less does not make an interval narrower."""
    bias: float = Field(0.0, ge=0)
    """Standard error of what the counts have in common, relative to the count."""
    slope: tuple[float, float] = (0.0, 0.0)
    """Covariance of that with, and standard error of, what it grows by from images of one count to those of e times as
    many; both 0 in models made before they were kept."""
    networks: int = Field(1, ge=1)
    """That counted the validation images: the parts of a cross-validation."""
    groups: int = Field(0, ge=0)
    """Of the validation images; 0 where each is one of its own."""
    most: float | None = Field(None, gt=0)
    """Largest count of the validation images; None in models made before it was kept."""

    @model_validator(mode="after")
    def _lengths(self) -> IntervalModel:
        if len(self.log_scores) != len(self.exponents) or len(self.features) not in (0, len(self.log_scores)):
            raise ValueError("there must be as many exponents and features as scores")
        return self

    @model_validator(mode="after")
    def _covariance(self) -> IntervalModel:
        if abs(self.slope[0]) > self.bias * self.slope[1] * (1 + 1e-6) or self.slope[1] < 0:
            raise ValueError("the bias and its slope cannot vary together more than each does")
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
            lower = f" or ask for {math.floor(100 * n / (n + 1))} % or less" if n >= FEWEST else ""
            return (
                f"no {share} intervals: they need at least {needed} validation images and there are {number}; "
                f"validate on more images{lower}"
            )
        independent = self.groups or n
        worst = unlucky_coverage(level, independent)
        if worst >= level - 0.1:
            return ""
        groups = f"{self.groups} group{'s'[: self.groups != 1]} of validation images"
        which = f"{n} validation images" if independent == n else groups
        return (
            f"the {share} intervals rest on only {which}: in one such case in ten they hold for fewer than "
            f"{100 * worst:.0f} % of new images"
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

        With h_i the half widths of the images' own intervals, M the covariance of the bias that all counts share and of
        its growth with the log of the count (`fit_intervals`), and t the quantile of Student's distribution at the
        level, with a degree of freedom less than there are validation images, groups of them, or parts of a
        cross-validation, the half width H of the total is::

            v_i = t c_i (1, log((1 + c_i) / (1 + m)))        B_i² = v_iᵀ M v_i
            H² = Σ (h_i² - B_i²) + (Σ v_i)ᵀ M (Σ v_i) + E²

        with m the median count of the validation images, and v_i made smaller where B_i would be above h_i; not after a
        cross-validation, where h_i is of several networks and B_i of one: the interval of an image is then h_i or B_i,
        whichever is larger. E is the sum of the counts below half an object, without their signs and of each h_i at
        most: what is counted in empty images is too much, or too little, in all of them, and nothing that grows with
        the count knows of it. Neither an h_i nor H is less than the distance to the next whole number, as true counts
        are whole. For one image H is the image's interval; for many, the shared part dominates. Their own parts add up
        as variances do, so where errors have heavy tails, of which the quantiles h_i know nothing, the mean squares of
        the scores in place of them make the total wider. Errors that groups of new images share beyond that, such as a
        badly stained plate, are not known to it.

        Parameters
        ----------
        counts, spreads, level
            As for `interval`, one count and spread per image.

        Raises
        ------
        ConfigError
            As for `interval`; or not one spread per count.
        """
        values, widths = checked(counts, spreads)
        parts = self._own_and_shared(values, widths, level)
        if parts is None:
            return None
        own, heavy, shared, _ = parts
        several = len(values) > 1
        alone = max(own.sum(), heavy.sum()) if several else own.sum()
        both = self._variance(shared.sum(0, keepdims=True))[0]
        noise = np.abs(np.asarray(counts, np.float64))
        half = np.maximum(np.sqrt(own + self._variance(shared)), to_whole(noise))
        empty = np.minimum(noise, half)[values < EMPTY].sum() if several else 0.0
        count = max(0.0, float(np.sum(counts)))
        width = max(math.sqrt(alone + both + empty**2), float(to_whole(count)))
        return Interval(max(0.0, count - width), count + width)

    def part(self, part: float, count: float, spread: float | None, level: float) -> Interval | None:
        """Interval for the true count of a region of an image.

        With f the share of the image's objects that are in the region, one object added to both, h the half width of
        the image's interval and B the shared part of it as in `total`, the half width is ``H² = (h² - B²) f + B² f²``:
        apart from the calibration, errors are taken to be as independent from object to object as they are from image
        to image. They were only ever measured on whole images. The region that is the image has the image's interval.

        After a cross-validation h knows the bias of several networks, and B how badly that of one is known: what is not
        B is then ``h² - (z / t)² B²``, with z the normal quantile that t is in place of, as all of h² may be below B².

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
        values, widths = checked([count], None if spread is None else [spread])
        parts = self._own_and_shared(values, widths, level)
        if parts is None:
            return None
        inside = max(0.0, part)
        share = min(1.0, (1 + inside) / (1 + float(values[0])))
        own, _, shares, apart = parts
        shared = float(self._variance(shares)[0])
        width = math.sqrt(min(float(apart[0]) * share + shared * share**2, float(own[0]) + shared))
        width = max(width, float(to_whole(inside)))
        return Interval(max(0.0, inside - width), inside + width)

    def _own_and_shared(self, counts: Array, spreads: Array | None, level: float) -> Parts | None:
        """Of each half width the square of the image's own part, what mean squares make of it in a total, and v_i.

        Last what of that part belongs to the image's objects.
        """
        parts = self._parted(counts, spreads, level)
        if parts is None or self.most is None or (counts <= self.most).all():
            return parts
        own, heavy, shared, apart = parts
        k = np.maximum(1.0, np.ceil(counts / self.most - 1e-9))
        small = self._parted(counts / k, None if spreads is None else spreads / np.sqrt(k), level)
        assert small is not None
        alone, several = k * np.where(k > 1, np.maximum(small[0], small[1]), small[0]), k[:, None] * small[2]
        wider = alone + self._variance(several) > own + self._variance(shared)
        return (
            np.where(wider, alone, own),
            np.where(wider, k * small[1], heavy),
            np.where(wider[:, None], several, shared),
            np.where(wider, np.maximum(alone, k * small[3]), apart),
        )

    def _parted(self, counts: Array, spreads: Array | None, level: float) -> Parts | None:
        """The same of images that are not beyond those that were validated on."""
        if not 0 < level < 1:
            raise ConfigError(f"an interval cannot have the level {level}: choose one between 0 and 1, such as 0.9")
        if not self.supports(level):
            return None
        from scipy.special import ndtri

        features = self._centred(counts, spreads)
        logs = np.array(self.log_scores)[:, None] + np.array(self.exponents) @ features.T
        half = np.maximum(self._half_widths(logs, features, level), to_whole(counts))
        t = self._student(level)
        shared = t * counts[:, None] * np.stack([np.ones_like(counts), features[:, 0]], axis=1)
        if self.networks == 1:
            size = np.sqrt(self._variance(shared))
            shared = shared * np.minimum(1.0, half / np.maximum(size, SMALLEST_ERROR))[:, None]
        variance = self._variance(shared)
        squares = np.exp(2 * logs).mean(0) * t**2  # mean squared errors, and their quantile
        own = np.maximum(np.square(half) - variance, 0.0)
        apart = own if self.networks == 1 else np.square(half) - (ndtri(0.5 + level / 2) / t) ** 2 * variance
        return own, squares - variance, shared, np.maximum(apart, own)

    def _variance(self, shared: Array) -> Array:
        """``vᵀ M v`` of each row."""
        covariance = np.array([[self.bias**2, self.slope[0]], [self.slope[0], self.slope[1] ** 2]])
        return np.asarray(np.maximum(((shared @ covariance) * shared).sum(1), 0.0))

    def _student(self, level: float) -> float:
        """The quantile of Student's distribution that a bias so well known takes."""
        from scipy.special import stdtrit

        known = self.networks if self.networks > 1 else self.groups or self.images
        return float(stdtrit(max(1, known - 1), 0.5 + level / 2))

    def _centred(self, counts: Array, spreads: Array | None) -> Array:
        features = features_of(counts, spreads) - self.centre
        if spreads is None:
            features[:, 1] = 0
        features[:, 1] = np.maximum(features[:, 1], self.lowest_spread)
        return features

    def _half_widths(self, logs: Array, features: Array, level: float) -> Array:
        """Of images with `features`, from the logs of their errors by each score, ``(scores, images)``."""
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


def checked(counts: Sequence[float], spreads: Sequence[float] | None) -> tuple[Array, Array | None]:
    """Counts, none below 0, and spreads as arrays.

    Raises
    ------
    ConfigError
        They make no sense, or there is not one spread per count.
    """
    values = np.maximum(np.asarray(counts, np.float64), 0)
    widths = None if spreads is None else np.asarray(spreads, np.float64)
    if widths is not None and widths.shape != values.shape:
        raise ConfigError(f"{len(values)} counts have {len(widths)} spreads: there must be one per count")
    if not np.isfinite(values).all() or (widths is not None and not (np.isfinite(widths) & (widths >= 0)).all()):
        raise ConfigError("counts and spreads must be finite, and spreads not negative")
    return values, widths


def to_whole(counts: npt.ArrayLike) -> Array:
    """Distances to the nearest whole numbers, one of which each true count is."""
    return np.abs(np.asarray(counts, np.float64) - np.rint(counts))


def features_of(counts: Array, spreads: Array | None) -> Array:
    """``(n, 2)``: log of the count, and log of the spread over the square root of the count (0 if not known)."""
    relative = np.ones(len(counts)) if spreads is None else spreads / np.sqrt(1 + counts)
    return np.stack([np.log1p(counts), np.log(np.maximum(relative, np.finfo(np.float64).tiny))], axis=1)
