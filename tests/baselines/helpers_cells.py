"""Tiny images of bright and overlapping spots on a noisy, uneven ground."""

from __future__ import annotations

import numpy as np

from countception.data.dataset import Sample
from countception.points import Dots


def cells(number: int, *, side: int = 64, channels: int = 3, noise: float = 3.0, seed: int = 0) -> list[Sample]:
    """Samples of 3 to 30 spots of about 6 pixels; with several channels, the last one carries the signal."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    samples = []
    for i in range(number):
        points = rng.uniform(0, side - 1, (rng.integers(3, 31), 2))
        image = rng.normal(20, noise, (channels, side, side))
        image[-1] += 20 * y / side
        for (py, px), bright in zip(points, rng.uniform(60, 120, len(points)), strict=True):
            image[-1] += bright * np.exp(-((y - py) ** 2 + (x - px) ** 2) / 8)
        samples.append(Sample(image.clip(0, 255).astype(np.uint8), Dots(points), f"cells {i}"))
    return samples
