"""Small images of bright blobs on a noisy ground, and a configuration that trains on them in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from countception.config import IDLE
from countception.data.dataset import Sample
from countception.points import Dots

QUICK: dict[str, Any] = {
    "network.width": 0.25,
    "network.window": 16,
    "scale.factor": 1.0,
    "training.augment.crop": 48,
    "training.steps": 8,
    "training.evaluations": 4,
    "training.precision": "float32",
}


def quick(network: str) -> dict[str, Any]:
    """The same for a network by name, without the window where it has none."""
    return {"network.name": network, **{key: QUICK[key] for key in QUICK if key not in IDLE.get(network, ())}}


def blobs(number: int, *, side: int = 64, seed: int = 0, channels: int = 1, classes: int = 1) -> list[Sample]:
    """Samples of 5 to 25 blobs of 6 pixels; class k is bright in channel k."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    samples = []
    for i in range(number):
        points = rng.uniform(3, side - 4, (rng.integers(5, 26), 2))
        labels = rng.integers(0, classes, len(points))
        image = rng.normal(20, 3, (channels, side, side))
        for (py, px), label in zip(points, labels, strict=True):
            image[label % channels] += 100 * np.exp(-((y - py) ** 2 + (x - px) ** 2) / 8)
        names = tuple(f"kind {k}" for k in range(classes)) if classes > 1 else ("object",)
        samples.append(Sample(image.clip(0, 255).astype(np.uint8), Dots(points, labels, names), f"blobs {i}"))
    return samples
