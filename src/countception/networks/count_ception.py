"""Count-ception, layer for layer (Cohen et al. 2017, section 3.4 and Figure 4).

Every convolution is followed by batch normalisation and leaky ReLU (slope 0.01), the last one included, as in the
authors' program; there are no biases. No layer strides but the last: the map shrinks in two large unpadded kernels.

Deviation: the paper gives kernels of 14 and 18 pixels for a window of r = 32. For any other r the layers that shrink
the map must take away r pixels in all: 2 go to the first layer, and ``r`` is shared between the two large kernels as
14 : 18, that is ``round(14 r / 32)`` and the rest.

Where the paper's text and its figure differ, this is the figure: an entry of a window of 32 reads 45 pixels, as the
padded 3 × 3 kernels look beyond it, and 256 × 256 pixels give 288 entries a side (287 in the text), of which the first
counts in zeros alone. The zeros are put around images that are normalised, and so are their mean, not black.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from countception import targets
from countception.config import NetworkConfig
from countception.geometry import Field, Layout, Points, Window, share_window
from countception.networks.base import Network
from countception.networks.fourier import SMALLEST_KERNEL, LargeConv2d


def conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, pad: int = 0) -> nn.Sequential:
    """Convolution, batch normalisation, leaky ReLU."""
    kind = LargeConv2d if kernel >= SMALLEST_KERNEL else nn.Conv2d
    layer = kind(inputs, outputs, kernel, stride, pad, bias=False)
    nn.init.xavier_uniform_(layer.weight, gain=nn.init.calculate_gain("relu"))
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.01, inplace=True))


class Inception(nn.Module):
    """A 1 × 1 beside a padded 3 × 3 convolution, concatenated: ``(B, inputs, y, x)`` → ``(B, a + b, y, x)``."""

    def __init__(self, inputs: int, a: int, b: int) -> None:
        super().__init__()
        self.one = conv(inputs, a, 1)
        self.three = conv(inputs, b, 3, pad=1)

    def forward(self, x: Tensor) -> Tensor:
        """Both branches on the same input."""
        return torch.cat([self.one(x), self.three(x)], 1)


class CountCeption(Network):
    """The paper's network; a 256 × 256 image and r = 32 give 288 × 288 entries and 143 GMAC."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        window = Window(config.window, config.stride)
        first, second = share_window(config.window)

        def filters(n: int) -> int:
            return max(1, round(n * config.width))

        sizes = [(16, 16), (16, 32), (112, 48), (64, 32), (40, 40), (32, 96)]
        pairs = [(filters(a), filters(b)) for a, b in sizes]
        wide = [a + b for a, b in pairs]
        self.layers = nn.Sequential(
            conv(config.channels, filters(64), 3),  # the zeros of its "pad 32" are the canvas's
            Inception(filters(64), *pairs[0]),
            Inception(wide[0], *pairs[1]),
            conv(wide[1], filters(16), first),
            Inception(filters(16), *pairs[2]),
            Inception(wide[2], *pairs[3]),
            Inception(wide[3], *pairs[4]),
            Inception(wide[4], *pairs[5]),
            conv(wide[5], filters(32), second),
            conv(filters(32), filters(64), 1),
            conv(filters(64), filters(64), 1),
            conv(filters(64), config.classes, 1, stride=config.stride),
        )
        field = Field().conv(3)
        for kernel, pad in [(3, 1), (3, 1), (first, 0), (3, 1), (3, 1), (3, 1), (3, 1), (second, 0)]:
            field = field.conv(kernel, pad=pad)
        self.layout = Layout(field.conv(1, stride=config.stride), pad=window.pad, shrink=config.window)
        self.redundancy, self.window, self.map_pad = window.redundancy, window.size, window.pad

    def forward(self, canvas: Tensor) -> Tensor:
        """``(B, channels, H + 2r, W + 2r)`` → ``(B, classes, ⌈(H + r) / s⌉, ⌈(W + r) / s⌉)``."""
        return self.layers(canvas)  # type: ignore[no-any-return]

    def target(self, points: Points, shape: tuple[int, int]) -> targets.Map:
        """The count map of equation 1."""
        return targets.count_map(points, shape, Window(self.config.window, self.config.stride))

    def unflip(self, raw: Tensor, axis: int) -> Tensor:
        """Entry 0 sees padding only and has no mirror image; entry j mirrors entry n - j."""
        first, rest = raw.narrow(axis, 0, 1), raw.narrow(axis, 1, raw.shape[axis] - 1)
        return torch.cat([first, rest.flip(axis)], axis)

    def start_from(self, objects_per_pixel: float) -> None:
        """Where the configuration says so, the last normalisation's offset becomes the mean of the target map."""
        if self.config.start_at_mean:
            mean = objects_per_pixel * self.redundancy * self.config.stride**2
            nn.init.constant_(self.layers[-1][1].bias, mean)  # type: ignore[index]
