"""The statistics behind `countception.trust.confidence`: ranks of errors, and how errors scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PRIOR = (0.5, 0.0)
"""Expected exponents: errors grow with the square root of the count, and the spread says nothing about them."""
PRIOR_DEVIATION = (0.6, 0.5)
NEIGHBOURHOOD = 0.3
"""Standard deviation of `nearness`, as a share of the validation images."""
RIDGE = 1e-9 * np.eye(3)
"""Keeps a Newton step finite where all ratios underflow."""


def fit_exponents(sizes: Array, features: Array, weights: Array) -> Array:
    """Exponents ``(fits, 2)`` that maximise the posterior, one fit per row of `weights` ``(fits, n)``.

    With ``η = a + β x + γ z`` the loss ``Σ w (η + |e| exp(-η))`` plus the priors is convex: damped Newton steps.
    """
    design = np.concatenate([np.ones((len(sizes), 1)), features], axis=1)
    prior = np.array([0.0, *PRIOR])
    precision = np.diag([0.0, *(1 / d**2 for d in PRIOR_DEVIATION)])
    values = np.tile(prior, (len(weights), 1))
    values[:, 0] = np.log(weights @ (sizes * np.exp(-features @ prior[1:])) / weights.sum(1))
    for _ in range(50):
        ratio = weights * sizes * np.exp(-values @ design.T)
        gradient = (weights - ratio) @ design + (values - prior) @ precision
        hessian = np.einsum("fn,ni,nj->fij", ratio, design, design) + precision + RIDGE
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        values = values - step / np.maximum(1.0, np.abs(step).max(1, keepdims=True))
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(values[:, 1:])


def rank(level: float, n: int) -> float:
    """Rank, from 1, of the order statistic of n that a further one lies below with probability `level`."""
    return level * (n + 1) - 1e-9


def group_numbers(groups: Sequence[str], n: int) -> tuple[npt.NDArray[np.int64], int]:
    """For each of n images the number of its group, from 0, and how many there are; without names each is one."""
    numbers = np.unique(groups or np.arange(n).astype(str), return_inverse=True)[1]
    return numbers, int(numbers.max()) + 1


def nearness(places: Array, at: Array) -> Array:
    """``(n, k)``: how much the error of each of n images says about that of each of k others, above 0 to 1.

    A Gaussian of the distance between their places among the n, as shares of n (Guan 2023, localised conformal
    prediction).
    """
    ordered = np.sort(places)
    ranks = (np.arange(len(ordered)) + 0.5) / len(ordered)
    known, new = np.interp(places, ordered, ranks), np.interp(at, ordered, ranks)
    return np.asarray(np.exp(-0.5 * np.square((known[:, None] - new) / NEIGHBOURHOOD)))


def share_below(values: Array, weights: Array) -> Array:
    """``(n,)``: what share of the others is smaller than each value, by their weights in its column ``(n, n)``."""
    others = weights * (1 - np.eye(len(values)))
    return np.asarray((others * (values[:, None] < values)).sum(0) / others.sum(0))


def weighted_quantile(values: Array, weights: Array, share: float) -> Array:
    """Per column: the value that `share` of the others' weight lies below, interpolated linearly between values.

    The smallest for a share of 0, the largest for 1; with equal weights and ``k / (n - 1)`` the value of rank k + 1.
    """
    order = np.argsort(values, axis=0)
    ordered, weight = np.take_along_axis(values, order, 0), np.take_along_axis(weights, order, 0)
    below = (np.cumsum(weight, axis=0) - weight) / (weight.sum(0) - weight)
    return np.array([np.interp(share, *column) for column in zip(below.T, ordered.T, strict=True)])


def unlucky_coverage(level: float, n: int) -> float:
    """Coverage that 1 set of n validation images in 10 stays below: a quantile of Beta(k, n + 1 - k).

    With groups, n is how many there are, which may be too few for the level: no error is then beyond the largest.
    """
    from scipy.special import betaincinv

    k = min(rank(level, n), n)
    return float(betaincinv(k, n + 1 - k, 0.1))
