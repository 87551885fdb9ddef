"""Bringing pixel values to the range that networks learn from: learned in training, saved with the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countception.errors import ImageError
from countception.images.pieces import Pixels


@dataclass(frozen=True)
class Normalisation:
    """Subtract `mean` and divide by `deviation`, per channel, in the units of the image file."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def channels(self) -> int:
        """Channels of the images it was learned from."""
        return len(self.mean)

    def check(self, image: Pixels, name: str = "the image") -> None:
        """Refuse an image of other channels.

        Raises
        ------
        ImageError
            `image`, shape ``(channel, y, x)``, has another number of channels; the sentence says both.
        """
        if image.shape[0] != self.channels:
            raise ImageError(
                f"{name} has {image.shape[0]} channel{'s'[: image.shape[0] != 1]} but the model was trained on images "
                f"of {self.channels}: convert the image, or train a model on images like it"
            )

    def __call__(self, image: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """``(channel, y, x)`` of any number type → float32 of about zero mean and unit deviation."""
        mean, deviation = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.deviation))
        return (image.astype(np.float32) - mean) / deviation


def learn(images: Sequence[npt.NDArray[np.generic]]) -> Normalisation:
    """Mean and standard deviation of each channel over all pixels of the training images.

    A channel that hardly varies (an empty channel of an RGB file) is divided by a twentieth of the largest deviation
    instead of its own, so that its noise is not blown up to the size of a signal.
    """
    weight = np.array([image[0].size for image in images], np.float64)
    means = np.array([image.mean((1, 2), dtype=np.float64) for image in images])
    squares = np.array([np.square(image, dtype=np.float64).mean((1, 2)) for image in images])
    mean = np.average(means, axis=0, weights=weight)
    variance = np.average(squares, axis=0, weights=weight) - mean**2
    deviation = np.sqrt(np.maximum(variance, 0))
    largest = deviation.max()
    floor = largest / 20 if largest > 0 else 1.0
    return Normalisation(tuple(mean.tolist()), tuple(np.maximum(deviation, floor).tolist()))
