"""How far a training has come, and what follows from it: the learning rate and the moments of evaluation.

Everything depends on one number, the progress from 0 to 1, so that a training of so many steps, epochs or seconds takes
the same course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from countception.config import TrainingConfig
from countception.geometry import ceil_div


@dataclass(frozen=True)
class Length:
    """The end of a training: after `steps` or after `seconds`, whichever is given."""

    steps: int | None
    seconds: float | None

    @classmethod
    def of(cls, config: TrainingConfig, images: int) -> Length:
        """From a configuration and the number of training images; an epoch shows each image once."""
        steps = config.steps
        if config.epochs is not None:
            steps = config.epochs * ceil_div(images, config.batch)
        return cls(steps, config.seconds)

    def progress(self, step: int, elapsed: float) -> float:
        """Share done, 0 to 1, after `step` steps and `elapsed` seconds."""
        done = step / self.steps if self.steps is not None else elapsed / (self.seconds or 1.0)
        return min(1.0, done)


def learning_rate(config: TrainingConfig, progress: float) -> float:
    """Of a step, by the schedule that is configured."""
    match config.schedule:  # each has its case, or mypy says that one is missing
        case "constant":
            return config.learning_rate
        case "one_cycle":
            return config.learning_rate * _one_cycle(config.warmup, progress)


def _one_cycle(warmup: float, progress: float) -> float:
    """One cycle (Smith 2018): a linear rise from a tenth of the peak, then half a cosine to a hundredth of it."""
    if progress < warmup:
        return 0.1 + 0.9 * progress / warmup
    fall = (progress - warmup) / max(1e-9, 1 - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, fall)))


def evaluations_due(config: TrainingConfig, progress: float) -> int:
    """How many evaluations should have been made by now; the last one falls on the end."""
    return math.floor(progress * config.evaluations + 1e-9)
