"""What the commands print: plain tables and lines on standard output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from countception.batch import Row
    from countception.evaluate.evaluation import Evaluation
    from countception.inspection import Counts, Inspection

BAR = 40
"""Longest bar of a histogram in characters."""


def table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print a plain table: the first column to the left, the others, numbers, to the right."""
    widths = [max(len(row[i]) for row in [header, *cells]) for i in range(len(header))]
    for row in [header, *cells]:
        rest = "".join(f"  {text:>{width}}" for text, width in zip(row[1:], widths[1:], strict=True))
        typer.echo(f"{row[0]:<{widths[0]}}{rest}")


def show_rows(rows: Sequence[Row]) -> None:
    """Print counts and the ends of their intervals, rounded to whole numbers."""

    def whole(value: float | None) -> str:
        return "–" if value is None else str(max(0, math.floor(value + 0.5)))

    cells = [[row.image, whole(row.count), whole(row.low), whole(row.high)] for row in rows]
    table(["image", "count", "low", "high"], cells)


def show_evaluation(result: Evaluation) -> None:
    """Print true count, count and error of each image, and the figures beside those of predicting the average."""
    cells = [[row.image, f"{row.true:g}", f"{row.count:.1f}", f"{row.error:+.1f}"] for row in result.rows]
    table(["image", "true count", "count", "error"], cells)
    figures = result.metrics
    relative = "" if math.isnan(figures.relative_error) else f", relative error {figures.relative_error:.1%}"
    typer.echo(f"\nMAE {figures.mae:.2f}, RMSE {figures.rmse:.2f}, bias {figures.bias:+.2f}{relative}")
    if not math.isnan(result.predict_average_mae):
        typer.echo(f"MAE of predicting the average of the training images: {result.predict_average_mae:.2f}")


def show_inspection(found: Inspection) -> None:
    """Print what was found in a data set."""

    def numbers(values: dict[str, int]) -> str:
        return ", ".join(f"{name} ({number})" for name, number in values.items())

    typer.echo(f"{found.root}: {found.pairs} images with dots")
    problems = {
        "images without dots": [(name, "") for name in found.unmatched_images],
        "dots without an image": [(name, "") for name in found.unmatched_dots],
        "cannot be used": list(found.unreadable.items()),
        "dots outside the image": [(name, str(n)) for name, n in found.outside.items()],
        "duplicate dots": [(name, str(n)) for name, n in found.duplicates.items()],
    }
    typer.echo(f"sizes (height × width): {numbers(found.sizes)}")
    typer.echo(f"channels: {numbers({str(channels): number for channels, number in found.channels.items()})}")
    typer.echo(f"pixels: {numbers(found.dtypes)}" + _range(found))
    if len(found.classes) > 1:
        typer.echo(f"classes: {numbers(found.classes)}")
    if found.counts is not None:
        _histogram(found.counts)
    _spacing(found)
    for title, names in problems.items():
        if names:
            typer.echo(f"\n{title}: {len(names)}")
            for name, what in names:
                typer.echo(f"  {name}" + (f": {what}" if what else ""))


def _range(found: Inspection) -> str:
    return "" if found.intensity is None else f", values from {found.intensity[0]:g} to {found.intensity[1]:g}"


def _histogram(counts: Counts) -> None:
    typer.echo(
        f"\ndots per image: {counts.mean:.1f} ± {counts.sd:.1f}, {counts.smallest} to {counts.largest}, "
        f"{counts.total} in all"
    )
    most = max(counts.histogram)
    for number, low, high in zip(counts.histogram, counts.edges, counts.edges[1:], strict=False):
        typer.echo(f"  {low:6.0f} – {high:<6.0f} {'█' * math.ceil(BAR * number / most)} {number}")


def _spacing(found: Inspection) -> None:
    if found.nearest is not None and found.third_nearest is not None:
        typer.echo(
            f"\nspacing of the dots: {found.nearest:.1f} pixels to the nearest, {found.third_nearest:.1f} to the third"
        )
    typer.echo(
        f"suggested scale: {found.scale:.3g} working pixels per image pixel, so that the counting window is "
        f"{found.window:.0f} image pixels wide"
    )
