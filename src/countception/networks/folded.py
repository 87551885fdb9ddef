"""The same network with fewer passes over memory, for counting only.

Batch normalisation in evaluation mode is a fixed scale and shift per channel, so it goes into the weights of the
convolution before it; the rectifier after it is done while the convolution's result is still in the cache.
"""

from __future__ import annotations

import copy
import functools
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from countception.networks.fourier import LargeConv2d
from countception.networks.seeds import seeded
from countception.networks.upsampled import UpsampledConv2d


class Rectified(nn.Module):
    """A convolution and the leaky ReLU after it.

    Parameters
    ----------
    conv
        With a bias.
    slope
        Of the leaky ReLU.
    """

    def __init__(self, conv: nn.Conv2d, slope: float) -> None:
        super().__init__()
        self.conv, self.slope = conv, slope

    def forward(self, x: Tensor) -> Tensor:
        """As the convolution."""
        if type(self.conv) is nn.Conv2d and _pads_by_numbers(self.conv) and _one_pass(x):
            return _convolve_rectify(x, self.conv, self.slope)
        return F.leaky_relu_(self.conv(x), self.slope)


def _pads_by_numbers(conv: nn.Conv2d) -> bool:
    """Whether it pads with so many zeros, which is all that the operator can: nothing reflected, nor by a word."""
    return conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def _one_pass(x: Tensor) -> bool:
    fast = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return fast and torch._C._has_mkldnn and one_pass_works()


@functools.cache
def one_pass_works() -> bool:
    """Whether this torch has the operator, which is not public, as it was: tried once, on a small convolution."""
    with seeded(0):  # the weights are as good as any
        conv = nn.Conv2d(2, 3, 3, padding=1, dtype=torch.float32)
    x = torch.linspace(-1, 1, 2 * 8 * 8, dtype=torch.float32).reshape(1, 2, 8, 8)
    try:
        with torch.no_grad():
            return torch.allclose(_convolve_rectify(x, conv, 0.01), F.leaky_relu(conv(x), 0.01), atol=1e-5)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return False


def _convolve_rectify(x: Tensor, conv: nn.Conv2d, slope: float) -> Tensor:
    """What torch's own compiler makes of the two: oneDNN's convolution with the rectifier in it."""
    result: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups, "leaky_relu", [slope], ""
    )
    return result


def folded(network: nn.Module) -> nn.Module:
    """A copy, in evaluation mode, that gives the same maps but for rounding; the network is left as it is."""
    result = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    for module in list(result.modules()):
        if isinstance(module, nn.Sequential):
            layers = _fold([*module])
            for name in list(module._modules):
                del module._modules[name]
            module.extend(layers)
    return result.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _fold(layers: list[nn.Module]) -> list[nn.Module]:
    """The layers of a sequence, each convolution with the normalisation and the leaky ReLU that follow it."""
    result: list[nn.Module] = []
    while layers:
        first, *layers = layers
        norm = layers[0] if layers else None
        if not (type(first) in (nn.Conv2d, LargeConv2d, UpsampledConv2d) and isinstance(norm, nn.BatchNorm2d)):
            result.append(first)
            continue
        conv = fuse_conv_bn_eval(cast("nn.Conv2d", first), norm)
        rectifier = layers[1] if len(layers) > 1 else None
        if isinstance(rectifier, nn.LeakyReLU):
            result.append(Rectified(conv, rectifier.negative_slope))
            layers = layers[2:]
        else:
            result.append(conv)
            layers = layers[1:]
    return result
