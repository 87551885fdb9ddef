"""The proximity map of Xie, Xing, Kong, Su and Yang 2015, Beyond classification: structured regression.

Around each dot stands a cone that falls off to a radius of 5 pixels (equation 1); the network learns this map, and each
peak of what it predicts is an object. A map whose peaks count is no count map, so it is not among `networks.names()`:
`countception.baselines.proximity` trains it and counts.

Deviations: the map comes from the fully convolutional trunk of FCRN-A with a sigmoid, where the paper averages
overlapping patches that a network with fully connected layers predicts. In the loss a pixel weighs as much as the map
is high there, and the map's mean; that cones weigh more is the paper's, the constant ours. In the benchmark
crowded objects are shown 34 pixels apart (VGG at about twice its size): at our default's 22, where 43 % of VGG's cones
overlap, peaks of near cells merge, and of cells less than six image pixels from another a third or more are missed.
Others, of whose cones 9 to 15 % overlap, are shown at 22.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from countception import targets
from countception.config import NetworkConfig
from countception.geometry import Points
from countception.networks.fcrn import FCRNA

RADIUS = 5.0
FALL = 0.8
"""α of equation 1: at distance D the cone's height is 1 / (1 + αD)."""


class Proximity(FCRNA):
    """Predicts the proximity map; in evaluation `redundant` makes it a map that is 1 at peaks, which counts."""

    redundancy = 1.0
    peak: Tensor
    """What counts as a peak, ``(threshold, reach)`` of `peaks`; kept with the weights that it was chosen for."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.register_buffer("peak", torch.tensor([0.4, 1.0], dtype=torch.float64))

    def forward(self, canvas: Tensor) -> Tensor:
        """``(B, channels, H, W)`` → heights ``(B, classes, H, W)``, 0 to 1; H and W multiples of 8."""
        return torch.sigmoid(super().forward(canvas).float())

    def redundant(self, raw: Tensor) -> Tensor:
        """The heights in training, in evaluation their peaks."""
        if self.training:
            return raw
        threshold, reach = self.peak.tolist()
        maps = raw.detach().cpu().numpy()
        return torch.from_numpy(np.stack([[peaks(one, threshold, int(reach)) for one in classes] for classes in maps]))

    def target(self, points: Points, shape: tuple[int, int]) -> targets.Map:
        """The proximity map of dots (equation 1); of overlapping cones, the higher."""
        return proximity_map(points, shape)


def proximity_map(points: Points, shape: tuple[int, int]) -> targets.Map:
    """Cones around dots, ``shape`` float32, 0 to 1.

    Raises
    ------
    PointsError
        A point lies outside the image.
    """
    dots = targets.raster(points, shape)
    if not dots.any():
        return np.zeros(shape, np.float32)
    distance = ndimage.distance_transform_edt(dots == 0)
    return np.where(distance <= RADIUS, 1 / (1 + FALL * distance), 0).astype(np.float32)


def peaks(heights: targets.Map, threshold: float, reach: int) -> targets.Map:
    """1 at one pixel of each local maximum, ``(y, x)`` float32.

    Parameters
    ----------
    heights
        ``(y, x)``.
    threshold
        Height that a peak must reach.
    reach
        A peak is the highest of all pixels up to so many rows and columns away.
    """
    highest = ndimage.maximum_filter(heights, 2 * reach + 1, mode="nearest")
    plateaus, number = ndimage.label((heights == highest) & (heights >= threshold), np.ones((3, 3)))
    found = np.zeros_like(heights)
    for place in ndimage.maximum_position(heights, plateaus, np.arange(1, number + 1)) if number else []:
        found[place] = 1
    return found
