"""From samples to a training that is ready to run: scale, normalisation, network, validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from countception.config import Config, updated
from countception.counting.canvas import Canvas
from countception.counting.predict import choose_device
from countception.data.dataset import Sample
from countception.geometry import to_working
from countception.images.normalise import Normalisation, learn
from countception.images.resample import resample
from countception.networks import build
from countception.networks.base import Network
from countception.networks.pretrained import load_pretrained
from countception.networks.seeds import seeded
from countception.points.scale import enlargement, factor_for, spacing
from countception.training.augment import Example
from countception.training.loop import Trainer, Validation
from countception.training.state import identify


@dataclass(frozen=True)
class Prepared:
    """A training that has not begun, and how it shows images to its network."""

    trainer: Trainer
    normalisation: Normalisation
    scale: float
    """Working pixels per image pixel."""


def prepare(
    training: Sequence[Sample],
    validation: Sequence[Sample],
    config: Config,
    *,
    folds: int | None = None,
    checkpoint: Path | None = None,
    device: str | None = None,
    make: Callable[[Config, Sequence[Example]], Network] | None = None,
    trainer: type[Trainer] = Trainer,
) -> Prepared:
    """Learn scale and normalisation from the training images, and make the network.

    Parameters
    ----------
    training, validation
        Samples; the same list where none are put aside.
    config
        With the number of channels and classes of the samples; a length that it leaves open follows from the images.
    folds
        How many trainings without a part of the samples follow; None says that this is no cross-validation.
    checkpoint
        Where the training is to be kept, to be resumed with the same configuration and samples only.
    device
        `cpu`, `cuda`, …; None takes a GPU where there is one.
    make
        Makes the network from the configuration and the training examples, with seeded random numbers; None makes the
        one that `config` names, which starts from the weights that ship for it or the mean density of the examples.
    trainer
        Runs it.
    """
    place = choose_device(device)
    apart = spacing(sample.dots.points for sample in training)
    scale = factor_for(apart, config.scale)
    normalisation = learn([sample.image for sample in training], config.channels)
    examples = [_example(sample, normalisation, scale) for sample in training]
    megapixels = sum(example.image[0].size for example in examples) / 1e6
    asked, config = config, config.lasting(megapixels, enlargement(apart, config.scale))
    with seeded(config.training.seed):
        network = (make or _network)(config, examples)
    network.to(place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    canvases = [Canvas(sample.image, normalisation, scale, network.layout) for sample in validation]
    true = [float(len(sample.dots)) for sample in validation]
    given = config.scale.factor is not None  # and not found, so that its bound decides the length alone
    found = updated(config, {"scale.widest": 0.0}) if given else config
    identity = identify(_options(found, folds), [training, validation])
    identity = replace(identity, options=_options(asked, folds))  # a length that nobody asked for is the data's
    shown = Validation(canvases, true, learned_from=validation is training)
    made = trainer(network, examples, shown, config, checkpoint=checkpoint, identity=identity)
    return Prepared(made, normalisation, scale)


def _options(config: Config, folds: int | None) -> dict[str, Any]:
    """What was asked for, as JSON, without what there was no choice of in older checkpoints and none was made of."""
    options = config.model_dump(mode="json")
    if options["channels"] is None:
        del options["channels"]
    if not options["scale"]["widest"]:
        del options["scale"]["widest"]
    return {"folds": folds, **options}


def _network(config: Config, examples: Sequence[Example]) -> Network:
    network = build(config.network)
    if not (config.network.pretrained and load_pretrained(network)):
        pixels = sum(example.image[0].size for example in examples)
        network.start_from(sum(len(example.points) for example in examples) / pixels)
    return network


def _example(sample: Sample, normalisation: Normalisation, scale: float) -> Example:
    image = normalisation(resample(normalisation.shown(sample.image), scale))
    return Example(np.ma.filled(image, 0), to_working(sample.dots.points, scale), sample.dots.labels)
