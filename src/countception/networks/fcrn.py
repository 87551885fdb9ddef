"""FCRN-A, the fully convolutional regression network of Xie, Noble and Zisserman 2016, on Gaussian density maps.

Three times convolution, batch normalisation, ReLU and 2 × 2 max pooling with 32, 64 and 128 filters; 512 filters at an
eighth of the resolution; three times upsampling and convolution with 128, 64 and 32 filters; a linear 1 × 1 layer.
As published, the network learns 100 times the density.

Deviations: the layers are batch-normalised and initialised as the authors' program does it, and upsampling repeats
pixels (the paper upsamples bilinearly), which keeps what an entry sees the same for every tile.
"""

from __future__ import annotations

from torch import Tensor, nn

from countception import targets
from countception.config import NetworkConfig
from countception.geometry import Field, Layout, Points
from countception.networks.base import Network

TIMES = 100.0
SIGMA = 2.0
"""Of the Gaussian that stands for an object, in working pixels; Xie et al. use about this for cells of VGG size."""


def conv(inputs: int, outputs: int) -> list[nn.Module]:
    """3 × 3 convolution, batch normalisation, ReLU."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.orthogonal_(layer.weight)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


class FCRNA(Network):
    """FCRN-A; the map has one entry per working pixel and its sum is 100 times the count."""

    redundancy, window, map_pad = TIMES, 1, 0

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        sizes = [max(1, round(n * config.width)) for n in (32, 64, 128, 512, 128, 64, 32)]
        inputs = [config.channels, *sizes]
        layers: list[nn.Module] = []
        field = Field()
        for i in range(3):
            layers += [*conv(inputs[i], inputs[i + 1]), nn.MaxPool2d(2)]
            field = field.conv(3, pad=1).conv(2, stride=2)
        layers += conv(inputs[3], inputs[4])
        field = field.conv(3, pad=1)
        for i in range(4, 7):
            layers += [nn.Upsample(scale_factor=2), *conv(inputs[i], inputs[i + 1])]
            field = field.up(2).conv(3, pad=1)
        layers.append(nn.Conv2d(sizes[-1], config.classes, 1))
        self.layers = nn.Sequential(*layers)
        self.layout = Layout(field)

    def target(self, points: Points, shape: tuple[int, int]) -> targets.Map:
        """100 times the Gaussian density map."""
        return targets.density_map(points, shape, SIGMA, times=TIMES)

    def forward(self, canvas: Tensor) -> Tensor:
        """``(B, channels, H, W)`` → ``(B, classes, H, W)``, H and W multiples of 8."""
        return self.layers(canvas)  # type: ignore[no-any-return]
