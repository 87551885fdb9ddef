"""Fiaschi, Nair, Koethe and Hamprecht 2012, Learning to count with regression forest and structured labels.

A forest maps the local features of a pixel to a patch of the density around it (the structured label); the patches of
all pixels overlap, and their average is the density. Trees split to reduce the squared deviation of the patches from
their mean, summed over the patch, which is the paper's criterion for structured labels.

Deviations: features are those named in the paper (smoothed image, gradient, Laplacian, eigenvalues of structure tensor
and Hessian, at several scales) on the principal colour planes, without the quantised SIFT (`sift` adds the descriptors
as they are, at twice the time); trees are extremely randomised (Geurts et al. 2006), as scikit-learn's are for several
outputs the fastest; a leaf holds the mean patch; 100 000 pixels are learned from in all, however many images they come
from; and only pixels of a coarse grid vote when counting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.baselines.base import Baseline, Eye, Plane
from countception.baselines.words import dense_sift
from countception.benchmark.method import Facts, Report
from countception.data.dataset import Sample

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

SCALES = (0.8, 1.6, 3.2, 5.0)
"""Standard deviations of the filters in working pixels."""


@dataclass(frozen=True)
class Options:
    """Settings."""

    trees: int = 20
    patch: int = 7
    """Side of the structured label in working pixels, odd."""
    sigma: float = 3.0
    """Of the Gaussian that stands for an object, in working pixels."""
    pixels: int = 100_000
    """Training pixels, drawn at random, the same number from each image."""
    leaf: int = 5
    """Fewest training pixels in a leaf."""
    step: int = 2
    """Every so many rows and columns, a pixel votes when counting."""
    sift: bool = False
    """Whether a pixel is also known by the SIFT descriptor around it."""


def features(planes: Plane, *, sift: bool = False) -> npt.NDArray[np.float32]:
    """Local features of each pixel, ``(planes, y, x)`` → ``(y, x, features)``: seven for each plane and scale.

    With `sift`, 128 more of the first plane.
    """
    found: list[Plane] = []
    for plane in planes:
        for sigma in SCALES:
            smooth = ndimage.gaussian_filter(plane, sigma, mode="nearest")
            dy, dx = (ndimage.correlate1d(smooth, [-0.5, 0, 0.5], axis, mode="nearest") for axis in (0, 1))
            dyy, dxx = (ndimage.correlate1d(smooth, [1, -2, 1], axis, mode="nearest") for axis in (0, 1))
            dyx = ndimage.correlate1d(dy, [-0.5, 0, 0.5], 1, mode="nearest")
            tensor = (ndimage.gaussian_filter(each, sigma, mode="nearest") for each in (dy * dy, dx * dx, dy * dx))
            found += [smooth, np.hypot(dy, dx), dyy + dxx, *eigenvalues(dyy, dxx, dyx), *eigenvalues(*tensor)]
    local = np.stack(found, axis=-1).astype(np.float32)
    return np.concatenate([local, dense_sift(planes[0])], axis=-1) if sift else local


def eigenvalues(yy: Plane, xx: Plane, yx: Plane) -> tuple[Plane, Plane]:
    """The larger and the smaller eigenvalue of symmetric 2 × 2 matrices, given by their entries."""
    mean = np.asarray((yy + xx) / 2, np.float32)
    apart = np.asarray(np.hypot((yy - xx) / 2, yx), np.float32)
    return mean + apart, mean - apart


@dataclass(frozen=True)
class Fitted:
    """The forest."""

    eye: Eye
    forest: ExtraTreesRegressor
    options: Options
    facts: Facts = field(default_factory=Facts)

    def count(self, sample: Sample) -> float:
        """Sum of the averaged patches."""
        found, step = features(self.eye.planes(sample), sift=self.options.sift), self.options.step
        voters = found[::step, ::step]
        patches = self.forest.predict(voters.reshape(-1, voters.shape[2]))
        return float(average(patches.reshape(*voters.shape[:2], -1), found.shape[:2], self.options).sum())


class Fiaschi(Baseline[Options]):
    """Regression forest with structured labels."""

    name = "fiaschi"
    kind = Options

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Grow the forest; there is nothing to choose on the validation images."""
        from sklearn.ensemble import ExtraTreesRegressor

        del validation
        eye, rng = Eye.learn(training), np.random.default_rng(seed)
        inputs, labels = [], []
        for i, sample in enumerate(training):
            report(0.3 * i / len(training), "finding features")
            found = features(eye.planes(sample), sift=self.options.sift)
            density = eye.density(sample, found.shape[:2], self.options.sigma)
            number = min(density.size, max(1, self.options.pixels // len(training)))
            y, x = np.divmod(rng.choice(density.size, number, replace=False), density.shape[1])
            inputs.append(found[y, x])
            labels.append(_windows(density, self.options.patch)[y, x].reshape(number, -1))
        report(0.3, "growing trees")
        forest = ExtraTreesRegressor(
            self.options.trees, min_samples_leaf=self.options.leaf, max_features=1 / 3, random_state=seed, n_jobs=1
        )
        forest.fit(np.concatenate(inputs), np.concatenate(labels))
        report(1.0, "done")
        return Fitted(eye, forest, self.options)


def _windows(density: Plane, side: int) -> npt.NDArray[np.float32]:
    """The patch of `side` × `side` around each pixel, mirrored at the border: ``(y, x, side, side)``.

    A leaf averages patches from anywhere: zeros beyond the border would lower what it says inside.
    """
    return np.lib.stride_tricks.sliding_window_view(np.pad(density, side // 2, mode="symmetric"), (side, side))


def average(patches: npt.NDArray[np.float64], shape: tuple[int, int], options: Options) -> npt.NDArray[np.float64]:
    """The density ``(y, x)`` of `shape` from the patches ``(rows, columns, values)`` around every so many pixels."""
    side, step = options.patch, options.step
    rows, columns = patches.shape[:2]
    total, votes = np.zeros((2, shape[0] + side - 1 + step, shape[1] + side - 1 + step))
    for k in range(side * side):
        y, x = divmod(k, side)
        place = (slice(y, y + rows * step, step), slice(x, x + columns * step, step))
        total[place] += patches[:, :, k]
        votes[place] += 1
    inside = tuple(slice(side // 2, side // 2 + length) for length in shape)
    return np.asarray((total / np.maximum(votes, 1))[inside])
