"""What the network is shown at each step: a function of the seed and the step alone.

Nothing is carried from step to step, so a training that is resumed at step k goes on exactly as it would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from countception.config import TrainingConfig
from countception.geometry import ceil_div
from countception.networks.base import Network, per_class
from countception.training.augment import Example, augment


@dataclass(frozen=True)
class Batches:
    """Random-access batches of augmented crops with their target maps."""

    examples: Sequence[Example]
    config: TrainingConfig
    network: Network

    @property
    def per_epoch(self) -> int:
        """Steps that show each image once."""
        return ceil_div(len(self.examples), self.config.batch)

    @property
    def side(self) -> int:
        """Side of the crops: as configured, but no larger than the largest image needs."""
        multiple = self.network.layout.field.multiple
        largest = max(max(example.image.shape[1:]) for example in self.examples)
        side = min(largest, self.config.augment.crop or largest)
        return max(2, ceil_div(side, multiple)) * multiple  # normalisation needs more than one entry at the coarsest

    def order(self, epoch: int) -> np.ndarray:
        """The shuffled images of an epoch."""
        return np.random.default_rng([self.config.seed, 1, epoch]).permutation(len(self.examples))

    def at(self, step: int, progress: float) -> tuple[Tensor, Tensor]:
        """Canvases ``(B, channels, y, x)`` and redundant target maps ``(B, classes, y, x)``, float32, of a step.

        The `progress` of the training decides whether the crops are plain by now.
        """
        changes = self.config.augment
        if progress > 1 - changes.plain:
            changes = changes.plainly()
        epoch, place = divmod(step, self.per_epoch)
        chosen = self.order(epoch)[place * self.config.batch :][: self.config.batch]
        rng = np.random.default_rng([self.config.seed, 2, step])
        crops = [augment(self.examples[i], changes, self.side, rng) for i in chosen]
        shape = (self.side, self.side)
        maps = [per_class(self.network, crop.points, crop.labels, shape) for crop in crops]
        return torch.from_numpy(np.stack([self._on_canvas(crop.image) for crop in crops])), torch.from_numpy(
            np.stack(maps)
        )

    def _on_canvas(self, image: np.ndarray) -> np.ndarray:
        pad = self.network.layout.pad
        height, width = self.network.layout.canvas_shape((image.shape[1], image.shape[2]))
        canvas = np.zeros((image.shape[0], height, width), np.float32)
        canvas[:, pad : pad + image.shape[1], pad : pad + image.shape[2]] = image
        return canvas
