"""Fluorescent cells at varying focus, after SIMCEP, the simulator behind VGG Cells.

Lehmussola, Ruusuvuori, Selinummi, Huttunen, Yli-Harja: Computational framework for simulating fluorescence microscope
images with cell populations. IEEE Transactions on Medical Imaging 26(7), 2007.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.geometry import Points
from countception.simulation.cells import Outlines, draw_count, middles, place, stamps
from countception.simulation.looks import Fluorescence
from countception.simulation.optics import Image, Plane, blurred_apart, detected, illumination, octave_noise, quantised


def render(look: Fluorescence, rng: np.random.Generator) -> tuple[Image, Points]:
    """The image, ``(y, x)`` or ``(y, x, 3)``, and where the cells are."""
    outlines = Outlines.draw(rng, draw_count(rng, look), look)
    centres = place(rng, outlines.radius, np.ones(look.size, bool), look)

    # Cells on the border are drawn whole on a larger canvas, so that blur brings in what lies just outside.
    margin = int(look.diameter + 4 * look.blur[1]) + 2
    shape = look.size[0] + 2 * margin, look.size[1] + 2 * margin
    light, owner = _stamped(rng, look, outlines, centres + margin, shape)
    blurred = blurred_apart(light, *_focus(rng, look, owner, len(centres)))
    inner = slice(margin, -margin), slice(margin, -margin)
    light, covered = blurred[inner], float((owner[inner] > 0).mean())

    lit = illumination(rng, look.size)
    background = look.background + look.haze * covered
    light = light * (1 - look.vignetting * (1 - lit)) + background * lit
    image = detected(rng, np.minimum(light, look.saturation), look)
    if look.channels == 3:  # the camera sees no colour; it is given to the image afterwards
        image = quantised(np.multiply.outer(image, np.asarray(look.colour, np.float64)), look.bits)
    return image, middles(outlines, centres, look.size)


def _stamped(
    rng: np.random.Generator, look: Fluorescence, outlines: Outlines, centres: Points, shape: tuple[int, int]
) -> tuple[Plane, npt.NDArray[np.int32]]:
    """All cells in perfect focus, later ones on top, and the number (from 1) of the uppermost cell of each pixel."""
    light, owner = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    side = 2 * outlines.widest + 64
    texture = 1 + look.texture * octave_noise(rng, (side, side), look.diameter / 3)
    bright = look.brightness * np.exp(rng.normal(0, look.brightness_spread, len(centres))).astype(np.float32)
    order = rng.permutation(len(centres))  # size must not decide which cell lies on top
    rank = np.argsort(order)
    for stamp in sorted(stamps(outlines, centres, shape), key=lambda stamp: int(rank[stamp.index])):
        cover = stamp.cover
        own = cover * bright[stamp.index] * np.maximum(stamp.of(rng, texture), 0)
        light[stamp.box] = light[stamp.box] * (1 - look.opacity * cover) + own
        owner[stamp.box][cover > 0] = stamp.index + 1
    return light, owner


def _focus(
    rng: np.random.Generator, look: Fluorescence, owner: npt.NDArray[np.int32], n: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """What lies at one depth: its number (from 1) at each pixel, and the blur of each, in pixels."""
    plane = np.asarray(ndimage.label(owner)[0], np.int32) if look.shared_focus else owner
    depth = rng.random(max(n, int(plane.max())))
    return plane, blur_at(depth, look)


def blur_at(depth: npt.NDArray[np.float64], look: Fluorescence) -> npt.NDArray[np.float64]:
    """Standard deviation of the blur, in pixels, at a depth between 0 (in focus) and 1 (furthest from it)."""
    least, most = look.blur
    return least + (most - least) * depth
