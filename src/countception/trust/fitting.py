"""What validation images say of errors: the fit of `countception.trust.confidence.IntervalModel`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from countception.errors import ConfigError
from countception.trust.confidence import (
    FEWEST,
    SMALLEST_ERROR,
    SMALLEST_SPREAD,
    Array,
    IntervalModel,
    checked,
    features_of,
)
from countception.trust.conformal import fit_exponents, group_numbers


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
    groups: Sequence[str] = (),
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
        network. With E_k the sum of the errors of part k of K, C all that was counted and s² the variance of the errors
        within parts, the bias of a network is then taken for ``√B / C``, ``B = K Σ E_k²`` or, if that is larger,
        ``(K + 1) / (K - 1) (K Σ E_k² - (K - 1) n s²) + n s²``: calibration has made the E_k add up to nothing, and the
        bias of one more network is asked for. The first is too large where parts are of few images, whose own errors
        are most of it; the second is too uncertain then.
    groups
        For each image the name of its group, where images of one group have errors alike; empty where none have.

    The bias and its growth θ are those of ``e_i = θ₁ c_i + θ₂ c_i z_i``, z_i the log of the count less its median,
    fitted with weights ``1 / c_i``; M is ``θ θᵀ`` and the sandwich covariance of θ, clustered by group.

    Returns
    -------
    IntervalModel
        With fewer than 3 images one that supports no level.

    Raises
    ------
    ConfigError
        Not one number of each kind per image, or numbers that make no sense.
    """
    values, widths = checked(counts, spreads)
    truth, _ = checked(true, None)
    if len(truth) != len(values):
        raise ConfigError(f"{len(values)} counts have {len(truth)} true counts: there must be one per count")
    n = len(values)
    if n < FEWEST:
        return IntervalModel()
    errors = left_out_errors(truth, values) if calibrated else truth - values
    if len(parts) not in (0, n):
        raise ConfigError(f"{n} counts have {len(parts)} numbers of parts: there must be one per count")
    if len(groups) not in (0, n):
        raise ConfigError(f"{n} counts have {len(groups)} groups: there must be one per count")
    if widths is not None:  # spreads have no meaning if all are 0
        least = max(SMALLEST_SPREAD * float(np.median(widths)), SMALLEST_ERROR)
        widths = np.maximum(widths, least) if widths.any() else None
    features = features_of(values, widths)
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
        **_bias(errors, values, features[:, 0], parts, groups),
        networks=len(set(parts)) or 1,
        groups=len(set(groups)),
        most=float(values.max()) or None,
    )


def _bias(errors: Array, counts: Array, places: Array, parts: Sequence[int], groups: Sequence[str]) -> dict[str, Any]:
    """What the counts of one network have in common, as `fit_intervals` says it: `bias` and `slope`."""
    sum_ = float(counts.sum())
    if sum_ <= SMALLEST_ERROR:
        return {}
    design = np.stack([counts, counts * places], axis=1)
    weights = 1 / np.maximum(counts, 1.0)
    inverse = np.linalg.pinv(design.T @ (weights[:, None] * design))
    found = inverse @ (design.T @ (weights * errors))
    members, number = group_numbers(groups, len(errors))
    scores = np.zeros((number, 2))
    np.add.at(scores, members, design * (weights * (errors - design @ found))[:, None])
    spare = number / max(1, number - 2)
    covariance = np.outer(found, found) + spare * inverse @ scores.T @ scores @ inverse
    if len(set(parts)) > 1:
        covariance[0, 0] = max(covariance[0, 0], _apart(errors, parts) / sum_**2)
    return {
        "bias": math.sqrt(covariance[0, 0]),
        "slope": (float(covariance[0, 1]), math.sqrt(max(0.0, covariance[1, 1]))),
    }


def _apart(errors: Array, parts: Sequence[int]) -> float:
    """Square of how far off the sum of so many counts of one more network is likely to be."""
    members = [errors[np.equal(parts, part)] for part in sorted(set(parts))]
    n, k = len(errors), len(members)
    sums = k * sum(float(each.sum()) ** 2 for each in members)
    alone = n * sum(float(np.square(each - each.mean()).sum()) for each in members) / max(1, n - k)
    return max(sums, (k + 1) / (k - 1) * (sums - (k - 1) * alone) + alone)
