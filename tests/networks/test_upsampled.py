"""Upsampling and convolution in one step gives what the two give one after the other, gradients and borders too."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from countception.networks.folded import folded
from countception.networks.upsampled import UpsampledConv2d


def plain(layer: UpsampledConv2d, image: torch.Tensor) -> torch.Tensor:
    return F.conv2d(F.interpolate(image, scale_factor=2.0), layer.weight, layer.bias, padding=layer.padding)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 4)])
def test_it_is_the_plain_layers(kernel: int, bias: bool, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = UpsampledConv2d(3, 2, kernel, bias=bias).double()
    image = torch.randn(2, 3, *shape, dtype=torch.float64, requires_grad=True)
    found, expected = layer(image), plain(layer, image)
    assert found.shape == (2, 2, 2 * shape[0], 2 * shape[1])
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    inputs = [image, *layer.parameters()]
    gradients = [torch.autograd.grad((each * weights).sum(), inputs) for each in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_its_weights_are_those_of_a_convolution() -> None:
    layer, usual = UpsampledConv2d(3, 2, 5), nn.Conv2d(3, 2, 5, padding=2)
    layer.load_state_dict(usual.state_dict())
    image = torch.randn(1, 3, 4, 4)
    torch.testing.assert_close(layer(image), usual(F.interpolate(image, scale_factor=2.0)), atol=1e-5, rtol=1e-5)


def test_normalisation_is_folded_into_it() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(UpsampledConv2d(3, 4, 5, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    network(torch.randn(4, 3, 8, 8))  # statistics of its own
    network.eval()
    quick = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
    image = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(quick(image), network(image), atol=1e-5, rtol=1e-5)


def test_other_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="kernel of 7"):
        UpsampledConv2d(1, 1, 7)
