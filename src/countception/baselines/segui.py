"""Seguí, Pujol and Vitrià 2015, Learning to count with deep object features: one number for the whole image.

Convolutions with pooling, then fully connected layers that break the spatial relation, learn the count from the count
alone; dots are only counted, never looked at. As in the paper (section 3): 10 filters of 15 × 15, pooling, 10 of 3 × 3,
pooling, 32 hidden units.

Deviations: the count is regressed in units of its standard deviation, where the paper classifies small numbers; images
of any size are resampled to one size; they are flipped and transposed at random, without which a few dozen images are
learned by heart; and the weights with the least validation error are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from countception.baselines.base import Baseline, mean_absolute_error, require_dots
from countception.benchmark.method import Facts, Report
from countception.benchmark.networks import device_name
from countception.counting.predict import choose_device
from countception.data.dataset import Sample
from countception.images.normalise import Normalisation, learn
from countception.networks.seeds import seeded

EVALUATIONS = 20


@dataclass(frozen=True)
class Options:
    """Settings."""

    steps: int = 400
    batch: int = 8
    side: int = 128
    """Of the resampled images in pixels."""
    learning_rate: float = 1e-3


class CountNetwork(nn.Sequential):
    """``(B, channels, side, side)`` → one number for each image, ``(B, 1)``."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(
            *[nn.Conv2d(channels, 10, 15, padding=7), nn.ReLU(), nn.MaxPool2d(2)],
            *[nn.Conv2d(10, 10, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)],
            *[nn.Flatten(), nn.Linear(10 * (side // 4) ** 2, 32), nn.ReLU(), nn.Linear(32, 1)],
        )


@dataclass(frozen=True)
class Fitted:
    """The network and the units of images and counts."""

    network: CountNetwork
    normalisation: Normalisation
    side: int
    mean: float
    deviation: float
    facts: Facts = field(default_factory=Facts)

    def see(self, sample: Sample) -> Tensor:
        """The resampled image, ``(channels, side, side)``.

        Raises
        ------
        ImageError
            The image has other channels than the training images.
        """
        self.normalisation.check(sample.image, sample.name)
        image = torch.from_numpy(self.normalisation(sample.image))[None]
        return F.interpolate(image, (self.side, self.side), mode="bilinear", antialias=True)[0]

    @torch.inference_mode()
    def counts(self, images: Tensor) -> list[float]:
        """What the network says of images as it sees them, ``(B, channels, side, side)``, no less than 0."""
        said = self.network(images.to(next(self.network.parameters()).device))
        return [max(0.0, float(count)) for count in self.mean + self.deviation * said[:, 0]]

    def count(self, sample: Sample) -> float:
        """What the network says of an image."""
        return self.counts(self.see(sample)[None])[0]


class Segui(Baseline[Options]):
    """One count for the whole image."""

    name = "segui"
    kind = Options

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Train with Adam and half a cosine of learning rate; keep the weights that count the validation best."""
        require_dots(training)
        options, device = self.options, choose_device(self.setup.device)
        rng = np.random.default_rng(seed)
        true = np.array([len(sample.dots) for sample in training], np.float64)
        with seeded(seed):
            network = CountNetwork(len(training[0].image), options.side).to(device)
        fitted = Fitted(
            network, learn([s.image for s in training]), options.side, float(true.mean()), float(true.std()) or 1.0
        )
        images, held = (torch.stack([fitted.see(s) for s in samples]).to(device) for samples in (training, validation))
        wanted = torch.from_numpy((true - fitted.mean) / fitted.deviation).float().to(device)[:, None]
        optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
        best: tuple[float, dict[str, Tensor]] = (np.inf, {})
        for step in range(options.steps):
            chosen = rng.choice(len(images), min(options.batch, len(images)), replace=False)
            loss = F.smooth_l1_loss(network(_turned(images[chosen], int(rng.integers(8)))), wanted[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if (step + 1) % max(1, options.steps // EVALUATIONS) == 0 or step + 1 == options.steps:
                error = mean_absolute_error(fitted.counts(held), validation)
                if error < best[0]:
                    best = (error, copy.deepcopy(network.state_dict()))
                report((step + 1) / options.steps, f"step {step + 1}, validation error {error:.1f}")
        network.load_state_dict(best[1])
        epochs = options.steps * min(options.batch, len(images)) / len(images)
        facts = Facts(epochs=epochs, steps=options.steps, device=device_name(str(device)), precision="float32")
        return Fitted(network, fitted.normalisation, fitted.side, fitted.mean, fitted.deviation, facts)


def _turned(images: Tensor, code: int) -> Tensor:
    """One of the eight symmetries of the square, ``(B, channels, side, side)``."""
    for bit, axis in ((1, 2), (2, 3)):
        images = images.flip(axis) if code & bit else images
    return images.transpose(2, 3) if code & 4 else images
