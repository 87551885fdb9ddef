"""The folder of results: rows, predictions, curves and configurations, shared by any number of processes.

`<data>.csv` has one row per finished run. Rows are added by writing the whole file anew and moving it into place, under
a lock, so a row is there whole or not at all. What else a run leaves is written before its row: a row vouches for it.
Every `*.csv` in the folder is read, so rows from another machine are added by copying its file in under a new name.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError, field_validator

from countception.benchmark.locks import lock
from countception.benchmark.protocol import Run
from countception.errors import DatasetError
from countception.files import whole_file

if TYPE_CHECKING:
    from countception.training.state import Record


class Row(Run):
    """One finished run; the fields, those of `Run` first, are the columns."""

    settings: str
    """What was set beside the method's defaults, ``key=value`` pairs."""
    mae: float
    rmse: float
    bias: float
    relative_error: float
    """Sum of the absolute errors over the sum of the true counts."""
    epochs: float | None
    steps: int | None
    seconds: float
    """Time spent learning."""
    device: str
    threads: int
    cpu: str
    versions: str
    commit: str
    config_hash: str
    """Of the method's configuration without the seed."""
    data_hash: str
    """First digits of the SHA-256 of the data set."""
    command: str
    """Repeats the run and compares."""
    started: str
    """UTC, ISO 8601."""
    precision: str = ""
    """Of training steps, ``float32`` or ``bfloat16``: what ``auto`` came to on that machine; empty without steps."""

    @field_validator("precision", mode="before")
    @classmethod
    def _missing(cls, value: Any) -> Any:
        return value or ""  # files of before the column was added

    @field_validator("epochs", "steps", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return None if value == "" else value

    @property
    def identity(self) -> tuple[str | int, ...]:
        """What makes two rows the same run."""
        return (*self.system, self.n, self.seed, self.split, self.config_hash)

    @property
    def system(self) -> tuple[str, str, str, str]:
        """What the row is a measurement of, N aside: data, split_by, method and settings."""
        return self.data, self.split_by, self.method, self.settings

    @property
    def key(self) -> str:
        """What the run is known by, and its files of predictions and its curve are called."""
        return self.run_key(self.config_hash)


COLUMNS = tuple(Row.model_fields)


@dataclass(frozen=True)
class Prediction:
    """One test image."""

    image: str
    true: int
    count: float
    seconds: float
    """Time spent counting."""


@dataclass(frozen=True)
class Results:
    """A folder of results."""

    folder: Path

    @property
    def examined(self) -> Results:
        """Where `countception.benchmark.trust` keeps its own runs, those of its intervals."""
        return Results(self.folder / "trust")

    def rows(self) -> list[Row]:
        """Every finished run once, in the order of the files.

        Raises
        ------
        DatasetError
            A file has other columns or a value that does not fit; the sentence names it.
        """
        found: dict[tuple[str | int, ...], Row] = {}
        for path in sorted(self.folder.glob("*.csv")):
            if not path.name.startswith("."):  # one that is being written
                for row in _read(path):
                    found.setdefault(row.identity, row)
        return list(found.values())

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows of one data set, all or none.

        Raises
        ------
        OutputError
            The folder cannot be written to, or the disk is full; the file is as it was.
        """
        path = self.folder / f"{rows[0].data}.csv"
        with lock(lock_of(path)):
            _read(path)  # adds nothing to a file that could not be read afterwards
            old = [[each.get(name) or "" for name in COLUMNS] for each in _dicts(path)]
            write_table(
                path, COLUMNS, [*old, *([cell_text(value) for value in row.model_dump().values()] for row in rows)]
            )

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Keep a run to this process; yields whether no other process has it.

        The claim of a process that died ends with it.
        """
        with lock(self.folder / ".locks" / f"{key}.claim", wait=False) as mine:
            yield mine

    def work(self, key: str) -> Path:
        """Folder for what a run goes on from when it was stopped."""
        return self.folder / ".work" / key

    def finish(self, key: str) -> None:
        """Remove what a finished run needs no more."""
        shutil.rmtree(self.work(key), ignore_errors=True)

    def save_predictions(self, key: str, predictions: Iterable[Prediction]) -> None:
        """Write the counts of a run's test images."""
        rows = [[each.image, str(each.true), f"{each.count:.3f}", f"{each.seconds:.3g}"] for each in predictions]
        write_table(self.folder / "predictions" / f"{key}.csv", ("image", "true", "count", "seconds"), rows)

    def predictions(self, key: str) -> list[Prediction]:
        """The counts of a run's test images; none where the file is missing."""
        return [
            Prediction(row["image"], int(row["true"]), float(row["count"]), float(row["seconds"]))
            for row in _dicts(self.folder / "predictions" / f"{key}.csv")
        ]

    def save_curve(self, key: str, curve: Sequence[Record]) -> None:
        """Write the training curve of a run."""
        records = [asdict(record) for record in curve]
        rows = [[cell_text(value) for value in record.values()] for record in records]
        write_table(self.folder / "curves" / f"{key}.csv", tuple(records[0]), rows)

    def curve(self, key: str) -> list[dict[str, float]]:
        """The training curve of a run: columns as `countception.training.Record`; none where the file is missing."""
        rows = _dicts(self.folder / "curves" / f"{key}.csv")
        return [{name: float(value) for name, value in row.items()} for row in rows]

    def maps(self, key: str) -> Path:
        """File of the maps of a run's first test image (`countception.benchmark.maps`), where it leaves them."""
        return self.folder / "maps" / f"{key}.npz"

    def save_configuration(self, config_hash: str, method: str, configuration: Mapping[str, Any]) -> None:
        """Write what a `config_hash` stands for."""
        path = self.folder / "configurations" / f"{method}-{config_hash}.json"
        if not path.exists():
            with whole_file(path) as temporary:
                temporary.write_text(json.dumps(configuration, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _read(path: Path) -> list[Row]:
    rows = []
    for line, values in enumerate(_dicts(path), 2):
        try:
            rows.append(Row.model_validate(values))
        except ValidationError as error:
            first = error.errors()[0]
            column = ".".join(str(part) for part in first["loc"])
            raise DatasetError(
                f"{path}, line {line}, column {column}: {first['msg']}; the file is damaged or from another version"
            ) from None
    return rows


def _dicts(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def lock_of(table: Path) -> Path:
    """Held by whoever changes a table of rows."""
    return table.parent / ".locks" / f"{table.name}.lock"


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def cell_text(value: Any) -> str:
    """Six significant digits; nothing for None."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
