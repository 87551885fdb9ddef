"""The plots of the benchmark's page, from rows and what they vouch for."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from countception.benchmark.maps import MapPair
from countception.benchmark.results import Results
from countception.benchmark.tables import Measured, Published, label
from countception.pictures import viewable
from countception.plots import ACCENT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from countception.benchmark.experiments import Experiment

COLOURS = (
    *("#b5381f", "#1f6fb5", "#2e8b57", "#8a4fbf", "#c98a00", "#4a4a4a", "#d0559b"),
    *("#008b94", "#7a5c3e", "#9aa500", "#5470ff", "#e07b54", "#b79ad6"),
)

LETTERS = 50
"""Of the names of an experiment's places: so many fit below a plot, side by side."""


def mae_against_n(cells: Sequence[Measured], figures: Sequence[Published]) -> Figure:
    """Test MAE, mean and standard deviation, against N: measured filled, published hollow."""
    figure, axes = single_panel(7.4, 4.6)
    systems = list(dict.fromkeys([*(cell.system for cell in cells), *(each.system for each in figures)]))
    for i, system in enumerate(systems):
        colour = COLOURS[i % len(COLOURS)]
        own = [cell for cell in cells if cell.system == system]
        theirs = [each for each in figures if each.system == system and each.n is not None]
        name = label(system)
        if own:
            errors = [cell.sd or 0.0 for cell in own]
            style: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 5, "capsize": 2, "label": name}
            axes.errorbar([cell.n for cell in own], [cell.mae for cell in own], errors, **style)
        if theirs:
            hollow: dict[str, Any] = {"color": colour, "marker": "s", "markersize": 6, "fillstyle": "none"}
            shown = None if own else f"{name} (published)"
            points = [each.n for each in theirs], [each.mae for each in theirs]
            axes.plot(*points, linestyle=":", linewidth=1, label=shown, **hollow)
        for each in figures:
            if each.system == system and each.n is None:  # it does not train
                axes.axhline(each.mae, color=colour, linestyle=":", linewidth=1, label=f"{name} (published)")
    axes.set(xlabel="N, images trained on", ylabel="test MAE (objects per image)", yscale="log")
    _plain_numbers(axes.yaxis)
    sizes = sorted({cell.n for cell in cells} | {each.n for each in figures if each.n is not None})
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_title("filled: measured; hollow: published", fontsize=9, loc="left", color=MUTED)
    figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    return figure


def mae_by_place(experiment: Experiment) -> Figure:
    """Test MAE, mean and standard deviation, of an experiment's lines at its places.

    Places with long names lie below each other, and no line joins them.
    """
    places = experiment.places
    long = sum(map(len, places)) > LETTERS
    figure, axes = single_panel(7.4, 1.4 + 0.27 * len(places) if long else 4.0)
    for i, line in enumerate(experiment.lines):
        found = [(x, cell) for x, at in enumerate(places) if (cell := experiment.at(line, at)) is not None]
        at, maes, errors = [x for x, _ in found], [cell.mae for _, cell in found], [cell.sd or 0.0 for _, cell in found]
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "marker": "o", "markersize": 5, "capsize": 2}
        if long:
            axes.errorbar(maes, at, xerr=errors, label=line, linestyle="none", **style)
        else:
            axes.errorbar(at, maes, errors, label=line, **style)
    if long:
        axes.set(xscale="log", ylim=(len(places) - 0.5, -0.5))  # the first on top
        _label_places(axes.xaxis, axes.yaxis, experiment)
    else:
        axes.set(yscale="log")
        _label_places(axes.yaxis, axes.xaxis, experiment)
    if len(experiment.lines) > 1:
        figure.legend(frameon=False, fontsize=8, loc="outside upper right" if long else "outside right upper")
    return figure


def _label_places(errors: Any, places: Any, experiment: Experiment) -> None:
    """Words at the axis of the errors and at that of the places."""
    errors.set_label_text("test MAE (objects per image)")
    _plain_numbers(errors)
    places.set_label_text(experiment.protocol.axis)
    places.set_ticks(range(len(experiment.places)), experiment.places)


def _plain_numbers(axis: Any) -> None:
    """On a logarithmic axis, all ticks with plain numbers, as errors hardly span a power of ten."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("{x:g}")
    axis.set_tick_params(which="minor", labelsize=7)


def predicted_against_true(cells: Sequence[Measured], results: Results) -> Figure:
    """Counts of the test images of all splits against the truth, a panel for each system."""
    figure, panels = _panels(len(cells), side=2.9)
    for axes, cell in zip(panels, cells, strict=False):
        found = [each for row in cell.rows for each in results.predictions(row.key)]
        true, counts = [each.true for each in found], [each.count for each in found]
        ends = (min([0, *true]), max([1, *true]) * 1.05)
        axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle="--")
        axes.plot(true, counts, "o", color=ACCENT, markersize=2.5, alpha=0.4, markeredgewidth=0)
        axes.set(xlim=ends, ylim=(min([0, *counts]), max([ends[1], *counts])))
        axes.set_title(f"{_narrow(cell)}\nN = {cell.n}, MAE {cell.mae:.2f}", fontsize=8, loc="left")
    figure.supxlabel("true count", fontsize=9)
    figure.supylabel("count", fontsize=9)
    return figure


def _narrow(cell: Measured) -> str:
    """What a system is called, in lines that fit above a panel."""
    return textwrap.fill(label(cell.system), 40)


def count_maps(pairs: Sequence[tuple[str, MapPair]], image: npt.NDArray[np.generic] | None = None) -> Figure:
    """True and predicted maps of a test image, a row for each system (the paper's Figure 7).

    Parameters
    ----------
    pairs
        Titles and maps.
    image
        ``(channel, y, x)``, shown before the maps where it is given: the data sets are not ours to publish.
    """
    figure, panels = _panels((2 + (image is not None)) * len(pairs), side=2.9, columns=2 + (image is not None))
    for place in panels:
        place.set_axis_off()
    places = iter(panels)
    for name, pair in pairs:
        if image is not None:
            _show(next(places), viewable(image), pair.image)
        highest = max(float(pair.true_map.max()), float(pair.map.max()))
        scale: dict[str, Any] = {"cmap": "magma", "vmin": 0, "vmax": highest, "interpolation": "nearest"}
        _show(next(places), pair.true_map, f"{name}\ntrue map: {pair.true_count:g}", **scale)
        _show(next(places), pair.map, f"\npredicted map: {pair.count:.1f}", **scale)
    return figure


def _show(axes: Any, values: npt.NDArray[np.generic], title: str, **style: Any) -> None:
    axes.imshow(values, **style)
    axes.set_title(title, fontsize=8, loc="left")


def training_curves(cells: Sequence[Measured], results: Results) -> Figure:
    """Validation MAE over the training, a line for each split, a panel for each system that kept it."""
    kept = [(cell, [curve for row in cell.rows if (curve := results.curve(row.key))]) for cell in cells]
    drawn = [(cell, curves) for cell, curves in kept if curves]
    figure, panels = _panels(len(drawn), side=2.9)
    for axes, (cell, curves) in zip(panels, drawn, strict=False):
        for curve in curves:
            axes.plot([each["step"] for each in curve], [each["valid_mae"] for each in curve], color=INK, linewidth=0.7)
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)
        splits = "1 split" if len(curves) == 1 else f"{len(curves)} splits"
        axes.set_title(f"{_narrow(cell)}\nN = {cell.n}, {splits}", fontsize=8, loc="left")
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("validation MAE", fontsize=9)
    return figure


def single_panel(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of so many inches, and its one plot."""
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=110, layout="constrained")
    axes = figure.subplots()
    _plain(axes)
    return figure, axes


def _panels(number: int, *, side: float, columns: int = 4) -> tuple[Figure, list[Any]]:
    from matplotlib.figure import Figure

    columns = max(1, min(columns, number))
    rows = max(1, math.ceil(number / columns))
    figure = Figure((side * columns, side * rows), dpi=110, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in panels[number:]:
        axes.set_axis_off()
    for axes in panels[:number]:
        _plain(axes)
        axes.tick_params(labelsize=7)
    return figure, panels


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e8ec", linewidth=0.8)
    axes.set_axisbelow(True)
