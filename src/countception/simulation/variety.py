"""A look with all its parameters random, within what people's images are like."""

from __future__ import annotations

import numpy as np

from countception.simulation.looks import Fluorescence, Look, Membranes, Stained


def _log_uniform(rng: np.random.Generator, least: float, most: float) -> float:
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def _between(rng: np.random.Generator, least: float, most: float) -> tuple[float, float]:
    low, high = np.sort(rng.uniform(least, most, 2)).tolist()
    return low, high


def _counts(rng: np.random.Generator, size: tuple[int, int], diameter: float, cover: float) -> tuple[int, int]:
    """Counts around the number of objects that would cover the given share of the image."""
    most = min(size[0] * size[1] * cover / (np.pi / 4 * diameter**2), size[0] * size[1] / 16)
    return int(most * rng.uniform(0.1, 0.9)), max(1, int(most))


def random_look(rng: np.random.Generator, *, size: tuple[int, int] = (256, 256)) -> Look:
    """Draw a look: which one, and all that it leaves open, over wide ranges.

    Objects are 5 to 40 pixels across (stained ones and membranes: 6 to 40), and cover nothing of the image, all of it
    or any share between.

    Parameters
    ----------
    size
        Height and width of the images.
    """
    return (_fluorescence, _stained, _membranes)[int(rng.integers(3))](rng, size)


def _fluorescence(rng: np.random.Generator, size: tuple[int, int]) -> Look:
    diameter = _log_uniform(rng, 5, 40)
    bright = float(rng.uniform(0.15, 0.7))
    sharp = float(rng.uniform(0.3, 0.12 * diameter + 0.5))
    channels: int = int(rng.choice([1, 3]))
    return Fluorescence(
        size=size,
        counts=_counts(rng, size, diameter, _log_uniform(rng, 0.03, 0.8)),
        diameter=diameter,
        diameter_spread=rng.uniform(0, 0.3),
        elongation=(1.0, rng.uniform(1, 2.5)),
        irregularity=rng.uniform(0, 0.2),
        overlap=rng.uniform(0, 1),
        clustered=rng.uniform(0, 0.9),
        clusters=(1, int(rng.integers(1, 12))),
        cluster_spread=rng.uniform(1.5, 6),
        texture=rng.uniform(0, 0.5),
        channels=channels,
        colour=tuple(np.maximum(rng.random(3), rng.permutation([1.0, 0, 0])).tolist()),
        brightness=bright,
        brightness_spread=rng.uniform(0, 0.5),
        opacity=float(rng.integers(2)),
        blur=(sharp, sharp + rng.uniform(0, 0.3) * diameter),
        shared_focus=bool(rng.integers(2)),
        background=rng.uniform(0, 0.3),
        haze=rng.uniform(0, 0.5),
        vignetting=rng.uniform(0, 0.6),
        photons=_log_uniform(rng, 100, 1e5),
        read_noise=_log_uniform(rng, 0.001, 0.04),
    )


def _stained(rng: np.random.Generator, size: tuple[int, int]) -> Look:
    diameter = _log_uniform(rng, 6, 40)
    dark = float(rng.uniform(0.5, 1.3))
    return Stained(
        size=size,
        counts=_counts(rng, size, diameter, _log_uniform(rng, 0.03, 0.6)),
        diameter=diameter,
        diameter_spread=rng.uniform(0.05, 0.35),
        elongation=(1.0, rng.uniform(1, 2.5)),
        irregularity=rng.uniform(0, 0.2),
        overlap=rng.uniform(0, 0.5),
        clustered=rng.uniform(0, 0.9),
        clusters=(1, int(rng.integers(1, 12))),
        cluster_spread=rng.uniform(2, 6),
        texture=rng.uniform(0, 0.7),
        haematoxylin=(rng.uniform(0.3, 0.9) * dark, dark),
        eosin=_between(rng, 0.05, 0.5),
        tissue_texture=rng.uniform(0, 0.5),
        gaps=rng.uniform(0, 0.4),
        vacuoles=rng.uniform(0, 0.5) * int(rng.integers(2)),
        vacuole_diameter=(rng.uniform(1.5, 4), rng.uniform(4, 12)),
        distractors=rng.uniform(0, 2),
        stain_variation=rng.uniform(0, 0.2),
        blur=(0.5, rng.uniform(0.6, 0.1 * diameter + 0.6)),
        read_noise=_log_uniform(rng, 0.001, 0.03),
    )


def _membranes(rng: np.random.Generator, size: tuple[int, int]) -> Look:
    diameter = _log_uniform(rng, 6, 40)
    return Membranes(
        size=size,
        counts=_counts(rng, size, diameter, 1.0),
        diameter_spread=rng.uniform(0.05, 0.45),
        small=rng.uniform(0, 0.5),
        small_size=rng.uniform(0.35, 1),
        waviness=rng.uniform(0, 0.4),
        wall=_between(rng, 0.4, 0.04 * diameter + 0.6),
        wall_density=_between(rng, 0.05, 0.8),
        wall_texture=rng.uniform(0, 0.6),
        corners=rng.uniform(0, 0.4),
        holes=rng.uniform(0, 0.4),
        edge=rng.uniform(0, 0.4),
        stain_variation=rng.uniform(0, 0.2),
        blur=rng.uniform(0.3, 1.2),
        read_noise=_log_uniform(rng, 0.001, 0.02),
    )
