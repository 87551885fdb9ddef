"""Numbers that describe an image: its brightness, contrast, colours, detail and density of objects.

They are taken in normalised units and at the working scale, where the network sees an image.
`countception.trust.familiarity` compares them with those of the training images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from countception.geometry import working_shape
from countception.images.normalise import Normalisation
from countception.images.pieces import Pixels
from countception.images.read import Image
from countception.images.resample import resample_region

Array = npt.NDArray[np.float64]
Pixels32 = npt.NDArray[np.float32]

COLOURS = 3
"""Channels of a picture in red, green and blue."""
OCTAVES = 5
SMALLEST_SIDE = 16
"""Shortest side, in pixels, that the strength of an octave is measured on."""
PART = 512
"""Of an image of more than three parts a side, 3 × 3 parts of this side are looked at."""
FAINT = 0.02
"""Contrast, in normalised units, that is as good as none."""


def image_features(
    image: Pixels,
    normalisation: Normalisation,
    scale: float,
    *,
    count: float | None = None,
    area: int | None = None,
) -> dict[str, float]:
    """Numbers that describe an image.

    Parameters
    ----------
    image
        ``(channel, y, x)`` of any number type.
    normalisation, scale
        The model's.
    count
        Objects predicted in it; None leaves their density out.
    area
        Pixels that are picture; None counts those of an array.

    Returns
    -------
    dict
        Per channel the 2, 50 and 98 % quantiles (level), the log standard deviation (contrast) and the log ratios of
        the strength of neighbouring octaves, from 2 working pixels up (detail); per pair of channels the difference of
        the means and half of Fisher's z of the correlation (colour); the log density of objects. All are those of what
        is picture; what is so small that there are none is left out.
    """
    working = working_shape((image.shape[1], image.shape[2]), scale)
    shown = normalisation.shown(image)
    parts = [normalisation(resample_region(shown, scale, rows, columns)) for rows, columns in _parts(working)]
    holed = any(map(np.ma.is_masked, parts))
    pixels = np.stack([np.ma.filled(part, np.nan) for part in parts], axis=1)  # (channel, part, y, x)
    flat = pixels.reshape(len(pixels), -1)
    flat = flat[:, ~np.isnan(flat[0])] if holed else flat
    features = _intensities(flat) if flat.size else {}
    octaves = np.log(
        np.array(list(_octaves(pixels, _mean_of_seen if holed else _mean))).reshape(-1, len(pixels)) + FAINT
    )
    for k, ratios in enumerate(octaves[:-1] - octaves[1:]):
        features |= {f"detail {2 ** (k + 1)} px, channel {c}": float(ratio) for c, ratio in enumerate(ratios)}
    if count is not None:
        share = (np.ma.count(image[:1, :, :]) if area is None else area) / (image.shape[1] * image.shape[2])
        features["density"] = math.log((max(0.0, count) + 1) / (working[0] * working[1] * share))
    return {name: value for name, value in features.items() if not (holed and math.isnan(value))}


def altered_features(image: Image, normalisation: Normalisation, scale: float) -> dict[str, dict[str, float]]:
    """What would describe an image after what often happens to images: at half the size, and with channels reversed.

    Without the density of objects, as nobody knows what would be counted there. Parameters as of `image_features`.
    """
    halved = _halved(image.astype(np.float32))  # at its own pixels: a lower magnification shows as fine a detail
    altered = {"smaller": image_features(halved, normalisation, scale)} if halved.size else {}
    shown = range(len(image)) if normalisation.numbers is None else normalisation.numbers
    if len(shown) == COLOURS:
        turned = replace(normalisation, numbers=tuple(reversed(shown)))
        altered["reversed"] = image_features(image, turned, scale)
    return altered


def kind_of(name: str) -> str:
    """What a feature is about: its first word."""
    return name.split(" ", 1)[0]


def _intensities(pixels: Pixels32) -> dict[str, float]:
    """Level, contrast and colour from ``(channel, pixels)``."""
    features: dict[str, float] = {}
    means = pixels.mean(1, dtype=np.float64)
    covariance = np.atleast_2d(torch.cov(torch.from_numpy(pixels).double(), correction=0).numpy())
    spreads = np.sqrt(np.diag(covariance))
    for c, channel in enumerate(pixels):
        ordered = np.sort(channel)  # several times as fast as numpy's own quantiles
        for percent in (2, 50, 98):
            features[f"level {percent} %, channel {c}"] = _interpolated(ordered, percent / 100 * (len(ordered) - 1))
        features[f"contrast channel {c}"] = math.log(spreads[c] + FAINT)
        for other in range(c):
            correlation = covariance[c, other] / (spreads[c] * spreads[other] + FAINT)
            features[f"colour {other} and {c}, means"] = float(means[c] - means[other])
            features[f"colour {other} and {c}, correlation"] = math.atanh(min(max(correlation, -0.99), 0.99)) / 2
    return features


def _interpolated(ordered: Pixels32, place: float) -> float:
    """What stands at a place from 0 that need not be whole, linearly between its neighbours."""
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (place - below) * (high - low)


def _octaves(pixels: Pixels32, mean: Callable[[Pixels32], Array]) -> Iterator[Array]:
    """Root mean square, per channel, of the second differences along both axes, at half the resolution each time.

    Holes are NaN, which `mean` passes over; what is made of holes is one.
    """
    for _ in range(OCTAVES):
        _, _, height, width = pixels.shape
        if min(height, width) < SMALLEST_SIDE:
            return
        bends = (np.diff(pixels, 2, axis) for axis in (2, 3))
        yield np.sqrt(sum(mean(np.square(bend, out=bend)) for bend in bends))
        pixels = _halved(pixels)


def _halved(pixels: Pixels32) -> Pixels32:
    """The mean of each 2 × 2 pixels, ``(…, y, x)``."""
    height, width = (side // 2 * 2 for side in pixels.shape[-2:])
    rows = pixels[..., :height:2, :width] + pixels[..., 1:height:2, :width]
    return np.asanyarray((rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25))


def _mean(values: Pixels32) -> Array:
    """Of each channel."""
    return np.asarray(values.mean((1, 2, 3), dtype=np.float64))


def _mean_of_seen(values: Pixels32) -> Array:
    """Of each channel, holes passed over; NaN where there is nothing else."""
    seen = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(values.sum((1, 2, 3), dtype=np.float64, where=seen) / seen.sum((1, 2, 3)))


def _parts(working: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Rows and columns of the whole image, or of 3 × 3 parts spread over a large one."""
    spans = []
    for side in working:
        starts = [0] if side <= 3 * PART else [0, (side - PART) // 2, side - PART]
        spans.append([(start, start + (side if len(starts) == 1 else PART)) for start in starts])
    return [(rows, columns) for rows in spans[0] for columns in spans[1]]
