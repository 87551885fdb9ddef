"""FCRN-A and FCRN-B, the fully convolutional regression networks of Xie, Noble and Zisserman 2016, on density maps.

FCRN-A: three times convolution, batch normalisation, ReLU and 2 × 2 max pooling with 32, 64 and 128 filters; 512
filters at an eighth of the resolution; three times upsampling and convolution with 128, 64 and 32 filters; a linear
1 × 1 layer. An entry at the bottleneck sees 38 pixels.

FCRN-B: pooling after every second convolution only, 32, 64, pool, 128, 256, pool, then kernels of 5 × 5: 256 filters at
a quarter of the resolution, upsampling and 256 more, upsampling and the linear layer. 3.6 million weights, and an entry
at the bottleneck sees 32 pixels, as published.

As published, both learn 100 times the density.

Deviations: the layers are batch-normalised and initialised as the authors' program does it, and upsampling repeats
pixels (the paper upsamples bilinearly), which keeps what an entry sees the same for every tile. Statistics of the small
crops that it is trained on differ from those of the whole images that it counts, which moves all counts of an image by
some per cent; nothing is published that would correct this.
"""

from __future__ import annotations

from torch import Tensor, nn

from countception import targets
from countception.config import NetworkConfig
from countception.geometry import Field, Layout, Points
from countception.networks.base import Network
from countception.networks.upsampled import UpsampledConv2d

TIMES = 100.0
"""Factor on the density that is learned."""


def conv(inputs: int, outputs: int, kernel: int = 3, *, up: bool = False) -> list[nn.Module]:
    """Padded convolution, of the image twice as large if `up`, batch normalisation, ReLU."""
    layer: nn.Conv2d = (
        UpsampledConv2d(inputs, outputs, kernel, bias=False)
        if up
        else nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    )
    nn.init.orthogonal_(layer.weight)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


class DensityNetwork(Network):
    """A chain of layers to a density map of one entry per working pixel, whose sum is 100 times the count."""

    redundancy, window, map_pad = TIMES, 1, 0
    layers: nn.Sequential

    def target(self, points: Points, shape: tuple[int, int]) -> targets.Map:
        """100 times the Gaussian density map."""
        return targets.density_map(points, shape, self.config.sigma, times=TIMES)

    def forward(self, canvas: Tensor) -> Tensor:
        """``(B, channels, H, W)`` → ``(B, classes, H, W)``, H and W multiples of the field's."""
        return self.layers(canvas)  # type: ignore[no-any-return]


class FCRNA(DensityNetwork):
    """FCRN-A; 6 GMAC for a 256 × 256 image."""

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
            layers += conv(inputs[i], inputs[i + 1], up=True)
            field = field.up(2).conv(3, pad=1)
        layers.append(nn.Conv2d(sizes[-1], config.classes, 1))
        self.layers = nn.Sequential(*layers)
        self.layout = Layout(field)


class FCRNB(DensityNetwork):
    """FCRN-B; 41 GMAC for a 256 × 256 image, most of them in the 5 × 5 layers."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        a, b, c, d = (max(1, round(n * config.width)) for n in (32, 64, 128, 256))
        self.layers = nn.Sequential(
            *[*conv(config.channels, a), *conv(a, b), nn.MaxPool2d(2)],
            *[*conv(b, c), *conv(c, d), nn.MaxPool2d(2)],
            *conv(d, d, 5),
            *conv(d, d, 5, up=True),
            UpsampledConv2d(d, config.classes, 5),
        )
        field = Field()
        for _ in range(2):
            field = field.conv(3, pad=1).conv(3, pad=1).conv(2, stride=2)
        field = field.conv(5, pad=2)
        for _ in range(2):
            field = field.up(2).conv(5, pad=2)
        self.layout = Layout(field)
