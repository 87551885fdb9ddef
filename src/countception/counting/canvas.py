"""The canvas: a normalised, resampled, zero-padded view of an image, read piece by piece.

A network never sees an image, only regions of its canvas. A region's values depend on its place alone, not on the
region it was read with, which is what makes tile-wise counting equal to counting the whole image. No more than the
region is ever held in floating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from countception.geometry import Layout, round_up, working_shape
from countception.images.normalise import Normalisation
from countception.images.pieces import Pixels
from countception.images.resample import resample_region


@dataclass(frozen=True)
class View:
    """One of the eight symmetries of the square, then a shift, of the working image (test-time augmentation)."""

    flip_y: bool = False
    flip_x: bool = False
    transpose: bool = False
    shift: tuple[int, int] = (0, 0)
    """Zeros put before the image, in map entries."""


@dataclass(frozen=True)
class Canvas:
    """An image as a network sees it.

    Parameters
    ----------
    image
        ``(channel, y, x)`` of any number type; only regions of it are read.
    normalisation
        Learned in training.
    scale
        Working pixels per image pixel.
    layout
        The network's.
    view
        Symmetry and shift, the identity by default.
    """

    image: Pixels
    normalisation: Normalisation
    scale: float
    layout: Layout
    view: View = View()

    @cached_property
    def working(self) -> tuple[int, int]:
        """Height and width of the working image, before the view."""
        return working_shape((self.image.shape[1], self.image.shape[2]), self.scale)

    @cached_property
    def content(self) -> tuple[int, int]:
        """Height and width after the view: padded to whole map entries, turned, and shifted."""
        step = self.layout.field.stride
        height, width = (round_up(side, step) for side in self.working)
        if self.view.transpose:
            height, width = width, height
        return height + self.view.shift[0] * step, width + self.view.shift[1] * step

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Height and width of the canvas."""
        return self.layout.canvas_shape(self.content)

    @cached_property
    def map_shape(self) -> tuple[int, int]:
        """Entries of the network's map over this canvas."""
        return self.layout.map_shape(self.content)

    def read(self, rows: tuple[int, int], columns: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Canvas region ``[rows) × [columns)``, ``(channel, y, x)`` float32, zero outside the image and in holes."""
        step, pad = self.layout.field.stride, self.layout.pad
        shift_y, shift_x = self.view.shift
        rows = (rows[0] - pad - shift_y * step, rows[1] - pad - shift_y * step)
        columns = (columns[0] - pad - shift_x * step, columns[1] - pad - shift_x * step)
        if self.view.transpose:
            rows, columns = columns, rows
        padded = [round_up(side, step) for side in self.working]
        if self.view.flip_y:
            rows = (padded[0] - rows[1], padded[0] - rows[0])
        if self.view.flip_x:
            columns = (padded[1] - columns[1], padded[1] - columns[0])
        region = self._read_working(rows, columns)
        if self.view.flip_y:
            region = region[:, ::-1]
        if self.view.flip_x:
            region = region[:, :, ::-1]
        return np.ascontiguousarray(region.transpose(0, 2, 1) if self.view.transpose else region)

    def _read_working(self, rows: tuple[int, int], columns: tuple[int, int]) -> npt.NDArray[np.float32]:
        region = np.zeros((self.normalisation.channels, rows[1] - rows[0], columns[1] - columns[0]), np.float32)
        y0, y1 = max(rows[0], 0), min(rows[1], self.working[0])
        x0, x1 = max(columns[0], 0), min(columns[1], self.working[1])
        if y0 < y1 and x0 < x1:
            image = self.normalisation.shown(self.image)
            seen = self.normalisation(resample_region(image, self.scale, (y0, y1), (x0, x1)))
            region[:, y0 - rows[0] : y1 - rows[0], x0 - columns[0] : x1 - columns[0]] = np.ma.filled(seen, 0)
        return region
