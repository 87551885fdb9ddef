from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from countception.training.loop import SETTLE_BATCHES, settle


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
