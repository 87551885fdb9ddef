"""How long it takes to find the points of a 1000 × 1000 image with 1000 objects, after its map is known."""

from __future__ import annotations

import statistics

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from countception import targets
from countception.geometry import Window
from countception.locate import density_of_counts, locate
from speed_sections import Row, in_turn

SIDE, OBJECTS = 1000, 1000
BLUR = 1.5
"""Standard deviation of an object in a predicted density, in cells: no network puts it into one."""
NOISE = 0.05
"""Standard deviation of the error of a predicted count map's entries, in objects."""


def points(repeats: int) -> list[Row]:
    """From a density on a grid of 2 pixels, as our default predicts; from a redundant map, as the paper's network."""
    rng = np.random.default_rng(0)
    dots = rng.uniform(0, SIDE - 1, (OBJECTS, 2))
    single = targets.count_map(dots, (SIDE, SIDE), Window(2, 2))[1:, 1:]
    density = gaussian_filter(single.astype(np.float64), BLUR, mode="constant")
    window = Window(32, 1)
    counts = targets.count_map(dots, (SIDE, SIDE), window)
    noisy = counts + NOISE * gaussian_filter(rng.normal(size=counts.shape), 4) * 16
    seconds = in_turn(
        {
            "density": lambda: locate(density, stride=2),
            "count map": lambda: locate(density_of_counts(noisy, window)),
        },
        repeats,
    )
    found = {"density": locate(density, stride=2), "count map": locate(density_of_counts(noisy, window))}
    return [
        {
            "what": f"points of {SIDE} × {SIDE} pixels with {OBJECTS} objects, from a {name}",
            "seconds": values,
            "median": statistics.median(values),
            "points": len(found[name].points),
            "threads": torch.get_num_threads(),
        }
        for name, values in seconds.items()
    ]
