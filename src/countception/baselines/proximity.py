"""Counting the peaks of a proximity map (Xie et al. 2015; the network and its deviations: `networks.proximity`).

Trained by our own loop and recipe on crops of about twice the paper's patches a side; half as wide as FCRN-A, which
still has more filters than the paper's network, so that a fit takes minutes on a CPU. At each evaluation the height
that a peak must reach, and how far it must stand alone, are chosen anew by the validation error. Of the last part of
the training the weights with the least such error are kept: of the first steps, they are those by which false peaks
happen to make up for missing ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from countception import targets
from countception.baselines.base import Baseline, require_dots
from countception.benchmark.method import Facts, Report, Setup
from countception.benchmark.networks import device_name
from countception.config import Config, ScaleConfig, updated
from countception.counting.canvas import Canvas
from countception.counting.predict import raw_map
from countception.data.dataset import Sample
from countception.errors import ConfigError
from countception.geometry import Points
from countception.images.normalise import Normalisation
from countception.networks.proximity import RADIUS, Proximity, peaks
from countception.points import Dots
from countception.points.scale import find_scale, neighbour_distances
from countception.training import Progress, configure
from countception.training.loop import Trainer
from countception.training.prepare import prepare

THRESHOLDS = tuple(np.linspace(0.02, 0.9, 177).tolist())
REACHES = (1, 2, 3)
"""What to choose from; peaks are about as high as one another, so steps must be small."""
SPACING = 34.0
"""Of crowded objects, in working pixels, so that fewer of their cones overlap; others are shown as to our default."""
CROWDED = 0.25
"""Share of objects whose cone would overlap another's as our default shows them, from which on they are crowded."""
KEEP_FROM = 0.7
"""Share of the training from which on the weights with the least validation error are kept."""


@dataclass(frozen=True)
class Options:
    """Settings."""

    steps: int = 1000
    batch: int = 8
    """Crops per step."""
    crop: int = 96
    """Side of the crops in working pixels."""
    learning_rate: float = 3e-3
    width: float = 0.5
    """Multiplies the filters of every layer."""
    between: float = 1.0
    """What a pixel outside all cones weighs in the loss, in means of the map."""


@dataclass(frozen=True)
class Fitted:
    """The network and what it needs to see images."""

    network: Proximity
    normalisation: Normalisation
    scale: float
    tile: int
    facts: Facts = field(default_factory=Facts)

    def heights(self, sample: Sample) -> targets.Map:
        """The proximity map, ``(y, x)``.

        Raises
        ------
        ImageError
            The image has other channels than the training images.
        """
        self.normalisation.check(sample.image, sample.name)
        canvas = Canvas(sample.image, self.normalisation, self.scale, self.network.layout)
        return raw_map(self.network, canvas, tile=self.tile)[0].numpy()

    def count(self, sample: Sample) -> float:
        """Number of peaks."""
        threshold, reach = self.network.peak.tolist()
        return float(peaks(self.heights(sample), threshold, int(reach)).sum())


class PeakTrainer(Trainer):
    """Chooses what counts as a peak at each evaluation, as the heights of peaks grow while the network learns."""

    between: float
    """As in `Options`."""

    def loss(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Squared error, in which cones weigh more than what is between them, as in the paper."""
        weight = target + self.between * target.mean()
        return (weight * (predicted - target).square()).sum() / weight.sum().clamp(min=1e-6)

    def validation_counts(self) -> list[float]:
        """Peaks of the validation images by the averaged weights."""
        network, tile = self.average.eval(), self.config.counting.tile
        assert isinstance(network, Proximity)
        maps = [raw_map(network, canvas, tile=tile)[0].numpy() for canvas in self.validation.canvases]
        network.peak.copy_(torch.tensor(best_peak(maps, self.validation.true), dtype=torch.float64))
        return [float(network.redundant(torch.from_numpy(one)[None, None]).sum()) for one in maps]


class ProximityMethod(Baseline[Options]):
    """Trained on cones of 5 pixels; beside its own settings it takes dotted ones of the recipe."""

    name = "proximity"
    kind = Options

    def __init__(self, setup: Setup) -> None:
        recipe = {key: value for key, value in setup.settings.items() if "." in key}
        super().__init__(replace(setup, settings={k: v for k, v in setup.settings.items() if k not in recipe}))
        self.config = self._configure(recipe)

    def _configure(self, recipe: Mapping[str, Any]) -> Config:
        """Our default recipe with the method's settings, and others of the recipe."""
        options = self.options
        changes = {
            "network.width": options.width,
            "network.stride": 1,
            "scale.spacing": SPACING,
            "scale.widest": 0.0,
            "training.loss": "l2",
            "training.places": 0.0,
            "training.steps": options.steps,
            "training.batch": options.batch,
            "training.augment.crop": options.crop,
            "training.learning_rate": options.learning_rate,
            "training.keep_from": KEEP_FROM,
            "calibrate": False,
        }
        for key in recipe.keys() & {*changes, "training.seed"}:
            raise ConfigError(f"{key} cannot be set here: {self.name} and the split decide it")
        return configure("default", {**changes, **recipe})

    @property
    def configuration(self) -> dict[str, Any]:
        """The settings, and the whole recipe that they change, but for the seed."""
        values = self.config.model_dump()
        del values["training"]["seed"]
        return {**values, **super().configuration}

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Train, or go on with a training that was stopped."""
        require_dots(training)
        chosen = {"scale.spacing": spacing_for([sample.dots.points for sample in training])}
        channels = {"network.channels": len(training[0].image)}
        config = updated(self.config, {"training.seed": seed, **channels, **chosen, **self.setup.repeated})
        prepared = prepare(
            [_one_class(sample) for sample in training],
            [_one_class(sample) for sample in validation],
            config,
            checkpoint=None if self.setup.work is None else self.setup.work / "proximity.checkpoint",
            device=self.setup.device,
            make=lambda config, _: Proximity(config.network),
            trainer=PeakTrainer,
        )
        trainer, network = prepared.trainer, prepared.trainer.network
        assert isinstance(trainer, PeakTrainer)
        assert isinstance(network, Proximity)
        trainer.between = self.options.between
        self._train(trainer, report)
        network.load_state_dict(trainer.best)
        network.eval()
        facts = Facts(
            epochs=trainer.state.step / trainer.batches.per_epoch,
            steps=trainer.state.step,
            seconds=trainer.state.elapsed,
            device=device_name(str(trainer.device)),
            precision=trainer.precision,
            curve=trainer.state.history,
        )
        return Fitted(network, prepared.normalisation, prepared.scale, config.counting.tile, facts)

    def _train(self, trainer: Trainer, report: Report) -> None:
        def show(progress: Progress) -> None:
            report(progress.done, f"step {progress.step}")

        if trainer.checkpoint is not None and trainer.checkpoint.exists():
            trainer.resume()
        if trainer.run(show):
            raise KeyboardInterrupt  # half a training is no result; the checkpoint stays


def _one_class(sample: Sample) -> Sample:
    return replace(sample, dots=Dots(sample.dots.points))


def spacing_for(points: Sequence[Points]) -> float:
    """How far apart objects are shown, in working pixels, from the dots of the training images."""
    usual = ScaleConfig(widest=0)
    nearest = np.concatenate([neighbour_distances(each, 1) for each in points]) * find_scale(points, usual)
    return SPACING if (nearest < 2 * RADIUS).sum() > CROWDED * len(nearest) else usual.spacing


def best_peak(maps: Sequence[targets.Map], true: Sequence[float]) -> tuple[float, int]:
    """The threshold and reach with the least mean error on maps of images with so many objects."""
    errors = {}
    for reach in REACHES:
        heights = [one[peaks(one, THRESHOLDS[0], reach) > 0] for one in maps]
        for threshold in THRESHOLDS:
            counts = [float((each >= threshold).sum()) for each in heights]
            errors[threshold, reach] = float(np.abs(np.subtract(counts, true)).mean())
    return min(errors, key=errors.__getitem__)
