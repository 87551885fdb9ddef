"""Images at another scale, the whole or a region, which comes out as it would of the whole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from countception.geometry import resampling, working_shape
from countception.images.pieces import Pixels

Weights = npt.NDArray[np.float32]


def resample(image: Pixels, scale: float) -> npt.NDArray[np.float32]:
    """The whole of an image, ``(channel, y, x)``, at `scale` working pixels per image pixel."""
    height, width = working_shape((image.shape[1], image.shape[2]), scale)
    return resample_region(image, scale, (0, height), (0, width))


def resample_region(
    image: Pixels, scale: float, rows: tuple[int, int], columns: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Working pixels ``[rows) × [columns)`` of `image`; linear interpolation, low-passed when shrinking."""
    if scale == 1:
        return image[:, slice(*rows), slice(*columns)].astype(np.float32)
    first_y, weights_y = resampling(image.shape[1], scale, *rows)
    first_x, weights_x = resampling(image.shape[2], scale, *columns)
    part = image[:, first_y : first_y + weights_y.shape[1], first_x : first_x + weights_x.shape[1]].astype(np.float32)
    return interpolate(part, weights_y, weights_x)


def interpolate(image: npt.NDArray[np.float32], weights_y: Weights, weights_x: Weights) -> npt.NDArray[np.float32]:
    """An image ``(channel, y, x)`` with the weights ``(new y, y)`` and ``(new x, x)`` of `geometry.axis_weights`.

    The products are left to torch: numpy's have threads of their own, which go on spinning for a while, and the
    network that comes next would wait for them.
    """
    y, x, pixels = (torch.from_numpy(np.ascontiguousarray(each)) for each in (weights_y, weights_x, image))
    return np.asarray((y @ pixels @ x.T).numpy())
