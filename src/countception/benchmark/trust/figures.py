"""The plots of the page on points and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from countception.benchmark.figures import COLOURS, single_panel
from countception.benchmark.trust.coverage import GROUPS, Coverage
from countception.benchmark.trust.summary import F1
from countception.plots import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def f1_curves(ways: Sequence[F1], tolerance: float, title: str) -> Figure:
    """F1 against the tolerance; the stated one is marked."""
    figure, axes = single_panel(6.8, 3.8 + 0.16 * len(ways))
    for i, way in enumerate(ways):
        x, y = zip(*way.curve, strict=True)
        style = "-" if i < len(COLOURS) else "--"
        label = f"{way.system}: {way.locator}"
        axes.plot(x, y, style, color=COLOURS[i % len(COLOURS)], marker="o", markersize=3, linewidth=1.2, label=label)
    axes.axvline(tolerance, color=MUTED, linewidth=1, linestyle=":")
    axes.set(xlabel="tolerance (image pixels)", ylabel="F1", ylim=(0, 1.02), xlim=(0, None))
    axes.set_title(title, fontsize=10, loc="left")
    figure.legend(frameon=False, fontsize=7, loc="outside lower left")  # more lines than fit among the curves
    return figure


def coverages(found: Mapping[tuple[str, float], Coverage], title: str) -> Figure:
    """Share of intervals that hold the true count, against the level, for all images and thirds of them."""
    figure, axes = single_panel(6.8, 3.4)
    ways = list(dict.fromkeys(way for way, _ in found))
    levels = sorted({level for _, level in found})
    for i, level in enumerate(levels):
        ends = (i - 0.45, i + 0.45)
        axes.fill_between(ends, level - 0.02, level + 0.02, color="#e3e8ec", linewidth=0, zorder=0)
        axes.plot(ends, (level, level), color=MUTED, linewidth=1, zorder=1)
    for w, way in enumerate(ways):
        for i, level in enumerate(levels):
            one = found.get((way, level))
            if one is None:
                continue
            x = [i + 0.25 * (w - (len(ways) - 1) / 2) + 0.05 * (g - 1.5) for g in range(len(GROUPS))]
            y = [one.shares[group] for group in GROUPS]
            label = way if i == 0 else None
            axes.plot(x, y, "o", color=COLOURS[w], markersize=4, alpha=0.6, markeredgewidth=0, label=label)
            axes.plot(x[:1], y[:1], "o", color=INK, markersize=6, fillstyle="none")
    axes.set_xticks(range(len(levels)), [f"{100 * level:g} %" for level in levels])
    axes.set(xlabel="level", ylabel="share that holds the true count")
    axes.set_title(f"{title}: all images (ringed), and thirds from fewest to most", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
