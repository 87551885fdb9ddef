"""Who is measured on what: data sets, seeded splits, cells, and protocol files.

The paper's protocol (section 5): shuffle by seed; a test set of fixed size, N images to train on and N others to
validate on. For a given seed and split number the test set is the same for every N and every method, so differences
between methods are paired; training sets are nested, so a larger N only adds images.
"""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from countception.config import ScaleConfig, dotted
from countception.errors import ConfigError, DatasetError
from countception.points.scale import factor_for
from countception.validation_errors import in_words

if TYPE_CHECKING:
    from countception.data.dataset import Sample

SplitBy = Literal["image", "field"]
Size = Annotated[int, Field(ge=1)]
Settings = Annotated[dict[str, Any], AfterValidator(dotted)]
"""Of a method, under dotted keys: TOML nests those that have no quotes around them."""


DESCRIPTION = "benchmark.toml"
"""In the folder of a data set that is none of the paper's: how it is measured on, as `Description` has it."""


@dataclass(frozen=True)
class DataSet:
    """One of the paper's data sets, or one that somebody has."""

    title: str
    test: int
    """Images of the test set."""
    sizes: tuple[int, ...]
    """The paper's N."""
    field: Callable[[str], str] | None = None
    """Image name → the field of view it was cut from, where several images come from one."""
    side: int = 0
    """Of its images, in pixels; 0 where it is not known before they are read."""
    spacing: float = 0.0
    """Median distance of a dot's third neighbour in all of its images, in pixels."""

    def megapixels(self, images: int, config: ScaleConfig) -> float:
        """Millions of working pixels that so many of its images are shown with, about: others lie closer or wider."""
        return images * (self.side * factor_for(self.spacing, config)) ** 2 / 1e6


DATASETS = {
    "vgg": DataSet("VGG Cells", 100, (8, 16, 32, 50), side=256, spacing=17.03),
    "mbm": DataSet("MBM Cells", 10, (5, 10, 15), field=lambda name: name.rpartition("_")[0], side=600, spacing=42.5),
    "adipocyte": DataSet("Adipocyte Cells", 100, (10, 25, 50), side=150, spacing=12.65),
}


class Description(BaseModel):
    """What the file `DESCRIPTION` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = ""
    test: Size
    """Images of the test set."""
    n: tuple[Size, ...] = Field(min_length=1)
    """Images to train on, and as many to validate on, where a protocol does not say."""
    field: str = ""
    """How names are made where several images come from one field of view, as `countception.results.groups.by_name`
    has it: the field in ``{}_*`` is what is before the first underscore."""


def dataset(name: str, root: Path | None = None) -> DataSet:
    """How a data set is measured on, by its name: one of `DATASETS`, or what its folder in `root` says.

    Raises
    ------
    ConfigError
        No data set of that name, or a damaged description.
    """
    if name in DATASETS:
        return DATASETS[name]
    if Path(name).name != name or name in ("", ".."):  # results are called by it, and stay in their folder
        raise ConfigError(f"{name!r} is no data set: give the name of its folder, without the folders that it lies in")
    path = _root(root) / name / DESCRIPTION
    if not path.is_file():
        raise ConfigError(
            f"there is no data set {name!r}: the data sets are {', '.join(DATASETS)}, and any folder of images with "
            f"dots that has a {DESCRIPTION} in it (test = 20, n = [5, 10]); there is no {path}"
        )
    try:
        found = Description.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {in_words(error, whole='the description')}") from None
    return DataSet(found.title or name, found.test, found.n, _fields(found.field) if found.field else None)


def _fields(pattern: str) -> Callable[[str], str]:
    from countception.results.groups import by_name

    return lambda name: by_name([name], pattern)[0]


def _root(root: Path | None) -> Path:
    return root or Path(os.environ.get("COUNTCEPTION_DATA", "data"))


def own_datasets(root: Path | None) -> dict[str, DataSet]:
    """The data sets in a folder that are not the paper's, by name."""
    names = sorted(path.parent.name for path in _root(root).glob(f"*/{DESCRIPTION}"))
    return {name: dataset(name, root) for name in names if name not in DATASETS}


def load(name: str, root: Path | None = None) -> list[Sample]:
    """A data set's images with dots, from the folder of its name.

    Parameters
    ----------
    name
        From `DATASETS`, or of a folder with a `DESCRIPTION`.
    root
        The folder that holds the data sets' folders; None takes the environment variable COUNTCEPTION_DATA.

    Raises
    ------
    DatasetError
        The folder is not there, or not what it should be.
    """
    from countception.data.dataset import load_dataset

    dataset(name, root)
    root = _root(root)
    if not (root / name).is_dir():
        raise DatasetError(
            f"there is no folder {root / name}: say with --data-root or COUNTCEPTION_DATA which folder holds {name}/"
        )
    return load_dataset(root / name)


class Run(BaseModel):
    """What a run is known by, but for the method's configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    data: str
    n: Size
    """Images to train on, and as many to validate on."""
    seed: int = Field(0, ge=0)
    split: int = Field(0, ge=0)
    """Number of the split, from 0."""
    split_by: SplitBy = "image"

    def run_key(self, config_hash: str) -> str:
        """What files of the run are called."""
        parts = [self.data, self.method, f"n{self.n}", f"seed{self.seed}", f"split{self.split}"]
        return "-".join([*parts, *([] if self.split_by == "image" else [f"by_{self.split_by}"]), config_hash])


class Cell(Run):
    """One run to be made: a method with settings, learning from one split of a data set."""

    settings: Settings = {}

    @property
    def split_seed(self) -> int:
        """Decides the split and the method's initialisation: another for each seed and split number."""
        return int(np.random.SeedSequence((self.seed, self.split)).generate_state(1)[0])

    @property
    def settings_text(self) -> str:
        """``key=value`` pairs in the order of their keys, as they are written in rows."""
        return " ".join(setting_text(key, value) for key, value in sorted(self.settings.items()))

    @property
    def command(self) -> str:
        """The command that repeats the run and compares it with its row."""
        words = ["countception", "benchmark", "--data", self.data, "--method", self.method, "--n", str(self.n)]
        words += ["--seed", str(self.seed), "--split", str(self.split)]
        words += ["--split-by", self.split_by] if self.split_by != "image" else []
        for key, value in sorted(self.settings.items()):
            words += ["--set", setting_text(key, value)]
        return shlex.join([*words, "--check"])


def setting_text(key: str, value: Any) -> str:
    """``key=value`` as `--set` takes it."""
    return f"{key}={value}" if isinstance(value, str) else f"{key}={json.dumps(value, separators=(',', ':'))}"


@dataclass(frozen=True)
class Parts:
    """A split, in memory."""

    training: list[Sample]
    validation: list[Sample]
    test: list[Sample]


def draw(samples: Sequence[Sample], cell: Cell, spec: DataSet | None = None) -> Parts:
    """The split of a cell; disjoint, and by field no field in two parts. `spec` is of data that are not the paper's.

    Whole fields are drawn until a part is full, and what is too much is cut off, so that sizes are exact either way.

    Raises
    ------
    DatasetError
        There are too few images or fields.
    ConfigError
        The data set has no fields.
    """
    from countception.data.splits import split

    spec = spec or dataset(cell.data)
    groups = None
    if cell.split_by == "field":
        if spec.field is None:
            raise ConfigError(f"{cell.data} cannot be split by field: each of its images is a field of its own")
        groups = [spec.field(sample.name) for sample in samples]
    sizes = (spec.test, cell.n, cell.n)
    test, training, validation = (
        [samples[i] for i in part[:size]]
        for part, size in zip(split(len(samples), parts=sizes, seed=cell.split_seed, groups=groups), sizes, strict=True)
    )
    if (len(test), len(training), len(validation)) != sizes:
        raise DatasetError(
            f"{cell.data} has too few fields for N = {cell.n}: a test set of {spec.test} leaves {len(training)} images "
            f"to train on and {len(validation)} to validate on; take a smaller N"
        )
    return Parts(training, validation, test)


class Place(BaseModel):
    """Where a system stands: `line` is a column of the table and a line of the plot, `at` a row and a place on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    at: str
    variant: str = ""
    """The setting of one of the method's other ways to count, such as ``test_stride=8``."""


class System(BaseModel):
    """A method with settings, and how much of the protocol it is measured on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    settings: Settings = {}
    n: tuple[Size, ...] | None = None
    """Instead of the protocol's."""
    splits: int | None = Field(None, ge=1)
    """Instead of the protocol's."""
    shown: tuple[Place, ...] = ()
    """In the experiment's own section on the page."""


class Protocol(BaseModel):
    """One experiment: everything that is decided before it is run. Nothing is chosen on the test set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    systems: tuple[System, ...] = Field(min_length=1)
    settings: Settings = {}
    """Of every system; a system's own go before them."""
    title: str = ""
    """Of the experiment's own section on the page; without one it has none."""
    about: str = ""
    axis: str = ""
    """What the section says above its table, and what the table's rows are."""
    n: tuple[Size, ...] | None = None
    """None: those of the data set, which are the paper's for its own."""
    seed: int = Field(0, ge=0)
    splits: int = Field(10, ge=1)
    split_by: SplitBy = "image"
    data_hash: str | None = None
    """SHA-256 that `countception.data.dataset.content_hash` gives for the data."""

    def cells(self) -> list[Cell]:
        """All runs, those of the first split first, so that a part of them covers every system."""
        sizes = self.n or dataset(self.data).sizes
        most = max(system.splits or self.splits for system in self.systems)
        return [
            Cell(
                method=system.method,
                data=self.data,
                n=n,
                seed=self.seed,
                split=split,
                split_by=self.split_by,
                settings={**self.settings, **system.settings},
            )
            for split in range(most)
            for system in self.systems
            if split < (system.splits or self.splits)
            for n in system.n or sizes
        ]


def read_protocol(path: Path, root: Path | None = None) -> Protocol:
    """Read a protocol file (TOML); `root` is the folder of the data sets.

    Raises
    ------
    ConfigError
        The file is missing, is no TOML, or has a key or value that a `Protocol` does not have.
    """
    try:
        return parse_protocol(tomllib.loads(path.read_text(encoding="utf-8")), str(path), root)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the protocol file cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no protocol file: {error}") from None


def parse_protocol(values: Mapping[str, Any], where: str, root: Path | None = None) -> Protocol:
    """A protocol from plain values; `where` is what errors call their source, `root` the folder of the data sets.

    Raises
    ------
    ConfigError
        A key or value that a `Protocol` does not have.
    """
    try:
        protocol = Protocol.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {in_words(error, whole='the protocol')}") from None
    return protocol if protocol.n else protocol.model_copy(update={"n": dataset(protocol.data, root).sizes})


def check_data(samples: Iterable[Sample], expected: str | None, name: str) -> str:
    """The hash of the data, compared with the one that a protocol names.

    Raises
    ------
    DatasetError
        They differ.
    """
    from countception.data.dataset import content_hash

    found = content_hash(samples)
    if expected is not None and found != expected:
        raise DatasetError(
            f"the {name} data are not those of the protocol: their hash is {found[:12]}…, not {expected[:12]}…; "
            "get the original files"
        )
    return found
