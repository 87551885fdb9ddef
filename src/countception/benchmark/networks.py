"""Our own networks and recipes as methods of the benchmark, through `countception.training.train`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from countception.benchmark.maps import MapPair
from countception.benchmark.method import Facts, Report, Setup
from countception.benchmark.protocol import DATASETS, DataSet
from countception.config import Config, updated
from countception.data.dataset import content_hash
from countception.errors import ConfigError
from countception.files import write_json
from countception.geometry import to_working, working_shape
from countception.networks import names
from countception.networks.base import per_class
from countception.points.scale import enlargement
from countception.training import Progress, checkpoint_path, configure, train
from countception.training.state import Record

if TYPE_CHECKING:
    from countception.counting.count import Count
    from countception.counting.counter import Counter
    from countception.data.dataset import Sample

HISTORY = "history.json"
"""Beside the model of a run whose row is still to be written: its training curve."""

SHORT = {
    "epochs": "training.epochs",
    "steps": "training.steps",
    "seconds": "training.seconds",
    "stride": "network.stride",
    "window": "network.window",
}
"""Settings with short names; any other key of the configuration is a setting too, under its dotted name."""

TEST_STRIDES = (4, 2, 1)
"""Shares of the window that the strides of the paper's Table 3, "test only", are: 8, 16 and 32 where r is 32."""

FCRN: dict[str, Any] = {
    "scale.spacing": 17.0,
    "scale.widest": 0.0,
    "training.batch": 8,
    "training.steps": 1000,
    "training.augment.crop": 96,
    "training.keep_from": 0.0,
    "counting.spread": False,
}
"""What FCRN-A and FCRN-B change in our default recipe, beside what `countception.config.NETWORK_SETTINGS` does for any
use of them (squared error, no calibration, no loss on places; no weights ship for them): crops of the published size,
VGG at its own size, and the best weights of the whole training kept."""


class NetworkMethod:
    """A network trained by a recipe.

    Parameters
    ----------
    name
        Of the method.
    setup
        Its settings are changes to the recipe, as `--set` of `countception train`, or the names in `SHORT`.
    recipe
        Name of the recipe.
    changes
        The method's own changes to the recipe; the settings go before them.
    test_strides
        Also count with only every s-th entry of the map, for each of these s.
    flips
        Also count with the maps of all flips and turns averaged.
    """

    def __init__(
        self,
        name: str,
        setup: Setup,
        *,
        recipe: str = "default",
        changes: Mapping[str, Any] | None = None,
        test_strides: Sequence[int] = (),
        flips: bool = False,
    ) -> None:
        self.name, self.setup = name, setup
        self.test_strides, self.flips = tuple(test_strides), flips
        given = {SHORT.get(key, key): value for key, value in setup.settings.items()}
        self.folds = _folds(given.pop("folds", None))
        if "training.seed" in given:
            raise ConfigError("training.seed cannot be set in the benchmark: each split has its own; use --seed")
        self.config: Config = configure(configure(recipe, dict(changes or {})), given)
        if setup.data in DATASETS:
            self._fit_to(DATASETS[setup.data])
        if self.config.network.name not in names():
            raise ConfigError(f"there is no network {self.config.network.name!r}: there are {', '.join(names())}")

    def _fit_to(self, data: DataSet) -> None:
        """What follows from a known data set, as it would from its images: rows are found by their configuration."""
        scale = self.config.scale
        if scale.factor is None and data.spacing <= scale.spacing:  # nothing is shrunk, so how far decides nothing
            self.config = updated(self.config, {"scale.widest": 0.0})
        if self.setup.n is not None:
            images = self.setup.n if self.folds is None else 2 * self.setup.n
            self.config = self.config.lasting(data.megapixels(images, scale), enlargement(data.spacing, scale))

    @property
    def configuration(self) -> dict[str, Any]:
        """The whole configuration but for the seed."""
        values = self.config.model_dump()
        del values["training"]["seed"]
        return values if self.folds is None else {**values, "folds": self.folds}

    def fit(
        self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report
    ) -> FittedNetwork:
        """Train, or go on with a training that was stopped; with ``folds`` on both parts, as `train` does."""

        def show(progress: Progress) -> None:
            report(progress.done, progress.text)

        out = None if self.setup.work is None else self.setup.work / "model.count"
        samples = [*training] if self.folds is None else [*training, *validation]
        counter = None if out is None else _finished(out, samples, self.setup.device)
        if counter is not None:
            return FittedNetwork(counter, self.test_strides, flips=self.flips)
        counter = train(
            samples,
            valid=validation if self.folds is None else None,
            folds=self.folds,
            out=out,
            config=self.config,
            changes={"training.seed": seed} | self.setup.repeated,
            device=self.setup.device,
            resume=out is not None and checkpoint_path(out).exists(),
            report=show,
        )
        if counter.interrupted:
            raise KeyboardInterrupt  # half a training is no result; the checkpoint stays
        if out is not None:
            write_json(out.with_name(HISTORY), {"history": [asdict(record) for record in counter.history]})
        return FittedNetwork(counter, self.test_strides, flips=self.flips)


def _finished(out: Path, samples: Sequence[Sample], device: str | None) -> Counter | None:
    """What a run learned that was stopped before its row was written; None where there is no such thing."""
    from countception.counting.counter import Counter

    records = out.with_name(HISTORY)
    if not records.exists():
        return None
    counter = Counter.load(out, device=device)
    if counter.model.trained_on["sha256"] != content_hash(samples):
        return None
    counter.history = tuple(Record(**each) for each in json.loads(records.read_text(encoding="utf-8"))["history"])
    return counter


def _folds(number: Any) -> int | None:
    if number is not None and (not isinstance(number, int) or number < 2):
        raise ConfigError(f"folds must be a whole number of at least 2, not {number!r}")
    return number


class FittedNetwork:
    """A trained counter."""

    def __init__(self, counter: Counter, test_strides: Sequence[int] = (), *, flips: bool = False) -> None:
        self.counter, self.test_strides, self.flips = counter, test_strides, flips
        self._latest: tuple[Sample, Count] | None = None

    @property
    def facts(self) -> Facts:
        """From the model's own records."""
        trained, history = self.counter.model.trained_on, self.counter.history
        return Facts(
            epochs=history[-1].epoch,
            steps=trained["steps_in_all"],
            seconds=trained["seconds"],
            device=device_name(trained["device"]),
            precision=trained["precision"],
            curve=history,
        )

    def count(self, sample: Sample) -> float:
        """As `Counter.count`."""
        return self._counted(sample).value

    def variants(self, sample: Sample) -> dict[str, float]:
        """The counts from every s-th row and column of the map, as in the paper's Table 3; and over flips."""
        counted = self._counted(sample)
        found = {}
        if self.flips:
            found["counting.flips=true"] = self.counter.count_pixels(sample.image, flips=True).value
        for s in self.test_strides:
            coarse = counted.map[:, ::s, ::s].sum(dtype="float64")
            found[f"test_stride={s}"] = float(coarse / (counted.window / s) ** 2)
        return found

    def map_pair(self, sample: Sample) -> MapPair:
        """The map that was counted and the one that the dots give."""
        counted, network = self._counted(sample), self.counter.model.network
        shape = working_shape((sample.image.shape[1], sample.image.shape[2]), counted.scale)
        true = per_class(network, to_working(sample.dots.points, counted.scale), sample.dots.labels, shape)
        return MapPair(sample.name, len(sample.dots), counted.value, true.sum(0), counted.map.sum(0))

    def _counted(self, sample: Sample) -> Count:
        if self._latest is None or self._latest[0] is not sample:
            self._latest = (sample, self.counter.count_pixels(sample.image))
        return self._latest[1]


def boxnet(setup: Setup) -> NetworkMethod:
    """Our default: the recipe and the network that `countception train` takes by itself."""
    return NetworkMethod("boxnet", setup, flips="counting.flips" not in setup.settings)


def fcrn_a(setup: Setup) -> NetworkMethod:
    """FCRN-A on density maps, as `FCRN` says."""
    return NetworkMethod("fcrn-a", setup, changes={"network.name": "fcrn_a", **FCRN})


def fcrn_b(setup: Setup) -> NetworkMethod:
    """FCRN-B on density maps, as `FCRN` says, with half as many filters, so that a training takes minutes on a CPU."""
    return NetworkMethod("fcrn-b", setup, changes={"network.name": "fcrn_b", "network.width": 0.5, **FCRN})


def count_ception(setup: Setup) -> NetworkMethod:
    """The paper's network and recipe (section 5.1), MBM at half size as in the authors' program.

    `epochs` other than the paper's 1000 keep its one evaluation per epoch. ``kernel=gaussian`` learns the density map
    of the paper's Figure 2 instead of the count map, with everything else equal.
    """
    settings = dict(setup.settings)
    kernel = settings.pop("kernel", "square")
    if kernel not in ("square", "gaussian"):
        raise ConfigError(f"there is no kernel {kernel!r}: the kernels are square and gaussian")
    changes: dict[str, Any] = {"scale.factor": 0.5} if setup.data == "mbm" else {}
    if kernel == "gaussian":
        changes["network.name"] = "count_ception_gaussian"
    epochs = settings.get("epochs", settings.get("training.epochs"))
    if epochs is not None:
        changes["training.evaluations"] = epochs
    strided = settings.get("stride", settings.get("network.stride", 1)) != 1
    window = settings.get("window", settings.get("network.window", 32))
    return NetworkMethod(
        "count-ception",
        replace(setup, settings=settings),
        recipe="paper",
        changes=changes,
        test_strides=() if strided or kernel == "gaussian" else [max(1, window // k) for k in TEST_STRIDES],
    )


def device_name(device: str) -> str:
    """``cuda:0`` → the model of the GPU; anything else as it is."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device
