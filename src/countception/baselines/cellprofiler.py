"""CellProfiler 4.2.8, the real program, with the pipelines in `benchmarks/cellprofiler`: how laboratories count.

It runs in an environment of its own, made by `benchmarks/cellprofiler/install.sh`. Nothing is learned: pipelines are
set by hand (which images were looked at is said beside them). As its Java machine takes long to start, all test images
of a split are counted in one go, and what was counted before in the same process is not counted again.

Of bone marrow (MBM) the authors of Count-ception had one pipeline and "three slightly modified versions", one parameter
of which fits the colour of an image; they do not say which image got which. Here the colour of the stain decides.
"""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from countception.baselines.base import Baseline
from countception.benchmark.method import Facts, Report, Setup
from countception.data.dataset import Sample
from countception.errors import ConfigError, ImageError

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "cellprofiler"
"""Of the pipelines and the script that makes the environment."""

VERSION = "4.2.8.1"
VARIABLE = "COUNTCEPTION_CELLPROFILER"
"""Environment variable that says where the environment is, if not in `FOLDER`."""

TISSUE = 180
"""Pixels with less green than this are stained."""
BLUE, RED = 1.0, 1.1
"""Red over blue of the stain, at which an image is bluish, or reddish."""

Counts = dict[tuple[str, str], float]
"""By the hashes of a pipeline and of an image."""

_counted: Counts = {}


@dataclass(frozen=True)
class Options:
    """Settings."""

    pipelines: Literal[1, 3] = 1
    """3 of MBM: one for bluish, one for reddish and one for other images."""
    pipeline: str = ""
    """File of another pipeline (`.cppipe`), which names colour images `Image` and what it counts `Cells`."""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline file."""

    path: Path

    @classmethod
    def read(cls, path: Path) -> Pipeline:
        """Check that the file is there.

        Raises
        ------
        ConfigError
            It is not.
        """
        if not path.is_file():
            raise ConfigError(f"there is no CellProfiler pipeline {path}: name one with --set pipeline=FILE")
        return cls(path)

    @property
    def hash(self) -> str:
        """SHA-256 of the text, however its lines end."""
        return hashlib.sha256(self.path.read_text(encoding="utf-8").encode()).hexdigest()


@dataclass(frozen=True)
class Fitted:
    """The pipelines, and where the program is."""

    program: Path
    pipelines: Mapping[str, Pipeline]
    """By colour of the stain; a single one by ``""``."""
    facts: Facts = field(default_factory=Facts)

    def pipeline(self, sample: Sample) -> Pipeline:
        """The one for an image.

        Raises
        ------
        ImageError
            The image is not 8-bit RGB.
        """
        image = sample.image
        if image.shape[0] != 3 or image.dtype != np.uint8:
            raise ImageError(
                f"{sample.name} has {image.shape[0]} channel{'s'[: image.shape[0] != 1]} of {image.dtype} but the "
                "CellProfiler pipelines are for images of 3 channels of 8 bits: convert it to RGB"
            )
        return self.pipelines[colour(sample)] if len(self.pipelines) > 1 else self.pipelines[""]

    def prepare(self, samples: Sequence[Sample]) -> None:
        """Count images, those of a pipeline in one go.

        Raises
        ------
        ImageError
            An image is not 8-bit RGB.
        ConfigError
            CellProfiler fails.
        """
        waiting: dict[Pipeline, list[Sample]] = {}
        for sample in samples:
            waiting.setdefault(self.pipeline(sample), []).append(sample)
        for pipeline, batch in waiting.items():
            new = [sample for sample in batch if (pipeline.hash, _hash(sample)) not in _counted]
            if new:
                counts = run(self.program, pipeline, new)
                _counted.update({(pipeline.hash, _hash(s)): c for s, c in zip(new, counts, strict=True)})

    def count(self, sample: Sample) -> float:
        """Number of objects that the pipeline outlines; raises as `prepare`."""
        self.prepare([sample])
        return _counted[self.pipeline(sample).hash, _hash(sample)]


class CellProfiler(Baseline[Options]):
    """Nothing is learned."""

    name = "cellprofiler"
    kind = Options

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        data, options = setup.data, self.options
        if options.pipelines == 3 and (data != "mbm" or options.pipeline):
            raise ConfigError("pipelines=3 is for mbm with its own pipelines, whose colours differ: leave it out")
        single = Path(options.pipeline) if options.pipeline else FOLDER / f"{data}.cppipe"
        self.pipelines = {"": Pipeline.read(single)}
        if options.pipelines == 3:
            self.pipelines |= {key: Pipeline.read(FOLDER / f"mbm-{key}.cppipe") for key in ("blue", "red")}

    @property
    def configuration(self) -> dict[str, Any]:
        """The program's version and the hashes of the pipelines; where a file lies does not matter."""
        colours = {"tissue": TISSUE, "blue": BLUE, "red": RED} if len(self.pipelines) > 1 else {}
        return {
            "version": VERSION,
            "pipelines": {key or "single": each.hash for key, each in self.pipelines.items()},
            "colours": colours,
        }

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Find the program.

        Raises
        ------
        ConfigError
            It is not there.
        """
        del training, validation, seed
        report(1.0, "nothing to learn")
        return Fitted(find_program(), self.pipelines)


def colour(sample: Sample) -> str:
    """``blue`` or ``red`` where the stain has that tinge, by its ratio of red to blue; otherwise ``""``."""
    red, green, blue = sample.image.astype(np.float64)
    tissue = green < TISSUE
    ratio = red[tissue].sum() / max(blue[tissue].sum(), 1.0) if tissue.any() else (BLUE + RED) / 2
    return "blue" if ratio < BLUE else "red" if ratio > RED else ""


def find_program() -> Path:
    """The program in the environment that COUNTCEPTION_CELLPROFILER names, or the script makes by itself.

    Raises
    ------
    ConfigError
        It is not there.
    """
    program = Path(os.environ.get(VARIABLE) or FOLDER / "environment").absolute() / f"cellprofiler-{VERSION}"
    if not os.access(program, os.X_OK):
        raise ConfigError(
            f"CellProfiler {VERSION} is not in {program.parent}: make its environment with "
            f"benchmarks/cellprofiler/install.sh, or say in {VARIABLE} where one is"
        )
    return program


def run(program: Path, pipeline: Pipeline, samples: Sequence[Sample]) -> list[float]:
    """Counts of 8-bit RGB images in their order, from one start of CellProfiler.

    Raises
    ------
    ConfigError
        CellProfiler stops with an error, or does not count all images.
    """
    with tempfile.TemporaryDirectory(prefix="cellprofiler-") as name:
        images, found = Path(name, "images"), Path(name, "found")
        images.mkdir()
        found.mkdir()
        for i, sample in enumerate(samples):
            Image.fromarray(np.moveaxis(sample.image, 0, -1)).save(images / f"{i:06d}.png")
        words = [program, "-c", "-r", "-p", pipeline.path.absolute(), "-i", images, "-o", found]
        # its temporary files (measurements as HDF5) are removed with the folder
        done = subprocess.run(
            [str(word) for word in words], cwd=name, env={**os.environ, "TMPDIR": name}, capture_output=True, text=True
        )
        counts = read_counts(found / "MyExpt_Image.csv") if done.returncode == 0 else {}
    try:
        return [counts[f"{i:06d}.png"] for i in range(len(samples))]
    except KeyError:
        last = ([""] + [line for line in done.stderr.splitlines() if line.strip()])[-1].strip()
        raise ConfigError(
            f"CellProfiler with {pipeline.path} counted {len(counts)} of {len(samples)} images and ended with status "
            f"{done.returncode} ({last}); try the pipeline in CellProfiler itself"
        ) from None


def read_counts(path: Path) -> dict[str, float]:
    """`Count_Cells` of each image by its file's name, from CellProfiler's table of images; empty where it has none."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        rows: Iterable[dict[str, str]] = list(csv.DictReader(stream))
    needed = {"FileName_Image", "Count_Cells"}
    return {row["FileName_Image"]: float(row["Count_Cells"]) for row in rows if needed <= row.keys()}


def _hash(sample: Sample) -> str:
    return hashlib.sha256(repr(sample.image.shape).encode() + sample.image.tobytes()).hexdigest()
