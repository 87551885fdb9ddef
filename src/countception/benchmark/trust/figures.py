"""The plots of the page on points and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from countception.benchmark.figures import LINES, colour_of, several_panels, single_panel
from countception.benchmark.trust.coverage import GROUPS, Coverage
from countception.benchmark.trust.summary import F1
from countception.results.plots import MUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 0.7
"""F1 that plots begin at: what is good differs by hundredths."""
BAND = 0.02
"""Around a level, that the page aims at."""
STYLES = {"points": "--", "peaks of the density": "-.", "peaks of the count map": ":"}
"""Of lines, by way to find points; the others are solid."""


def f1_curves(ways: Sequence[F1], tolerance: float, title: str) -> Figure:
    """F1 against the tolerance; the stated one is marked, and its F1 said of each line."""
    figure, axes = single_panel(6.8, 4.4 + 0.16 * len(ways))
    for way in ways:
        x, y = zip(*way.curve, strict=True)
        label = f"{way.f1:.3f}  {way.system}: {way.locator}"
        style = STYLES.get(way.locator, "-")
        axes.plot(x, y, style, color=colour_of(way.method), marker="o", markersize=3, linewidth=1.2, label=label)
    axes.axvline(tolerance, color=MUTED, linewidth=1, linestyle=":")
    axes.set(xlabel="tolerance (image pixels)", ylabel="F1", ylim=(LEAST, 1), xlim=(0, None))
    axes.set_title(title, fontsize=10, loc="left")
    below = ", which is below the plot for the last" * any(way.f1 < LEAST for way in ways)
    heading = f"with F1 at {tolerance:g} pixels{below}"
    small = {"frameon": False, "fontsize": 7, "title_fontsize": 7, "handlelength": 4}
    legend = figure.legend(loc="outside lower left", title=heading, **small)
    legend.set_alignment("left")  # more lines than fit among the curves
    return figure


def coverages(found: Mapping[tuple[str, float], Coverage], title: str) -> Figure:
    """Share of intervals that hold the true count, for all images and thirds of them, a panel for each level."""
    ways = list(dict.fromkeys(way for way, _ in found))
    levels = sorted({level for _, level in found})
    figure, panels = several_panels(len(levels), side=3.2, sharey=True)
    for axes, level in zip(panels, levels, strict=True):
        axes.axhspan(level - BAND, level + BAND, color="#e3e8ec", linewidth=0, zorder=0)
        axes.axhline(level, color=MUTED, linewidth=1, zorder=1)
        for w, way in enumerate(ways):
            if (way, level) in found:
                one = found[way, level]
                x = [g + 0.2 * (w - (len(ways) - 1) / 2) for g in range(len(GROUPS))]
                y, errors = zip(*((one.shares[group], one.errors[group] or 0.0) for group in GROUPS), strict=True)
                style = {"color": LINES[w], "markersize": 4, "capsize": 2, "elinewidth": 0.8}
                axes.errorbar(x, y, errors, fmt="o", label=way if axes is panels[0] else None, **style)
        axes.set_xticks(range(len(GROUPS)), GROUPS)
        axes.set_title(f"{100 * level:g} %", fontsize=9, loc="left")
    figure.supxlabel(f"{title}: all images, and thirds of them by predicted count", fontsize=9)
    figure.supylabel("share that holds the true count", fontsize=9)
    figure.legend(frameon=False, fontsize=8, loc="outside upper right", ncols=len(ways))
    return figure
