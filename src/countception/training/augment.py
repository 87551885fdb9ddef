"""Random changes to a training image that move its dots along (one owner for both)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countception.config import AugmentConfig
from countception.geometry import Points, axis_weights, inside
from countception.images.resample import interpolate

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A normalised working image ``(channel, y, x)`` float32 with its dots.

    `points` are ``(N, 2)`` in working pixels, `labels` ``(N,)`` class indices.
    """

    image: Pixels
    points: Points
    labels: npt.NDArray[np.int64]


def augment(example: Example, config: AugmentConfig, side: int, rng: np.random.Generator) -> Example:
    """A random square crop of `side` working pixels, magnified, turned and re-lit; dots outside the crop are dropped.

    Where the image is smaller than the crop, it lies at a random place in it with zeros around it, as on a canvas;
    these are re-lit with it, which they are not there.
    """
    zoom = float(np.exp(rng.uniform(-config.zoom, config.zoom)))
    starts = [_start(length, side / zoom, config.overhang, rng) for length in example.image.shape[1:]]
    image, points = _cut(example, zoom, starts, side)
    kept = inside(points, (side, side))
    points, labels = points[kept], example.labels[kept]
    if config.flips:
        image, points = _turn(image, points, int(rng.integers(8)))
    if config.intensity > 0:
        image = _relight(image, config.intensity, rng)
    if config.noise > 0:
        image = image + rng.normal(0, config.noise * rng.uniform(), image.shape).astype(np.float32)
    return Example(np.ascontiguousarray(image, np.float32), points, labels)


def _start(length: int, seen: float, overhang: int, rng: np.random.Generator) -> float:
    """Where the crop begins along an axis, in pixels of the image, measured at the pixels' edges."""
    slack = length - seen
    low, high = min(slack, 0.0), max(slack, 0.0)
    if slack >= 0:
        low, high = low - overhang, high + overhang
    return float(np.round(rng.uniform(low, high)))


def _cut(example: Example, zoom: float, starts: list[float], side: int) -> tuple[Pixels, Points]:
    """Crop and magnify: crop pixel i shows image position ``start + (i + 0.5) / zoom - 0.5``."""
    image = example.image
    axes = []
    for start, length in zip(starts, image.shape[1:], strict=True):
        centres = start + (np.arange(side, dtype=np.float64) + 0.5) / zoom - 0.5
        first, weights = axis_weights(length, centres, max(1.0, 1.0 / zoom))
        weights[(centres < -0.5) | (centres >= length - 0.5)] = 0
        axes.append((first, weights))
    (y, wy), (x, wx) = axes
    part = image[:, y : y + wy.shape[1], x : x + wx.shape[1]]
    points = (example.points + 0.5 - np.asarray(starts)) * zoom - 0.5
    return interpolate(part, wy, wx), points


def _turn(image: Pixels, points: Points, code: int) -> tuple[Pixels, Points]:
    """One of the eight symmetries of the square; dots on its first edges, which are inside, stay inside."""
    last = image.shape[1] - 1
    if code & 1:
        image, points = image[:, ::-1], np.stack([last - points[:, 0], points[:, 1]], 1)
    if code & 2:
        image, points = image[:, :, ::-1], np.stack([points[:, 0], last - points[:, 1]], 1)
    if code & 4:
        image, points = image.transpose(0, 2, 1), points[:, ::-1]
    return image, np.minimum(points, np.nextafter(last + 0.5, 0))


def _relight(image: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Contrast and brightness, overall and per channel, in units of the normalised image."""
    channels = (image.shape[0], 1, 1)
    contrast = np.exp(rng.normal(0, strength) + rng.normal(0, strength / 2, channels))
    brightness = rng.normal(0, strength) + rng.normal(0, strength / 2, channels)
    return (image * contrast + brightness).astype(np.float32)
