import numpy as np
import pytest
import torch

from countception.config import NetworkConfig
from countception.networks import build


@pytest.mark.parametrize(
    ("name", "stride"), [("count_ception", 1), ("count_ception", 4), ("count_ception_gaussian", 1)]
)
def test_starts_at_the_mean_of_the_target_map(name: str, stride: int) -> None:
    """An untrained network then predicts, on average, the mean of the maps that it will learn."""
    config = NetworkConfig(name=name, window=16, stride=stride, width=0.1, start_at_mean=True)
    network = build(config)
    side, margin = 96, 16
    points = np.random.default_rng(0).uniform(margin, side - margin, (50, 2))
    network.start_from(len(points) / (side - 2 * margin) ** 2)
    target = network.target(points, (side, side))
    inner = np.s_[2 * margin // stride : -2 * margin // stride]
    torch.manual_seed(0)
    network.train()
    shrink = 2 * network.layout.pad
    raw = network(torch.rand(2, 3, side + shrink, side + shrink)).detach().numpy()
    assert raw.mean() == pytest.approx(target[inner, inner].mean(), rel=0.35)


def test_starts_at_zero_as_in_the_paper() -> None:
    network = build(NetworkConfig(name="count_ception", window=16, stride=1, width=0.1))
    network.start_from(0.01)
    offset = network.layers[-1][1].bias  # type: ignore[index, union-attr]
    assert not offset.any()  # type: ignore[operator]
