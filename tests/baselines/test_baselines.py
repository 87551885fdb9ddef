"""What the learning baselines must do beside what every method does; a new one is a line in `QUICK`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from helpers_cells import cells

from countception.benchmark.method import Fitted, Setup
from countception.benchmark.methods import make
from countception.data.dataset import Sample
from countception.errors import ConfigError, DatasetError, ImageError
from countception.points import Dots
from countception.trust.metrics import predict_average_mae

QUICK: dict[str, dict[str, Any]] = {
    "arteta": {"words": 64},
    "fiaschi": {"trees": 5, "pixels": 4000},
    "fiaschi, sift": {"trees": 5, "pixels": 4000, "sift": True},
    "lempitsky": {"words": 64},
    "lempitsky-ridge": {"words": 64},
    "proximity": {"width": 0.25, "steps": 240},
    "segui": {"side": 32, "steps": 150},
}
"""Settings for a fit of seconds, by method and perhaps what is special about them."""


def method_of(name: str) -> str:
    """The method of a name in `QUICK`."""
    return name.partition(",")[0]


every = pytest.mark.parametrize("name", sorted(QUICK))


@functools.cache
def samples(channels: int) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """To train on, to validate on and to test on."""
    drawn = cells(32, channels=channels)
    return drawn[:12], drawn[12:20], drawn[20:]


def fit(name: str, *, channels: int = 3, seed: int = 0, fewer: bool = False) -> Fitted:
    training, validation, _ = samples(channels)
    settings = QUICK[name]
    if fewer:
        training, validation = training[:3], validation[:2]
        settings = {key: min(value, 4) if key == "steps" else value for key, value in settings.items()}
    method = make(method_of(name), Setup(settings=settings, device="cpu"))
    return method.fit(training, validation, seed=seed, report=lambda *_: None)


@functools.cache
def fitted_once(name: str) -> Fitted:
    return fit(name)


@every
def test_counts_far_better_than_the_average(name: str) -> None:
    training, _, test = samples(3)
    true = [float(len(sample.dots)) for sample in test]
    errors = [abs(fitted_once(name).count(sample) - t) for sample, t in zip(test, true, strict=True)]
    average = float(np.mean([len(sample.dots) for sample in training]))
    assert np.mean(errors) < 0.6 * predict_average_mae(true, average)


@every
@pytest.mark.parametrize("shape", [(1, 1), (5, 90), (64, 64), (130, 47)])
@pytest.mark.parametrize("value", [0, 255])
def test_blank_images_of_any_size_get_a_count(name: str, shape: tuple[int, int], value: int) -> None:
    blank = Sample(np.full((3, *shape), value, np.uint8), Dots(np.empty((0, 2))), "blank")
    count = fitted_once(name).count(blank)
    assert np.isfinite(count)
    assert count >= 0


@every
def test_other_channels_are_refused(name: str) -> None:
    (sample,) = cells(1, channels=1)
    with pytest.raises(ImageError, match=r"cells 0 has 1 channel but .* of 3"):
        fitted_once(name).count(sample)


@every
@pytest.mark.parametrize("channels", [1, 5])
def test_images_of_any_channels(name: str, channels: int) -> None:
    fitted = fit(name, channels=channels, fewer=True)
    assert np.isfinite(fitted.count(samples(channels)[2][0]))


@every
def test_the_seed_decides(name: str) -> None:
    test = samples(3)[2][:3]

    def counts(seed: int) -> list[float]:
        torch.manual_seed(seed + 77)  # what else is drawn does not matter
        fitted = fit(name, seed=seed, fewer=True)
        return [fitted.count(sample) for sample in test]

    first = counts(1)
    assert counts(1) == first
    if name != "proximity":  # four steps count nothing, whatever the seed
        assert counts(2) != first


@every
def test_settings_are_the_configuration(name: str) -> None:
    key, value = next(iter(QUICK[name].items()))
    assert make(method_of(name), Setup(settings={key: value})).configuration[key] == value
    assert make(method_of(name), Setup()).configuration[key] != value
    with pytest.raises(ConfigError, match="nothing_like_it"):
        make(method_of(name), Setup(settings={"nothing_like_it": 1}))


def test_the_proximity_map_takes_settings_of_the_recipe() -> None:
    plain, half = (make("proximity", Setup(settings=each)) for each in ({}, {"training.precision": "bfloat16"}))
    changed = {**plain.configuration["training"], "precision": "bfloat16"}
    assert half.configuration == {**plain.configuration, "training": changed}
    for key in ("training.steps", "training.seed"):
        with pytest.raises(ConfigError, match=f"{key} cannot be set here"):
            make("proximity", Setup(settings={key: 3}))
    with pytest.raises(ConfigError, match="nothing"):
        make("proximity", Setup(settings={"training.nothing": 3}))


@every
def test_training_without_a_dot_is_refused(name: str) -> None:
    empty = [Sample(s.image, Dots(np.empty((0, 2))), s.name) for s in samples(3)[0]]
    with pytest.raises(DatasetError, match="nothing to learn"):
        make(method_of(name), Setup(settings=QUICK[name], device="cpu")).fit(
            empty, empty, seed=0, report=lambda *_: None
        )
