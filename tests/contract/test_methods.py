"""What every method of the benchmark must do; a new one is a line in `METHODS`, and one in `QUICK` if it is slow."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from countception.baselines.cellprofiler import find_program
from countception.benchmark.method import Fitted, Method, Setup
from countception.benchmark.methods import METHODS, config_hash, make
from countception.data.dataset import Sample, load_dataset
from countception.errors import ConfigError
from countception.points import Dots

SHORT = {
    "network.width": 0.2,
    "scale.factor": 1.0,
    "training.augment.crop": 32,
    "training.steps": 2,
    "training.evaluations": 1,
}
QUICK: dict[str, dict[str, Any]] = {
    "boxnet": SHORT,
    "count-ception": {**SHORT, "window": 16},
    "fcrn-a": SHORT,
    "fcrn-b": SHORT,
    "lempitsky": {"words": 16},
    "lempitsky-ridge": {"words": 16},
    "fiaschi": {"trees": 2, "pixels": 500},
    "arteta": {"words": 16},
    "segui": {"side": 32, "steps": 2},
    "proximity": {"width": 0.1, "steps": 2, "crop": 32},
    "log": {"images": 2},
}
"""Settings for a fit of a second or two, of methods that take longer without."""

every = pytest.mark.parametrize("name", METHODS)


@functools.cache
def samples() -> list[Sample]:
    """Three to learn from, two to validate on and two to count."""
    with tempfile.TemporaryDirectory() as folder:
        return load_dataset(tiny.dataset(Path(folder) / "data", 7))


def tiny_method(name: str) -> Method:
    return make(name, Setup("vgg", QUICK.get(name, {}), "cpu"))


def learn(method: Method, seed: int = 3) -> tuple[Fitted, list[float]]:
    """What was learned, and the shares that were reported."""
    if method.name == "cellprofiler":
        try:
            find_program()
        except ConfigError as error:
            pytest.skip(str(error))
    shares: list[float] = []
    fitted = method.fit(samples()[:3], samples()[3:5], seed=seed, report=lambda share, _: shares.append(share))
    return fitted, shares


@functools.cache
def learned_once(name: str) -> tuple[Fitted, list[float]]:
    return learn(tiny_method(name))


def counts(fitted: Fitted) -> list[float]:
    return [fitted.count(sample) for sample in samples()[5:]]


@every
def test_name_is_that_of_the_list(name: str) -> None:
    assert tiny_method(name).name == name


@every
def test_configuration_is_json_and_without_the_seed(name: str) -> None:
    text = json.dumps(tiny_method(name).configuration)
    assert json.dumps(json.loads(text)) == text
    assert '"seed"' not in text


@every
def test_learns_and_counts(name: str) -> None:
    fitted, shares = learned_once(name)
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert all(np.isfinite(count) and count >= 0 for count in counts(fitted))
    assert fitted.facts.precision in ({"float32", "bfloat16"} if fitted.facts.steps else {""})


@every
def test_the_same_seed_gives_the_same_counts(name: str) -> None:
    torch.manual_seed(77)  # what else is drawn does not matter
    assert counts(learn(tiny_method(name))[0]) == counts(learned_once(name)[0])


@every
def test_the_hash_is_the_same_for_every_seed(name: str) -> None:
    method = tiny_method(name)
    before = config_hash(method)
    learn(method, seed=4)
    assert config_hash(method) == before


@every
def test_dots_of_the_counted_image_do_not_matter(name: str) -> None:
    fitted, _ = learned_once(name)
    without = [Sample(each.image, Dots(np.empty((0, 2))), each.name) for each in samples()[5:]]
    assert [fitted.count(sample) for sample in without] == counts(fitted)
