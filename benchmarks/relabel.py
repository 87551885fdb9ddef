"""Name rows by the present defaults, after some of these have changed.

    python benchmarks/relabel.py training.steps training.keep_from

A row measures its configuration, which its `config_hash` stands for; its settings are what that differs in from the
default of its method. Rows of our default network get, of the keys that are named, those in which their configuration
differs from what is the default now, and lose the others; the commands that repeat them say the same. Rows of what was
the default so become those of other settings, and are not measured anew. Rows that differ in other keys, too, are left.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from countception.benchmark.locks import lock
from countception.benchmark.method import Setup
from countception.benchmark.methods import ADDED, config_hash, make
from countception.benchmark.protocol import Cell
from countception.benchmark.results import COLUMNS, lock_of, write_table
from countception.benchmark.summary import FLIPS, OURS
from countception.cli.parse import read_settings

HERE = Path(__file__).parent


def main() -> None:
    """Rename the rows of all files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("keys", nargs="+", help="settings whose defaults have changed")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    for path in sorted([*options.results.glob("*.csv"), *options.results.glob("trust/*.csv")]):
        with lock(lock_of(path)):  # a running benchmark may be adding to it
            with path.open(newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
            named = [renamed(row, path.parent / "configurations", options.keys) for row in rows]
            if named != rows:
                write_table(path, COLUMNS, [[row[name] for name in COLUMNS] for row in named])
        print(f"{path}: {sum(new != old for new, old in zip(named, rows, strict=True))} rows have other settings")


def renamed(row: dict[str, str], configurations: Path, keys: list[str]) -> dict[str, str]:
    """A row with its settings, and its command, as they would be called now."""
    if row["method"] != OURS:
        return row
    path = configurations / f"{row['method']}-{row['config_hash']}.json"
    configuration = json.loads(path.read_text(encoding="utf-8"))
    flips = row["settings"].split()[-1:] == [FLIPS]
    settings = read_settings(row["settings"].split()[: -1 if flips else None])
    settings |= {key: _at(configuration, key) for key in keys}
    for key in keys:
        without = {name: value for name, value in settings.items() if name != key}
        if _hash(row, without) == _hash(row, settings):  # it is the default, or decides nothing here
            settings = without
    if _hash(row, settings) != row["config_hash"]:
        return row
    cell = Cell(
        method=row["method"],
        data=row["data"],
        n=int(row["n"]),
        seed=int(row["seed"]),
        split=int(row["split"]),
        split_by=row["split_by"],  # type: ignore[arg-type]
        settings=settings,
    )
    return {**row, "settings": " ".join([cell.settings_text, *[FLIPS] * flips]).strip(), "command": cell.command}


def _hash(row: dict[str, str], settings: Mapping[str, Any]) -> str:
    return config_hash(make(row["method"], Setup(row["data"], settings, n=int(row["n"]))))


def _at(configuration: Mapping[str, Any], key: str) -> Any:
    """A value by its dotted key; of rows that are older than the key, what was done before there was one."""
    *path, last = key.split(".")
    for name in path:
        configuration = configuration[name]
    return configuration.get(last, ADDED.get(key))


if __name__ == "__main__":
    main()
