"""Stained tissue in bright field: dark nuclei in pink tissue with white fat vacuoles.

Amounts of haematoxylin and eosin are painted first; colour comes from Beer and Lambert's law at the end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.geometry import Points
from countception.simulation.cells import Outlines, draw_count, middles, place, stamps
from countception.simulation.looks import Stained
from countception.simulation.optics import Image, Plane, detected, octave_noise, stain_vectors, transmitted

LAMP = (0.94, 0.91, 0.94)
"""Light through empty glass, as a share of full scale."""


def render(look: Stained, rng: np.random.Generator) -> tuple[Image, Points]:
    """The image, ``(y, x, 3)``, and where the nuclei are."""
    outlines = Outlines.draw(rng, draw_count(rng, look), look)
    fat = _fat(rng, look)
    allowed = fat < -0.35 * look.diameter
    allowed |= not allowed.any()
    centres = place(rng, outlines.radius, allowed, look)

    eosin = _tissue(rng, look) * _inside(-fat / 1.5)
    eosin += 0.25 * np.exp(-np.square(fat / 1.2)) * (1 + look.tissue_texture * octave_noise(rng, look.size, 12))
    _red_cells(rng, look, eosin, allowed, len(centres))
    haematoxylin = _nuclei(rng, look, outlines, centres, eosin)
    stains = haematoxylin, np.asarray(ndimage.gaussian_filter(np.maximum(eosin, 0), look.blur[0]), np.float32)
    bright = float(rng.uniform(0.97, 1.02))
    dust = np.float32(0.02) * np.abs(octave_noise(rng, look.size, 40, octaves=4))
    light = bright * transmitted(stains, stain_vectors(rng, look.stain_variation), LAMP) - dust[..., None]
    return detected(rng, light, look), middles(outlines, centres, look.size)


def _inside(depth: Plane) -> Plane:
    """Cover of a shape whose border lies at depth 0, falling off over one unit."""
    cover: Plane = np.clip(depth + np.float32(0.5), 0, 1)
    return cover


def _fat(rng: np.random.Generator, look: Stained) -> Plane:
    """How deep in a fat vacuole each pixel lies, in pixels; negative in tissue."""
    depth = np.full(look.size, -1e4, np.float32)
    y, x = (np.arange(side, dtype=np.float32) for side in look.size)
    share, room = rng.uniform(0, look.vacuoles), look.size[0] * look.size[1]
    wobble = octave_noise(rng, look.size, 2.5 * look.diameter, octaves=2)
    for _ in range(60):
        radius = look.diameter * rng.uniform(*look.vacuole_diameter) / 2
        middle = rng.uniform(-0.5 * radius, np.array(look.size) + 0.5 * radius)
        new = radius - np.hypot(y[:, None] - middle[0], (x - middle[1]) * rng.uniform(0.85, 1.15))
        # Where it meets another, a vacuole is pressed flat, with a wall of 2 pixels in between.
        pressed = np.minimum(new + 0.05 * radius * wobble, -depth - 2)
        if (pressed > 0).sum() < 0.75 * (new > 0).sum():
            continue  # too much of it would lie under another
        if ((pressed > 0) | (depth > 0)).sum() > share * room:
            break
        depth = np.maximum(depth, pressed).astype(np.float32)
    return depth


def _tissue(rng: np.random.Generator, look: Stained) -> Plane:
    """Eosin of the tissue: a cloudy pink with a web of brighter walls and torn white gaps."""
    cloud = octave_noise(rng, look.size, 4 * look.diameter, octaves=4, persistence=0.6)
    web = np.abs(octave_noise(rng, look.size, 0.8 * look.diameter, octaves=2))
    grain = octave_noise(rng, look.size, look.diameter / 4, octaves=4, persistence=0.9)
    pattern = 0.4 * cloud + 0.6 * (0.8 - web) + 0.7 * grain
    tissue = rng.uniform(*look.eosin) * np.maximum(1 + look.tissue_texture * pattern, 0.1)
    tear = 0.5 * web - 0.6 * cloud + 0.5 * octave_noise(rng, look.size, look.diameter, octaves=3, persistence=0.6)
    torn = (tear - np.quantile(tear, 1 - look.gaps)) if look.gaps else np.full_like(tear, -1)
    return np.asarray(tissue * (1 - 0.85 * np.clip(0.5 + 2 * torn, 0, 1)), np.float32)


def _red_cells(rng: np.random.Generator, look: Stained, eosin: Plane, allowed: npt.NDArray[np.bool_], n: int) -> None:
    """Paint pink cells without a nucleus, which do not count, with a bright rim."""
    number = int(rng.uniform(0, look.distractors) * n)
    outlines = Outlines.draw(rng, number, look)
    for stamp in stamps(outlines, place(rng, outlines.radius, allowed, look), look.size):
        rim = np.exp(-np.square((stamp.depth - 1) / 1.2))
        pink = np.float32(rng.uniform(*look.eosin) * rng.uniform(0.3, 1.2)) * (1 + rng.uniform(0, 1.5) * rim)
        eosin[stamp.box] = eosin[stamp.box] * (1 - stamp.cover) + pink * stamp.cover


def _nuclei(rng: np.random.Generator, look: Stained, outlines: Outlines, centres: Points, eosin: Plane) -> Plane:
    """Haematoxylin of the nuclei; they displace the eosin, and some stand in a clear halo."""
    total = np.zeros(look.size, np.float32)
    widest = 0.3 * look.diameter  # of the halos
    margin = int(widest + 4 * look.blur[1])
    side = 2 * (outlines.widest + margin) + 64
    fields = [octave_noise(rng, (side, side), max(1.5, look.diameter / k)) for k in (2.5, 5)]
    for stamp in stamps(outlines, centres, look.size, margin):
        dense = float(rng.uniform(0, 1))  # dense nuclei are dark and even, loose ones pale with clumps and a rim
        amount = look.haematoxylin[0] + dense * (look.haematoxylin[1] - look.haematoxylin[0])
        clumps = look.texture * (1.3 - dense) * stamp.of(rng, fields[int(rng.integers(2))])
        rim = 0.5 * (1 - dense) * np.exp(-np.square((stamp.depth - 1) / 1.2))
        body = amount * np.clip(1 + clumps + rim, 0.15, 1.8) * stamp.cover
        width, cleared = (rng.uniform(0, widest), 0.75) if rng.random() < 0.4 else (0, 0.4)
        eosin[stamp.box] *= 1 - cleared * np.clip((stamp.depth + width) / 1.5, 0, 1)
        sigma = float(rng.uniform(look.blur[0], look.blur[1]))
        total[stamp.box] = np.maximum(total[stamp.box], ndimage.gaussian_filter(body, sigma))
    return total
