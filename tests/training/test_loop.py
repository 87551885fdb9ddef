from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import torch
from torch import nn

from countception.config import TrainingConfig
from countception.training.loop import SETTLE_BATCHES, make_optimiser, settle
from countception.training.losses import map_loss
from countception.training.schedule import learning_rate


def choices(key: str) -> list[TrainingConfig]:
    return [TrainingConfig(**{key: choice}) for choice in get_args(TrainingConfig.model_fields[key].annotation)]


def test_no_choice_does_what_another_does() -> None:
    """As one that is listed among the settings and not made yet."""
    predicted, target = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 9.0])
    losses = [float(map_loss(config, predicted, target)) for config in choices("loss")]
    rates = [tuple(learning_rate(config, share) for share in (0.0, 0.5, 1.0)) for config in choices("schedule")]
    optimisers = [type(make_optimiser(nn.Conv2d(1, 1, 1), config)) for config in choices("optimiser")]
    for made in (losses, rates, optimisers):
        assert len(set(made)) == len(made) > 1


def test_statistics_are_settled_where_there_are_any() -> None:
    shown = []

    def at(step: int, progress: float) -> tuple[torch.Tensor, None]:
        shown.append((step, progress))
        return torch.full((1, 2, 4, 4), float(step)), None

    batches = SimpleNamespace(at=at)
    settle(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()), batches, 0.5, None)  # type: ignore[arg-type]
    assert shown == []
    norm = nn.BatchNorm2d(2)
    settle(nn.Sequential(norm, nn.Conv2d(2, 3, 1)), batches, 0.5, None)  # type: ignore[arg-type]
    assert shown == [(step, 0.5) for step in range(SETTLE_BATCHES)]
    torch.testing.assert_close(norm.running_mean, torch.full((2,), (SETTLE_BATCHES - 1) / 2))
    assert norm.momentum == 0.1


def test_norms_and_biases_are_not_decayed() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    groups = make_optimiser(network, TrainingConfig(weight_decay=0.5)).param_groups
    decays = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert [decays[id(parameter)] for parameter in network.parameters()] == [0.5, 0, 0, 0]
