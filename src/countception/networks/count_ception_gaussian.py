"""The paper's network trained on a Gaussian density map instead of a count map (Figures 2 and 3).

Layers, padding and the shape of the map are those of `count_ception`; only what an entry should say differs. There, it
is the number of dots in the entry's window; here, the density at the window's centre, so an entry must tell how far
from its centre an object is.

The map is 100 times the density, as in FCRN-A: Gaussians of a pixel or two then have the unit range that the normalised
last layer starts with. Their width is `network.sigma`.

Deviation: the authors' program (option `kern=gaus`) does not scale the density, so its targets are below 0.16, and its
Gaussian has a variance of 1 pixel; ``network.sigma=1`` is that width.
"""

from __future__ import annotations

from torch import Tensor

from countception import targets
from countception.config import NetworkConfig
from countception.errors import ConfigError
from countception.geometry import Points
from countception.networks.count_ception import CountCeption
from countception.networks.fcrn import TIMES


class CountCeptionGaussian(CountCeption):
    """Entry ``(y, x)`` is 100 times the density at image pixel ``(y - r / 2, x - r / 2)``."""

    def __init__(self, config: NetworkConfig) -> None:
        if config.window % 2 or config.stride != 1:
            raise ConfigError(
                f"count_ception_gaussian cannot have window {config.window} with stride {config.stride}: "
                "the window must be even, and the stride 1, or most of the density would be skipped"
            )
        super().__init__(config)
        self.redundancy, self.window, self.map_pad = TIMES, 1, config.window // 2

    def target(self, points: Points, shape: tuple[int, int]) -> targets.Map:
        """100 times the Gaussian density map, ``(H + r, W + r)``; the margin holds what reaches beyond the image."""
        rows, columns = (side + 2 * self.map_pad for side in shape)
        targets.raster(points, shape)  # refuses points that only the margin could hold
        return targets.density_map(points + self.map_pad, (rows, columns), self.config.sigma, times=TIMES)

    def unflip(self, raw: Tensor, axis: int) -> Tensor:
        """Entries mirror each other about the map's middle; no entry sees padding only."""
        return raw.flip(axis)
