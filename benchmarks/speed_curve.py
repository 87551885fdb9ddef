"""Test error against training time: weights are kept at every evaluation and tested when the training is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from torch import Tensor

from countception.benchmark.protocol import Cell, draw, load
from countception.counting.counter import Counter
from countception.data.dataset import Sample
from countception.training import train
from countception.training.loop import Trainer
from countception.training.state import Record
from countception.trust import calibration

Kept = list[tuple[float, dict[str, Tensor]]]
"""Seconds of training and the averaged weights, of each evaluation."""


@contextmanager
def keeping() -> Iterator[Kept]:
    """Trainings keep what each of their evaluations looks at."""
    kept: Kept = []
    evaluate = Trainer.evaluate

    def evaluate_and_keep(trainer: Trainer) -> Record:
        record = evaluate(trainer)
        kept.append((record.seconds, {name: each.clone() for name, each in trainer.average.state_dict().items()}))
        return record

    with mock.patch.object(Trainer, "evaluate", evaluate_and_keep):
        yield kept


def curve(settings: dict[str, str], root: Path | None) -> list[dict[str, Any]]:
    """Train for some seconds and test the weights of each evaluation.

    Parameters
    ----------
    settings
        ``network`` (boxnet or count_ception), ``data``, ``n``, ``seconds``, ``split``, ``evaluations``.
    root
        Of the data sets.
    """
    name, seconds = settings["network"], float(settings["seconds"])
    cell = Cell(method=name, data=settings["data"], n=int(settings["n"]), split=int(settings.get("split", 0)))
    parts = draw(load(cell.data, root), cell)
    changes: dict[str, Any] = {
        "training.seed": cell.split_seed,
        "training.seconds": seconds,
        "training.evaluations": int(settings.get("evaluations", 10)),
    }
    if name == "count_ception" and cell.data == "mbm":
        changes["scale.factor"] = 0.5
    with keeping() as kept:
        counter = train(
            parts.training,
            valid=parts.validation,
            config="default" if name == "boxnet" else "paper",
            changes=changes,
        )
    final = _error(counter, parts.test)
    rows: list[dict[str, Any]] = []
    true = [float(len(sample.dots)) for sample in parts.validation]
    for at, weights in kept:
        counter.model.network.load_state_dict(weights)
        counter.model = replace(counter.model, calibration=calibration.Calibration())
        if counter.config.calibrate:
            raw = _counts(counter, parts.validation)
            counter.model = replace(
                counter.model, calibration=calibration.fit(raw, true, counter.config.calibration_prior)
            )
        rows.append(
            {"what": f"{name}, {cell.data}, N = {cell.n}", "train_s": at, "test_mae": _error(counter, parts.test)}
        )
        print(rows[-1], flush=True)
    trained = counter.model.trained_on
    rows.append({"what": f"{name}: the counter", "train_s": trained["seconds"], "test_mae": final, "final": True})
    print(rows[-1], flush=True)
    return rows


def _counts(counter: Counter, samples: Sequence[Sample]) -> list[float]:
    return [counter.count_pixels(sample.image).value for sample in samples]


def _error(counter: Counter, samples: Sequence[Sample]) -> float:
    errors = [abs(n - len(s.dots)) for n, s in zip(_counts(counter, samples), samples, strict=True)]
    return sum(errors) / len(errors)
