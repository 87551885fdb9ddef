"""What limits the error on the paper's data sets: docs/limits.md.

    python benchmarks/limits.py --data-root DATA     measures, and writes benchmarks/results/limits.json
    python benchmarks/limits.py --page               makes the page and its plot from it and from first-dots.json

Six questions. How large is the error of somebody with perfect eyes who takes objects up to some distance apart
for one (`hidden`)? How much of our error on an image is its own, whatever network and training images (`shared`)? And
are errors of images that came from one slide more alike than those of any (`relatives`)? How many dots are found by
points that know nothing (`chance`)? What would be left of a network's error if all counts of a run were not too high
or too low together (`biased`)? And how low an error could be reported, if weights were chosen by the images that it is
reported on (`chosen`)?
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from countception.benchmark import machine
from countception.benchmark.method import Setup
from countception.benchmark.methods import config_hash, make
from countception.benchmark.protocol import DATASETS, check_data, load
from countception.benchmark.results import Results, Row
from countception.benchmark.trust.measure import TOLERANCE
from countception.data.dataset import Sample
from countception.evaluation.matching import Matching, match, pooled
from countception.files import whole_file
from limits_page import ALONE, least_error, write

Array = npt.NDArray[np.float64]
Json = dict[str, Any]

HERE = Path(__file__).parent
DISTANCES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
"""In image pixels."""
SYSTEMS = ("boxnet", "fcrn-a", "arteta", "fiaschi")
"""Whose errors are compared: two networks, a ridge regression on words of features, a forest."""
LARGEST = {"vgg": 32, "mbm": 15, "adipocyte": 50}
"""N of the runs that are compared."""
NETWORKS = ("boxnet", "fcrn-a", "fcrn-b")
"""Whose errors are looked at without each run's bias."""
CHOSEN = ("boxnet", "fcrn-a", "count-ception")
"""Whose errors on the images that may choose their weights are looked at."""
RELATIVES: dict[str, tuple[str, Callable[[str], str]]] = {
    "mbm": ("field", cast("Callable[[str], str]", DATASETS["mbm"].field)),
    "adipocyte": ("donor", lambda name: name.split("_")[1]),
}
"""Data set → what several of its images came from, and which one by the image's name."""


def main() -> None:
    """Measure, make the page, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, help="folder of the data sets; needed to measure")
    parser.add_argument("--page", action="store_true", help="make the page")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--docs", type=Path, default=HERE.parent / "docs")
    options = parser.parse_args()
    if options.data_root is None and not options.page:
        parser.error("say what to do: --data-root to measure, --page to make the page")
    if options.data_root is not None:
        found = measure({name: load(name, options.data_root) for name in DATASETS}, Results(options.results))
        with whole_file(options.results / "limits.json") as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.page:
        print(write(options.results / "limits.json", options.docs))


def measure(data: dict[str, list[Sample]], results: Results) -> Json:
    """Everything that the page says."""
    return {
        "command": "python benchmarks/limits.py --data-root FOLDER",
        "commit": machine.commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": machine.versions(),
        "data": {name: check_data(samples, None, name)[:12] for name, samples in data.items()},
        "hidden": [hidden(name, samples, distance) for name, samples in data.items() for distance in DISTANCES],
        "brightness": brightness(data["vgg"]),
        "shared": [shared(name, results) for name in data],
        "chance": [chance(name, samples) for name, samples in data.items()],
        "relatives": [relatives(name, results) for name in data if name in RELATIVES],
        "biased": [biased(name, n, results) for name in data for n in DATASETS[name].sizes],
        "chosen": [chosen(name, n, results) for name in data for n in DATASETS[name].sizes],
    }


def visible(points: Array, distance: float) -> int:
    """Objects that are seen by whoever takes those up to `distance` apart for one: chains of them, too."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(distance, output_type="ndarray") if len(points) else np.empty((0, 2), int)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    return int(connected_components(graph, directed=False)[0])


def error_left(true: Array, seen: Array) -> float:
    """Mean absolute error of counts made from what is seen by the parabola through 0 that fits best."""
    design = np.stack([seen, np.square(seen)], axis=1)
    best, *_ = np.linalg.lstsq(design, true, rcond=None)
    return float(np.abs(true - design @ best).mean())


def hidden(name: str, samples: Sequence[Sample], distance: float) -> Json:
    """Of one data set and distance: objects that are taken for others, and the error that leaves."""
    true = np.array([len(sample.dots) for sample in samples], np.float64)
    seen = np.array([visible(sample.dots.points, distance) for sample in samples], np.float64)
    return {
        "data": name,
        "distance": distance,
        "hidden": float((true - seen).mean()),
        "deviation": float((true - seen).std()),
        "error": error_left(true, seen),
    }


def chance(name: str, samples: Sequence[Sample]) -> Json:
    """F1 of as many points as there are dots, put down anywhere in the image, within the tolerance and half of it."""
    rng = np.random.default_rng(0)
    found: dict[float, list[Matching]] = {TOLERANCE[name]: [], TOLERANCE[name] / 2: []}
    for sample in samples:
        dots = sample.dots.points
        points = rng.uniform(-0.5, np.array(sample.image.shape[1:]) - 0.5, dots.shape)
        for tolerance, some in found.items():
            some.append(match(dots, points, tolerance))
    return {
        "data": name,
        "f1": [{"tolerance": tolerance, "f1": pooled(some).f1} for tolerance, some in found.items()],
    }


def brightness(samples: Sequence[Sample]) -> list[Json]:
    """Mean of the brightest channel in 5 × 5 pixels around dots, of single objects and of pairs, both by themselves."""
    from scipy.spatial import cKDTree

    values, nearest = [], []
    for sample in samples:
        points = sample.dots.points
        inner = np.pad(sample.image.max(0).astype(np.float64), 2, constant_values=np.nan)
        middle = np.rint(points).astype(int)
        values += [inner[y : y + 5, x : x + 5].mean() for y, x in middle]
        nearest += cKDTree(points).query(points, 3)[0][:, 1:].tolist()
    value, (first, second) = np.array(values), np.array(nearest).T
    kinds = {"alone": first > ALONE}
    for low, high in ((1, 2), (2, 3), (3, 5)):
        kinds[f"{low} to {high}"] = (first >= low) & (first < high) & (second > ALONE - 2)
    found = {kind: value[chosen & np.isfinite(value)] for kind, chosen in kinds.items()}
    return [
        {"objects": kind, "number": len(each), "mean": float(each.mean()), "deviation": float(each.std())}
        for kind, each in found.items()
        if len(each)
    ]


def shared(name: str, results: Results) -> Json:
    """How much of the errors on an image every run of a system makes, and other systems make, too."""
    rows = results.rows()
    errors = {system: image_errors(name, system, rows, results) for system in SYSTEMS}
    ours = {image: each for image, each in errors[SYSTEMS[0]].items() if len(each) > 1}
    mean = {image: float(np.mean(each)) for image, each in ours.items()}
    others = {}
    for system in SYSTEMS[1:]:
        both = [image for image in mean if image in errors[system]]
        if len(both) > 2:
            theirs = [float(np.mean(errors[system][image])) for image in both]
            others[system] = {
                "images": len(both),
                "correlation": float(np.corrcoef([mean[image] for image in both], theirs)[0, 1]),
            }
    return {
        "data": name,
        "n": LARGEST[name],
        "images": len(ours),
        "runs_per_image": float(np.mean([len(each) for each in ours.values()])),
        "between": float(np.std(list(mean.values()))),
        "within": float(np.sqrt(np.mean([np.var(each, ddof=1) for each in ours.values()]))),
        "mae_of_mean": float(np.abs(list(mean.values())).mean()),
        "others": others,
    }


def relatives(name: str, results: Results) -> Json:
    """Deviation of images' own errors, of all and within the groups that came from one field or donor."""
    kind, group = RELATIVES[name]
    members: dict[str, list[float]] = defaultdict(list)
    for image, errors in image_errors(name, SYSTEMS[0], results.rows(), results).items():
        members[group(image)].append(float(np.mean(errors)))
    several = [np.array(each) for each in members.values() if len(each) > 1]
    squares = sum(float(np.square(each - each.mean()).sum()) for each in several)
    freedom = sum(len(each) - 1 for each in several)
    return {
        "data": name,
        "n": LARGEST[name],
        "kind": kind,
        "images": sum(map(len, several)),
        "groups": len(several),
        "deviation": float(np.std(np.concatenate(several), ddof=1)),
        "within": float(np.sqrt(squares / freedom)),
        "standard_error": float(np.sqrt(squares / freedom / (2 * freedom))),
    }


def biased(name: str, n: int, results: Results) -> Json:
    """MAE of networks as they count, and with the factor for each run that hindsight calls the best."""
    rows = results.rows()
    runs = {system: {row.split: row for row in runs_of(name, system, n, rows)} for system in NETWORKS}
    splits = sorted(set.intersection(*map(set, runs.values())))
    found: Json = {"data": name, "n": n, "splits": splits, "systems": {}}
    for system in NETWORKS:
        tables = [results.predictions(runs[system][split].key) for split in splits]
        true = [np.array([float(each.true) for each in table]) for table in tables]
        counts = [np.array([float(each.count) for each in table]) for table in tables]
        found["systems"][system] = {
            "mae": float(np.mean([np.abs(c - t).mean() for c, t in zip(counts, true, strict=True)])),
            "best": float(np.mean([least_error(c, t) for c, t in zip(counts, true, strict=True)])),
        }
    return found


def chosen(name: str, n: int, results: Results) -> Json:
    """MAE of test images beside the least of the validation images in the whole training, each split's own."""
    rows = results.rows()
    found: Json = {"data": name, "n": n, "systems": {}}
    for system in CHOSEN:
        runs = [(row, results.curve(row.key)) for row in runs_of(name, system, n, rows)]
        known = [(row.mae, [record["valid_mae"] for record in curve]) for row, curve in runs if curve]
        if known:
            found["systems"][system] = {
                "splits": len(known),
                "evaluations": max(len(errors) for _, errors in known),
                "mae": float(np.mean([mae for mae, _ in known])),
                "least": float(np.mean([min(errors) for _, errors in known])),
            }
    return found


def image_errors(name: str, system: str, rows: Sequence[Row], results: Results) -> dict[str, list[float]]:
    """Errors of a system's present default on each test image, one for each run that it was tested in."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in runs_of(name, system, LARGEST[name], rows):
        for each in results.predictions(row.key):
            found[each.image].append(float(each.count) - float(each.true))
    return found


def runs_of(name: str, system: str, n: int, rows: Sequence[Row]) -> list[Row]:
    """Rows of a system's present default on random splits with N images to learn from."""
    known = config_hash(make(system, Setup(name, n=n)))
    wanted = (name, system, n, "image", "", known)
    return [row for row in rows if (row.data, row.method, row.n, row.split_by, row.settings, row.config_hash) == wanted]


if __name__ == "__main__":
    main()
