"""The page on points, intervals and flags, from the tables alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from countception.benchmark.protocol import DATASETS
from countception.benchmark.results import Results
from countception.benchmark.trust import figures, summary
from countception.benchmark.trust.coverage import GROUPS, WAYS, Coverage, alike_in_hindsight, coverage
from countception.benchmark.trust.measure import TOLERANCE
from countception.benchmark.trust.summary import F1, Run
from countception.benchmark.trust.tables import Counted
from countception.benchmark.trust.totals import totals
from countception.files import whole_file
from countception.trust.metrics import LEVELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEN = 10
"""Images that make a small sum."""
SHOWN = 0.9
"""Level at which the widths of sums are shown."""
INTRODUCTION = """\
# Points, intervals and flags, measured

<!-- Made by `python -m countception.benchmark.trust --page` from the tables in benchmarks/results: change those. -->

A count is worth more with the place of each object, an interval that holds the true count as often as it says, and a
warning where an image is unlike those that were learned from. This page says how good these are, on the test images of
the splits that the [benchmark](benchmark.md) uses, which says what was decided on which images.

    python -m countception.benchmark.trust --protocol benchmarks/protocols/intervals-vgg.toml
    python -m countception.benchmark.trust --page
"""
OURS = ("boxnet", "points, flips")
"""Method and way to find points that the others are compared with, where it does best."""
AIM = 0.02
"""How far the share of intervals that hold the true count may be from their level."""
POINTS = """\
## Points

Found points are matched to the true dots one to one (as many pairs as possible, then the shortest) within a tolerance:
{tolerances}. Precision, recall and F1 are those of all test images of a split together, then
averaged over splits; the error is the mean distance of the pairs, in pixels of the image. *points* are those of
`countception count --points`, *points, flips* those with `--flips`. The others are what one would do otherwise: peaks
of the smoothed density or of the count map of the same network, of the density of FCRN-A, of the proximity map of
Xie et al. 2015, and Laplacian-of-Gaussian blobs. Smoothing, threshold and distance of peaks were chosen by F1 on ten
validation images of the split, those of the blobs on ten training images. "Lower by" is how much lower F1 is than with
our points with flips on the splits that both were measured on, and on how many of these; below 0 it is higher on
average. ± is the standard deviation over splits. "At half" is F1 at half the tolerance: the whole one is generous, so
much that on adipocytes [points put down at random](limits.md#points-put-down-at-random) find many dots. Time is that of
learning, on one core. The plots show the longest training of each system. Before its loss weighed cones more, as in its
paper, the proximity map's F1 on MBM was 0.899 ± 0.013 (ten splits).

Kainz et al. 2015 (You should use regression to detect cells, MICCAI) made their detector for the images that MBM was
cut from: 11 images of 1200 × 1200 pixels with 4205 dots, as counted in the annotations that they published with their
program (pkainz/MICCAI2015 on GitHub). Their own figures are not repeated here, as they were measured in another way
(other images in the test set, another annotation) and could not be checked against the paper.
"""
INTERVALS = """\
## Intervals

Small trainings on many splits, at half the scale: what counts here is how honest the intervals are, not how small the
errors. Of the intervals for the test images of all splits, the share that holds the true count: of all images, and of
the third of each split's images with the lowest, middle and highest predicted count. The aim is the level ± 2 %.
The whole recipe, as `countception train` runs it, was measured on fewer ({recipe}): what so few networks say, give or
take the standard errors that follow. So was{earlier} the recipe before it, which showed images of large objects at
about half their size and learned for fewer steps.
With folds (`countception train --folds`), N images to train on and N to validate on are all learned from, and each is
counted by a training without its part, which leaves errors of 2 N images; the test images are counted by the training
on all of them. A third of MBM's test images are three or four in each split, which is why it has more splits.

| interval | calibrated on the same validation images |
|---|---|
| constant | the same width for every image: split conformal prediction, with errors and ranks taken as for the others |
| by count | `countception count`: the width grows with a power of the count |
| by spread | `countception count --flips`: around the mean over eight flips; the width grows with their spread, too |

Width is the mean from low to high, in objects. "At equal coverage" compares with the constant width after all
intervals of a kind are stretched by one factor so that exactly the level's share of the images is held; below 100 % is
narrower. Intervals that hold alike in every third are wider for some images as they are narrower for others. Were
errors of normal shape and a little larger for some images than for others, the mean width would be the smaller only
at levels above 84 %; what it would be with these errors, and widths chosen in hindsight by the test images themselves,
is said below each table.

Test images of a split share a network and its validation images, and splits share images: ± is the standard error that
takes both for chance (clustered by split and by image), as if the data set were one of many such.
"""
KINDS = {
    "coverage": ("Intervals", ""),
    "recipe": ("Intervals of the whole recipe", ", the whole recipe"),
    "folds": ("Intervals by cross-validation", ", cross-validation"),
    "recipe-folds": ("Intervals of the whole recipe by cross-validation", ", the whole recipe, cross-validation"),
    "earlier": ("Intervals of the earlier recipe", ", the earlier recipe"),
    "earlier-folds": (
        "Intervals of the earlier recipe by cross-validation",
        ", the earlier recipe, cross-validation",
    ),
}
"""Of the systems of a data set, with what headings and lines of tables call them: see `_kind`."""
SHORT, EARLIER = "scale.spacing=", "scale.widest="
"""What small trainings change of the recipe, and what the recipe before this one had not."""
TOTALS = """\
## Totals

The same trainings: of the intervals for the sum of ten test images, and of all test images, the share that holds the
true sum, by level; their mean width relative to that sum, and what it would be, were the intervals of the images added
up. Images of a well or of a treatment are often alike in count, so sums of ten images of the third with the lowest
counts, and of that with the highest, are looked at, too. Ten are drawn 20 times in each split; sums of one split share
a network, so ± is the standard error of the mean over splits. Of all images there is one sum a split, of which the
number that hold is said where all or none do: 20 of 20 leave room for 83 %, 5 of 5 for 48 %. After a cross-validation,
how far off one network is can only be told from how far off those of the parts were, so that totals are wide.
"""
FLAGS = """\
## Flags

Share of images with a warning, by what was learned. *Clean* are the test images, of which at most 5 % should have one;
the rest are ten of these in each split, corrupted (blurred by a Gaussian of 0.15 spacings of the objects; noise with a
standard deviation of a tenth of the range; inverted; red and blue swapped; half as bright; brought to another size),
and ten images each of the other data sets. Two of these are looked for: what the training images themselves would be at
half the size, and with their channels reversed, is measured when a model is trained.
"""
SEEN = 0.9
"""Share of unlike images below which the page says that they are missed."""
MISSED = """\
So not all that is unlike is flagged. Missed too often, by the whole recipe: {missed}. That an image has no warning does
not say that its count is right.
"""


def write_page(folders: Sequence[Path], docs: Path) -> Path:
    """Write `points-and-intervals.md` into the folder `docs`, and its plots into `docs/points-and-intervals`.

    Raises
    ------
    DatasetError
        The results cannot be read.
    OutputError
        The folder cannot be written to.
    """
    from countception.results.plots import save_figure

    text, plots = page(summary.runs([Results(folder) for folder in folders]))
    for name, figure in plots.items():
        save_figure(figure, docs / "points-and-intervals" / name)
    path = docs / "points-and-intervals.md"
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def page(found: dict[str, list[Run]]) -> tuple[str, dict[str, Figure]]:
    """The page's Markdown, and its plots by file name."""
    plots: dict[str, Figure] = {}
    tolerances = ", ".join(f"{DATASETS[name].title} {tolerance:g} pixels" for name, tolerance in TOLERANCE.items())
    parts = [INTRODUCTION, POINTS.format(tolerances=tolerances)]
    for name, some in found.items():
        ways = summary.points(some, TOLERANCE[name])
        if ways:
            title = DATASETS[name].title
            plots[f"{name}-f1.png"] = figures.f1_curves(summary.longest(ways), TOLERANCE[name], f"{title}, test images")
            parts += [
                f"### Points: {title}",
                _points(ways, TOLERANCE[name]),
                f"![F1](points-and-intervals/{name}-f1.png)",
            ]
    parts.append(_what_intervals(found))
    for name, kind, system, members in _systems(found):
        parts += [f"### {KINDS[kind][0]}: {DATASETS[name].title}", f"{system}; splits: {len(members)}."]
        covered = coverages(members)
        if covered:
            assert f"{name}-{kind}.png" not in plots, "two systems of one kind cannot be told apart"
            plots[f"{name}-{kind}.png"] = figures.coverages(covered, DATASETS[name].title)
        parts += _covered(covered, f"points-and-intervals/{name}-{kind}.png", members)
    parts += [TOTALS, _totals(found), FLAGS, _flags(found), _missed_flags(found)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n", plots


def _systems(found: dict[str, list[Run]]) -> Iterator[tuple[str, str, str, list[Run]]]:
    """Data set, kind (`_kind`), name and runs of each system that intervals are shown of."""
    for name, some in found.items():
        for number, (system, members) in enumerate(summary.systems(some).items()):
            yield name, _kind(system, first=not number), system, members


def _kind(system: str, *, first: bool) -> str:
    """Of a system: whether it is that of small trainings, which comes first, or a whole recipe; and its folds."""
    folds = "folds=" in system
    if SHORT in system or (first and not folds):
        return "folds" if folds else "coverage"
    return ("earlier" if EARLIER in system else "recipe") + "-folds" * folds


def _what_intervals(found: dict[str, list[Run]]) -> str:
    """The paragraphs above the intervals, with how many splits the whole recipes were measured on."""
    said: dict[str, list[str]] = {"recipe": [], "earlier": []}
    for name, kind, _, members in _systems(found):
        if kind in said:
            said[kind].append(f"{DATASETS[name].title}, {len(members)} splits")
    earlier = f" ({'; '.join(said['earlier'])})" if said["earlier"] else ""
    return INTERVALS.format(recipe="; ".join(said["recipe"]) or "none yet", earlier=earlier)


def _covered(covered: dict[tuple[str, float], Coverage], plot: str, members: Sequence[Run]) -> list[str]:
    """Paragraphs on the intervals of one system, and on levels that there are none of."""
    parts = [_intervals(covered), _hindsight(covered, members), _missed(covered)] if covered else []
    parts += [f"![Coverage]({plot})"] if covered else []
    missing = [level for level in LEVELS if ("constant", level) not in covered]
    if missing:
        levels = ", ".join(f"{100 * level:g} %" for level in missing)
        n = sum(each.part == "validation" for each in members[0].counted)
        parts.append(f"{n} validation images are too few for intervals of {levels}, so none are given.")
    return parts


def _hindsight(covered: dict[tuple[str, float], Coverage], members: Sequence[Run]) -> str:
    """What the width at equal coverage could be, were it known how errors differ from third to third."""
    tables = [run.counted for run in members]
    levels = [level for level in LEVELS if ("constant", level) in covered]
    shares = [f"{100 * alike_in_hindsight(tables, level):.0f} %" for level in levels]
    of = ", ".join(f"{100 * level:g}" for level in levels)
    return f"In hindsight, alike in every third, beside one width for all (at {of} %): {', '.join(shares)}."


def coverages(members: Sequence[Run]) -> dict[tuple[str, float], Coverage]:
    """By kind of interval and level; those that the validation images support."""
    tables = [run.counted for run in members]
    found = {(way, level): coverage(tables, way, level) for way in WAYS for level in LEVELS}
    return {key: one for key, one in found.items() if one is not None}


def _points(ways: Sequence[F1], tolerance: float) -> str:
    lines = [
        "| system | found by | splits | precision | recall | F1 | lower by | at half | error | time |",
        "|---|---|---:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    ours = next((way for way in ways if (way.method, way.locator) == OURS), None)
    for way in ways:
        lower = way.less_than(ours) if ours is not None and way is not ours else []
        on = f", on {sum(each > 0 for each in lower)} of {len(lower)}"
        text = f"{statistics.fmean(lower):.3f}{_deviation(summary.deviation(lower))}{on}" if lower else ""
        lines.append(
            f"| {way.system} | {way.locator} | {len(way.by_split)} | {way.precision:.3f} | {way.recall:.3f} "
            f"| **{way.f1:.3f}**{_deviation(way.deviation)} | {text} | {way.at(tolerance / 2)} "
            f"| {way.distance:.1f} px | {way.seconds / 60:.1f} min |"
        )
    return "\n".join(lines)


def _deviation(value: float | None) -> str:
    return "" if value is None else f" ± {value:.3f}"


def _intervals(covered: dict[tuple[str, float], Coverage]) -> str:
    lines = [f"| level | interval | {' | '.join(GROUPS)} | width | at equal coverage |", "|---:|---|" + "--:|" * 6]
    for level in LEVELS:
        for way in WAYS:
            if (way, level) not in covered:
                continue
            one, plain = covered[way, level], covered["constant", level]
            shares = " | ".join(_share(one, group) for group in GROUPS)
            ratio = f"{100 * one.equal_width / plain.equal_width:.0f} %"
            lines.append(f"| {100 * level:g} % | {way} | {shares} | {one.width:.1f} | {ratio} |")
    return "\n".join(lines)


def _totals(found: dict[str, list[Run]]) -> str:
    """A table of sums, for the systems that intervals are shown of."""
    names = " | ".join(f"{100 * level:g} %" for level in LEVELS)
    shown = f"{100 * SHOWN:g} %"
    lines = [
        f"| images | interval | of | splits | {names} | width at {shown} | added up |",
        "|---|---|" + "--:|" * (4 + len(LEVELS)),
    ]
    for name, kind, _, members in _systems(found):
        title = f"{DATASETS[name].title}{KINDS[kind][1]}"
        lines += [f"| {title} | {line} |" for line in _sums([run.counted for run in members])]
    return "\n".join(lines)


def _sums(counted: Sequence[Sequence[Counted]]) -> list[str]:
    """Cells of the lines of one system; sums of ten where there are no more are those of all."""
    tests = min(sum(row.part == "test" for row in rows) for rows in counted)
    lines = []
    for way, flips in (("by count", False), ("by spread", True)):
        sizes: list[tuple[int, str | None]] = [(images, None) for images in sorted({min(TEN, tests), tests})]
        sizes += [(TEN, third) for third in ("fewest", "most") if tests // 3 >= TEN]
        for images, third in sizes:
            found = {level: totals(counted, level, images=images, flips=flips, third=third) for level in LEVELS}
            held = [_held(one.share, one.error, one.sums) if one else "" for one in found.values()]
            at = found[SHOWN]
            widths = [f"{100 * at.width:.1f} %", f"{100 * at.added:.1f} %"] if at else ["", ""]
            of = f"{images}" if third is None else f"{images} of the {third}"
            lines.append(" | ".join([way, of, str(len(counted)), *held, *widths]))
    return lines


def _share(one: Coverage, group: str) -> str:
    return _held(one.shares[group], one.errors[group], one.numbers[group])


def _held(share: float, error: float | None, number: int) -> str:
    if share in (0.0, 1.0):
        return f"{number if share else 0} of {number}"
    return f"{100 * share:.1f}{'' if error is None else f' ± {100 * error:.1f}'} %"


def _missed(covered: dict[tuple[str, float], Coverage]) -> str:
    """Where our intervals are farther from their level than `AIM`: of all images, and of each third."""
    missed = [
        f"{way} at {100 * level:g} %, {group} ({_share(one, group)})"
        for (way, level), one in covered.items()
        if way != "constant"
        for group in GROUPS
        if abs(one.shares[group] - level) > AIM
    ]
    return f"Outside the aim: {'; '.join(missed)}." if missed else "All images and all thirds are within it."


def _flags(found: dict[str, list[Run]]) -> str:
    shares = {
        f"{DATASETS[name].title}, {system}": summary.flags(members)
        for name, some in found.items()
        for system, members in summary.flagging(some).items()
    }
    kinds = list(dict.fromkeys(kind for each in shares.values() for kind in each))
    lines = [f"| shown | {' | '.join(shares)} |", "|---|" + "--:|" * len(shares)]
    for kind in kinds:
        cells = []
        for each in shares.values():
            flagged, shown = each.get(kind, (0, 0))
            cells.append(f"{100 * flagged / shown:.1f} % of {shown}" if shown else "")
        title = DATASETS[kind].title if kind in DATASETS else kind
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _missed_flags(found: dict[str, list[Run]]) -> str:
    """What the longest training of each data set flags less than `SEEN` of, in words; empty where there is nothing."""
    missed = [
        f"{DATASETS[name].title}, {kind} ({100 * flagged / shown:.1f} %)"
        for name, some in found.items()
        for members in list(summary.flagging(some).values())[:1]
        for kind, (flagged, shown) in summary.flags(members).items()
        if kind != "clean" and flagged < SEEN * shown
    ]
    return MISSED.format(missed="; ".join(missed)) if missed else ""
