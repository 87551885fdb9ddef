"""Learning a density by the MESA distance (Lempitsky and Zisserman 2010, sections 2 and 3).

The distance of two densities is the largest difference of their counts over all boxes (equation 6), so a density that
is near the true one counts every box right, whatever its values at single pixels. Learning minimises
``|w|² + λ Σ_i D(F_i⁰, F_i)`` (equation 4) for ``w ≥ 0``, a convex quadratic program with two constraints for each box
of each image (equations 7 and 8), of which only the violated ones are ever made (section 3.1).

Deviation: edges of boxes lie on a grid of at most `GRID` × `GRID` cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countception.geometry import ceil_div

GRID = 128
ROUNDS = 40
TOLERANCE = 0.02
"""Optimisation stops when no box is worse than the known ones by more than this share of the distances."""

Array = npt.NDArray[np.float64]
Box = tuple[slice, slice]


def largest_box(values: Array) -> tuple[float, Box]:
    """The box of the largest sum, which may be empty: the maximum subarray, in O(rows² · columns).

    For each pair of a first and a last row, the best columns are those between which the cumulative sum of the rows'
    total rises most (Kadane); all last rows are done at once.

    Parameters
    ----------
    values
        ``(y, x)``.

    Returns
    -------
    The sum and the box.
    """
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(0).cumsum(1)
    best, where = 0.0, (0, 0)
    for top in range(len(values)):
        strips = sums[top + 1 :] - sums[top]
        rise = strips - np.minimum.accumulate(strips, axis=1)
        k = int(rise.argmax())
        if rise.flat[k] > best:
            best, where = float(rise.flat[k]), (top, k)
    top, k = where
    if best == 0.0:
        return 0.0, (slice(0, 0), slice(0, 0))
    row, right = divmod(k, sums.shape[1])
    left = int((sums[top + row + 1] - sums[top])[: right + 1].argmin())
    return best, (slice(top, top + row + 1), slice(left, right))


@dataclass(frozen=True)
class Image:
    """A training image of the optimisation."""

    words: npt.NDArray[np.int64]
    """Word of each pixel, ``(y, x)``."""
    density: npt.NDArray[np.float32]
    """True density, ``(y, x)``."""

    def worst_boxes(self, weights: Array) -> list[tuple[float, Box]]:
        """The box whose count is most too low, then the one most too high: by how much, and where in pixels."""
        cell = ceil_div(max(self.words.shape), GRID)
        missing = self.density - weights[self.words]
        for axis in (0, 1):
            missing = np.add.reduceat(missing, np.arange(0, missing.shape[axis], cell), axis)
        found = []
        for sign in (1, -1):
            distance, (rows, columns) = largest_box(sign * missing)
            box = (slice(rows.start * cell, rows.stop * cell), slice(columns.start * cell, columns.stop * cell))
            found.append((distance, box))
        return found


class Planes:
    """The constraints ``ξ[image] ≥ ± (true count − words · w)`` made so far, each of one box."""

    def __init__(self, images: Sequence[Image], number: int) -> None:
        self.images, self.number = images, number
        self.words = np.zeros((0, number))
        self.truth = np.zeros(0)
        self.owner = np.zeros(0, np.int64)

    def violated(self, weights: Array) -> bool:
        """Make the constraints of the images' worst boxes; False if they are as good as known already."""
        known = np.zeros(len(self.images))
        np.maximum.at(known, self.owner, self.truth - self.words @ weights)
        distances = np.zeros(len(self.images))
        for i, image in enumerate(self.images):
            for sign, (distance, box) in zip((1, -1), image.worst_boxes(weights), strict=True):
                distances[i] = max(distances[i], distance)
                if distance > known[i] + 1e-6:
                    words = np.bincount(image.words[box].ravel(), minlength=self.number)
                    self.words = np.vstack([self.words, sign * words])
                    self.truth = np.append(self.truth, sign * image.density[box].sum(dtype=np.float64))
                    self.owner = np.append(self.owner, i)
        return bool((distances - known).sum() > TOLERANCE * distances.sum())

    def solve(self, strength: float) -> Array:
        """The weights that are best by the constraints made so far, the quadratic program of equation 7."""
        import cvxpy

        weights = cvxpy.Variable(self.number, nonneg=True)
        distances = cvxpy.Variable(len(self.images), nonneg=True)
        size = np.maximum(1.0, np.abs(self.words).max(1))  # the solver likes rows of like size
        counts = (self.words / size[:, None]) @ weights
        binding = [counts + cvxpy.multiply(1 / size, distances[self.owner]) >= self.truth / size]
        aim = cvxpy.sum_squares(weights) / strength + cvxpy.sum(distances)
        cvxpy.Problem(cvxpy.Minimize(aim), binding).solve(solver=cvxpy.CLARABEL)
        return np.maximum(np.asarray(weights.value, np.float64), 0)


def fit(images: Sequence[Image], number: int, strengths: Sequence[float], report: Callable[[int], None]) -> list[Array]:
    """Weights of `number` words for each of the given λ, ``(number,)``, none negative.

    Parameters
    ----------
    images
        At least one, and at least one with objects.
    number
        Of words.
    strengths
        λ of equation 4, ascending: constraints made for one serve the next.
    report
        Called with the number of each round.
    """
    planes, found, rounds = Planes(images, number), [], 0
    planes.violated(np.zeros(number))
    for strength in strengths:
        for _ in range(ROUNDS):
            report(rounds := rounds + 1)
            weights = planes.solve(strength)
            if not planes.violated(weights):
                break
        found.append(weights)
    return found
