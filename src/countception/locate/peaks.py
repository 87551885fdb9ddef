"""Density → points: one unit of mass at a time, from the strongest place on.

1. Find the strongest place: the density smoothed by ``exp(-(|y| + |x|) / τ)``. That kernel has a cusp, so that two
   objects side by side stay two maxima, and long tails, so that an object spread over many cells is still found.
2. Take away one object's worth of mass there, the nearest first, within `reach`. Places near a point that is already
   picked are held back, so that what a heavy object leaves over comes after weaker objects elsewhere.
3. When there are as many points as were counted, give each cell's mass to its nearest point and move the points to
   the centre of what they got, a few times (Lloyd 1982), as an earlier point may have taken from its neighbour.

Step 2 changes only the surroundings of a point, so points far from each other do not influence one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from countception.errors import ConfigError
from countception.geometry import Points, pixel_of, round_up, to_image
from countception.wording import rounded

Array = npt.NDArray[np.float64]

REACH = 8.0
"""Default reach in working pixels, for objects some 16 apart; a counter takes half the spacing it brings objects to."""
SHARPNESS = 0.25
"""τ of the smoothing kernel, in reaches."""
HOLD_BACK, HOLD_WIDTH = 0.8, 0.5
"""How much lower places at a picked point are ranked, and the width of that, in reaches."""
LEAST = 0.01
"""Mass, in objects, that a point must find."""
ROUNDS = 3
BLOCK = 16
"""Side of the blocks whose maxima are kept, so that the strongest place is found without looking at every cell."""


@dataclass(frozen=True, eq=False)
class Located:
    """Points of the objects of one image and class, in the order in which they were found, about the clearest first."""

    points: Points
    """``(N, 2)`` float64 ``(y, x)`` in working pixels; `geometry.to_image` gives image pixels."""
    confidence: Array
    """``(N,)`` in 0 to 1: the mass around the point that is its own, each part of it counted the less the farther it
    lies (``1 - (d / reach)²``); 1 if one object's mass is all in one cell. No probability."""
    number: int
    """Points that there should be."""
    count: float
    """Sum of the density."""

    @property
    def missing(self) -> int:
        """`number` less the points found: above 0 where there was no mass left to put a point on."""
        return self.number - len(self.points)


def locate(
    density: npt.ArrayLike,
    *,
    stride: int = 1,
    number: int | None = None,
    shape: tuple[int, int] | None = None,
    reach: float = REACH,
) -> Located:
    """Points that stand for a density.

    Parameters
    ----------
    density
        ``(y, x)`` objects per cell of one class: the raw map of a network that predicts a density (over its
        redundancy), or what `density_of_counts` gives. Values below 0 count as 0 here.
    stride
        Working pixels per cell; cell 0 starts at the image's first pixel.
    number
        How many points to find; None takes the sum of the density, rounded (halves up).
    shape
        Height and width of the working image, to which points are confined; None takes the cells' own extent.
    reach
        How far from a point, in working pixels, its object's mass may lie.

    Returns
    -------
    Located
        As many points as asked for, unless the mass does not suffice. Dots at least about half a reach apart come back
        exactly from a density that has them in single cells.

    Raises
    ------
    ConfigError
        The density is not 2-D and finite, or a number makes no sense.
    """
    given = np.asarray(density, np.float64)
    if given.ndim != 2 or not np.isfinite(given).all():
        raise ConfigError(f"objects can be located in a finite (y, x) density only, not in one of shape {given.shape}")
    if reach <= 0 or stride < 1 or (number is not None and number < 0):
        raise ConfigError(
            f"cannot locate {number} objects with reach {reach} and stride {stride}: they must be above 0"
        )
    count = float(given.sum())
    wanted = rounded(count) if number is None else number
    mass = np.maximum(given, 0.0)
    cells = max(1.0, reach / stride)
    picked = _pick(mass, wanted, cells)
    points, confidence = _settle(mass, picked, cells)
    height, width = shape or (given.shape[0] * stride, given.shape[1] * stride)
    working = np.clip(to_image(points, 1 / stride), 0, (height - 1, width - 1))
    return Located(working, confidence, wanted, count)


def _pick(mass: Array, number: int, reach: float) -> Points:
    """Steps 1 and 2: up to `number` points, ``(N, 2)`` in cells."""
    field = _Field(mass, reach)
    points = []
    for _ in range(number):
        point = field.take()
        if point is None:
            break
        points.append(point)
    return np.array(points, np.float64).reshape(-1, 2)


class _Field:
    """What is left of a density, and how strong each place is, padded so that every neighbourhood fits."""

    def __init__(self, mass: Array, reach: float) -> None:
        n = int(np.ceil(reach))
        tau = SHARPNESS * reach
        tail = int(np.ceil(4 * tau))
        self.n, self.pad = n, n + tail
        padded = [round_up(side + 2 * self.pad, BLOCK) for side in mass.shape]
        inner = np.s_[self.pad : self.pad + mass.shape[0], self.pad : self.pad + mass.shape[1]]
        self.rest = np.zeros(padded)
        self.rest[inner] = mass
        self.allowed = np.zeros(padded)
        self.allowed[inner] = 1
        kernel = np.exp(-np.abs(np.arange(-tail, tail + 1)) / tau)
        rows = ndimage.convolve1d(self.rest, kernel, 0, mode="constant")
        self.smooth = ndimage.convolve1d(rows, kernel, 1, mode="constant")
        self.strength = self.smooth * self.allowed
        self.blocks = self.strength.reshape(padded[0] // BLOCK, BLOCK, padded[1] // BLOCK, BLOCK)
        self.tops = self.blocks.max((1, 3))
        # smoothing of a neighbourhood as a matrix: (2n + 1) cells → (2 pad + 1) cells
        self.spread = np.stack([np.convolve(unit, kernel) for unit in np.eye(2 * n + 1)], axis=1)
        near = np.exp(-0.5 * (np.arange(-self.pad, self.pad + 1) / (HOLD_WIDTH * reach)) ** 2)
        self.hold = 1 - HOLD_BACK * np.outer(near, near)
        offsets = np.mgrid[-n : n + 1, -n : n + 1].reshape(2, -1)
        squared = np.square(offsets).sum(0)
        order = np.argsort(squared, kind="stable")
        self.order = order[squared[order] <= reach**2 + 1e-9]
        self.offsets = offsets[:, self.order]
        self.rings = np.flatnonzero(np.diff(squared[self.order], prepend=-1))  # cells of a ring are equally far
        self.ring_sizes = np.diff(np.append(self.rings, len(self.order)))

    def take(self) -> Array | None:
        """Take one object's mass from the strongest place; its centre ``(y, x)``, or None if there is no mass."""
        y, x = self._strongest()
        if self.strength[y, x] <= 0:
            return None
        near = self.rest[y - self.n : y + self.n + 1, x - self.n : x + self.n + 1]
        values = near.ravel()[self.order]
        rings = np.add.reduceat(values, self.rings)
        before = np.cumsum(rings) - rings
        share = np.minimum(rings, np.maximum(1 - before, 0)) / np.maximum(rings, np.finfo(np.float64).tiny)
        taken = values * np.repeat(share, self.ring_sizes)
        found = float(taken.sum())
        if found < LEAST:
            return None
        patch = np.zeros(near.shape)
        patch.ravel()[self.order] = taken
        near -= patch
        self._weaken(y, x, patch)
        return np.asarray(self.offsets @ taken / found + (y - self.pad, x - self.pad))

    def _strongest(self) -> tuple[int, int]:
        row, column = divmod(int(self.tops.argmax()), self.tops.shape[1])
        y, x = divmod(int(self.blocks[row, :, column].argmax()), BLOCK)
        return row * BLOCK + y, column * BLOCK + x

    def _weaken(self, y: int, x: int, taken: Array) -> None:
        """Update the strengths around ``(y, x)`` after `taken` was removed."""
        top, bottom, left, right = y - self.pad, y + self.pad + 1, x - self.pad, x + self.pad + 1
        around = np.s_[top:bottom, left:right]
        self.smooth[around] -= self.spread @ taken @ self.spread.T
        self.allowed[around] = np.minimum(self.allowed[around], self.hold)
        self.strength[around] = self.smooth[around] * self.allowed[around]
        touched = np.s_[top // BLOCK : (bottom - 1) // BLOCK + 1, left // BLOCK : (right - 1) // BLOCK + 1]
        self.tops[touched] = self.blocks[touched[0], :, touched[1]].max((1, 3))


def _settle(mass: Array, points: Points, reach: float) -> tuple[Points, Array]:
    """Step 3, and the confidence in each point."""
    for _ in range(ROUNDS):
        cells, weights, owners = _owned(mass, points, reach)
        got = _sums(owners, weights, len(points))
        centres = np.stack([_sums(owners, weights * along, len(points)) for along in cells], axis=1)
        points = np.asarray(np.where(got[:, None] > LEAST, centres / np.maximum(got, LEAST)[:, None], points))
    _, weights, owners = _owned(mass, points, reach)
    return points, np.minimum(_sums(owners, weights, len(points)), 1.0)


def _sums(owners: npt.NDArray[np.int64], weights: Array, number: int) -> Array:
    return np.asarray(np.bincount(owners, weights, number), np.float64)


def _owned(mass: Array, points: Points, reach: float) -> tuple[npt.NDArray[np.int64], Array, npt.NDArray[np.int64]]:
    """Cells within reach of their nearest point: ``(2, M)`` indices, their mass less the farther it is, the point's.

    The weight is ``mass · (1 - (distance / reach)²)``; cells equally near to several points are shared.
    """
    n = int(np.ceil(reach)) + 1
    window = np.mgrid[-n : n + 1, -n : n + 1].reshape(2, 1, -1)
    window = window[:, :, np.square(window[:, 0]).sum(0) <= (reach + 1) ** 2]
    cells = pixel_of(points).T[:, :, None] + window
    squared = np.square(cells - points.T[:, :, None]).sum(0)
    limits = np.array(mass.shape)[:, None, None]
    valid = (squared < reach**2) & ((cells >= 0) & (cells < limits)).all(0)
    owners, _ = np.nonzero(valid)
    cells, squared = cells[:, valid], squared[valid]
    flat = np.ravel_multi_index((cells[0], cells[1]), mass.shape)
    nearest = np.full(mass.size, np.inf)
    np.minimum.at(nearest, flat, squared)
    own = squared <= nearest[flat] + 1e-9
    cells, squared, flat, owners = cells[:, own], squared[own], flat[own], owners[own]
    sharing = np.bincount(flat, minlength=1)[flat]
    return cells, mass.ravel()[flat] / sharing * (1 - squared / reach**2), owners
