"""What the baselines share: their settings, and how they look at images.

Published filters, patches and descriptors have fixed sizes in pixels, chosen for cells about as large as those of the
VGG data. So images are halved or doubled until their dots are about as far apart as there (MBM is halved, as the
authors of Count-ception did), and colours are projected on the principal components of the training pixels, which
leaves one plane of the VGG images (blue) and two of stained tissue.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
import numpy.typing as npt

from countception import targets
from countception.benchmark.method import Setup
from countception.config import ScaleConfig
from countception.data.dataset import Sample
from countception.errors import DatasetError
from countception.geometry import Points, to_working
from countception.images.normalise import Normalisation
from countception.images.resample import resample
from countception.points.scale import find_scale

Plane = npt.NDArray[np.float32]
Options = TypeVar("Options")

SCALE = ScaleConfig(spacing=17.0, widest=0)
"""Shows VGG at its own size, as the papers did."""
VARIANCE = 0.99
"""Share of the variance of colour that the planes hold."""


class Baseline(Generic[Options]):
    """Name, settings and configuration of a method, read from the benchmark's set-up.

    Raises
    ------
    ConfigError
        A setting that the method does not have.
    """

    name: ClassVar[str]
    kind: ClassVar[type]
    """Dataclass of the method's settings."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.options = cast("Options", setup.read(self.kind))

    @property
    def configuration(self) -> dict[str, Any]:
        """All settings, as plain values."""
        return dataclasses.asdict(cast("Any", self.options))


@dataclass(frozen=True)
class Eye:
    """How a baseline sees images: at what scale, and as which planes."""

    normalisation: Normalisation
    """The mean of each channel, and one deviation for all: colours keep their proportions."""
    axes: npt.NDArray[np.float32]
    """Principal components of the training pixels, ``(planes, channels)``, the strongest first."""
    scale: float
    """Working pixels per image pixel, a power of two."""

    @classmethod
    def learn(cls, training: Sequence[Sample]) -> Eye:
        """From the training images and the spacing of their dots.

        Raises
        ------
        DatasetError
            There is nothing to learn from.
        """
        require_dots(training)
        pixels = np.concatenate([sample.image.reshape(len(sample.image), -1).T for sample in training])
        covariance = np.atleast_2d(np.cov(pixels, rowvar=False))
        strength, axes = (part[..., ::-1] for part in np.linalg.eigh(covariance))  # the strongest first
        number = 1 + int((np.cumsum(strength) < VARIANCE * strength.sum()).sum())
        axes = axes.T * np.sign(axes.sum(0) + 1e-9)[:, None]  # whichever way the decomposition turned them
        deviation = float(np.sqrt(strength[0])) or 1.0
        mean = tuple(pixels.mean(0, dtype=np.float64).tolist())
        factor = find_scale([sample.dots.points for sample in training], SCALE)
        return cls(
            Normalisation(mean, (deviation,) * len(mean)),
            axes[:number].astype(np.float32),
            2.0 ** round(math.log2(factor)),
        )

    def planes(self, sample: Sample) -> Plane:
        """Working image ``(planes, y, x)``, of zero mean on the training images; the first of unit deviation.

        Raises
        ------
        ImageError
            The image has other channels than the training images.
        """
        self.normalisation.check(sample.image, sample.name)
        image = self.normalisation(resample(sample.image, self.scale))
        return np.asarray(np.tensordot(self.axes, image, 1), np.float32)

    def points(self, sample: Sample) -> Points:
        """Dots in working pixels."""
        return to_working(sample.dots.points, self.scale)

    def density(self, sample: Sample, shape: tuple[int, int], sigma: float) -> Plane:
        """Density map of the dots on a working image of `shape`; its sum is their number."""
        return targets.density_map(self.points(sample), shape, sigma)


def require_dots(training: Sequence[Sample]) -> None:
    """Refuse images without a single dot.

    Raises
    ------
    DatasetError
        There is nothing to learn from.
    """
    if not any(len(sample.dots) for sample in training):
        raise DatasetError(f"none of the {len(training)} training images has a dot: there is nothing to learn to count")


def mean_absolute_error(counts: Sequence[float], samples: Sequence[Sample]) -> float:
    """Of counts against the samples' dots: what a setting is chosen by on the validation images."""
    return float(np.mean([abs(count - len(sample.dots)) for count, sample in zip(counts, samples, strict=True)]))
