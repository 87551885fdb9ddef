"""docs/limits.md from limits.json and first-dots.json in benchmarks/results, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from countception.benchmark.method import Setup
from countception.benchmark.methods import config_hash, make, title
from countception.benchmark.protocol import DATASETS
from countception.benchmark.tables import published
from countception.files import whole_file
from countception.results.plots import save_figure

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure

Json = dict[str, Any]

ALONE = 10.0
"""Farther from any other dot than this, an object is by itself."""
FACTORS = np.linspace(0.5, 2, 1501)
"""Of counts, among which is the one that leaves the least error."""
TWICE = "first-dots.json"
"""Beside the other file."""
GOAL = 1.2
"""On VGG Cells with N = 50."""

PAGE = """\
# What limits the error

<!-- Made by `python benchmarks/limits.py --page` from limits.json and first-dots.json in benchmarks/results: change
those, not this page. -->

How low could an error be on the paper's data sets? Six measurements without any training, and one with a few.

## Objects hidden by objects

In VGG Cells, which came out of a simulator, cells are put down at random, and some lie on others: dots can be a single
pixel apart, where cells are about ten pixels wide. Somebody with perfect eyes who takes objects up to a distance apart
for one, and makes up for those as well as a curve of the number seen can, would be left with this mean absolute error:

{hidden}

![Error left by hidden objects](benchmark/limits-hidden.png)

Nor does a cell shine through another. The mean of the brightest channel in 5 × 5 pixels around a dot, of VGG Cells by
themselves (no other dot within {alone:g} pixels) and of pairs by themselves, by their distance in pixels:

{brightness}

So two cells on top of each other differ from one by their outline and by {brighter:.0f} % of brightness, in which
single cells vary by {varies:.0f} %. Whoever is to reach an error of {goal:g}, a goal of this project, has to count all
cells rightly that are more than {finest} pixels apart; the best figure published is {best:g}.

## Errors that belong to the image

Errors of one image in several runs, which learned from other images: their mean is the image's own, their deviation
within the image is the run's. *Alone* would be the error of the mean of all runs, each image by itself. The
correlation is that of the images' own errors with those of other systems: FCRN-A learns as our default does, the others
share nothing with it but the images they learn from.

{shared}

Where errors differ far more between images than within them, other training images, other initial weights and ensembles
have little to win. That a ridge regression on words of features is wrong on the same images suggests that much of what
is left is not in the network, but in the image and its dots.

## Images of one field or donor

Were the rest of the error that a stain, a scanner or a tissue looks unlike those learned from, images that came from
one field of view or one donor would share it. The deviation of images' own errors, of all that have such a relative,
and within the field or donor:

{relatives}

On adipocytes a relative's error says nothing: errors are those of the single image, of one tissue on one slide, so no
stain or scanner explains them, and no training on more donors would take them away. On MBM fields have a part in them,
so there is something left to learn about fields; as large a part is the single tile's, whose neighbours under the same
stain have errors of the other sign (part of it the runs', of which each tile has few).

## Dots put down twice

The images of MBM Cells are quarters of those of Kainz et al. (2015), and their dots are those of 2015
([pkainz/MICCAI2015](https://github.com/pkainz/MICCAI2015)) with others that Cohen et al. (2017) added: {kept} of the
{first} first dots are still in place, and {added} of the {dots} dots are new. So people went through these images
twice. The first time they found {short:.1f} objects fewer in an image; multiplied by the one factor that hindsight
calls the best, their counts would be {off:.1f} off on average. Our default{as_it_was}, which learned from {n}
images, is {ours:.1f} off on the test images of the splits below, without hindsight. The share of an image's dots that
was added is anything from {least_added:.0f} to {most_added:.0f} %. (The first to look may have had other rules, so this
is not how far two people with the same ones would differ.)

Which dots of the test images do the points of our default find, within {within:g} pixels?

{twice}

It finds {first_recall:.0f} % of the dots that the first to look had seen and {added_recall:.0f} % of the others: these
are {added_share:.0f} % of all dots and {missed_share:.0f} % of those it misses. So most of what is missed is what
people had missed, too.

## Counts that are all too high or too low

A run's counts share a bias, that of its few validation images at best. What would be left if each run's counts were
multiplied by the factor that hindsight calls the best for its test images (with ten of them, as on MBM, this flatters)?
Mean over the splits that all three networks were run on; none learned anything new for it.

{biased}

Without the bias the error of FCRN-B, half as wide, is {least:.2f} to {most:.2f} times that of our default; on VGG most
where that learns for more than three times as many steps, from 16 images on. On MBM most of what tells the two apart is
how far their counts drift; on adipocytes it is not. What is left without any bias is still far from the goals.

## Weights chosen by the images that are reported on

The best figure published for adipocytes is {adipocyte_best:g}. The program that its authors released, for the other
data sets of their paper ([CountXplain](https://github.com/NRT-D4/CountXplain), `train_csrnet.py` and `train_push.py`),
evaluates each epoch of a training on the test images, in the place of validation images, and reports the weights with
the least error on them. What does this do to an error? The trainings of the benchmark were evaluated on N validation
images all along. Mean error on the test images, and mean of the least error on the validation images that came up in
each training, which is what such a table would say; in brackets of how many splits, and how often each training was
evaluated:

{chosen}

Most is to be had where counts jump from one evaluation to the next, where these are many, and where images are few:
with a hundred to choose by it is less than with ten. Our default's counts hardly jump, and its weights are the last
ones; but its calibration factor is fitted to these validation images, too. Of the other figures published later,
SAU-Net's come from a program ([SAU-Net](https://github.com/mzlr/sau-net), `data.py` and `train.py`) that puts no images
aside, keeps the last weights and tests on all images but the N. So they choose nothing either:
{sau_net}. Of PGC-Net no program is to be found.

## Points put down at random

F1 of as many points as there are dots, put down anywhere in the image: within the tolerance that
[points](points-and-intervals.md) are matched in, and within half of it.

{chance}

So the wider tolerance says little where objects are as small and close as these adipocytes, and an F1 is to be read
beside this one.

## Repeat

    {command}
    {twice_command}
    python benchmarks/limits.py --page

The first: commit {commit}, {date}; {versions}.
The second: commit {twice_commit}, {twice_date}; {twice_cpu}; {twice_versions}.
"""


def write(file: Path, docs: Path) -> Path:
    """Write the page and its plot."""
    found, twice = (json.loads(each.read_text(encoding="utf-8")) for each in (file, file.with_name(TWICE)))
    save_figure(figure(found), docs / "benchmark" / "limits-hidden.png")
    path = docs / "limits.md"
    with whole_file(path) as temporary:
        temporary.write_text(page(found, twice), encoding="utf-8")
    return path


def page(found: Json, twice: Json) -> str:
    """The page's Markdown, from what `limits.py` and `first_dots.py` measured."""
    alone, closest = found["brightness"][:2]
    reached = [row["distance"] for row in found["hidden"] if row["data"] == "vgg" and row["error"] < GOAL]
    return PAGE.format(
        hidden=_hidden(found),
        brightness=_brightness(found["brightness"]),
        shared=_shared(found["shared"]),
        relatives=_relatives(found["relatives"]),
        chance=_chance(found["chance"]),
        biased=_biased(found["biased"]),
        chosen=_chosen(found["chosen"]),
        adipocyte_best=_best("adipocyte"),
        sau_net=_sau_net(),
        least=min(map(_without_bias, found["biased"])),
        most=max(map(_without_bias, found["biased"])),
        alone=ALONE,
        brighter=100 * (closest["mean"] / alone["mean"] - 1),
        varies=100 * alone["deviation"] / alone["mean"],
        finest=f"{max(reached):g}" if reached else "less than 1",
        best=_best("vgg"),
        goal=GOAL,
        **{key: found[key] for key in ("command", "commit", "date", "versions")},
        **{f"twice_{key}": twice[key] for key in ("command", "commit", "date", "cpu", "versions")},
        **_of_tiles(twice["tiles"]),
        **_of_runs(twice["runs"]),
        as_it_was=_as_it_was(twice["runs"], twice["n"]),
        n=twice["n"],
        within=twice["tolerance"],
        twice=_twice(twice["runs"]),
    )


def _best(data: str) -> float:
    return min(figure.mae for figure in published() if figure.data == data and figure.mae)


def _sau_net() -> str:
    """Its published figures."""
    found = [figure for figure in published() if figure.method == "sau-net"]
    return " and ".join(f"{figure.mae:g} on {DATASETS[figure.data].title} (N = {figure.n})" for figure in found)


def _hidden(found: Json) -> str:
    names = list(found["data"])
    titles = [f"{DATASETS[name].title}: hidden per image | error" for name in names]
    lines = [f"| up to | {' | '.join(titles)} |", "|---:|" + "--:|--:|" * len(names)]
    for distance in dict.fromkeys(row["distance"] for row in found["hidden"]):
        rows = {row["data"]: row for row in found["hidden"] if row["distance"] == distance}
        cells = " | ".join(f"{rows[name]['hidden']:.1f} | {rows[name]['error']:.2f}" for name in names)
        lines.append(f"| {distance:g} px | {cells} |")
    return "\n".join(lines)


def _brightness(rows: list[Json]) -> str:
    lines = ["| cells | number | brightness |", "|---|---:|---:|"]
    lines += [f"| {row['objects']} | {row['number']} | {row['mean']:.1f} ± {row['deviation']:.1f} |" for row in rows]
    return "\n".join(lines)


def _shared(rows: list[Json]) -> str:
    systems = list(dict.fromkeys(system for row in rows for system in row["others"]))
    header = ["data set", "images", "runs per image", "between images", "within", "alone"]
    header += [f"correlation with {title(system)}" for system in systems]
    lines = [f"| {' | '.join(header)} |", "|---|" + "--:|" * (len(header) - 1)]
    for row in rows:
        cells = [f"{DATASETS[row['data']].title}, N = {row['n']}", str(row["images"]), f"{row['runs_per_image']:.1f}"]
        cells += [f"{row[key]:.1f}" for key in ("between", "within", "mae_of_mean")]
        for system in systems:
            other = row["others"].get(system)
            cells.append("" if other is None else f"{other['correlation']:.2f} ({other['images']})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _relatives(rows: list[Json]) -> str:
    lines = ["| data set | images | of | deviation | within |", "|---|--:|--:|--:|--:|"]
    for row in rows:
        data = f"{DATASETS[row['data']].title}, N = {row['n']}"
        within = f"{row['within']:.1f} ± {row['standard_error']:.1f}"
        groups = f"{row['groups']} {row['kind']}s"
        lines.append(f"| {data} | {row['images']} | {groups} | {row['deviation']:.1f} | {within} |")
    return "\n".join(lines)


def _chance(rows: list[Json]) -> str:
    lines = ["| data set | within | F1 | within half | F1 |", "|---|--:|--:|--:|--:|"]
    for row in rows:
        cells = " | ".join(f"{each['tolerance']:g} px | {each['f1']:.2f}" for each in row["f1"])
        lines.append(f"| {DATASETS[row['data']].title} | {cells} |")
    return "\n".join(lines)


def least_error(counts: npt.NDArray[np.float64], true: npt.NDArray[np.float64]) -> float:
    """Mean absolute error of the counts times the best of `FACTORS`."""
    return float(np.abs(np.outer(FACTORS, counts) - true).mean(axis=1).min())


def _of_tiles(tiles: list[Json]) -> Json:
    """How far people's first dots are from their last, in figures."""
    dots, first, kept = (np.array([tile[key] for tile in tiles], float) for key in ("dots", "first", "kept"))
    shares = 100 * (1 - kept / dots)
    return {
        "dots": int(dots.sum()),
        "first": int(first.sum()),
        "kept": int(kept.sum()),
        "added": int((dots - kept).sum()),
        "short": float((dots - first).mean()),
        "off": least_error(first, dots),
        "least_added": float(shares.min()),
        "most_added": float(shares.max()),
    }


def _of_runs(runs: list[Json]) -> Json:
    """How many dots of either kind are found, in figures."""
    kinds = ("first", "first_found", "added", "added_found")
    first, first_found, added, added_found = (sum(run[kind] for run in runs) for kind in kinds)
    missed = first - first_found + added - added_found
    return {
        "ours": sum(run["mae"] for run in runs) / len(runs),
        "first_recall": 100 * first_found / first,
        "added_recall": 100 * added_found / added,
        "added_share": 100 * added / (first + added),
        "missed_share": 100 * (added - added_found) / missed,
    }


def _as_it_was(runs: list[Json], n: int) -> str:
    """What is to be said of it where it has changed since the runs."""
    now = config_hash(make("boxnet", Setup("mbm", n=n)))
    same = all(run["config_hash"] == now for run in runs)
    return "" if same else " as it was, shown images at half their size"


def _twice(runs: list[Json]) -> str:
    lines = [
        "| split | error | first dots | found | added dots | found | points | without a dot |",
        "|--:|" + "--:|" * 7,
    ]
    for run in runs:
        numbers = (run[key] for key in ("first", "first_found", "added", "added_found", "points", "points_alone"))
        lines.append(f"| {run['split']} | {run['mae']:.2f} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def _without_bias(row: Json) -> float:
    """Error of FCRN-B over that of our default, both with the best factors."""
    return float(row["systems"]["fcrn-b"]["best"] / row["systems"]["boxnet"]["best"])


def _biased(rows: list[Json]) -> str:
    systems = list(rows[0]["systems"])
    header = ["data set", "splits", *(f"{title(system)} | without bias" for system in systems)]
    lines = [f"| {' | '.join(header)} |", "|---|" + "--:|" * (1 + 2 * len(systems))]
    for row in rows:
        cells = [f"{DATASETS[row['data']].title}, N = {row['n']}", str(len(row["splits"]))]
        cells += [f"{row['systems'][system][key]:.2f}" for system in systems for key in ("mae", "best")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _chosen(rows: list[Json]) -> str:
    systems = list(dict.fromkeys(system for row in rows for system in row["systems"]))
    header = ["data set", *(f"{title(system)}: test | least" for system in systems)]
    lines = [f"| {' | '.join(header)} |", "|---|" + "--:|" * (2 * len(systems))]
    for row in rows:
        cells = [f"{DATASETS[row['data']].title}, N = {row['n']}"]
        for system in systems:
            own = row["systems"].get(system)
            cells += (
                [""] * 2
                if own is None
                else [f"{own['mae']:.2f}", "{least:.2f} ({splits}, {evaluations})".format(**own)]
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def figure(found: Json) -> Figure:
    """Error left on VGG Cells by cells that are up to a distance apart, with published figures."""
    from matplotlib.figure import Figure

    from countception.results.plots import ACCENT, INK, MUTED

    rows = [row for row in found["hidden"] if row["data"] == "vgg"]
    plot = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = plot.add_subplot()
    axes.plot([row["distance"] for row in rows], [row["error"] for row in rows], "o-", color=ACCENT)
    for height, text in ((2.3, "Count-ception, N = 50"), (_best("vgg"), "best published"), (GOAL, "goal")):
        axes.axhline(height, color=MUTED, linewidth=0.8, linestyle="--")
        axes.annotate(text, (rows[-1]["distance"], height), ha="right", va="bottom", color=MUTED, fontsize=8)
    axes.set_xlabel("cells up to so many pixels apart are taken for one")
    axes.set_ylabel("mean absolute error that is left")
    axes.set_ylim(bottom=0)
    axes.set_title("VGG Cells: cells on top of cells", loc="left", fontsize=9, color=INK)
    return plot
