"""Lempitsky and Zisserman 2010, Learning to count objects in images.

Each pixel is a word of quantised dense SIFT, the density is linear in it, ``F(p) = w[word(p)]`` with ``w ≥ 0``
(equation 3; section 4, "bacterial cells"), and is learned by the MESA distance. The plain version beside it minimises
the squared error of the density plus ``α |w|²`` instead, which has a closed form as each pixel has one word.

Deviations: the codebook is learned from the training images themselves, descriptors reach over the border by repeating
it where the authors crop, and λ (or α) is chosen from a few values by the validation error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from countception.baselines import mesa
from countception.baselines.base import Baseline, Eye, mean_absolute_error
from countception.baselines.words import Codebook, Descriptors, dense_sift
from countception.benchmark.method import Facts, Report
from countception.data.dataset import Sample


@dataclass(frozen=True)
class Options:
    """Settings."""

    words: int = 256
    """Of the codebook."""
    sigma: float = 4.0
    """Of the Gaussian that stands for an object, in working pixels."""
    strengths: tuple[float, ...] = (1e-3, 1e-2)
    """λ of equation 4 to choose from, ascending."""


@dataclass(frozen=True)
class RidgeOptions(Options):
    """Settings of the ridge version."""

    strengths: tuple[float, ...] = (0.01, 0.1, 1.0)
    """One over α, to choose from."""


@dataclass(frozen=True)
class Fitted:
    """Density of each word."""

    eye: Eye
    codebook: Codebook
    weights: mesa.Array
    facts: Facts = field(default_factory=Facts)

    def count(self, sample: Sample) -> float:
        """Sum of the density."""
        return float(self.weights[self.codebook(self.eye.planes(sample))].sum())


def describe(planes: np.ndarray) -> Descriptors:
    """Dense SIFT of the strongest plane."""
    return dense_sift(planes[0])


class Lempitsky(Baseline[Options]):
    """Learned by the MESA distance."""

    name = "lempitsky"
    kind = Options

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Learn words, then a density for each λ, and take the one that counts the validation images best."""
        eye = Eye.learn(training)
        planes = [eye.planes(sample) for sample in training]
        report(0.0, "learning words")
        codebook = Codebook.learn(planes, describe, self.options.words, seed)
        images = []
        for sample, image in zip(training, planes, strict=True):
            words = codebook(image)
            images.append(mesa.Image(words, eye.density(sample, words.shape, self.options.sigma)))
            report(0.5 * len(images) / len(training), "finding words")
        found = self.learn(images, len(codebook), report)
        known = [codebook(eye.planes(sample)) for sample in validation]
        errors = [mean_absolute_error([weights[words].sum() for words in known], validation) for weights in found]
        report(1.0, "done")
        return Fitted(eye, codebook, found[int(np.argmin(errors))])

    def learn(self, images: Sequence[mesa.Image], number: int, report: Report) -> list[mesa.Array]:
        """Weights of the words for each λ."""

        def show(turn: int) -> None:
            report(1 - 0.5 / (1 + 0.1 * turn), f"boxes, round {turn}")

        return mesa.fit(images, number, self.options.strengths, show)


class LempitskyRidge(Lempitsky):
    """Learned by the squared error of the density."""

    name = "lempitsky-ridge"
    kind = RidgeOptions

    def learn(self, images: Sequence[mesa.Image], number: int, report: Report) -> list[mesa.Array]:
        """Weights of the words for each α: the mean density at the word's pixels, shrunk."""
        report(0.5, "solving")
        pixels, objects = np.zeros(number), np.zeros(number)
        for image in images:
            words = image.words.ravel()
            pixels += np.bincount(words, minlength=number)
            objects += np.bincount(words, image.density.ravel(), minlength=number)
        return [objects / (pixels + 1 / strength) for strength in self.options.strengths]
