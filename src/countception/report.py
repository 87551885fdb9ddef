"""One HTML page about a counter and its counts: opens from disk, needs nothing else, runs no scripts."""

from __future__ import annotations

import base64
import csv
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countception import plots
from countception.files import whole_file

if TYPE_CHECKING:
    from countception.counter import Counter
    from countception.evaluate.evaluation import Evaluation
    from countception.model_file import Model
    from countception.training.state import Record

StrPath = str | os.PathLike[str]


def write_report(
    path: StrPath, evaluation: Evaluation, counter: Counter, *, title: str = "Counts beside the truth"
) -> None:
    """Write a self-contained HTML report.

    Parameters
    ----------
    path
        File to write.
    evaluation
        Of `counter`; with `pictures`, an overlay of each image is shown.
    counter
        Where it was just trained, its training curve is shown too.
    title
        Of the page.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("countception"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    rows = sorted(evaluation.rows, key=lambda row: -abs(row.error))
    true, counts = [row.true for row in rows], [row.count for row in rows]
    page = environment.get_template("report.html.jinja").render(
        title=title,
        metrics=evaluation.metrics,
        average_mae=evaluation.predict_average_mae,
        rows=[
            {
                "image": row.image,
                "true": row.true,
                "count": row.count,
                "error": row.error,
                "picture": _jpeg(row.picture),
            }
            for row in rows
        ],
        scatter=_png(plots.png(plots.scatter(true, counts, evaluation.metrics.mae))),
        curve=_png(plots.png(plots.training_curve(counter.history))) if counter.history else None,
        facts=facts(counter.model),
    )
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def facts(model: Model) -> list[tuple[str, str]]:
    """What a model is and where it comes from, for people: names and values."""
    config, trained, valid = model.config, model.trained_on, model.validation
    network, calibration = config.network, model.calibration
    how = f"× {calibration.factor:.4f}, fitted on {calibration.images} validation images"
    found: list[tuple[str, str | None]] = [
        ("network", f"{network.name}, {model.network.parameters_count():,} weights"),
        ("counts", ", ".join(model.class_names)),
        ("channels", str(network.channels)),
        ("window", f"{network.window} × {network.window} working pixels, every {network.stride}"),
        ("scale", f"{model.scale:.3g} working pixels per image pixel"),
        ("calibration", how if config.calibrate else "none"),
        ("recipe", f"{config.recipe}, seed {config.training.seed}"),
        ("trained on", _join(trained, "{images} images with {objects} objects, {mean_count:.1f} per image")),
        ("training", _join(trained, "best weights from step {steps} of {steps_in_all}, {seconds:.0f} s on {device}")),
        ("validated on", _join(valid, "{images} images: MAE {mae:.2f}, bias {bias:+.2f}")),
        ("training data", _join(trained, "SHA-256 {sha256}")),
        ("validation data", _join(valid, "SHA-256 {sha256}")),
        ("made with", ", ".join(f"{name} {version}" for name, version in model.versions.items())),
    ]
    return [(name, value) for name, value in found if value is not None]


def write_curve(history: Sequence[Record], model_path: StrPath) -> tuple[Path, Path]:
    """Write a training curve beside its model, as `<stem>.curve.csv` and `<stem>.curve.png`.

    The CSV has one row per evaluation and the fields of `countception.training.Record` as columns.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    table, picture = curve_paths(model_path)
    records = [asdict(record) for record in history]
    with whole_file(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(records[0]) if records else ["step"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    plots.save_figure(plots.training_curve(history), picture)
    return table, picture


def write_json(path: StrPath, values: dict[str, Any]) -> None:
    """Write plain values as JSON, whole or not at all.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def curve_paths(model_path: StrPath) -> tuple[Path, Path]:
    """Where `write_curve` writes."""
    path = Path(model_path)
    return path.with_name(f"{path.stem}.curve.csv"), path.with_name(f"{path.stem}.curve.png")


def _join(values: dict[str, Any], template: str) -> str | None:
    try:
        return template.format(**values)
    except (KeyError, ValueError):  # a model that was not made by `train`
        return None


def _png(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _jpeg(data: bytes | None) -> str | None:
    return None if data is None else f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
