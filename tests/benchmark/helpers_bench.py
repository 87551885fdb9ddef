"""A fake data set, methods to try the benchmark with, and a program that runs it in a process of its own.

python helpers_bench.py RESULTS LOG SECONDS
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from countception.benchmark import methods
from countception.benchmark.method import Facts, Report, Setup
from countception.benchmark.protocol import Protocol
from countception.benchmark.results import COLUMNS, Results, Row
from countception.benchmark.runner import Data, run
from countception.data.dataset import Sample
from countception.points import Dots


def fake_mbm() -> list[Sample]:
    """44 tiny tiles of 11 fields with 3 to 20 dots each."""
    rng = np.random.default_rng(0)
    samples = []
    for i in range(44):
        image = rng.integers(0, 256, (1, 8, 8), np.uint8)
        dots = Dots(rng.uniform(0, 7, (rng.integers(3, 21), 2)))
        samples.append(Sample(image, dots, f"BM_{i // 4:02d}_{i % 4:03d}"))
    return samples


def fake_vgg() -> list[Sample]:
    """200 tiny images with 0 to 9 dots each."""
    rng = np.random.default_rng(1)
    image = np.zeros((1, 4, 4), np.uint8)
    return [Sample(image, Dots(rng.uniform(0, 3, (i % 10, 2))), f"{i:03d}cell") for i in range(200)]


def make_row(**changes: object) -> Row:
    place = {"method": "boxnet", "data": "vgg", "n": 8, "seed": 0, "split": 0, "split_by": "image"}
    figures = {"mae": 2.5, "rmse": 3.5, "bias": -0.125, "relative_error": 0.0142, "seconds": 61.25, "threads": 2}
    words = {"cpu": 'A "fast", wide one', "config_hash": "abc", "started": "2026-01-01T00:00:00Z"}
    return Row.model_validate({**dict.fromkeys(COLUMNS, ""), **place, **figures, **words, **changes})


@dataclass
class Slow:
    """Takes its time, and writes down each fit in a log."""

    setup: Setup
    name: str = "slow"

    @property
    def configuration(self) -> Mapping[str, Any]:
        return dict(self.setup.settings)

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> OneMore:
        del validation
        report(0.5, "half")
        time.sleep(float(os.environ["SLOW_SECONDS"]))
        with Path(os.environ["SLOW_LOG"]).open("a") as stream:
            stream.write(f"{self.setup.settings['k']} {len(training)} {seed}\n")
        return OneMore(Facts(epochs=2.5, steps=10))


@dataclass
class OneMore:
    """Counts one too many, and two too many with test_stride=8."""

    facts: Facts = field(default_factory=Facts)

    def count(self, sample: Sample) -> float:
        return len(sample.dots) + 1.0

    def variants(self, sample: Sample) -> dict[str, float]:
        return {"test_stride=8": len(sample.dots) + 2.0}


def slow_protocol() -> Protocol:
    return Protocol(
        data="mbm", n=(5, 10), splits=2, systems=tuple({"method": "slow", "settings": {"k": k}} for k in range(2))
    )


def main() -> None:
    folder, log, seconds = sys.argv[1:]
    os.environ |= {"SLOW_LOG": log, "SLOW_SECONDS": seconds}
    methods.METHODS["slow"] = ("helpers_bench:Slow", "Slow")
    sys.path.insert(0, str(Path(__file__).parent))
    tally = run(slow_protocol().cells(), {"mbm": Data(fake_mbm(), "0123456789abcdef")}, Results(Path(folder)))
    print(tally.finished, tally.done_before, tally.elsewhere)


if __name__ == "__main__":
    main()
