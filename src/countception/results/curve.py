"""The training curve of a model, as a table and a picture beside it."""

from __future__ import annotations

import csv
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from countception.counting.model_file import SUFFIX
from countception.images.find import CURVES
from countception.results import plots
from countception.results.facts import put_aside
from countception.results.tables import csv_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from countception.counting.counter import Counter

StrPath = str | os.PathLike[str]


def write_curve(counter: Counter, model_path: StrPath) -> tuple[Path, Path]:
    """Write the training curve beside its model, as `<name>.curve.csv` and `<name>.curve.png`, without `.count`.

    The CSV has one row per evaluation and the fields of `countception.training.Record` as columns. In the picture, the
    step whose weights were kept is marked.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    table, picture = curve_paths(model_path)
    records = [asdict(record) for record in counter.history]
    with csv_file(table) as stream:
        writer = csv.DictWriter(stream, list(records[0]) if records else ["step"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    plots.save_figure(plot(counter), picture)
    return table, picture


def curve_paths(model_path: StrPath) -> tuple[Path, Path]:
    """Where `write_curve` writes."""
    path = Path(model_path)
    stem = path.name.removesuffix(SUFFIX)  # and no other: a.v1 and a.v2 are two models
    table, picture = (path.with_name(stem + ending) for ending in CURVES)
    return table, picture


def plot(counter: Counter) -> Figure:
    """The errors of a counter that was just trained, with the step whose weights were kept."""
    model = counter.model
    return plots.training_curve(counter.history, model.trained_on.get("steps"), put_aside=put_aside(model))
