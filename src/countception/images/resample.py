"""Images at another scale, the whole or a region, which comes out as it would of the whole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from countception.geometry import resampling, working_shape
from countception.images.holes import holes_of, pierced
from countception.images.pieces import Pixels

Weights = npt.NDArray[np.float32]


def resample(image: Pixels, scale: float) -> npt.NDArray[np.float32]:
    """The whole of an image, ``(channel, y, x)``, at `scale` working pixels per image pixel."""
    height, width = working_shape((image.shape[1], image.shape[2]), scale)
    return resample_region(image, scale, (0, height), (0, width))


def resample_region(
    image: Pixels, scale: float, rows: tuple[int, int], columns: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Working pixels ``[rows) × [columns)`` of `image`; linear interpolation, low-passed when shrinking.

    Holes stay holes: a working pixel is one where less than half of what it is made of is picture, and otherwise the
    mean of that.
    """
    if scale == 1:
        return image[:, slice(*rows), slice(*columns)].astype(np.float32)
    first_y, weights_y = resampling(image.shape[1], scale, *rows)
    first_x, weights_x = resampling(image.shape[2], scale, *columns)
    part = image[:, first_y : first_y + weights_y.shape[1], first_x : first_x + weights_x.shape[1]].astype(np.float32)
    holes = holes_of(part)
    if holes is None:
        return interpolate(np.ma.getdata(part), weights_y, weights_x)
    picture = interpolate(~holes[None], weights_y, weights_x)
    pixels = interpolate(np.ma.getdata(pierced(part, holes)), weights_y, weights_x)
    return pierced(pixels / np.maximum(picture, 0.5), picture[0] < 0.5)


def interpolate(image: npt.NDArray[np.generic], weights_y: Weights, weights_x: Weights) -> npt.NDArray[np.float32]:
    """An image ``(channel, y, x)`` with the weights ``(new y, y)`` and ``(new x, x)`` of `geometry.axis_weights`.

    The products are left to torch: numpy's have threads of their own, which go on spinning for a while, and the
    network that comes next would wait for them.
    """
    y, x, pixels = (torch.from_numpy(np.ascontiguousarray(each, np.float32)) for each in (weights_y, weights_x, image))
    return np.asarray((y @ pixels @ x.T).numpy())
