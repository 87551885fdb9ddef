"""Laplacian-of-Gaussian blobs (Lindeberg 1998), tuned on the training images: what needs no learned features.

The response is the largest of ``-σ² ∇²G_σ * image`` over a range of scales σ; each of its peaks is an object. Bright
or dark blobs, in which plane of colour, of which sizes, how strong and how far apart: the choice with the best F1 on
the training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.baselines.base import Baseline, Eye
from countception.baselines.peaks import Peaks, tune
from countception.benchmark.method import Facts, Report
from countception.data.dataset import Sample
from countception.geometry import Points, to_image

Plane = npt.NDArray[np.float32]

SIGMAS = (1.5, 2.1, 3.0, 4.2, 6.0, 8.5)
"""Scales in working pixels, half an octave apart; a disc of radius r answers most to σ = r / √2."""


@dataclass(frozen=True)
class Options:
    """Settings."""

    tolerance: float = 8.0
    """Farthest, in working pixels, that a blob may lie from its dot while settings are chosen."""
    images: int = 10
    """Training images that they are chosen on; more hardly change the choice."""


@dataclass(frozen=True)
class Look:
    """What is looked for."""

    plane: int
    sign: int
    """1 for bright blobs, -1 for dark ones."""
    sizes: tuple[int, int]
    """First and last of `SIGMAS`."""


@dataclass(frozen=True)
class Fitted:
    """Tuned."""

    eye: Eye
    look: Look
    peaks: Peaks
    facts: Facts = field(default_factory=Facts)

    def points(self, sample: Sample) -> Points:
        """Centres of the blobs, ``(N, 2)`` ``(y, x)`` in image pixels.

        Raises
        ------
        ImageError
            The image has other channels than the training images.
        """
        plane = self.eye.planes(sample)[self.look.plane]
        first, last = self.look.sizes
        stack = responses(plane, SIGMAS[first : last + 1])
        return to_image(self.peaks((self.look.sign * stack).max(0)), self.eye.scale)

    def count(self, sample: Sample) -> float:
        """Number of blobs."""
        return float(len(self.points(sample)))


class Blobs(Baseline[Options]):
    """Detector with a handful of tuned settings."""

    name = "log"
    kind = Options

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Try every combination."""
        del validation, seed
        eye = Eye.learn(training)
        chosen = training[: self.options.images]
        dots = [eye.points(sample) for sample in chosen]
        planes = [eye.planes(sample) for sample in chosen]
        best: tuple[float, Any] = (-1.0, None)
        number = len(planes[0])
        for plane in range(number):
            stacks = [responses(each[plane], SIGMAS) for each in planes]
            for sizes in combinations_with_replacement(range(len(SIGMAS)), 2):
                for sign in (1, -1):
                    maps = [(sign * stack[sizes[0] : sizes[1] + 1]).max(0) for stack in stacks]
                    found, f1 = tune(maps, dots, self.options.tolerance, reaches=(1, 3, 5))
                    if f1 > best[0]:
                        best = f1, (Look(plane, sign, sizes), found)
            report((plane + 1) / number, f"F1 {best[0]:.3f} on the training images")
        return Fitted(eye, *best[1])


def responses(plane: Plane, sigmas: Sequence[float]) -> npt.NDArray[np.float32]:
    """Scale-normalised Laplacian of Gaussian, bright blobs positive: ``(y, x)`` → ``(scale, y, x)``."""
    return np.stack([-(sigma**2) * ndimage.gaussian_laplace(plane, sigma, mode="nearest") for sigma in sigmas])
