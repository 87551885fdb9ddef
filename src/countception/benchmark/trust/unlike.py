"""Images that are unlike the training images: corrupted ones; those of the other data sets come as they are.

Each corruption is strong enough that a person sees it at once and that counts suffer, and is stated in pixels of the
image or shares of the range of its values. All are of 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.images.read import Image
from countception.images.resample import resample

BLUR = 0.15
"""Standard deviation of the Gaussian, in spacings of the objects: about a third of an object's radius."""
NOISE = 0.1
"""Standard deviation of the added Gaussian noise, as a share of the range."""
LEVELS = 255


def corruptions(spacing: float, rng: np.random.Generator) -> dict[str, Callable[[Image], Image]]:
    """Corruptions by name, each ``(channel, y, x)`` uint8 → the same.

    Parameters
    ----------
    spacing
        Usual distance between neighbouring objects in image pixels.
    rng
        For noise.
    """

    def noisy(image: Image) -> Image:
        return _bytes(image + rng.normal(0, NOISE * LEVELS, image.shape))

    return {
        "blurred": lambda image: _bytes(ndimage.gaussian_filter(image.astype(np.float32), (0, *2 * (BLUR * spacing,)))),
        "noisy": noisy,
        "inverted": lambda image: LEVELS - image,
        "channels reversed": lambda image: image[::-1],
        "half as bright": lambda image: image // 2,
        "half the size": lambda image: _bytes(resample(image, 1 / 2)),
        "two thirds of the size": lambda image: _bytes(resample(image, 2 / 3)),
        "three halves of the size": lambda image: _bytes(resample(image, 3 / 2)),
    }


def _bytes(values: npt.NDArray[np.floating]) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, LEVELS), np.uint8)
