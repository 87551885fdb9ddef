"""The dots of MBM Cells that were put down first, and those that were added: a section of docs/limits.md.

    python benchmarks/first_dots.py --data-root DATA --first FOLDER [--splits 5]

The images of MBM Cells are quarters of those of Kainz et al. (2015), and its dots are theirs, with more that Cohen et
al. (2017) added. FOLDER is `data/BM_GRAZ` of https://github.com/pkainz/MICCAI2015, whose `annotations` hold the first
dots. So every image was counted twice by people (`tiles`), and of every dot it is known whether the first to look had
seen an object there. Which of both do points of our default find (`examine`)? That takes a training for each split;
what `benchmarks/results/first-dots.json` already has of the present default is passed over.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from countception.benchmark import machine
from countception.benchmark.method import Setup
from countception.benchmark.methods import config_hash, make
from countception.benchmark.networks import FittedNetwork
from countception.benchmark.protocol import Cell, Parts, draw, load
from countception.benchmark.trust.measure import TOLERANCE
from countception.data.dataset import Sample
from countception.evaluation.matching import match
from countception.files import write_json
from countception.geometry import Points, inside

Json = dict[str, Any]
First = dict[str, Points]
"""Name of an image → its first dots, ``(N, 2)`` in its pixels."""

HERE = Path(__file__).parent
QUARTER = 600
"""Side of an image in pixels: the first dots are in images of twice that, cut as 0 1 / 2 3."""
SAME = 2.0
"""Pixels within which two dots are the same."""
N = 15


def main() -> None:
    """Compare the dots, then train and examine one split after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--first", type=Path, required=True, help="folder BM_GRAZ with the annotations of 2015")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    samples, path = load("mbm", options.data_root), options.results / "first-dots.json"
    first = {sample.name: first_dots(options.first, sample.name) for sample in samples}
    made = config_hash(make("boxnet", Setup("mbm", n=N)))
    known = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.is_file() else []
    runs = [run for run in known if run["config_hash"] == made]
    for split in range(options.splits + 1):
        write_json(path, about(samples, first, runs, options.splits))
        if split < options.splits and split not in {run["split"] for run in runs}:
            runs.append({"split": split, "config_hash": made, **run_of(samples, first, split)})


def about(samples: Sequence[Sample], first: First, runs: Sequence[Json], splits: int) -> Json:
    """Everything that is known by now."""
    return {
        "command": f"python benchmarks/first_dots.py --data-root DATA --first FOLDER --splits {splits}",
        "commit": machine.commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": machine.cpu(),
        "versions": machine.versions(),
        "tolerance": TOLERANCE["mbm"],
        "n": N,
        "tiles": [tile(sample, first[sample.name]) for sample in samples],
        "runs": sorted(runs, key=lambda run: int(run["split"])),
    }


def first_dots(folder: Path, name: str) -> Points:
    """First dots of an image, ``(N, 2)`` in its pixels, from the file of the image that it is a quarter of.

    Its lines are ``x y kind`` after one of numbers.
    """
    whole, quarter = name.rsplit("_", 1)
    table = np.loadtxt(folder / "annotations" / f"{whole}.txt", skiprows=1, ndmin=2)
    points = table[:, [1, 0]] - QUARTER * np.array(divmod(int(quarter), 2), np.float64)
    return points[inside(points, (QUARTER, QUARTER))]


def seen_first(dots: Points, first: Points) -> npt.NDArray[np.bool_]:
    """Which dots are among the first, ``(N,)``."""
    seen = np.zeros(len(dots), bool)
    seen[match(dots, first, SAME).pairs[:, 0]] = True
    return seen


def tile(sample: Sample, first: Points) -> Json:
    """How often people counted an image, and what."""
    kept = int(seen_first(sample.dots.points, first).sum())
    return {"image": sample.name, "dots": len(sample.dots), "first": len(first), "kept": kept}


def run_of(samples: Sequence[Sample], first: First, split: int) -> Json:
    """Train our default on a split of the benchmark, and examine it."""
    cell = Cell(data="mbm", method="boxnet", n=N, seed=0, split=split)
    parts = draw(samples, cell)
    method = make("boxnet", Setup("mbm", n=N))

    def show(done: float, text: str) -> None:
        print(f"\rsplit {split}: {done:4.0%}, {text}", end="", file=sys.stderr)

    fitted = method.fit(parts.training, parts.validation, seed=cell.split_seed, report=show)
    assert isinstance(fitted, FittedNetwork)
    return examine(fitted, parts, first)


def examine(fitted: FittedNetwork, parts: Parts, first: First) -> Json:
    """How many dots of either kind the points of the test images find, and how many points find none."""
    totals = dict.fromkeys(("first", "first_found", "added", "added_found", "points", "points_alone"), 0)
    errors = []
    for sample in parts.test:
        count = fitted.counter.count_pixels(sample.image, points=True)
        assert count.points is not None
        dots, points = sample.dots.points, count.points.points
        seen, found = seen_first(dots, first[sample.name]), np.zeros(len(dots), bool)
        found[match(dots, points, TOLERANCE["mbm"]).pairs[:, 0]] = True
        one = (seen.sum(), (seen & found).sum(), (~seen).sum(), (~seen & found).sum())
        for name, number in zip(totals, (*one, len(points), len(points) - found.sum()), strict=True):
            totals[name] += int(number)
        errors.append(abs(count.value - len(dots)))
    return {"mae": float(np.mean(errors)), **totals}


if __name__ == "__main__":
    main()
