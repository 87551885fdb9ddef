"""From amounts of light or stain to pixel values: noise fields, illumination, absorption and the detector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.simulation.looks import Look

Plane = npt.NDArray[np.float32]
"""A field over the image, ``(y, x)``."""

Image = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""What a detector writes, ``(y, x)`` or ``(y, x, channel)``."""

HAEMATOXYLIN = (0.59, 0.71, 0.39)
EOSIN = (0.29, 0.86, 0.42)
"""Absorption of red, green and blue per unit of stain: directions in optical density, of unit length."""


def octave_noise(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, *, octaves: int = 3, persistence: float = 0.5
) -> Plane:
    """Multi-octave value noise of zero mean and unit deviation (Lehmussola 2007, section II-B).

    Octave ``k`` interpolates random values on a grid of ``scale / 2**k`` pixels and has amplitude ``persistence**k``.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        step = scale / 2**octave
        if octave and step < 1:
            break
        grid = rng.standard_normal([int(side / step) + 5 for side in shape], np.float32)
        fine = _stretched(_stretched(grid, shape[0], step).T, shape[1], step).T
        total += persistence**octave * (fine / max(float(fine.std()), 1e-6))
    noise: Plane = (total - total.mean()) / max(float(total.std()), 1e-6)
    return noise


def _stretched(grid: Plane, side: int, step: float) -> Plane:
    """Cubic B-spline through the first axis of `grid`, at `side` places ``1 / step`` apart: ``(side, ...)``."""
    place = np.arange(side, dtype=np.float32) / np.float32(step)
    start = place.astype(int)
    f = (place - start)[:, None]
    weights = ((1 - f) ** 3, 4 - 6 * f**2 + 3 * f**3, 1 + 3 * f + 3 * f**2 - 3 * f**3, f**3)
    out: Plane = sum(weight * grid[start + k] for k, weight in enumerate(weights)) / np.float32(6)
    return out


def illumination(rng: np.random.Generator, shape: tuple[int, int]) -> Plane:
    """Uneven illumination: a second-order polynomial with its peak near the middle, scaled to run from 0 to 1."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    top, left = rng.normal(0, 0.35, 2)
    angle, ratio = rng.uniform(0, np.pi), rng.uniform(0.1, 1)
    along = (y[:, None] - top) * np.cos(angle) + (x - left) * np.sin(angle)
    across = (x - left) * np.cos(angle) - (y[:, None] - top) * np.sin(angle)
    fall = along**2 + ratio * across**2
    field: Plane = (fall.max() - fall) / max(float(np.ptp(fall)), 1e-6)
    return field


def blurred_apart(light: Plane, labels: npt.NDArray[np.int32], sigmas: npt.NDArray[np.float64]) -> Plane:
    """Blur each labelled object of `light` by its own Gaussian and add them up (section II-D).

    `sigmas` has one standard deviation, in pixels, per label from 1; what has label 0 is dropped.
    """
    out = np.zeros_like(light)
    for label, (box, sigma) in enumerate(zip(ndimage.find_objects(labels, len(sigmas)), sigmas, strict=True), start=1):
        if box is None:  # wholly hidden by others
            continue
        reach = int(4 * sigma + 1)
        grown = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
        own = np.where(labels[grown] == label, light[grown], np.float32(0))
        out[grown] += ndimage.gaussian_filter(own, sigma, mode="constant") if sigma > 0 else own
    return out


def stain_vectors(
    rng: np.random.Generator, variation: float, eosin: tuple[float, float, float] = EOSIN
) -> npt.NDArray[np.float32]:
    """Absorption of haematoxylin and of eosin in one image, ``(2, 3)``, with random variation."""
    vectors = np.array([HAEMATOXYLIN, eosin]) * np.exp(rng.normal(0, variation, (2, 3)))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def transmitted(stains: tuple[Plane, Plane], vectors: npt.NDArray[np.float32], lamp: tuple[float, ...]) -> Plane:
    """Light left after the stains by Beer and Lambert's law, ``(y, x, 3)``, as a share of full scale."""
    density = stains[0][..., None] * vectors[0] + stains[1][..., None] * vectors[1]
    light: Plane = np.asarray(lamp, np.float32) * np.exp(np.float32(-np.log(10)) * density)
    return light


def detected(rng: np.random.Generator, light: Plane, look: Look) -> Image:
    """Light, as a share of full scale, to what the detector writes: shot noise, read noise, whole numbers."""
    counted = rng.poisson(np.clip(light, 0, 1) * look.photons) / look.photons
    counted += look.read_noise * rng.standard_normal(light.shape, np.float32)
    return quantised(counted * (2**look.bits - 1), look.bits)


def quantised(values: npt.NDArray[np.floating], bits: int) -> Image:
    """Grey values to the nearest whole number that fits the depth."""
    whole = np.clip(np.rint(values), 0, 2**bits - 1)
    return np.asarray(whole, np.uint8) if bits == 8 else np.asarray(whole, np.uint16)
