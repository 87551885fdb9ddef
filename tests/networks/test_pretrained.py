import pytest
import torch

from countception.config import NetworkConfig
from countception.networks import build
from countception.networks.pretrained import _fit, load_pretrained


def test_channels_share_the_first_layer() -> None:
    shipped = torch.randn(4, 3, 5, 5)
    image = torch.randn(1, 1, 9, 9)
    three = torch.conv2d(image.expand(1, 3, 9, 9), shipped)
    for channels in (1, 2, 4):
        fitted = _fit(shipped, torch.zeros(4, channels, 5, 5), 1)
        assert fitted is not None
        torch.testing.assert_close(torch.conv2d(image.expand(1, channels, 9, 9), fitted), three, rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_left_alone() -> None:
    network = build(NetworkConfig(width=0.5))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert not load_pretrained(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not load_pretrained(build(NetworkConfig(name="fcrn_a", stride=1)))
    assert not load_pretrained(build(NetworkConfig(stride=1)))  # whose head has more channels, but not more classes
    assert not load_pretrained(build(NetworkConfig(stride=4, classes=4)))  # whose head has as many channels


@pytest.mark.parametrize("change", [{"channels": 1}, {"channels": 5}, {"classes": 3}, {"window": 48}])
def test_shipped_weights_fit_any_channels_and_classes(change: dict[str, int]) -> None:
    assert load_pretrained(build(NetworkConfig(**change)))  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [2, 4])
def test_classes_begin_with_their_shares(classes: int) -> None:
    canvas = 2 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    densities = []
    for number in (1, classes):
        network = build(NetworkConfig(classes=number))
        assert load_pretrained(network)
        with torch.no_grad():
            densities.append(float(network.eval()(canvas).sum()))
    assert densities[0] > 0.1
    assert densities[1] == pytest.approx(densities[0], rel=0.2)
