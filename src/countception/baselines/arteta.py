"""Arteta, Lempitsky, Noble and Zisserman 2014, Interactive object counting, without the interaction.

Each pixel is a word of a codebook of local patches learned from the images at hand (k-means on whitened patches), and
the density is linear in the words. It is learned by ridge regression, where both the dots and the word indicators are
first smoothed by the same wide Gaussian: the squared error then compares counts of neighbourhoods rather than of pixels
and does about what the MESA distance does, in closed form.

Deviations: nothing is annotated step by step, all training images are used at once, as in the paper's comparison with
Lempitsky and Zisserman 2010; patches are not turned to a dominant orientation, and keep their colour and contrast;
words are counted in cells of `CELL` × `CELL` pixels before smoothing, and α is chosen by the validation error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception import targets
from countception.baselines.base import Baseline, Eye, Plane, mean_absolute_error
from countception.baselines.words import Codebook, Descriptors
from countception.benchmark.method import Facts, Report
from countception.data.dataset import Sample
from countception.geometry import ceil_div

CELL = 4
PATCHES = 20_000
"""Patches that the whitening is learned from."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """Settings."""

    words: int = 512
    """Of the codebook."""
    patch: int = 9
    """Side of a patch in working pixels, odd."""
    components: int = 24
    """Principal components that a patch is whitened to, at most."""
    sigma: float = 8.0
    """Of the Gaussian that dots and words are smoothed by, in working pixels."""
    penalties: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)
    """α to choose from, in units of the mean diagonal entry of the normal equations."""


@dataclass(frozen=True)
class Whitened:
    """Patches around each pixel on principal components of equal variance."""

    side: int
    mean: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    """``(values of a patch, components)``."""

    @classmethod
    def learn(cls, images: Sequence[Plane], options: Options, seed: int) -> Whitened:
        """From random patches of the images."""
        from sklearn.decomposition import PCA

        rng = np.random.default_rng(seed)
        share = max(1, PATCHES // len(images))
        drawn = []
        for image in images:
            patches = _patches(image, options.patch).reshape(image[0].size, -1)
            drawn.append(patches[rng.choice(len(patches), min(share, len(patches)), replace=False)])
        sample = np.concatenate(drawn)
        number = min(options.components, *sample.shape)
        found = PCA(number, whiten=True, svd_solver="covariance_eigh").fit(sample)
        spread = np.sqrt(found.explained_variance_ + 1e-3 * found.explained_variance_[0] + 1e-9)
        return cls(
            options.patch, found.mean_.astype(np.float32), (found.components_ / spread[:, None]).T.astype(np.float32)
        )

    def __call__(self, planes: Plane) -> Descriptors:
        """``(planes, y, x)`` → ``(y, x, components)``."""
        return np.asarray((_patches(planes, self.side) - self.mean) @ self.axes, np.float32)


def _patches(planes: Plane, side: int) -> npt.NDArray[np.float32]:
    """The patch around each pixel, the border repeated: ``(y, x, values)``."""
    reach = side // 2
    padded = np.pad(planes, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    return windows.transpose(1, 2, 0, 3, 4).reshape(*planes.shape[1:], -1)


@dataclass(frozen=True)
class Fitted:
    """Density of each word."""

    eye: Eye
    codebook: Codebook
    weights: Array
    facts: Facts = field(default_factory=Facts)

    def count(self, sample: Sample) -> float:
        """Sum of the density, no less than 0."""
        return max(0.0, float(self.weights[self.codebook(self.eye.planes(sample))].sum()))


class Arteta(Baseline[Options]):
    """Codebook and smoothed ridge regression."""

    name = "arteta"
    kind = Options

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Learn words, gather the normal equations, and take the α that counts the validation images best."""
        eye = Eye.learn(training)
        planes = [eye.planes(sample) for sample in training]
        report(0.0, "learning words")
        codebook = Codebook.learn(planes, Whitened.learn(planes, self.options, seed), self.options.words, seed)
        number = len(codebook)
        gram, moment = np.zeros((number, number)), np.zeros(number)
        for i, (sample, image) in enumerate(zip(training, planes, strict=True)):
            report(0.3 + 0.4 * i / len(training), "gathering")
            words = codebook(image)
            dots = targets.raster(eye.points(sample), words.shape)
            x = smoothed(cell_histograms(words, number), self.options.sigma)
            y = smoothed(cell_sums(dots), self.options.sigma)
            gram += x.T @ x
            moment += x.T @ y[:, 0]
        known = [codebook(eye.planes(sample)) for sample in validation]
        found = []
        for penalty in self.options.penalties:
            ridge = penalty * np.trace(gram) / number
            weights = np.linalg.solve(gram + ridge * np.eye(number), moment)
            counts = [max(0.0, float(weights[words].sum())) for words in known]
            found.append((mean_absolute_error(counts, validation), weights))
        report(1.0, "done")
        return Fitted(eye, codebook, min(found, key=lambda pair: pair[0])[1])


def cell_histograms(words: npt.NDArray[np.int64], number: int) -> Array:
    """How often each word occurs in each cell, ``(cells y, cells x, number)``."""
    rows, columns = (ceil_div(side, CELL) for side in words.shape)
    y, x = (np.arange(side) // CELL for side in words.shape)
    place = (y[:, None] * columns + x) * number + words
    return np.bincount(place.ravel(), minlength=rows * columns * number).reshape(rows, columns, number).astype(float)


def cell_sums(values: npt.NDArray[Any]) -> Array:
    """Sum over each cell, ``(cells y, cells x, 1)``."""
    for axis in (0, 1):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], CELL), axis)
    return values[..., None].astype(float)


def smoothed(values: Array, sigma: float) -> Array:
    """``(cells y, cells x, n)`` after a Gaussian of `sigma` pixels, reflected at the border, as ``(cells, n)``."""
    for axis in (0, 1):
        values = ndimage.gaussian_filter1d(values, sigma / CELL, axis, mode="reflect")
    return values.reshape(-1, values.shape[-1])
