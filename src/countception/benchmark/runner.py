"""Running cells: each is claimed, run, and written as one row; what is done or claimed elsewhere is passed over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from countception.benchmark import machine, maps
from countception.benchmark.method import Batched, Fitted, Method, Report, Setup, Variants
from countception.benchmark.methods import config_hash, make
from countception.benchmark.protocol import Cell, DataSet, Parts, draw
from countception.benchmark.results import Prediction, Results, Row
from countception.errors import DatasetError
from countception.trust.metrics import metrics

if TYPE_CHECKING:
    from countception.data.dataset import Sample

ShowCell = Callable[[str], AbstractContextManager[Report]]
"""Makes a progress bar with a title."""
Examine = Callable[[Cell, str, Fitted], None]
"""Called with a cell, its run's key and what was learned, to measure more than counts."""


@dataclass(frozen=True)
class Data:
    """A data set in memory with its hash."""

    samples: Sequence[Sample]
    hash: str
    spec: DataSet | None = None
    """How it is measured on; None for the paper's."""


@dataclass
class Tally:
    """What became of the cells."""

    finished: int = 0
    done_before: int = 0
    elsewhere: int = 0
    """Claimed by another process."""

    def __str__(self) -> str:
        return (
            f"{self.finished} runs finished now, {self.done_before} were done before, "
            f"{self.elsewhere} are being run by another process"
        )


@dataclass(frozen=True)
class Outcome:
    """What a run gives."""

    rows: list[Row]
    """The run's own, then those of its variants."""
    predictions: list[Prediction]
    fitted: Fitted
    maps: maps.MapPair | None = None
    """Of the first test image."""


def run(
    cells: Sequence[Cell],
    data: Mapping[str, Data],
    results: Results,
    *,
    device: str | None = None,
    show: ShowCell | None = None,
    finished: Callable[[list[Row]], None] | None = None,
    examine: Examine | None = None,
) -> Tally:
    """Run what is not done yet, one cell after the other.

    Start it in as many processes as there is room for, on one folder of results: none does what another does. Stopped
    at any time, even by a loss of power, it goes on where it was.

    Parameters
    ----------
    cells
        What to run.
    data
        The data sets of the cells by name.
    results
        Where the rows go, and what is done already.
    device
        For methods that can choose.
    show
        Makes a progress bar for a cell.
    finished
        Called with the rows of each run when they are written.
    examine
        Called before they are, so that a row vouches for what this leaves.

    Raises
    ------
    DatasetError
        The folder has results of other data of the same name.
    CountceptionError
        A method cannot be made or cannot learn from the data, or the folder cannot be written to.
    """
    for name, each in data.items():
        refuse_others(results, name, each.hash)
    tally = Tally()
    for number, cell in enumerate(cells, 1):
        method = make(cell.method, Setup(cell.data, cell.settings, n=cell.n))
        key = cell.run_key(config_hash(method))
        with results.claim(key) as mine:
            if not mine:
                tally.elsewhere += 1
            elif any(row.key == key for row in results.rows()):
                tally.done_before += 1
            else:
                setup = Setup(cell.data, cell.settings, device, results.work(key), n=cell.n)
                with (show or _quiet)(f"{key} ({number} of {len(cells)})") as report:
                    outcome = run_cell(cell, data[cell.data], setup, report=report)
                if examine:
                    examine(cell, key, outcome.fitted)
                _keep(outcome, key, method, results)
                tally.finished += 1
                if finished:
                    finished(outcome.rows)
    return tally


def refuse_others(results: Results, name: str, digest: str) -> None:
    """Rows of other data would count as done, and be averaged with new ones.

    Raises
    ------
    DatasetError
        There are some.
    """
    for row in results.rows():
        if row.data == name and row.data_hash != digest[:12]:
            raise DatasetError(
                f"{results.folder} has results of other {name} data: their hash is {row.data_hash}…, not "
                f"{digest[:12]}…; name another folder of results (--results), or get the original files"
            )


def run_cell(cell: Cell, data: Data, setup: Setup, *, report: Report) -> Outcome:
    """One run: draw the split, learn, count the test images. Nothing is written but into `setup.work`."""
    started, commit = datetime.now(UTC), machine.commit()  # of the code that runs, whatever is committed meanwhile
    method = make(cell.method, setup)
    parts = draw(data.samples, cell, data.spec)
    begun = time.perf_counter()
    fitted = method.fit(parts.training, parts.validation, seed=cell.split_seed, report=report)
    seconds = fitted.facts.seconds
    seconds = time.perf_counter() - begun if seconds is None else seconds
    predictions, others = _count(fitted, parts)
    true = [float(each.true) for each in predictions]
    facts = fitted.facts
    first = Row(
        method=cell.method,
        settings=cell.settings_text,
        data=cell.data,
        n=cell.n,
        seed=cell.seed,
        split=cell.split,
        split_by=cell.split_by,
        **_figures(true, [each.count for each in predictions]),
        epochs=facts.epochs,
        steps=facts.steps,
        seconds=seconds,
        device=facts.device,
        threads=machine.threads(),
        cpu=machine.cpu(),
        versions=machine.versions(),
        commit=commit,
        config_hash=config_hash(method),
        data_hash=data.hash[:12],
        command=cell.command,
        started=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        precision=facts.precision,
    )
    rows = [first]
    for name, counts in others.items():
        update = {"settings": f"{first.settings} {name}".strip(), **_figures(true, counts)}
        rows.append(first.model_copy(update=update))
    pair = fitted.map_pair(parts.test[0]) if maps.wanted(cell) and isinstance(fitted, maps.Mapped) else None
    return Outcome(rows, predictions, fitted, pair)


def _count(fitted: Fitted, parts: Parts) -> tuple[list[Prediction], dict[str, list[float]]]:
    """Counts of the test images, and those of each variant."""
    predictions = []
    others: dict[str, list[float]] = {}
    begun = time.perf_counter()
    if isinstance(fitted, Batched):
        fitted.prepare(parts.test)
    share = (time.perf_counter() - begun) / len(parts.test)
    for sample in parts.test:
        begun = time.perf_counter()
        count = fitted.count(sample)
        seconds = share + time.perf_counter() - begun
        predictions.append(Prediction(sample.name, len(sample.dots), count, seconds))
        if isinstance(fitted, Variants):
            for name, value in fitted.variants(sample).items():
                others.setdefault(name, []).append(value)
    return predictions, others


def _figures(true: Sequence[float], counts: Sequence[float]) -> dict[str, float]:
    found = metrics(true, counts)
    return {"mae": found.mae, "rmse": found.rmse, "bias": found.bias, "relative_error": found.relative_error}


def _keep(outcome: Outcome, key: str, method: Method, results: Results) -> None:
    """Write everything, the rows last."""
    curve = outcome.fitted.facts.curve
    results.save_predictions(key, outcome.predictions)
    if curve:
        results.save_curve(key, curve)
    if outcome.maps:
        maps.save(outcome.maps, results.maps(key))
    results.save_configuration(config_hash(method), method.name, method.configuration)
    results.append(outcome.rows)
    results.finish(key)


def _quiet(title: str) -> AbstractContextManager[Report]:
    def report(done: float, text: str) -> None:
        del done, text

    del title
    return nullcontext(report)
