"""Cells that touch, with thin walls between them, as in fat tissue.

The cells are the regions of a power diagram: a Voronoi diagram whose centres have weights. Moving each centre to the
middle of its region (Lloyd's relaxation) makes the cells round and even, as pressure does; adjusting its weight gives
each the area drawn for it, so that sizes vary widely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.geometry import Points, to_image, to_working
from countception.simulation.cells import draw_count, separated
from countception.simulation.looks import Membranes
from countception.simulation.optics import Image, Plane, detected, octave_noise, stain_vectors, transmitted

LAMP = (0.955, 0.952, 0.955)
"""Light through an empty cell, as a share of full scale."""
WALL = (0.38, 0.72, 0.58)
"""Absorption by the walls: eosin and, as they are thin, refraction, which takes all colours."""
FINE = 2
"""Cells are drawn at this many times the resolution of the image."""
RELAXATIONS = 6

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]


def render(look: Membranes, rng: np.random.Generator) -> tuple[Image, Points]:
    """The image, ``(y, x, 3)``, and the middle of each cell."""
    n, shape = draw_count(rng, look), (look.size[0] * FINE, look.size[1] * FINE)
    depth = _depth_below_edge(rng, look, shape)
    tissue = _tissue(rng, look, depth)
    labels, middles = _cells(rng, look, tissue, n)
    stains = _walls(rng, look, labels, depth)
    light = transmitted(stains, stain_vectors(rng, look.stain_variation, WALL), LAMP)
    light = light.reshape(look.size[0], FINE, look.size[1], FINE, 3).mean((1, 3))
    light = ndimage.gaussian_filter(light, (look.blur, look.blur, 0))
    points = np.clip(to_image(middles, FINE), 0, np.array(look.size) - 1.0)
    return detected(rng, light, look), points


def _depth_below_edge(rng: np.random.Generator, look: Membranes, shape: tuple[int, int]) -> Plane:
    """Distance of each fine pixel from the edge of the tissue, positive inside; large where there is no edge."""
    if rng.random() >= look.edge:
        return np.full(shape, 1e4, np.float32)
    y, x = (np.arange(side, dtype=np.float32) - side / 2 for side in shape)
    angle = rng.uniform(0, 2 * np.pi)
    line = y[:, None] * np.sin(angle) + x * np.cos(angle)
    wave = octave_noise(rng, shape, min(shape) / 2, octaves=3)
    depth: Plane = line - np.quantile(line, rng.uniform(0.05, 0.35)) + 0.02 * min(shape) * wave
    return depth


def _tissue(rng: np.random.Generator, look: Membranes, depth: Plane) -> Mask:
    """Where cells may be: inside the edge, outside torn holes."""
    torn = octave_noise(rng, depth.shape, min(depth.shape) / 4, octaves=3)
    tissue: Mask = (depth > 0) & (torn >= np.quantile(torn[depth > 0], rng.uniform(0, look.holes)))
    return tissue


def _cells(rng: np.random.Generator, look: Membranes, tissue: Mask, n: int) -> tuple[Labels, Points]:
    """Number (from 1) of the cell at each fine pixel, 0 where there is none, and each cell's centre of mass."""
    if n == 0:
        return np.zeros(tissue.shape, np.int32), np.zeros((0, 2))
    coarse = tissue[FINE // 2 :: FINE, FINE // 2 :: FINE]
    diagram = _relaxed(rng, look, coarse, n)
    middles, radii = to_working(diagram.middles, FINE), diagram.radii * FINE
    scale = float(radii.mean())
    warp = look.waviness * scale * np.stack([octave_noise(rng, tissue.shape, 3 * scale, octaves=2) for _ in "yx"])
    for trust in (1.0, 0.7, 0.3, 0.0):  # without weights hardly a cell is lost
        fine = _PowerDiagram(middles, diagram.weights * FINE**2 * trust, radii, diagram.metric)
        labels = fine.labels(tissue, warp)
        centres, area = _middles(labels, middles)
        if area.min() > 4 * FINE**2:
            break
    return labels, centres


def _relaxed(rng: np.random.Generator, look: Membranes, tissue: Mask, n: int) -> _PowerDiagram:
    """Centres and weights of `n` cells that fill the tissue, in image pixels."""
    radii = np.exp(rng.normal(0, look.diameter_spread, n)) * np.where(rng.random(n) < look.small, look.small_size, 1)
    radii = np.sort(radii * np.sqrt(tissue.sum() / np.pi / np.square(radii).sum()))[::-1]  # large ones settle first
    free = np.argwhere(tissue)
    middles = separated(lambda k: free[rng.integers(len(free), size=k)] + rng.uniform(-0.5, 0.5, (k, 2)), radii, 0.75)
    angle, ratio = rng.uniform(0, np.pi), rng.uniform(*look.elongation)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # Without weights at first: a large cell would enclose a small one instead of pushing it aside.
    diagram = _PowerDiagram(middles, 0 * radii, radii, np.diag([ratio**0.5, ratio**-0.5]) @ turn)
    for _ in range(RELAXATIONS):
        middles, area = _middles(diagram.labels(tissue), diagram.middles)
        weights = diagram.weights + 0.4 * (radii**2 - area / np.pi)
        diagram = _PowerDiagram(middles, weights, radii, diagram.metric)
    return diagram


@dataclass(frozen=True)
class _PowerDiagram:
    middles: Points
    weights: Array
    """``(N,)`` squared pixels: of two cells, the heavier one's border lies further from its centre."""
    radii: Array
    """``(N,)`` what the cells' radii should come to; no cell reaches much further."""
    metric: Array
    """``(2, 2)`` distances are measured after this map, so that all cells are stretched in one direction."""

    def labels(self, tissue: Mask, warp: Plane | None = None) -> Labels:
        """Each pixel goes to the cell with the least ``distance² - weight``, if near enough; `warp` bends borders."""
        least, labels = np.full(tissue.shape, np.inf, np.float32), np.zeros(tissue.shape, np.int32)
        pixels = np.indices(tissue.shape, np.float32) + (0 if warp is None else warp)
        slack = 1 if warp is None else int(np.abs(warp).max()) + 1
        field = np.tensordot(self.metric.astype(np.float32), pixels, 1)
        sites = (self.middles @ self.metric.T).astype(np.float32)
        reach = 1.6 * self.radii + 0.4 * self.radii.mean()
        size = (reach * np.linalg.norm(np.linalg.inv(self.metric), 2))[:, None] + slack
        starts = np.maximum(np.rint(self.middles - size).astype(int), 0)
        stops = np.minimum(np.rint(self.middles + size).astype(int) + 1, tissue.shape)
        for i, site in enumerate(sites):
            box = slice(starts[i, 0], stops[i, 0]), slice(starts[i, 1], stops[i, 1])
            distance = np.square(field[0][box] - site[0]) + np.square(field[1][box] - site[1])
            power = distance - np.float32(self.weights[i])
            nearer = (power < least[box]) & (distance < reach[i] ** 2) & tissue[box]
            least[box][nearer], labels[box][nearer] = power[nearer], i + 1
        return labels


def _middles(labels: Labels, otherwise: Points) -> tuple[Points, npt.NDArray[np.int64]]:
    """Centre of mass and area of each cell; a cell of no area is where it was `otherwise`."""
    n, flat = len(otherwise), labels.ravel()
    area = np.bincount(flat, minlength=n + 1)[1:]
    y, x = np.indices(labels.shape, np.float32)
    mass = [np.bincount(flat, weights=axis.ravel(), minlength=n + 1)[1:] for axis in (y, x)]
    middles = np.stack(mass, 1) / np.maximum(area, 1)[:, None]
    return np.where(area[:, None] > 0, middles, otherwise), area


def _walls(rng: np.random.Generator, look: Membranes, labels: Labels, depth: Plane) -> tuple[Plane, Plane]:
    """Haematoxylin and eosin of the walls between cells, of dark corners and of the skin at the tissue's edge."""
    right, below = np.roll(labels, -1, 1), np.roll(labels, -1, 0)
    border = (labels != right) | (labels != below)
    border[-1], border[:, -1] = False, False
    sigma = rng.uniform(*look.wall) * FINE
    lines = border.astype(np.float32)
    wall = 2 * sigma * ndimage.gaussian_filter(lines, sigma)  # about 0.8 on a straight wall, more where walls meet
    round_corners = np.maximum(5 * sigma * ndimage.gaussian_filter(lines, 2.5 * sigma) - 2.6, 0)
    uneven = np.maximum(1 + look.wall_texture * octave_noise(rng, labels.shape, 12 * FINE, octaves=3), 0.15)
    density = rng.uniform(*look.wall_density) * uneven
    skin = 1.5 * density * np.exp2(-np.square(depth / (rng.uniform(0.7, 1.5) * FINE)))
    haem = rng.uniform(0.2, 0.8)
    body = density * (wall + round_corners)
    corners = border & np.roll(border, 1, 0) & np.roll(border, 1, 1) & (right != below)
    dark = _dark_corners(rng, look, np.argwhere(corners), int(labels.max(initial=0)), labels.shape)
    return np.asarray(haem * (body + dark), np.float32), np.asarray(body + skin + dark, np.float32)


def _dark_corners(
    rng: np.random.Generator, look: Membranes, corners: npt.NDArray[np.int64], n: int, shape: tuple[int, ...]
) -> Plane:
    """Nuclei and small vessels, where walls meet."""
    dark = np.zeros(shape, np.float32)
    if not len(corners):
        return dark
    y, x = (np.arange(side, dtype=np.float32) for side in shape)
    for middle in corners[rng.integers(len(corners), size=rng.poisson(look.corners * n))]:
        angle, length, width = rng.uniform(0, np.pi), FINE * rng.gamma(2, 0.6), FINE * rng.uniform(0.4, 1.2)
        reach = int(3 * length + 3 * FINE)
        box = tuple(slice(max(0, c - reach), c + reach + 1) for c in middle)
        v, u = (axis[side] - c for axis, side, c in zip((y, x), box, middle, strict=True))
        along = v[:, None] * np.sin(angle) + u * np.cos(angle)
        across = v[:, None] * np.cos(angle) - u * np.sin(angle)
        dark[box] += rng.gamma(2, 0.1) * np.exp(-np.square(along / length) - np.square(across / width))
    return dark
