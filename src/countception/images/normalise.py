"""What networks are shown of an image, and in which range: learned in training, saved with the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from countception.errors import ImageError
from countception.images.pieces import Pixels, Region


@dataclass(frozen=True)
class Channels:
    """Some channels of an image, which is read when they are."""

    image: Pixels
    numbers: tuple[int, ...]
    """From 0, in the order in which they come."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return (len(self.numbers), *self.image.shape[1:])

    def __getitem__(self, region: Region, /) -> npt.NDArray[Any]:
        """The pixels of a region."""
        channels, rows, columns = region
        return self.image[:, rows, columns][list(self.numbers)[channels]]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: FBT001 - numpy's signature
        """All of them, for what cannot be done piece by piece."""
        whole = self[:, :, :]
        return whole if dtype is None else whole.astype(dtype, copy=bool(copy))


@dataclass(frozen=True)
class Normalisation:
    """Subtract `mean` and divide by `deviation`, per channel, in the units of the image file."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    numbers: tuple[int, ...] | None = None
    """Channels of an image that are shown, from 0; None shows all."""

    @property
    def channels(self) -> int:
        """How many channels are shown."""
        return len(self.mean)

    def shown(self, image: Pixels) -> Pixels:
        """The channels of an image, ``(channel, y, x)``, that networks are shown."""
        return image if self.numbers is None else Channels(image, self.numbers)

    def check(self, image: Pixels, name: str = "the image") -> None:
        """Refuse an image that has not the channels that are shown.

        Raises
        ------
        ImageError
            `image`, shape ``(channel, y, x)``, has another number of channels, or too few; the sentence says both.
        """
        has = f"{name} has {image.shape[0]} channel{'s'[: image.shape[0] != 1]}"
        if self.numbers is not None:
            if max(self.numbers) >= image.shape[0]:
                raise ImageError(
                    f"{has}, numbered from 0, but the model is shown {_listed(self.numbers)}: say which to count in "
                    "(--channels, Counter.with_channels)"
                )
        elif image.shape[0] != self.channels:
            which = (
                "say which to count in (--channels, Counter.with_channels), " if image.shape[0] > self.channels else ""
            )
            raise ImageError(
                f"{has} but the model was trained on images of {self.channels}: {which}convert the image, or train a "
                "model on images like it"
            )

    def __call__(self, image: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Channels that are shown, ``(channel, y, x)`` → the same as float32 of about zero mean and unit deviation."""
        mean, deviation = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.deviation))
        return (image.astype(np.float32) - mean) / deviation


def learn(images: Sequence[npt.NDArray[np.generic]], channels: tuple[int, ...] | None = None) -> Normalisation:
    """Mean and standard deviation of each channel, or of those chosen, over all pixels of the training images.

    Holes are passed over.
    A channel that hardly varies (an empty channel of an RGB file) is divided by a twentieth of the largest deviation
    instead of its own, so that its noise is not blown up to the size of a signal.
    """
    if channels is not None:
        images = [image[list(channels)] for image in images]
    weight = np.array([np.ma.count(image[0]) for image in images], np.float64)
    means = np.array([image.mean((1, 2), dtype=np.float64) for image in images])
    squares = np.array([np.square(image, dtype=np.float64).mean((1, 2)) for image in images])
    mean = np.average(means, axis=0, weights=weight)
    variance = np.average(squares, axis=0, weights=weight) - mean**2
    deviation = np.sqrt(np.maximum(variance, 0))
    largest = deviation.max()
    floor = largest / 20 if largest > 0 else 1.0
    return Normalisation(tuple(mean.tolist()), tuple(np.maximum(deviation, floor).tolist()), channels)


def _listed(numbers: tuple[int, ...]) -> str:
    return f"channel{'s'[: len(numbers) != 1]} {', '.join(map(str, numbers))}"
