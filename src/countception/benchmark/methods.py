"""What the benchmark can measure: name → method. A new method is one class and one line in `METHODS`.

A method is made from a `Setup` and fitted anew for each split; what comes back counts images:

>>> method = make("predict-average", Setup(data="vgg"))
>>> method.fit(training, validation, seed=0, report=print).count(sample)        # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from countception.benchmark import dots
from countception.benchmark.method import Facts, Fitted, Method, Report, Setup
from countception.config import dotted
from countception.errors import ConfigError

if TYPE_CHECKING:
    from countception.data.dataset import Sample

METHODS: dict[str, tuple[str, str]] = {
    "predict-average": ("countception.benchmark.methods:PredictAverage", "Predict the average"),
    "cellprofiler": ("countception.baselines.cellprofiler:CellProfiler", "CellProfiler"),
    "boxnet": ("countception.benchmark.networks:boxnet", "BoxNet, our default"),
    "count-ception": ("countception.benchmark.networks:count_ception", "Count-ception, the paper's recipe"),
    "fcrn-a": ("countception.benchmark.networks:fcrn_a", "FCRN-A"),
    "fcrn-b": ("countception.benchmark.networks:fcrn_b", "FCRN-B, half as wide"),
    "lempitsky": ("countception.baselines.lempitsky:Lempitsky", "Lempitsky and Zisserman (2010)"),
    "lempitsky-ridge": ("countception.baselines.lempitsky:LempitskyRidge", "Lempitsky and Zisserman, ridge"),
    "fiaschi": ("countception.baselines.fiaschi:Fiaschi", "Fiaschi et al. (2012)"),
    "arteta": ("countception.baselines.arteta:Arteta", "Arteta et al. (2014)"),
    "segui": ("countception.baselines.segui:Segui", "Seguí et al. (2015)"),
    "proximity": (
        "countception.baselines.proximity:ProximityMethod",
        "Proximity map, Xie et al. (2015), by FCRN-A half as wide",
    ),
    "log": ("countception.baselines.blobs:Blobs", "Laplacian-of-Gaussian blobs"),
}
"""Name → where the method is made, a callable that takes a `Setup`, and its title in tables."""


def make(name: str, setup: Setup) -> Method:
    """A method by name; settings ``dots.…`` and ``annotators.…`` are taken by any (`countception.benchmark.dots`).

    Raises
    ------
    ConfigError
        No method of that name, a package that it needs is missing, or settings it does not have.
    """
    if name not in METHODS:
        raise ConfigError(f"there is no method {name!r}: the methods are {', '.join(METHODS)}")
    spoilers, settings = dots.take(dotted(dict(setup.settings)))
    module, attribute = METHODS[name][0].split(":")
    try:
        made = getattr(import_module(module), attribute)(dataclasses.replace(setup, settings=settings))
    except ImportError as error:
        raise ConfigError(
            f"{name} needs a package that is not installed ({error}): pip install 'countception[baselines]'"
        ) from None
    return dots.WithBadDots(made, spoilers) if spoilers else cast("Method", made)


def title(name: str) -> str:
    """What a method is called in tables."""
    return METHODS[name][1] if name in METHODS else name


ADDED: dict[str, Any] = {
    "counting.spread": True,
    "training.places": 0.0,
    "network.sigma": 2.0,
    "scale.widest": 0.0,
    "network.start_at_mean": False,
    "calibration_prior": 0.02,
    "channels": None,
    "sift": False,
}
"""Configuration keys, dotted, that are younger than the first committed rows, with the value that means what was done
before: left out of the hash where they have it, so that older rows stay valid."""


def config_hash(method: Method) -> str:
    """Twelve hexadecimal digits that change with any setting that decides the result, but for data and seed.

    What is no setting (constants of a method's module, the weights that ship) is pinned by a row's commit alone: who
    changes such a thing removes the rows that it makes untrue.
    """
    configuration = json.loads(json.dumps(method.configuration))
    if not configuration.get("calibrate"):  # it decides nothing
        configuration.pop("calibration_prior", None)
    if (scale := configuration.get("scale")) and scale["factor"] is not None:  # what is given is not found
        scale.pop("widest", None)
    if configuration.get("folds"):  # the last weights are kept, whatever it says; what it said in the first rows
        configuration["training"]["keep_from"] = 0.7
    for key, value in ADDED.items():
        *path, last = key.split(".")
        place = configuration
        for part in path:
            place = place.get(part, {})
        if last in place and place[last] == value:
            del place[last]
    text = json.dumps([method.name, configuration], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _NoOptions:
    """Of a method that has none."""


class PredictAverage:
    """Always says the mean count of the training images: what a method must beat to have learned anything."""

    name = "predict-average"

    def __init__(self, setup: Setup) -> None:
        setup.read(_NoOptions)
        self.configuration: Mapping[str, Any] = {}

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Take the mean."""
        del validation, seed, report
        return _Average(sum(len(sample.dots) for sample in training) / len(training))


@dataclass(frozen=True)
class _Average:
    value: float
    facts: Facts = field(default_factory=Facts)

    def count(self, sample: Sample) -> float:
        """The same for every image."""
        del sample
        return self.value
