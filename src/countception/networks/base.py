"""What every network is: a map from canvas to map entries, with a known geometry.

A network decides what it predicts (a count map or a density map), and so owns the target it is trained on. It declares
a `Layout`; tiling, the receptive field and alignment all follow from that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor, nn

from countception import targets
from countception.config import NetworkConfig
from countception.geometry import Layout, Points


class Network(nn.Module, ABC):
    """A counting network.

    Calling it maps a canvas, ``(batch, channels, y, x)`` float32, to a raw map ``(batch, classes, y, x)``. Raw maps are
    local, so tiles of them can be put together; `redundant` then turns the whole raw map into the map that is trained
    on and shown.
    """

    layout: Layout
    """Geometry of the raw map on the canvas."""
    redundancy: float
    """The sum of the redundant map over this is the count."""
    window: int
    """Side of the window, in working pixels, that an entry of the redundant map counts in; 1 for a density map of any
    stride."""
    boxed: bool = False
    """Whether the raw map is a density, objects per cell, and the redundant map its box filter (`targets.box_filter`).
    """
    map_pad: int
    """Working pixels from the start of the redundant map's first window to the image's first pixel."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def target(self, points: Points, shape: tuple[int, int]) -> targets.Map:
        """The redundant map of dots on a working image of `shape`: what `redundant` should give."""

    def redundant(self, raw: Tensor) -> Tensor:
        """Raw map → redundant map; the identity where the network predicts the latter itself."""
        return raw

    def unflip(self, raw: Tensor, axis: int) -> Tensor:
        """The raw map of an image, from the raw map of the image flipped along `axis`."""
        return raw.flip(axis)

    def start_from(self, objects_per_pixel: float) -> None:
        """Set the last layer so that an untrained network predicts about the density of the training images."""

    def parameters_count(self) -> int:
        """Number of trained weights."""
        return sum(p.numel() for p in self.parameters())


def per_class(network: Network, points: Points, labels: np.ndarray, shape: tuple[int, int]) -> targets.Map:
    """Target maps of all classes, ``(classes, y, x)`` float32."""
    kinds = range(network.config.classes)
    return np.stack([network.target(points[labels == kind], shape) for kind in kinds])
