"""Cells as shapes and places: random outlines, and where the cells lie (Lehmussola 2007, sections II-A and II-C)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from countception.geometry import Points
from countception.simulation.looks import CellLook, Look
from countception.simulation.optics import Plane

HARMONICS = np.arange(2, 6)
"""Waves around the outline; the first would only move the cell."""
ROUNDS = 60
"""How often cells that lie too close are placed anew."""

Box = tuple[slice, slice]
Proposal = Callable[[int], Points]


def draw_count(rng: np.random.Generator, look: Look) -> int:
    """How many objects an image has: within `look.counts`, mean at 42 % of the range, as in the real data sets."""
    least, most = look.counts
    return least + min(most - least, int(rng.beta(1.2, 1.65) * (most - least + 1)))


@dataclass(frozen=True)
class Outlines:
    """Random outlines of N cells: ellipses whose radius is perturbed smoothly.

    Lehmussola et al. draw a spline through the randomly displaced corners of a regular polygon; a short random Fourier
    series of the radius is the same family of smooth shapes, without a spline to fit for each cell.
    """

    radius: npt.NDArray[np.float64]
    """``(N,)`` mean radius in pixels."""
    ratio: npt.NDArray[np.float64]
    """``(N,)`` long over short axis."""
    angle: npt.NDArray[np.float64]
    """``(N,)`` direction of the long axis in radians."""
    waves: npt.NDArray[np.complex128]
    """``(N, harmonics)`` amplitude and phase of the perturbation, relative to the radius."""

    @classmethod
    def draw(cls, rng: np.random.Generator, n: int, look: CellLook) -> Outlines:
        """N outlines, largest first, so that the largest are placed first."""
        radius = look.diameter / 2 * np.exp(rng.normal(0, look.diameter_spread, n) - look.diameter_spread**2 / 2)
        waves = rng.normal(0, 1, (n, 2, len(HARMONICS))) * look.irregularity / (HARMONICS - 1)
        return cls(
            radius=np.sort(np.maximum(radius, 1.5))[::-1],
            ratio=rng.uniform(*look.elongation, n),
            angle=rng.uniform(0, np.pi, n),
            waves=waves[:, 0] + 1j * waves[:, 1],
        )

    def reach(self, i: int) -> int:
        """Pixels from the centre within which all of cell `i` lies."""
        return int(self.radius[i] * np.sqrt(self.ratio[i]) * (1 + np.abs(self.waves[i]).sum())) + 2

    @property
    def widest(self) -> int:
        """The largest `reach` of all cells."""
        return max((self.reach(i) for i in range(len(self.radius))), default=0)

    def depth(self, i: int, y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> Plane:
        """About how deep in cell `i`, in pixels, the points ``(y, x)`` from its centre lie; negative outside."""
        sine, cosine, stretch = np.sin(self.angle[i]), np.cos(self.angle[i]), np.sqrt(self.ratio[i])
        along, across = (x * cosine + y * sine) / stretch, (y * cosine - x * sine) * stretch
        turn = (along + 1j * across) / np.maximum(np.hypot(along, across), 1e-9)
        wave = sum((turn**k * w).real for k, w in zip(HARMONICS, self.waves[i], strict=True))
        depth: Plane = (self.radius[i] * np.maximum(1 + wave, 0.3) - np.hypot(along, across)).astype(np.float32)
        return depth


@dataclass(frozen=True)
class Stamp:
    """One cell on the canvas."""

    index: int
    box: Box
    """Its place on the canvas."""
    depth: Plane
    """How deep inside the cell each pixel of the box lies, in pixels; negative outside."""

    @property
    def cover(self) -> Plane:
        """Share of each pixel that the cell covers."""
        cover: Plane = np.clip(self.depth + np.float32(0.5), 0, 1)
        return cover

    def of(self, rng: np.random.Generator, field: Plane) -> Plane:
        """A random piece, as large as the box, of a larger field, so that no two cells have the same texture."""
        height, width = self.depth.shape
        top, left = (
            int(rng.integers(max(1, side - own + 1))) for side, own in zip(field.shape, (height, width), strict=True)
        )
        return field[top : top + height, left : left + width]


def stamps(outlines: Outlines, centres: Points, shape: tuple[int, int], margin: int = 0) -> Iterator[Stamp]:
    """Each cell, with `margin` pixels around it, cut to a canvas of `shape`; those wholly outside are left out."""
    for i, centre in enumerate(centres):
        reach, middle = outlines.reach(i) + margin, np.rint(centre).astype(int)
        start, stop = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, shape)
        if (start < stop).all():
            y, x = (np.arange(a, b) - c for a, b, c in zip(start, stop, centre, strict=True))
            box = slice(int(start[0]), int(stop[0])), slice(int(start[1]), int(stop[1]))
            yield Stamp(i, box, outlines.depth(i, y[:, None], x[None, :]))


def middles(outlines: Outlines, centres: Points, shape: tuple[int, int]) -> Points:
    """Where a person would click: the centre of mass of that part of each cell that lies on the image."""
    points = np.clip(centres, 0, np.array(shape) - 1.0)
    for stamp in stamps(outlines, centres, shape):
        cover = stamp.cover
        mass = float(cover.sum())
        if mass > 0:
            y, x = (np.arange(side.start, side.stop) for side in stamp.box)
            points[stamp.index] = float(cover.sum(1) @ y) / mass, float(cover.sum(0) @ x) / mass
    return points


def place(
    rng: np.random.Generator, radii: npt.NDArray[np.float64], allowed: npt.NDArray[np.bool_], look: CellLook
) -> Points:
    """Centres for cells of the given radii, ``(N, 2)``: partly in clusters, no closer than the look's overlap allows.

    Cells that lie too close to an earlier one are placed anew, up to `ROUNDS` times; then they stay.

    Parameters
    ----------
    radii
        ``(N,)`` in pixels.
    allowed
        ``(y, x)`` bool, the pixels where a centre may lie; at least one.
    """
    free = np.argwhere(allowed)
    seeds = free[rng.integers(len(free), size=max(1, int(rng.integers(look.clusters[0], look.clusters[1] + 1))))]

    def anywhere(n: int) -> Points:
        return np.asarray(free[rng.integers(len(free), size=n)] + rng.uniform(-0.5, 0.5, (n, 2)))

    def propose(n: int) -> Points:
        points = anywhere(n)
        member = rng.random(n) < (look.clustered if look.clusters[1] else 0)
        spread = look.cluster_spread * look.diameter
        near = seeds[rng.integers(len(seeds), size=n)] + rng.normal(0, spread, (n, 2))
        pixel = np.rint(near).astype(int)
        member &= ((pixel >= 0) & (pixel < allowed.shape)).all(1)
        member[member] = allowed[tuple(pixel[member].T)]
        return np.where(member[:, None], near, points)

    return separated(propose, radii, 1 - look.overlap)


def separated(propose: Proposal, radii: npt.NDArray[np.float64], apart: float) -> Points:
    """Places from `propose`, each at least ``apart`` times the sum of both radii from all earlier ones if need be."""
    points = propose(len(radii))
    for _ in range(ROUNDS if apart > 0 and len(radii) > 1 else 0):
        pairs = cKDTree(points).query_pairs(2 * apart * radii.max(), output_type="ndarray")
        distance = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
        later = np.unique(pairs[distance < apart * radii[pairs].sum(1)].max(1, initial=-1))
        if not len(later):
            break
        points[later] = propose(len(later))
    return points
