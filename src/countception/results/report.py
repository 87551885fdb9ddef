"""One HTML page about a counter and its counts: opens from disk, needs nothing else, runs no scripts."""

from __future__ import annotations

import base64
import csv
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countception.counting.model_file import SUFFIX
from countception.evaluation.metrics import LEVELS
from countception.files import whole_file
from countception.images.read import CURVES
from countception.results import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from countception.counting.counter import Counter
    from countception.counting.model_file import Model
    from countception.evaluation.evaluation import Evaluation

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
    level = evaluation.level
    rows = [(row, row.intervals.get(level)) for row in sorted(evaluation.rows, key=lambda row: -abs(row.error))]
    render(
        path,
        "report.html.jinja",
        title=title,
        level=level,
        metrics=evaluation.metrics,
        average_mae=evaluation.predict_average_mae,
        intervals=evaluation.intervals if any(row.intervals for row in evaluation.rows) else [],
        note=sentence(evaluation.note),
        points=evaluation.points,
        flagged=evaluation.flagged,
        known=sentence(evaluation.known_note),
        bars=any(interval for _, interval in rows),
        rows=[
            {
                "image": row.image,
                "true": row.true,
                "count": row.count,
                "interval": f"{_whole(interval.low)} to {_whole(interval.high)}" if interval else "–",
                "error": row.error,
                "warning": row.warning,
                "picture": _jpeg(row.picture),
            }
            for row, interval in rows
        ],
        scatter=data_url(plots.png(evaluation.plot())),
        curve=data_url(plots.png(_curve(counter))) if counter.history else None,
        put_aside=_put_aside(counter.model),
        facts=facts(counter.model),
    )


def render(path: StrPath, template: str, **values: Any) -> None:
    """Write a page from one of the package's templates, whole or not at all.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("countception.results"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": _percent, "whole": _whole, "place": _place, "jpeg": _jpeg}
    page = environment.get_template(template).render(**values)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")  # names of files may be no UTF-8


def sentence(text: str) -> str:
    """A phrase with a capital and a full stop; nothing stays nothing."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def facts(model: Model) -> list[tuple[str, str]]:
    """What a model is and where it comes from, for people: names and values."""
    config, trained, valid = model.config, model.trained_on, model.validation
    network, calibration = config.network, model.calibration
    how = f"× {calibration.factor:.4f}, fitted on {validated_on(model)}"
    if calibration.images < 2:
        how = "none, as it takes two validation images or more, and objects in them"
    found: list[tuple[str, str | None]] = [
        ("network", f"{network.name}, {model.network.parameters_count():,} weights"),
        ("counts", ", ".join(model.class_names)),
        ("channels", str(network.channels)),
        ("window", f"{network.window} × {network.window} working pixels, every {network.stride}"),
        ("scale", f"{model.scale:.3g} working pixels per image pixel"),
        ("calibration", how if config.calibrate else "none"),
        ("intervals", _intervals(model)),
        ("recipe", f"{config.recipe}, seed {config.training.seed}"),
        ("trained on", _join(trained, "{images} images with {objects} objects, {mean_count:.1f} per image")),
        ("training", _join(trained, "best weights from step {steps} of {steps_in_all}, {seconds:.0f} s on {device}")),
        ("validated on", _join(valid, validated_on(model) + ": MAE {mae:.2f}, bias {bias:+.2f}")),
        ("training data", _join(trained, "SHA-256 {sha256}")),
        ("validation data", _join(valid, "SHA-256 {sha256}")),
        ("made with", ", ".join(f"{name} {version}" for name, version in model.versions.items())),
    ]
    return [(name, value) for name, value in found if value is not None]


def validated_on(model: Model) -> str:
    """The images that say how far off counts are."""
    images, folds = model.validation.get("images", 0), model.validation.get("folds")
    if folds:
        return f"{images} images, each counted after learning without its part of {folds}"
    return f"{images} validation image{'' if images == 1 else 's'}"


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
    with whole_file(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(records[0]) if records else ["step"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    plots.save_figure(_curve(counter), picture)
    return table, picture


def _curve(counter: Counter) -> Figure:
    model = counter.model
    return plots.training_curve(counter.history, model.trained_on.get("steps"), put_aside=_put_aside(model))


def _put_aside(model: Model) -> bool:
    """Whether the errors of its training curve are those on validation images; with folds there were none."""
    return bool(model.validation) and "folds" not in model.validation


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
    stem = path.name.removesuffix(SUFFIX)  # and no other: a.v1 and a.v2 are two models
    table, picture = (path.with_name(stem + ending) for ending in CURVES)
    return table, picture


def _intervals(model: Model) -> str:
    """The levels that there are intervals of, and what is to be said beside them."""
    known = [level for level in LEVELS if model.intervals.supports(level)]
    note = model.intervals.note(LEVELS[1])
    said = f"{', '.join(map(_percent, known))}, from {model.intervals.images} validation images" if known else ""
    return "; ".join(part for part in (said, note) if part)


def _join(values: dict[str, Any], template: str) -> str | None:
    try:
        return template.format(**values)
    except (KeyError, ValueError):  # a model that was not made by `train`
        return None


def data_url(data: bytes, kind: str = "png") -> str:
    """A picture as text that a page can hold."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _jpeg(data: bytes | None) -> str | None:
    return None if data is None else data_url(data, "jpeg")


def _percent(share: float | None) -> str:
    if share is None or math.isnan(share):
        return "–"
    return f"{100 * share:.3g}\N{NO-BREAK SPACE}%"


def _whole(count: float) -> str:
    """A count for display: the nearest whole number, halves up, never negative."""
    return f"{max(0, math.floor(count + 0.5))}"


def _place(value: float, highest: float) -> str:
    """Where a value lies between 0 and the highest, in per cent."""
    return f"{100 * max(0.0, value) / highest:.2f}" if highest > 0 else "0"
