"""Bad dots, to test the claim that redundant counting forgives them (Cohen et al. 2017, section 3.6).

A dot that is a little off still lies in most of the windows that should count it, so a count map changes less than a
density map does. `noisy` makes the images to learn from in that experiment (`countception.benchmark.dots`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from countception.data.dataset import Sample
from countception.errors import ConfigError
from countception.geometry import Points


def displaced(points: Points, shape: tuple[int, int], distance: float, rng: np.random.Generator) -> Points:
    """Each dot moved to a random place within `distance` pixels of where it was, but on the image.

    Parameters
    ----------
    points
        ``(N, 2)`` on an image of `shape`.
    shape
        Height and width in pixels.
    distance
        Radius in pixels of the disc that the new place is drawn from, evenly over its area; at least 0.
    rng
        Source of randomness.
    """
    radius = distance * np.sqrt(rng.uniform(size=len(points)))
    angle = rng.uniform(0, 2 * np.pi, len(points))
    moved = points + radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return on_image(moved, shape)


def on_image(points: Points, shape: tuple[int, int]) -> Points:
    """Points moved to the border pixels' centres where they lie beyond them."""
    return np.clip(points, 0, np.asarray(shape, np.float64) - 1)


def noisy(samples: Sequence[Sample], *, distance: float = 0.0, missing: float = 0.0, seed: int = 0) -> list[Sample]:
    """Samples with bad dots.

    Parameters
    ----------
    samples
        Stay as they are; images are shared.
    distance
        Dots are displaced by up to this many image pixels.
    missing
        Share of the dots of each image that is dropped, 0 to 1, to the nearest whole number of dots.
    seed
        The same seed moves and drops the same dots, and with a larger share the same ones and more.

    Raises
    ------
    ConfigError
        A negative distance or a share that is none.
    """
    if distance < 0 or not 0 <= missing <= 1:
        raise ConfigError(
            f"dots cannot be displaced by up to {distance:g} pixels with a share of {missing:g} missing: "
            "the distance must be at least 0 and the share between 0 and 1"
        )
    found = []
    for i, sample in enumerate(samples):
        rng = np.random.default_rng([seed, i])
        order = rng.permutation(len(sample.dots))
        keep = np.ones(len(order), bool)
        keep[order[: round(missing * len(order))]] = False
        points = displaced(sample.dots.points, (sample.image.shape[1], sample.image.shape[2]), distance, rng)
        found.append(replace(sample, dots=replace(sample.dots, points=points).select(keep)))
    return found
