"""Experiments that ask one question and have a section of their own on the page: from protocol files and rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from countception.benchmark.protocol import Cell, Place, Protocol, read_protocol
from countception.benchmark.tables import Measured, text_of


@dataclass(frozen=True)
class Experiment:
    """A protocol with a title, and what was measured of it."""

    name: str
    """Of the protocol file, without its ending."""
    protocol: Protocol
    points: tuple[tuple[Place, Measured], ...]
    """In the order of the protocol, on its splits alone; without those that were not measured yet."""

    @property
    def lines(self) -> list[str]:
        """Columns of the table, lines of the plot."""
        return list(dict.fromkeys(place.line for place, _ in self.points))

    @property
    def places(self) -> list[str]:
        """Rows of the table, places on the plot's axis."""
        shown = [place.at for system in self.protocol.systems for place in system.shown]
        measured = {place.at for place, _ in self.points}
        return [at for at in dict.fromkeys(shown) if at in measured]

    @property
    def numeric(self) -> bool:
        """Whether the places are numbers, with or without a per cent sign, so that there is something between two."""
        return all(re.fullmatch(r"[\d.]+( %)?", at) for at in self.places)

    def covers(self, cell: Measured) -> bool:
        """Whether all of a cell is of a system of the protocol with settings, in whichever of its ways to count."""
        runs = {
            each.split
            for each in self.protocol.cells()
            if (each.data, each.split_by, each.method, each.n) == (cell.data, cell.split_by, cell.method, cell.n)
            and each.settings_text
            and _counts_otherwise(cell.settings, each.settings_text)
        }
        return all(row.seed == self.protocol.seed and row.split in runs for row in cell.rows)

    def method(self, line: str) -> str:
        """What a line is measured with."""
        return next(cell.method for place, cell in self.points if place.line == line)

    def at(self, line: str, at: str) -> Measured | None:
        """What was measured there."""
        return next((cell for place, cell in self.points if (place.line, place.at) == (line, at)), None)


def _counts_otherwise(settings: str, trained: str) -> bool:
    """Whether settings are those of a training, with none or others for counting alone."""
    rest = f"{settings} ".removeprefix(f"{trained} ")
    return rest != f"{settings} " and all(each.startswith(("counting.", "test_")) for each in rest.split())


def read(folder: Path, cells: Sequence[Measured], root: Path | None = None) -> list[Experiment]:
    """The experiments of a folder of protocol files of which something was measured, in the order of the files' names.

    `root` is the folder of data sets of one's own.

    Raises
    ------
    ConfigError
        A protocol file cannot be read.
    """
    known = {(cell.data, cell.split_by, cell.method, cell.settings, cell.n): cell for cell in cells}
    found = []
    for path in sorted(folder.glob("*.toml")):
        protocol = read_protocol(path, root)
        shown = [(place, _on(known.get(key), splits, protocol.seed)) for place, key, splits in _shown(protocol)]
        points = [(place, cell) for place, cell in shown if cell is not None]
        if protocol.title and points:
            found.append(Experiment(path.stem, protocol, tuple(points)))
    return found


def _on(cell: Measured | None, splits: int, seed: int) -> Measured | None:
    """What was measured of a cell on the first so many splits; other systems may have had more for other tables."""
    if cell is None:
        return None
    rows = tuple(row for row in cell.rows if row.seed == seed and row.split < splits)
    return replace(cell, rows=rows) if rows else None


def _shown(protocol: Protocol) -> list[tuple[Place, tuple[str, str, str, str, int], int]]:
    """The places of a protocol's systems with what their cells are known by, and their number of splits."""
    found: list[tuple[Place, tuple[str, str, str, str, int], int]] = []
    for system in protocol.systems:
        for n in system.n or protocol.n or ():
            settings = {**protocol.settings, **system.settings}
            cell = Cell(method=system.method, data=protocol.data, n=n, split_by=protocol.split_by, settings=settings)
            for place in system.shown:
                text = f"{cell.settings_text} {place.variant}".strip()
                key = (cell.data, cell.split_by, cell.method, text, n)
                found.append((place, key, system.splits or protocol.splits))
    return found


def section(experiment: Experiment, finding: str) -> list[str]:
    """The paragraphs of its section.

    Parameters
    ----------
    experiment
        The experiment.
    finding
        What it showed; empty where nobody has said yet.
    """
    protocol, name = experiment.protocol, experiment.name
    head = [f"| {protocol.axis} | " + " | ".join(experiment.lines) + " |", "|---|" + "---:|" * len(experiment.lines)]
    rows = []
    for at in experiment.places:
        found = [experiment.at(line, at) for line in experiment.lines]
        rows.append(f"| {at} | " + " | ".join("" if cell is None else _text(cell) for cell in found) + " |")
    return [
        f"## {protocol.title}",
        protocol.about,
        "\n".join([*head, *rows]),
        f"![{protocol.title}](benchmark/experiment-{name}.png)",
        f"Repeat: `countception benchmark --protocol benchmarks/protocols/{name}.toml`",
        *([finding] if finding else []),
    ]


def _text(cell: Measured) -> str:
    return f"{text_of(cell)}, bias {cell.mean('bias'):+.1f}"
