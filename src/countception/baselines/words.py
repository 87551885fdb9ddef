"""Dense local descriptors and their quantisation to words: one word for each pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from sklearn.cluster import MiniBatchKMeans

Descriptors = npt.NDArray[np.float32]
Describe = Callable[[npt.NDArray[np.float32]], Descriptors]
"""Planes ``(planes, y, x)`` → descriptors ``(y, x, length)``."""

ORIENTATIONS = 8
BIN = 3
"""Side in pixels of one of the 4 × 4 spatial bins of a SIFT descriptor."""
FLAT = 1e-3
"""Added to a descriptor's length before dividing by it: where nothing varies, it is zero."""
SAMPLED = 60_000
"""Descriptors that a codebook is learned from."""


def dense_sift(grey: npt.NDArray[np.float32]) -> Descriptors:
    """A SIFT descriptor (Lowe 2004, section 6) at every pixel, upright and of one scale: 4 × 4 bins of 3 pixels.

    As all descriptors share their bins, they are the gradient image split by orientation, low-passed by a triangle
    (bilinear sharing between bins) and read off at 16 places: key-point programs would compute each pixel's alone.

    Parameters
    ----------
    grey
        ``(y, x)`` of about unit deviation.

    Returns
    -------
    ``(y, x, 128)`` float32, 0 to 1, of unit length where the image is not flat.
    """
    reach = 3 * BIN + 1
    padded = np.pad(grey, reach, mode="edge")
    dy, dx = (ndimage.correlate1d(padded, [-0.5, 0, 0.5], axis, mode="nearest") for axis in (0, 1))
    angle = np.arctan2(dy, dx) * np.float32(ORIENTATIONS / (2 * np.pi)) % ORIENTATIONS
    apart = np.abs(angle - np.arange(ORIENTATIONS, dtype=np.float32)[:, None, None])
    split = np.hypot(dy, dx) * np.maximum(0, 1 - np.minimum(apart, ORIENTATIONS - apart))
    triangle = BIN - np.abs(np.arange(2 * BIN) - BIN + 0.5)  # of even length: its values lie between pixels
    for axis in (1, 2):
        split = ndimage.correlate1d(split, triangle / BIN**2, axis, mode="nearest")
    split = split.transpose(1, 2, 0)
    places = [reach + round(BIN * (k - 1.5) + 0.5) for k in range(4)]
    height, width = grey.shape
    found = np.empty((height, width, 4, 4, ORIENTATIONS), np.float32)
    for i, y in enumerate(places):
        for j, x in enumerate(places):
            part = split[y : y + height, x : x + width]
            np.multiply(part, _window(i) * _window(j), out=found[:, :, i, j])
    return _normalised(found.reshape(height, width, -1))


def _window(k: int) -> float:
    """Weight of a spatial bin: a Gaussian of half the descriptor's width."""
    return float(np.exp(-0.5 * ((k - 1.5) / 2) ** 2))


def _normalised(found: Descriptors) -> Descriptors:
    """Unit length, no entry above 0.2, unit length again (Lowe 2004, section 6.1)."""
    for most in (0.2, 1.0):
        length = np.sqrt(np.einsum("yxk,yxk->yx", found, found))
        found /= (length + np.float32(FLAT))[:, :, None]
        np.minimum(found, most, out=found)
    return found


@dataclass(frozen=True)
class Codebook:
    """Words, and how pixels are described."""

    describe: Describe
    means: MiniBatchKMeans

    @classmethod
    def learn(cls, images: Sequence[npt.NDArray[np.float32]], describe: Describe, words: int, seed: int) -> Codebook:
        """Cluster descriptors of random pixels of the images, ``(planes, y, x)`` each, by k-means."""
        from sklearn.cluster import MiniBatchKMeans

        rng = np.random.default_rng(seed)
        share = max(1, SAMPLED // len(images))
        drawn = []
        for image in images:
            described = describe(image).reshape(image[0].size, -1)
            drawn.append(described[rng.choice(len(described), min(share, len(described)), replace=False)])
        sample = np.concatenate(drawn)
        means = MiniBatchKMeans(min(words, len(sample)), batch_size=4096, n_init=3, random_state=seed)
        return cls(describe, means.fit(sample))

    def __len__(self) -> int:
        return len(self.means.cluster_centers_)

    def __call__(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Word of each pixel, ``(y, x)``."""
        described = self.describe(image)
        found = self.means.predict(described.reshape(-1, described.shape[-1]))
        return np.asarray(found, np.int64).reshape(image.shape[1:])
