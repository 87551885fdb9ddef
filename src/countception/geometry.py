"""All arithmetic of windows, padding, strides and receptive fields; other modules put what it gives together.

Coordinates
-----------
image pixels
    Points are float ``(y, x)``; a whole number is a pixel's centre, so pixel ``i`` covers ``[i - 0.5, i + 0.5)``.
working pixels
    The image resampled by the model's ``scale``; what the network sees. Window and stride are in working pixels.
canvas pixels
    The working image with zeros around it, as the network's first layer receives it.
map entries
    One per network output; entry ``j`` sits ``stride`` canvas pixels after entry ``j - 1``.

The paper's count map (section 3.3.1, equation 1): with window side ``r`` the image is padded by ``r`` zeros, and
``T[y, x]`` counts the dots in the ``r × r`` window whose top-left corner is padded pixel ``(y, x)``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from countception.errors import ConfigError

Points = npt.NDArray[np.float64]

FARTHEST = 2.0**52


def ceil_div(a: int, b: int) -> int:
    """Whole-number division, rounded up."""
    return -(-a // b)


def round_up(side: int, multiple: int) -> int:
    """The least multiple that is not less than `side`."""
    return ceil_div(side, multiple) * multiple


def first_centre(window: int, stride: int, pad: int) -> float:
    """Working position, along an axis, of the centre of the window of a map's first entry, `pad` before the image.

    In a map of densities, of windows of 1, an entry stands for `stride` working pixels.
    """
    return (max(window, stride) - 1) / 2 - pad


def to_working(points: Points, scale: float) -> Points:
    """Image pixels → working pixels, shape ``(N, 2)``; pixel edges, not centres, stay aligned."""
    return (np.asarray(points, np.float64) + 0.5) * scale - 0.5


def to_image(points: Points, scale: float) -> Points:
    """Working pixels → image pixels: the inverse of `to_working`."""
    return (np.asarray(points, np.float64) + 0.5) / scale - 0.5


def working_shape(image_shape: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width of an image resampled by `scale`, rounded up so that no pixel is lost."""
    height, width = (max(1, int(np.ceil(side * scale - 1e-9))) for side in image_shape)
    return height, width


def axis_weights(side: int, centres: npt.NDArray[np.float64], reach: float) -> tuple[int, npt.NDArray[np.float32]]:
    """Weights of linear interpolation at ascending positions `centres` on an axis of `side` pixels.

    Parameters
    ----------
    side
        Pixels on the axis.
    centres
        ``(n,)`` positions in pixels; those beyond the axis take its first or last pixel.
    reach
        Half width of the triangle in pixels: 1 interpolates, more low-passes.

    Returns
    -------
    The first pixel that is read, and float32 weights ``(n, pixels read)`` whose rows sum to 1.
    """
    centres = np.clip(centres, 0, side - 1)
    first = int(np.clip(np.floor(centres[0] - reach), 0, side - 1))
    last = int(np.clip(np.ceil(centres[-1] + reach), 0, side - 1))
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(first, last + 1)[None] - centres[:, None]) / reach)
    return first, (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def resampling(side: int, scale: float, start: int, stop: int) -> tuple[int, npt.NDArray[np.float32]]:
    """Weights that make working pixels ``[start, stop)`` of an axis from its image pixels, as `axis_weights`.

    Shrinking widens the triangle to ``1 / scale`` pixels, so that nothing aliases. The weights of a working pixel
    depend on its place alone, so any split into ranges gives the same values.
    """
    centres = to_image(np.arange(start, stop, dtype=np.float64), scale)
    return axis_weights(side, centres, max(1.0, 1.0 / scale))


def pixel_of(points: Points) -> npt.NDArray[np.int64]:
    """Index of the pixel each point lies in, ``(N, 2)``; a point on a pixel's edge belongs to the later pixel.

    Points farther out than any image are taken for the farthest that whole numbers can name.
    """
    return np.floor(np.clip(points, -FARTHEST, FARTHEST) + 0.5).astype(np.int64)


def inside(points: Points, image_shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which points lie on the image, ``(N,)`` bool."""
    pixel = pixel_of(points)
    return np.asarray(np.all((pixel >= 0) & (pixel < np.asarray(image_shape)), axis=1))


def middles(cells: int, cell: float, pixels: int) -> npt.NDArray[np.int64]:
    """The pixel in the middle of each cell of `cell` pixels along an axis of `pixels`, the last one if it is beyond."""
    return np.minimum(((np.arange(cells) + 0.5) * cell).astype(np.int64), pixels - 1)


def window_pixels(
    entries: int, pixels: int, *, scale: float, window: int, stride: int, pad: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First pixel, and the one after the last, along an axis, that each entry's window meets: ``(entries,)`` each.

    A map of densities, of windows of 1, has in its margin what reaches beyond the image: that meets the nearest pixel.

    Parameters
    ----------
    entries, pixels
        Of the count map and of the image along the axis.
    scale
        Working pixels per image pixel.
    window, stride, pad
        Of the map, in working pixels; `pad` lies before the image. As for `first_centre`.
    """
    first = (np.arange(entries) * stride - pad) / scale
    edges = np.floor(first), np.ceil(first + max(window, stride) / scale)
    start, stop = (np.clip(edge, 0, pixels).astype(np.int64) for edge in edges)
    return (np.minimum(start, pixels - 1), np.maximum(stop, 1)) if window == 1 else (start, stop)


@dataclass(frozen=True)
class Window:
    """The square window that a count map's entries count in.

    Parameters
    ----------
    size
        Side ``r`` of the window in working pixels, at least 1.
    stride
        Step ``s`` between windows, at least 1 and at most ``size``.
    """

    size: int = 32
    stride: int = 1

    def __post_init__(self) -> None:
        if self.size < 1 or not 1 <= self.stride <= self.size:
            raise ConfigError(
                f"window {self.size} with stride {self.stride} makes no count map: "
                "the window must be at least 1 pixel and the stride between 1 and the window"
            )

    @property
    def pad(self) -> int:
        """Zeros before the image on each axis: the first window ends just before the image."""
        return self.size

    @property
    def redundancy(self) -> float:
        """Windows that each dot is counted in, ``(r / s)²``: exact if `exact`, otherwise the mean over positions."""
        return (self.size / self.stride) ** 2

    @property
    def exact(self) -> bool:
        """Whether every dot, wherever it lies, is counted exactly `redundancy` times."""
        return self.size % self.stride == 0

    def map_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Entries of the count map of a working image of `shape`: ``ceil((H + r) / s)`` by ``ceil((W + r) / s)``."""
        return ceil_div(shape[0] + self.size, self.stride), ceil_div(shape[1] + self.size, self.stride)


def covering(
    pixels: int, entries: int, *, scale: float, window: int, stride: int, pad: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First and last entry of a count map, along an axis, whose window covers each image pixel: ``(pixels,)`` each.

    Parameters
    ----------
    pixels, entries
        Image pixels and map entries along the axis.
    scale
        Working pixels per image pixel.
    window, stride, pad
        Of the map, in working pixels; `pad` lies before the image.
    """
    centres = (np.arange(pixels, dtype=np.float64) + 0.5) * scale - 0.5
    covered = np.floor(centres + 0.5) + pad  # from the first window's first pixel
    last = np.clip(covered // stride, 0, entries - 1).astype(np.int64)
    first = np.clip(-((window - 1 - covered) // stride), 0, last).astype(np.int64)
    return first, last


def share_window(window: int) -> tuple[int, int]:
    """Sides of the paper network's two large kernels for a window of side r: 14 and 18 for r = 32 (Figure 4).

    The first layer's unpadded 3 × 3 takes 2 pixels and kernels of k take k - 1 each, so that r are lost in all.
    """
    first = max(1, round(window * 14 / 32))
    return first, window - first


@dataclass(frozen=True)
class Field:
    """What a layer's entries see of the canvas, along either axis.

    Entry ``j`` reads canvas pixels ``j * stride - before`` to ``j * stride + after``, both included. Built layer by
    layer, so that the halo of a tile comes from the network itself.
    """

    stride: int = 1
    before: int = 0
    after: int = 0
    multiple: int = 1
    """Canvas sides and tile origins must be multiples of this (the product of all strides on the way down)."""

    def conv(self, kernel: int, stride: int = 1, pad: int = 0) -> Field:
        """After a convolution or pooling layer."""
        return Field(
            stride=self.stride * stride,
            before=self.before + pad * self.stride,
            after=self.after + (kernel - 1 - pad) * self.stride,
            multiple=max(self.multiple, self.stride * stride),
        )

    def up(self, factor: int) -> Field:
        """After upsampling by repetition (or pixel shuffle): entry ``j`` reads entry ``j // factor``."""
        if self.stride % factor:
            raise ConfigError(f"cannot upsample a stride of {self.stride} by {factor}")
        fine = self.stride // factor
        return replace(self, stride=fine, before=self.before + self.stride - fine)

    def join(self, other: Field) -> Field:
        """Of two branches added or concatenated."""
        if self.stride != other.stride:
            raise ConfigError(f"branches of stride {self.stride} and {other.stride} cannot be joined")
        return Field(
            stride=self.stride,
            before=max(self.before, other.before),
            after=max(self.after, other.after),
            multiple=max(self.multiple, other.multiple),
        )

    @property
    def size(self) -> int:
        """Side of the receptive field in canvas pixels."""
        return self.before + self.after + 1

    def reads(self, start: int, stop: int, canvas: int) -> tuple[int, int]:
        """Canvas range ``[a, b)`` that entries ``start`` to ``stop - 1`` need, on a canvas of the given side.

        The range starts at a multiple of `multiple` and ends at one or at the canvas's end. It is cut off at the
        canvas's edges, where a tile then meets the same zero padding as the whole canvas does.
        """
        first = max(0, (start * self.stride - self.before) // self.multiple * self.multiple)
        last = round_up((stop - 1) * self.stride + self.after + 1, self.multiple)
        return first, min(canvas, last)


@dataclass(frozen=True)
class Layout:
    """How a network lays a working image on its canvas and its map over the image.

    Parameters
    ----------
    field
        The field of the map's entries.
    pad
        Zeros before the image on each axis; the same number, or more, come after it.
    shrink
        Canvas pixels lost to unpadded layers: a canvas of side ``n`` gives ``ceil((n - shrink) / stride)`` entries.
    """

    field: Field
    pad: int = 0
    shrink: int = 0

    def canvas_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Canvas height and width for a working image of `shape`."""
        height, width = (round_up(side + 2 * self.pad, self.field.multiple) for side in shape)
        return height, width

    def map_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Entries of the network's map that belong to a working image of `shape`; later ones are cut off."""
        height, width = (ceil_div(side + 2 * self.pad - self.shrink, self.field.stride) for side in shape)
        return height, width
