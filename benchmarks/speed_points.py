"""How long it takes to find the points of a 1000 × 1000 image with 1000 objects: after its map is known, and in all."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter

from countception import targets
from countception.counting.counter import Counter
from countception.counting.model_file import Model
from countception.geometry import Window
from countception.images.normalise import learn
from countception.images.read import as_channels_first
from countception.locate import density_of_counts, locate
from countception.networks.pretrained import load_pretrained
from countception.points import find_scale
from countception.simulation.looks import look_named
from countception.simulation.simulate import simulate
from countception.trust.calibration import Calibration
from speed_sections import Row, in_turn, network

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
    counter, image = _counter_and_image()
    ways = {
        "from a density": lambda: len(locate(density, stride=2).points),
        "from a count map": lambda: len(locate(density_of_counts(noisy, window)).points),
        "from the image, counted by the default network": lambda: len(counter.count(image, points=True).points or ()),
    }
    return [
        {
            "what": f"points of {SIDE} × {SIDE} pixels with {OBJECTS} objects, {name}",
            "seconds": values,
            "median": statistics.median(values),
            "points": ways[name](),
            "threads": torch.get_num_threads(),
        }
        for name, values in in_turn(ways, repeats).items()
    ]


def _counter_and_image() -> tuple[Counter, npt.NDArray[np.generic]]:
    """The default network with the weights that trainings start from, at its own scale, calibrated to this image."""
    look = look_named("fluorescence").changed(size=(SIDE, SIDE), counts=(OBJECTS, OBJECTS))
    simulated = simulate(look, seed=0)
    image = simulated.image
    made, config = network("boxnet")
    load_pretrained(made)
    scale, normalisation = find_scale([simulated.points], config.scale), learn([as_channels_first(image)])
    model = Model(made.eval(), config, scale, normalisation)
    factor = OBJECTS / Counter(model).count(image).value
    return Counter(replace(model, calibration=Calibration(factor))), image
