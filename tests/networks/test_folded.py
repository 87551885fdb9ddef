from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from countception.config import NetworkConfig, recipe
from countception.networks import build, names
from countception.networks.base import Network
from countception.networks.folded import Rectified, folded
from countception.networks.fourier import LargeConv2d

folded_module = import_module("countception.networks.folded")


def lively(name: str, width: float = 0.5) -> Network:
    """A network whose every layer matters, with statistics as after training."""
    torch.manual_seed(0)
    stride = recipe("default", network=name).network.stride
    network = build(NetworkConfig(name=name, stride=stride, width=width, pretrained=False))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.1)
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize("name", names())
def test_gives_the_same_map(name: str) -> None:
    network = lively(name)
    layers = [type(layer) for layer in network.modules()]
    canvas = torch.randn(2, 3, *network.layout.canvas_shape((64, 80)))
    quick = folded(network)
    fast = quick(canvas.contiguous(memory_format=torch.channels_last))
    for layer in network.modules():
        if isinstance(layer, LargeConv2d):
            layer.direct = True
    plain = network(canvas)
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4 * float(plain.abs().max()))
    assert float(fast.sum()) == pytest.approx(float(plain.sum()), rel=1e-4)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in quick.modules())
    assert [type(layer) for layer in network.modules()] == layers, "it is left as it was"


@torch.no_grad()
@pytest.mark.parametrize("slope", [0.01, 0.0, 1.0])
def test_rectified_is_a_convolution_and_a_leaky_relu(slope: float) -> None:
    conv, x = nn.Conv2d(3, 5, 3, stride=2, padding=1), torch.randn(2, 3, 9, 12)
    torch.testing.assert_close(Rectified(conv, slope)(x), nn.functional.leaky_relu(conv(x), slope))


@torch.no_grad()
@pytest.mark.parametrize("padding", [{"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}])
def test_a_convolution_may_pad_in_any_way(padding: dict[str, Any]) -> None:
    """The operator that is not public knows numbers of zeros alone, and takes others for them or breaks off."""
    conv, x = nn.Conv2d(3, 5, 3, **padding), torch.randn(2, 3, 9, 12)
    torch.testing.assert_close(Rectified(conv, 0.1)(x), nn.functional.leaky_relu(conv(x), 0.1))


def test_weights_may_be_loaded_from_before_there_was_a_fast_way() -> None:
    """Names and shapes in a model file are those of plain layers."""
    layers = build(NetworkConfig(name="count_ception", stride=1, width=0.25)).state_dict()
    assert layers["layers.8.0.weight"].shape == (8, 32, 18, 18)
    assert not [name for name in layers if "spectrum" in name]


@pytest.mark.parametrize("change", ["gone", "other arguments", "other results"])
def test_counts_without_the_operator_that_is_not_public(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of torch may lack it, or have another by its name: then the plain layers count."""

    def changed(x: Tensor, *_: object) -> Tensor:
        if change == "gone":
            raise AttributeError("no such operator")
        if change == "other arguments":
            raise TypeError("takes 9 arguments")
        return x[:, :1].expand(-1, 3, -1, -1)

    conv, x = nn.Conv2d(2, 3, 3, padding=1), torch.randn(1, 2, 9, 9)
    with torch.no_grad():
        wanted = functional.leaky_relu(conv(x), 0.2)
        monkeypatch.setattr(folded_module, "_convolve_rectify", changed)
        folded_module.one_pass_works.cache_clear()
        torch.testing.assert_close(Rectified(conv, 0.2)(x), wanted)
    folded_module.one_pass_works.cache_clear()


def test_trying_the_operator_leaves_the_seed_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    folded_module.one_pass_works.cache_clear()
    folded_module.one_pass_works()
    assert torch.equal(torch.rand(3), wanted)
