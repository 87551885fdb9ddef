"""The plots of the benchmark's page, from rows and what they vouch for."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from countception.benchmark.maps import MapPair
from countception.benchmark.methods import METHODS
from countception.benchmark.results import Results
from countception.benchmark.tables import Measured, Published, label, order, published
from countception.results.pictures import viewable
from countception.results.plots import ACCENT, INK, MUTED, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from countception.benchmark.experiments import Experiment

COLOURS = (
    *("#7a5c3e", "#2e8b57", "#1f6fb5", "#b5381f", "#8a4fbf", "#c98a00", "#d0559b"),
    *("#008b94", "#1b2733", "#7fb83f", "#e07b54", "#5ec5e8", "#b79ad6"),
    *("#5b6a00", "#7d1f5a", "#3d2fbf", "#f0c84b", "#3f8f6b", "#a34a00"),
)
"""One for each of `METHODS`, and some for those to come."""
SHAPES = "o^sDvP*X<>pdhH8|_x+"
"""Markers, likewise, for those who do not tell the colours apart, and in grey."""
LINES = (ACCENT, INK, "#1f6fb5", "#2e8b57", MUTED)
"""For what is compared in plots of something else than methods."""
MARKERS = "D^v*P"
"""For systems that were only published, which are grey."""

LETTERS = 50
"""Of the names of an experiment's places: so many fit below a plot, side by side."""
APART = 0.03
"""What stands at the same place is drawn so much aside, in the least distance of places, that error bars do not hide
each other."""


def colour_of(method: str) -> str:
    """A method's own, the same in every plot; grey where it was only published."""
    return dict(zip(METHODS, COLOURS, strict=False)).get(method, MUTED)


def marker_of(method: str) -> str:
    """A method's own, too, hollow where it was published."""
    others = dict.fromkeys(each.method for each in published() if each.method not in METHODS)
    return {**dict(zip(METHODS, SHAPES, strict=False)), **dict(zip(others, MARKERS, strict=False))}.get(method, "s")


def mae_against_n(cells: Sequence[Measured], figures: Sequence[Published]) -> Figure:
    """Test MAE, mean and standard deviation, against N: measured filled, published hollow."""
    figure, axes = single_panel(9.2, 5.0)
    sizes = sorted({cell.n for cell in cells} | {each.n for each in figures if each.n is not None})
    measured = [system for system in order(cells, figures) if any(cell.system == system for cell in cells)]
    step = APART * min((b - a for a, b in pairwise(sizes)), default=1)
    for system in order(cells, figures):
        aside = step * (measured.index(system) - (len(measured) - 1) / 2) if system in measured else 0.0
        _measured_line(axes, [cell for cell in cells if cell.system == system], aside)
        theirs = [each for each in figures if each.system == system]
        _published_line(axes, theirs, aside, named=system not in measured)
    axes.set(xlabel="N, images trained on", ylabel="test MAE (objects per image)", yscale="log")
    few_ticks(axes.yaxis)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_title(_told_apart(figures), fontsize=9, loc="left", color=MUTED)
    figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    return figure


def _measured_line(axes: Any, own: Sequence[Measured], aside: float) -> None:
    """One system's points and error bars, moved aside by so much."""
    if own:
        method = own[0].method
        style: dict[str, Any] = {
            "color": colour_of(method),
            "marker": marker_of(method),
            "markersize": 5,
            "linewidth": 1.2,
        }
        errors = [cell.sd or 0.0 for cell in own]
        axes.errorbar(
            [cell.n + aside for cell in own],
            [cell.mae for cell in own],
            errors,
            capsize=2,
            elinewidth=0.8,
            label=label(own[0].system),
            **style,
        )


def _published_line(axes: Any, theirs: Sequence[Published], aside: float, *, named: bool) -> None:
    """One system's published figures: a level line where it does not train, or else hollow points."""
    trained = [each for each in theirs if each.n is not None]
    for each in theirs:
        name = f"{label(each.system)} (published)" if named else None
        if each.n is None:
            axes.axhline(each.mae, color=colour_of(each.method), linestyle=":", linewidth=1, label=name)
        elif each is trained[0]:
            style: dict[str, Any] = {"marker": marker_of(each.method), "markersize": 6, "fillstyle": "none"}
            points = [one.n + aside for one in trained if one.n is not None], [one.mae for one in trained]
            axes.errorbar(*points, color=colour_of(each.method), linestyle=":", linewidth=1, label=name, **style)


def _told_apart(figures: Sequence[Published]) -> str:
    """What the points are, where not all of them are measured."""
    kinds = ["filled: measured; hollow or dotted: published"] if figures else []
    if any(not each.comparable for each in figures):
        kinds.append("grey: other protocol")
    return "; ".join(kinds)


def mae_by_place(experiment: Experiment) -> Figure:
    """Test MAE, mean and standard deviation, of an experiment's lines at its places.

    Lines join places that are numbers; places with long names lie below each other.
    """
    places, lines = experiment.places, experiment.lines
    long = sum(map(len, places)) > LETTERS
    figure, axes = single_panel(7.4, 1.4 + 0.27 * len(places) if long else 4.0)
    for i, line in enumerate(lines):
        found = [(x, cell) for x, at in enumerate(places) if (cell := experiment.at(line, at)) is not None]
        at = [x + APART * (i - (len(lines) - 1) / 2) for x, _ in found]
        maes, errors = [cell.mae for _, cell in found], [cell.sd or 0.0 for _, cell in found]
        style: dict[str, Any] = {"markersize": 5, "capsize": 2, "linestyle": "-" if experiment.numeric else "none"}
        style |= _look(experiment, i)
        if long:
            axes.errorbar(maes, at, xerr=errors, label=line, **style)
        else:
            axes.errorbar(at, maes, errors, label=line, **style)
    if long:
        axes.set(xscale="log", ylim=(len(places) - 0.5, -0.5))  # the first on top
        _label_places(axes.xaxis, axes.yaxis, experiment)
    else:
        axes.set(yscale="log", xlim=(-0.5, len(places) - 0.5))
        _label_places(axes.yaxis, axes.xaxis, experiment)
    if len(lines) > 1:
        figure.legend(frameon=False, fontsize=8, loc="outside upper right" if long else "outside right upper")
    return figure


def _look(experiment: Experiment, number: int) -> dict[str, str]:
    """Of a line: the method's colour where methods are compared, and a marker for each of its lines."""
    methods = [experiment.method(line) for line in experiment.lines]
    if len(set(methods)) == 1:
        return {"color": LINES[number % len(LINES)], "marker": "o"}
    method = methods[number]
    return {"color": colour_of(method), "marker": "osD^"[methods[:number].count(method) % 4]}


def _label_places(errors: Any, places: Any, experiment: Experiment) -> None:
    """Words at the axis of the errors and at that of the places."""
    errors.set_label_text("test MAE (objects per image)")
    few_ticks(errors)
    places.set_label_text(experiment.protocol.axis)
    places.set_ticks(range(len(experiment.places)), experiment.places)


def few_ticks(axis: Any) -> None:
    """On a logarithmic axis with its data, ticks at round numbers, as many as have room, all alike and plain."""
    from matplotlib.ticker import LogLocator, NullLocator

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 10 * low else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def predicted_against_true(cells: Sequence[Measured], results: Results) -> Figure:
    """Counts of the test images of all splits against the truth, a panel for each system."""
    figure, panels = several_panels(len(cells), side=2.9)
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
    figure, panels = several_panels((2 + (image is not None)) * len(pairs), side=2.9, columns=2 + (image is not None))
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
    figure, panels = several_panels(len(drawn), side=2.9)
    for axes, (cell, curves) in zip(panels, drawn, strict=False):
        for curve in curves:
            axes.plot([each["step"] for each in curve], [each["valid_mae"] for each in curve], color=INK, linewidth=0.7)
        axes.set_yscale("log")
        few_ticks(axes.yaxis)
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
    plain(axes)
    return figure, axes


def several_panels(number: int, *, side: float, columns: int = 4, sharey: bool = False) -> tuple[Figure, list[Any]]:
    """A figure, and so many plots in rows, each so many inches wide and high."""
    from matplotlib.figure import Figure

    columns = max(1, min(columns, number))
    rows = max(1, math.ceil(number / columns))
    figure = Figure((side * columns, side * rows), dpi=110, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel().tolist()
    for axes in panels[number:]:
        axes.set_axis_off()
    for axes in panels[:number]:
        plain(axes)
        axes.tick_params(labelsize=7)
    return figure, panels
