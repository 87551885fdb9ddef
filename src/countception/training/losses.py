"""What a training step lowers."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from countception.config import TrainingConfig


def map_loss(config: TrainingConfig, predicted: Tensor, target: Tensor) -> Tensor:
    """Mean error of the redundant map's entries."""
    match config.loss:
        case "l1":
            return F.l1_loss(predicted, target)  # equation 2
        case "l2":
            return F.mse_loss(predicted, target)
        case "smooth_l1":
            return F.smooth_l1_loss(predicted, target, beta=config.beta)


def place_loss(predicted: Tensor, target: Tensor, side: int) -> Tensor:
    """Mean squared error of the corners of windows: what tells where in a window an object lies.

    The difference of neighbouring windows, `side` entries apart along y and along x, is what lies in the two opposite
    corners of `side` × `side` entries less what lies in the two others. The loss on whole windows sees an object that
    is a few pixels off only where it falls out of a window, and is content with densities spread over a cell.
    """

    def corners(maps: Tensor) -> Tensor:
        rows = maps[..., side:, :] - maps[..., :-side, :]
        return rows[..., side:] - rows[..., :-side]

    return F.mse_loss(corners(predicted), corners(target))
