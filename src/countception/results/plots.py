"""Plots: training curves, predicted against true counts, an image beside what was counted in it.

Each function makes a matplotlib figure without a display; `save_figure` writes it. Matplotlib is imported when first
used.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from countception.errors import OutputError
from countception.files import whole_file
from countception.results.pictures import viewable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture

    from countception.results.row import Row
    from countception.training.state import Record
    from countception.trust.confidence import Interval

KINDS = ("png", "svg", "pdf")
INK, ACCENT, MUTED = "#1b2733", "#b5381f", "#6b7a88"


def _figure(width: float = 6.4, height: float = 4.0) -> Figure:
    from matplotlib.figure import Figure

    return Figure((width, height), dpi=130, layout="constrained")


def check_drawing() -> None:
    """Fail now, rather than after hours of work, if there will be no plots.

    Raises
    ------
    OutputError
        Matplotlib finds no folder for its settings, as in containers in which little may be written to.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except OSError as error:
        raise OutputError(
            "plots cannot be drawn, as matplotlib has no folder to write its settings to: name one as MPLCONFIGDIR in "
            "the environment"
        ) from error


def plain(axes: Any) -> None:
    """Less ink: no box, pale grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e8ec", linewidth=0.8)
    axes.set_axisbelow(True)


def png(figure: Figure) -> bytes:
    """A figure as PNG bytes, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)  # type: ignore[no-untyped-call]
    return stream.getvalue()


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as a PNG, SVG or PDF file, by its name, whole or not at all.

    Raises
    ------
    OutputError
        The place cannot be written to, or has another suffix.
    """
    kind = plot_kind(path)
    with whole_file(path) as temporary:
        if kind == "png":
            temporary.write_bytes(png(figure))
        else:
            figure.savefig(temporary, format=kind)


def plot_kind(path: str | os.PathLike[str]) -> str:
    """``png``, ``svg`` or ``pdf``: how a plot of that name is written.

    Raises
    ------
    OutputError
        It has another suffix.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise OutputError(f"{path}: plots are written as {', '.join(f'.{each}' for each in KINDS)}: name it so")
    return kind


def training_curve(history: Sequence[Record], kept: int | None = None, *, put_aside: bool = True) -> Figure:
    """Loss and error over the training, with a ring around the step whose weights were `kept`.

    Parameters
    ----------
    history
        Of a counter.
    kept
        Its step.
    put_aside
        Whether errors are those on validation images, or on the training images, because no images were put aside.
    """
    figure = _figure(height=5.4)
    errors, losses = figure.subplots(2, 1, sharex=True)
    steps = [record.step for record in history]
    errors.plot(steps, [record.valid_mae for record in history], color=ACCENT, marker="o", markersize=3)
    errors.set_ylabel("validation MAE\n(objects)" if put_aside else "MAE on the training\nimages (objects)")
    for record in history:
        if record.step == kept:
            errors.plot([kept], [record.valid_mae], "o", color=INK, markersize=7, fillstyle="none")
            error = f"{record.valid_mae:.2f} objects per image at " if put_aside else ""
            errors.set_title(f"kept: {error}step {kept}", fontsize=10, loc="left")
    losses.plot(steps, [record.loss for record in history], color=INK, marker="o", markersize=3)
    losses.set_ylabel("training loss")
    losses.set_xlabel("step")
    for axes in (errors, losses):
        _from_zero(axes)
        plain(axes)
    return figure


def _from_zero(axes: Any) -> None:
    """Begin the axis at 0, with room for whole markers at the top."""
    top = axes.dataLim.y1
    axes.set_ylim(0, 1.06 * top if top > 0 else None)


def scatter(
    true: Sequence[float], counts: Sequence[float], mae: float, intervals: Sequence[Interval | None] = ()
) -> Figure:
    """Counts against true counts, with their intervals where there are any, and the line where they are equal."""
    figure = _figure(4.8, 4.6)
    _scatter(figure.subplots(), true, counts, mae, intervals)
    return figure


def _scatter(
    axes: Any, true: Sequence[float], counts: Sequence[float], mae: float, intervals: Sequence[Interval | None] = ()
) -> None:
    bars = [(t, *interval) for t, interval in zip(true, intervals, strict=False) if interval is not None]
    ends_of_bars = [end for _, *both in bars for end in both]
    low, high = min(*true, *counts, *ends_of_bars), max(*true, *counts, *ends_of_bars)
    room = 0.05 * (high - low) or 1.0
    ends = (low - room, high + room)
    axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle="--", label="count = true count")
    if bars:
        places, lows, highs = zip(*bars, strict=True)
        axes.vlines(places, lows, highs, color=ACCENT, alpha=0.6, linewidth=1.5)
    axes.plot(true, counts, "o", color=ACCENT, alpha=0.75, markersize=5, markeredgewidth=0)
    axes.set(xlabel="true count", ylabel="count", xlim=ends, ylim=ends, aspect="equal")
    axes.set_title(f"{len(true)} image{'s'[: len(true) != 1]}, MAE {mae:.2f}", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    plain(axes)


def counts(rows: Sequence[Row]) -> Figure:
    """Counts of images from the smallest to the largest, with their intervals where they are known."""
    ordered = sorted((row for row in rows if row.count is not None), key=lambda row: row.count or 0.0)
    figure = _figure(6.4, 3.4)
    axes = figure.subplots()
    places = np.arange(1, len(ordered) + 1)
    bars = [(k, row.low, row.high) for k, row in zip(places, ordered, strict=True) if row.low is not None]
    size = float(np.clip(300 / max(1, len(ordered)), 2, 6))
    if bars:
        axes.vlines(*zip(*bars, strict=True), color=INK, alpha=0.5, linewidth=size / 2)
    for strange, colour, marker, larger in ((False, INK, "o", 1), (True, ACCENT, "^", 1.6)):  # in grey, too
        chosen = [(k, row.count) for k, row in zip(places, ordered, strict=True) if bool(row.warning) == strange]
        if chosen:
            label = "unlike the training images" if strange else "like the training images"
            look: dict[str, Any] = {"color": colour, "markersize": larger * size, "markeredgewidth": 0, "label": label}
            axes.plot(*zip(*chosen, strict=True), marker, **look)
    axes.set(xlabel="image", ylabel="count")
    _from_zero(axes)
    axes.set_xticks([])
    if any(row.warning for row in ordered):
        axes.legend(frameon=False, fontsize=9, loc="upper left", markerscale=6 / size)
    plain(axes)
    return figure


def overview(
    image: npt.NDArray[np.generic], pictured: Picture, true: Sequence[float], counts: Sequence[float], mae: float
) -> Figure:
    """An image, the same with what was counted in it, and the counts of all images against the truth."""
    figure = _figure(11.4, 3.9)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.05))
    left.imshow(viewable(image))
    left.set_title("a new image", fontsize=10, loc="left")
    middle.imshow(np.asarray(pictured))
    middle.set_title("counted density, and the true positions", fontsize=10, loc="left")
    for axes in (left, middle):
        axes.set_axis_off()
    _scatter(right, true, counts, mae)
    return figure


def histogram(numbers: Sequence[int], edges: Sequence[float]) -> Figure:
    """How many images, `numbers`, have how many objects, between `edges`."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(height=3.2)
    axes = figure.subplots()
    axes.stairs(numbers, edges, fill=True, color=ACCENT, alpha=0.85)
    axes.set(xlabel="dots per image", ylabel="images", ylim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    plain(axes)
    return figure
