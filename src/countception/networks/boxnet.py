"""BoxNet, our default: a small strided U-Net that predicts where the objects are, box-filtered into a count map.

Every true count map is the dot image convolved with an r × r box (equation 1), so the network predicts a non-negative
density on a grid of `stride` working pixels and a fixed box filter of r × r pixels turns that into the redundant count
map, on which the loss is taken. Any output is then a possible count map, its sum over the redundancy is exactly the sum
of the density, and within a window the network may put an object wherever it likes.

The trunk works at 1/2, 1/4 and 1/8 of the resolution (24, 48 and 96 filters, residual blocks as in He et al. 2016)
and climbs back to 1/4; the head's channels are shuffled into the finer grid. About 1.2 GMAC for a 256 × 256 image, less
than a hundredth of the paper's network. It is no deeper on purpose: with a level at 1/16 the receptive field (323
pixels) was larger than the crops it learned from, so every entry had seen the border of its crop, and larger images
came out up to 8 % lower than the crops.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from countception import targets
from countception.config import NetworkConfig
from countception.errors import ConfigError
from countception.geometry import Field, Layout, Points, Window
from countception.networks.base import Network

SLOPE = 0.01
COARSE = 4
"""Stride of the trunk's output; the head refines it to the map's."""


def conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    """Padded convolution, batch normalisation, leaky ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs, momentum=0.05), nn.LeakyReLU(SLOPE))


class Residual(nn.Module):
    """Two 3 × 3 convolutions around a shortcut, ``(B, C, y, x)`` → the same; the identity at the start of training."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(filters, momentum=0.05)
        nn.init.zeros_(last.weight)
        self.branch = nn.Sequential(
            conv(filters, filters, 3), nn.Conv2d(filters, filters, 3, padding=1, bias=False), last
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shortcut plus branch, rectified."""
        return F.leaky_relu(x + self.branch(x), SLOPE)


class BoxNet(Network):
    """Box-filtered non-negative density."""

    boxed = True

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        window = Window(config.window, config.stride)
        if config.stride not in (1, 2, 4) or not window.exact:
            raise ConfigError(
                f"boxnet cannot have window {config.window} with stride {config.stride}: "
                "the stride must be 1, 2 or 4 and divide the window"
            )
        self.cells = config.window // config.stride
        self.redundancy, self.window, self.map_pad = window.redundancy, window.size, window.pad
        a, b, c = (max(4, round(n * config.width)) for n in (24, 48, 96))
        self.stem = nn.Sequential(conv(config.channels, a, 5, stride=2), conv(a, a, 3))
        self.down4 = nn.Sequential(conv(a, b, 3, stride=2), Residual(b), Residual(b))
        self.down8 = nn.Sequential(conv(b, c, 3, stride=2), Residual(c), Residual(c), Residual(c))
        self.narrow4, self.up4 = conv(c, b, 1), Residual(b)
        self.fine = COARSE // config.stride
        self.head = nn.Conv2d(b, config.classes * self.fine**2, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        self.layout = Layout(self._field())

    def _field(self) -> Field:
        def convolutions(field: Field, number: int) -> Field:
            for _ in range(number):
                field = field.conv(3, pad=1)
            return field

        stem = Field().conv(5, stride=2, pad=2).conv(3, pad=1)
        four = convolutions(stem.conv(3, stride=2, pad=1), 4)
        eight = convolutions(four.conv(3, stride=2, pad=1), 6)
        return convolutions(eight.up(2).join(four), 2).up(self.fine)

    def start_from(self, objects_per_pixel: float) -> None:
        """Bias of the head: the inverse softplus of the mean density of a cell."""
        cell = max(objects_per_pixel * self.config.stride**2, 1e-4)
        nn.init.constant_(self.head.bias, math.log(math.expm1(cell)))  # type: ignore[arg-type]

    def forward(self, canvas: Tensor) -> Tensor:
        """``(B, channels, H, W)``, sides multiples of 8 → density per cell ``(B, classes, H / s, W / s)``."""
        four = self.down4(self.stem(canvas))
        eight = self.down8(four)
        four = self.up4(F.interpolate(self.narrow4(eight), scale_factor=2.0) + four)
        return F.softplus(F.pixel_shuffle(self.head(four).float(), self.fine))

    def redundant(self, raw: Tensor) -> Tensor:
        """Density ``(B, classes, h, w)`` → count map ``(B, classes, h + r/s, w + r/s)``."""
        return targets.box_filter(raw, self.cells)

    def target(self, points: Points, shape: tuple[int, int]) -> targets.Map:
        """The count map of equation 1 on the cell grid."""
        return targets.count_map(points, shape, Window(self.config.window, self.config.stride))
