"""The smallest data sets and models that do the whole job, made once per process."""

from __future__ import annotations

import functools
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from countception.config import Config, NetworkConfig
from countception.counting.counter import Counter
from countception.counting.model_file import Model
from countception.images.normalise import Normalisation
from countception.networks import build
from countception.simulation.simulate import simulate_dataset
from countception.training import train

CHANGES: dict[str, Any] = {
    "training.steps": 4,
    "training.evaluations": 2,
    "training.augment.crop": 64,
    "network.width": 0.25,
    "scale.factor": 1.0,
}
"""A training of a second or two."""

LENGTHS = {"training.steps", "training.epochs", "training.seconds"}

OPTIONS = ["--set=network.width=0.25", "--set=training.augment.crop=64", "--set=training.evaluations=2", "--scale=1"]
"""The same for the command line, without a length."""


def dataset(out: Path, n: int = 4, *, seed: int = 0) -> Path:
    """Write a folder of simulated images of 64 × 64 pixels with 5 to 20 dots."""
    simulate_dataset(out, n, seed=seed, size=(64, 64), counts=(5, 20))
    return out


def with_endings(folder: Path, *, images: str, points: str) -> Path:
    """Put the files of a `dataset` side by side, under names that end as no convention has them."""
    for kind, ending in (("images", images), ("points", points)):
        for path in sorted((folder / kind).iterdir()):
            path.rename(folder / f"{path.stem}{ending}")
        (folder / kind).rmdir()
    return folder


def images(folder: Path, number: int) -> Path:
    """Make a folder of so many images of `pixels`: 0.png, 1.png, …"""
    folder.mkdir()
    for k in range(number):
        Image.fromarray(pixels(seed=k)).save(folder / f"{k}.png")
    return folder


@functools.cache
def _home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="countception-tests-")


@functools.cache
def data() -> Path:
    """A data set that is not to be changed."""
    return dataset(Path(_home().name) / "data")


@functools.cache
def model_file() -> Path:
    """A model trained on `data`, for three channels."""
    path = Path(_home().name) / "tiny.count"
    train(data(), out=path, changes=CHANGES)
    return path


def untrained(*, classes: int = 1, channels: int = 3, network: str = "boxnet", stride: int = 2) -> Counter:
    """A counter with random weights; what it counts is arbitrary but fixed."""
    torch.manual_seed(0)
    chosen = NetworkConfig(name=network, channels=channels, classes=classes, stride=stride, width=0.25)
    names = ("object",) if classes == 1 else tuple(f"kind{k}" for k in range(classes))
    model = Model(
        network=build(chosen).eval(),
        config=Config(network=chosen),
        scale=1.0,
        normalisation=Normalisation((100.0,) * channels, (50.0,) * channels),
        class_names=names,
    )
    return Counter(model, device="cpu")


def hazy(*, classes: int = 1) -> Counter:
    """A counter that sees 3.2 objects of each class in 400 × 400 pixels, spread evenly: nowhere enough for a point."""
    counter = untrained(classes=classes)
    head = counter.model.network.head
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(math.log(math.expm1(3.2 / 200**2)))
    return counter


def pixels(shape: tuple[int, int] = (40, 56), channels: int = 3, *, seed: int = 0) -> np.ndarray:
    """Noise, uint8 ``(y, x, channel)``."""
    return np.random.default_rng(seed).integers(0, 256, (*shape, channels), np.uint8)
