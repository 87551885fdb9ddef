"""Regions, which part of every pixel they cover, and the count inside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from countception.errors import ConfigError, RegionsError
from countception.geometry import Points, ceil_div
from countception.images.extent import Extent
from countception.points.maps import why_of_a_map, within_a_pixel
from countception.trust.confidence import Interval, WithInterval

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = npt.NDArray[np.float64]
Span = tuple[int, int]

STRIP = 1024
"""Rows of pixels looked at in one go, so that memory stays bounded for regions as large as a slide."""


@dataclass(frozen=True, eq=False)
class Polygon:
    """A region bounded by straight lines, possibly of several parts and with holes.

    Parameters
    ----------
    name
        For people.
    rings
        ``(N, 2)`` float64 vertices ``(y, x)`` each, in image pixels with pixel centres at whole numbers; closed
        whether or not the last vertex repeats the first. Rings add up with the sign of the sense in which they run:
        a hole runs against its outer ring. Where a ring crosses itself, both loops count, but for the pixel in which
        it does.

    Raises
    ------
    RegionsError
        There is no ring, or one is not ``(N, 2)`` or has NaN or infinite vertices.
    """

    name: str
    rings: tuple[Points, ...]

    def __post_init__(self) -> None:
        rings = tuple(_ring(self.name, vertices) for vertices in self.rings)
        if not rings:
            raise RegionsError(f"the region {self.name} has no ring: give one, with a vertex (y, x) in each row")
        object.__setattr__(self, "rings", rings)

    def box(self, shape: tuple[int, int]) -> tuple[Span, Span]:
        """Rows and columns of the pixels of an image of `shape` that may be covered."""
        vertices = np.concatenate(self.rings) + 0.5
        first = np.clip(np.floor(vertices.min(0)), 0, shape).astype(int)
        last = np.clip(np.ceil(vertices.max(0)), first, shape).astype(int)
        return (int(first[0]), int(last[0])), (int(first[1]), int(last[1]))

    def coverage(self, rows: Span, columns: Span) -> Array:
        """Share of each pixel of the rectangle that is covered, ``(rows, columns)`` in 0 to 1; exact."""
        size = (rows[1] - rows[0], columns[1] - columns[0])
        corner = np.array([rows[0], columns[0]]) - 0.5
        signed = sum((_signed_coverage(ring - corner, size) for ring in self.rings), np.zeros(size))
        return np.asarray(np.minimum(np.abs(signed), 1.0))

    def outlines(self) -> list[Points]:
        """Lines ``(N, 2)`` to draw, in the coordinates of the vertices."""
        return [np.concatenate([ring, ring[:1]]) for ring in self.rings]


@dataclass(frozen=True, eq=False)
class Mask:
    """A region of whole pixels.

    Parameters
    ----------
    name
        For people.
    covered
        ``(y, x)`` bool; of numbers, such as 0 and 255, all above 0 are covered.
    corner
        Row and column of its first pixel in the image.
    shape
        Height and width of the image that it was drawn on.
    path
        The file that it is from, for errors.

    Raises
    ------
    RegionsError
        It is not ``(y, x)``, or does not lie on an image of that shape.
    """

    name: str
    covered: npt.NDArray[np.bool_]
    corner: tuple[int, int]
    shape: tuple[int, int]
    path: Path | None = None

    def __post_init__(self) -> None:
        covered = np.asarray(self.covered)
        if covered.dtype != bool:
            covered = covered > 0  # 255 is no share of a pixel
        if covered.ndim != 2:
            raise RegionsError(f"the mask of region {self.name} has shape {covered.shape}: it must be (y, x)")
        first, last = np.asarray(self.corner), np.add(self.corner, covered.shape)
        if (first < 0).any() or (last > self.shape).any():
            raise RegionsError(
                f"the mask of region {self.name}, {covered.shape[0]} × {covered.shape[1]} pixels from row {first[0]} "
                f"and column {first[1]} on, reaches beyond its image of {self.shape[0]} × {self.shape[1]} (height × "
                "width)"
            )
        object.__setattr__(self, "covered", covered)
        object.__setattr__(self, "shape", tuple(self.shape))

    def box(self, shape: tuple[int, int]) -> tuple[Span, Span]:
        """Rows and columns of the pixels that may be covered.

        Raises
        ------
        RegionsError
            The image has another shape than the mask.
        """
        if shape != self.shape:
            called = f"the label image of region {self.name}" if self.path is None else f"{self.path}: the label image"
            raise RegionsError(
                f"{called} is {self.shape[0]} × {self.shape[1]} pixels but the image "
                f"{shape[0]} × {shape[1]} (height × width): they must be of one size"
            )
        (y, x), (height, width) = self.corner, self.covered.shape
        return (y, y + height), (x, x + width)

    def coverage(self, rows: Span, columns: Span) -> Array:
        """As `Polygon.coverage`, within the mask's own box."""
        y, x = self.corner
        return self.covered[rows[0] - y : rows[1] - y, columns[0] - x : columns[1] - x].astype(np.float64)

    def outlines(self) -> list[Points]:
        """Lines ``(N, 2)`` to draw: the edges between covered pixels and others."""
        lines = []
        padded = np.pad(self.covered, 1)
        for axis in (0, 1):
            starts = np.argwhere(np.diff(padded, axis=axis))
            starts = (
                starts - np.eye(2, dtype=int)[1 - axis]
            )  # the padding along the edge; the difference took the other
            ends = starts + np.eye(2, dtype=int)[1 - axis]
            lines += list(np.stack([starts, ends], axis=1) + np.subtract(self.corner, 0.5))
        return lines


def _ring(name: str, vertices: npt.ArrayLike) -> Points:
    """The vertices of a ring; a NaN among them would count nothing, and say nothing."""
    ring = np.asarray(vertices, np.float64)
    if ring.ndim != 2 or ring.shape[1] != 2 or not len(ring):
        raise RegionsError(
            f"the region {name} has a ring of shape {ring.shape}: it has a tuple of rings, (N, 2) each, with a vertex "
            "(y, x) in each row"
        )
    if not np.isfinite(ring).all():
        raise RegionsError(f"the region {name} has vertices that are NaN or infinite: remove these")
    return ring


Region = Polygon | Mask


@dataclass(frozen=True)
class RegionCount(WithInterval):
    """What was counted in a region."""

    name: str
    count: float
    """All classes together; fractional."""
    area: float
    """Of the part of the region that lies on the image, and is picture, in image pixels."""
    area_mm2: float | None = None
    """The same in mm², where the pixel size is known."""
    by_class: dict[str, float] = field(default_factory=dict)
    """The count of each class by name, where classes are named."""
    interval: Interval | None = None
    """Where the true count lies, if the counter can say."""

    @property
    def per_mm2(self) -> float | None:
        """Objects per mm², where the pixel size is known and the region has an area."""
        return self.count / self.area_mm2 if self.area_mm2 else None


def count_regions(
    density: npt.ArrayLike,
    regions: Sequence[Region],
    *,
    shape: tuple[int, int],
    extent: Extent | None = None,
    cell: float = 1.0,
    pixel_size: float | None = None,
    class_names: Sequence[str] = (),
) -> list[RegionCount]:
    """Count inside each region.

    Parameters
    ----------
    density
        ``(y, x)`` or ``(class, y, x)`` objects per cell; the first cell starts at the image's first pixel. A cell's
        objects are taken to be spread evenly over the part of it that lies on the image.
    regions
        May overlap. What of them lies outside the image counts nothing.
    shape
        Height and width of the image in pixels.
    extent
        What part of it is picture; None says that all is.
    cell
        Image pixels per cell: the stride over the scale of the model.
    pixel_size
        Side of an image pixel in micrometres, where known.
    class_names
        One per class, to have the counts of the classes, too.

    Raises
    ------
    ConfigError
        The density's cells do not cover the image, or a size makes no sense.
    RegionsError
        A mask was drawn on an image of another size.
    """
    cells = np.asarray(density, np.float64)
    cells = cells[None] if cells.ndim == 2 else cells
    if not cell > 0 or not (pixel_size is None or 0 < pixel_size < np.inf):
        raise ConfigError(f"cells of {cell} pixels of {pixel_size} µm make no sense: sizes must be above 0 and finite")
    sides = list(zip(shape, cells.shape[1:], strict=False))
    if cells.ndim != 3 or any(not (n - 1) * cell < side <= n * cell + 1e-6 for side, n in sides):
        raise ConfigError(f"a density of {cells.shape} cells of {cell:g} pixels does not fit an image of {shape}")
    spread = [_shares(side, n, cell) for side, n in sides]
    counts = []
    for region in regions:
        inside, area = np.zeros(len(cells)), 0.0
        for rows, columns in _strips(*region.box(shape)):
            covered = region.coverage(rows, columns)
            here = [_cells(span, n, cell) for span, n in zip((rows, columns), cells.shape[1:], strict=True)]
            across, along = (spread[k][slice(*span), here[k]] for k, span in enumerate((rows, columns)))
            inside += np.tensordot(cells[:, here[0], here[1]], across.T @ covered @ along)
            area += float((covered if extent is None else covered * extent.pixels(rows, columns)).sum())
        by_class = dict(zip(class_names, inside.tolist(), strict=True)) if class_names else {}
        mm2 = area * pixel_size**2 / 1e6 if pixel_size else None
        counts.append(RegionCount(region.name, float(inside.sum()), area, mm2, by_class))
    return counts


def why_astray(region: Region, area: float, shape: tuple[int, int]) -> str:
    """What is wrong with a region that has so many pixels of picture on an image of `shape`; nothing as a rule."""
    vertices = np.concatenate(region.rings) if isinstance(region, Polygon) else np.empty((0, 2))
    meets = area > 0 or any(region.coverage(rows, columns).any() for rows, columns in _strips(*region.box(shape)))
    if meets and not within_a_pixel(vertices):
        return ""
    how = "is smaller than a pixel in the image" if meets else "lies outside the image"
    why = why_of_a_map(vertices, shape) or "was it drawn on another image, or at another magnification?"
    return f"{how} of {shape[0]} × {shape[1]} pixels (height × width): {why}"


def _strips(rows: Span, columns: Span) -> Iterator[tuple[Span, Span]]:
    for k in range(ceil_div(rows[1] - rows[0], STRIP)):
        first = rows[0] + k * STRIP
        yield (first, min(first + STRIP, rows[1])), columns


def _cells(pixels: Span, cells: int, cell: float) -> slice:
    """Cells of an axis that meet a range of pixels."""
    return slice(min(int(pixels[0] / cell), cells - 1), min(int(np.ceil(pixels[1] / cell)) + 1, cells))


def _shares(side: int, cells: int, cell: float) -> csr_array:
    """Share of each cell's objects that lies on each pixel of an axis, ``(pixels, cells)``; columns sum to 1."""
    from scipy.sparse import csr_array

    edges = np.union1d(np.arange(side + 1.0), np.minimum(np.arange(cells + 1) * cell, side))
    lengths, middles = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    pixel = np.minimum(middles.astype(np.int64), side - 1)
    owner = np.minimum((middles / cell).astype(np.int64), cells - 1)
    on_image = np.bincount(owner, lengths, cells)
    return csr_array((lengths / on_image[owner], (pixel, owner)), shape=(side, cells))


def _signed_coverage(ring: Points, size: tuple[int, int]) -> Array:
    """Area of each pixel inside a ring, negative if it runs the other way.

    `ring` is in units of pixels from the upper left corner of the rectangle of `size`. Every edge is cut where it meets
    a line between pixels. A piece that climbs by ``dy`` adds ``dy`` to all pixels on its right, and to its own pixel as
    much of that as lies to its right: the integral of Green's theorem, pixel by pixel.
    """
    height, width = size
    start, stop = ring, np.roll(ring, -1, axis=0)
    edge, t = _cuts(start, stop, size)
    points = start[edge] + t[:, None] * (stop - start)[edge]
    same = edge[1:] == edge[:-1]
    climb = np.where(same, np.diff(points[:, 0]), 0.0)
    middle = (points[1:] + points[:-1]) / 2
    row, x = np.floor(middle[:, 0]).astype(np.int64), np.clip(middle[:, 1], 0, width)
    kept = (climb != 0) & (row >= 0) & (row < height)
    row, x, climb = row[kept], x[kept], climb[kept]
    column = np.minimum(x.astype(np.int64), width)
    right = climb * (column + 1 - x)
    flat = row * (width + 2) + column
    sums = np.bincount(flat, right, height * (width + 2)) + np.bincount(flat + 1, climb - right, height * (width + 2))
    return np.asarray(sums.reshape(height, width + 2).cumsum(1)[:, :width])


def _cuts(start: Points, stop: Points, size: tuple[int, int]) -> tuple[npt.NDArray[np.int64], Array]:
    """Where edges are cut: index of the edge and place on it, 0 to 1, in order; both ends included."""
    edges, places = [np.repeat(np.arange(len(start)), 2)], [np.tile([0.0, 1.0], len(start))]
    for axis in (0, 1):
        low, high = (np.clip(f(start[:, axis], stop[:, axis]), -1, size[axis] + 1) for f in (np.minimum, np.maximum))
        first = np.ceil(low).astype(np.int64)
        number = np.maximum(np.floor(high).astype(np.int64) - first + 1, 0)
        edge = np.repeat(np.arange(len(start)), number)
        line = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
        run = stop[edge, axis] - start[edge, axis]
        moving = run != 0
        edges.append(edge[moving])
        places.append(np.clip((line - start[edge, axis])[moving] / run[moving], 0, 1))
    edge, place = np.concatenate(edges), np.concatenate(places)
    order = np.lexsort((place, edge))
    return edge[order], place[order]
