"""The published figures of FCRN-A and FCRN-B; that they are networks, the contract test shows."""

import pytest
import torch

from countception.config import NetworkConfig
from countception.networks import build
from countception.networks.upsampled import UpsampledConv2d


@pytest.mark.parametrize(("name", "millions"), [("fcrn_a", 1.3), ("fcrn_b", 3.6)])
def test_size_is_the_published_one(name: str, millions: float) -> None:
    network = build(NetworkConfig(name=name, stride=1, channels=1))
    assert int(network.parameters_count() / 1e5) / 10 == millions


@pytest.mark.parametrize(("name", "sees"), [("fcrn_a", 38), ("fcrn_b", 32)])
def test_footprint_before_upsampling_is_the_published_one(name: str, sees: int) -> None:
    network = build(NetworkConfig(name=name, stride=1, channels=1, width=0.1)).double().eval()
    chain = list(network.layers)  # type: ignore[arg-type]
    encoder = torch.nn.Sequential(*chain[: next(i for i, m in enumerate(chain) if isinstance(m, UpsampledConv2d))])
    seen: set[int] = set()
    for seed in range(5):  # max pooling passes a gradient to one pixel only, so one image may miss the edges
        torch.manual_seed(seed)
        image = torch.randn((1, 1, 96, 96), dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(encoder(image)[0, :, 6, 6].sum(), image)
        seen |= set(gradient[0, 0].abs().sum(1).nonzero()[:, 0].tolist())
    assert max(seen) - min(seen) + 1 == sees
