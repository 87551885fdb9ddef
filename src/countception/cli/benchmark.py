"""The command `countception benchmark`; nothing heavy is imported before it runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countception.cli import options as given
from countception.cli import parse
from countception.cli.screen import echo
from countception.errors import ConfigError

if TYPE_CHECKING:
    from countception.benchmark.protocol import Cell, Protocol
    from countception.benchmark.results import Results, Row
    from countception.benchmark.runner import Data

Option = typer.Option
Names = list[str]

DataNames = Annotated[
    Names | None,
    Option("--data", metavar="NAME", help="vgg, mbm, adipocyte, or a folder with a benchmark.toml; repeatable."),
]
Methods = Annotated[Names | None, Option("--method", metavar="NAME", help="As --list shows them; repeatable.")]
Sizes = Annotated[
    list[int] | None,
    Option("--n", metavar="N", help="Images to train on, and as many to validate on; repeatable.  [default: paper's]"),
]
Splits = Annotated[int | None, Option(metavar="K", min=1, help="Run splits 0 to K - 1.  [default: 10]")]
Split = Annotated[int | None, Option(metavar="I", min=0, help="Run only the split of this number.")]
SplitSeed = Annotated[int | None, Option("--seed", metavar="N", min=0, help="Of the series of splits.  [default: 0]")]
SplitBy = Annotated[
    str | None,
    Option(metavar="image|field", help="field keeps the tiles of one field together (mbm).  [default: image]"),
]
Settings = Annotated[
    Names | None,
    Option("--set", metavar="KEY=VALUE", help="A setting of the method, such as training.seconds=300; repeatable."),
]
Protocols = Annotated[
    list[Path] | None, Option("--protocol", metavar="FILE", help="Run the cells of a protocol file; repeatable.")
]
ResultsFolder = Annotated[Path, Option(metavar="DIR", help="Folder of the rows.")]
DataRoot = Annotated[
    Path | None, Option(metavar="DIR", help="Folder that holds the data sets' folders.  [default: $COUNTCEPTION_DATA]")
]
Threads = Annotated[int | None, Option(metavar="N", min=1, help="Threads that torch computes with.")]
Check = Annotated[
    bool,
    Option(
        "--check", help="Repeat finished runs and compare with their rows; write nothing. Ends with 1 if any differs."
    ),
]
List = Annotated[bool, Option("--list", help="Show methods and data sets.")]
Tables = Annotated[bool, Option("--tables", help="Make tables, plots and the page anew from the rows.")]
Maps = Annotated[
    Path | None,
    Option(
        "--maps", metavar="DIR", help="Draw the kept count maps beside their images, which need the data, into DIR."
    ),
]
Docs = Annotated[Path, Option(metavar="DIR", help="Where --tables writes benchmark.md and benchmark/.")]


def benchmark(
    *,
    data: DataNames = None,
    method: Methods = None,
    n: Sizes = None,
    splits: Splits = None,
    split: Split = None,
    seed: SplitSeed = None,
    split_by: SplitBy = None,
    settings: Settings = None,
    protocol: Protocols = None,
    results: ResultsFolder = Path("benchmarks/results"),
    data_root: DataRoot = None,
    device: given.Device = None,
    threads: Threads = None,
    check: Check = False,
    list_: List = False,
    tables: Tables = False,
    maps: Maps = None,
    docs: Docs = Path("docs"),
) -> None:
    """Measure methods by the protocol of Cohen et al. 2017.

    Each finished run is a row of a CSV file in the folder of results. Runs that have a row are passed over, so a
    benchmark can be stopped and started again, added to, and run by several processes at once.

    \b
      countception benchmark --data vgg --method boxnet --n 32 --splits 3
      countception benchmark --protocol benchmarks/protocols/vgg.toml
      countception benchmark --tables
    """
    from countception.benchmark.machine import set_threads
    from countception.benchmark.results import Results

    if list_:
        _list(data_root)
        return
    if check and (tables or maps):
        raise ConfigError("--check writes nothing: give --tables and --maps without it")
    found = Results(results)
    only = {"--n": n, "--splits": splits, "--seed": seed, "--split-by": split_by, "--set": settings}
    protocols = _protocols(protocol or [], data or [], method or [], split, only, data_root)
    if not (protocols or tables or maps):
        raise ConfigError(WHAT)
    if protocols:
        if threads is not None:
            set_threads(threads)
        cells = [cell for each in protocols for cell in each.cells() if split is None or cell.split == split]
        if not cells:
            raise ConfigError(f"there is no split {split} in {', '.join(map(str, protocol or []))}")
        loaded = _load(protocols, data_root)
        if check:
            _check(cells, loaded, found, device, threads)
        else:
            _run(cells, loaded, found, device)
    if tables:
        from countception.benchmark.page import write_page

        echo(f"page: {write_page(found, docs, data_root)}")
    if maps:
        _draw_maps(found, data_root, maps)


COMPARED = ("mae", "rmse", "bias")
WHAT = "say what to run: --data and --method, or --protocol; --list shows what there is"


def _protocols(
    paths: list[Path],
    data: list[str],
    method: list[str],
    split: int | None,
    only: dict[str, Any],
    root: Path | None,
) -> list[Protocol]:
    """What is to be run: protocol files, or the methods and data sets that are named; `only` are options of these."""
    from countception.benchmark.protocol import parse_protocol, read_protocol

    given_ = [name for name, value in {"--data": data, "--method": method, **only}.items() if value not in (None, [])]
    if paths and given_:
        raise ConfigError(f"a protocol file says what to run by itself: leave out {', '.join(given_)}, or --protocol")
    if bool(data) != bool(method) or (given_ and not data) or (split is not None and not (data or paths)):
        raise ConfigError(WHAT)
    if not data:
        return [read_protocol(path, root) for path in paths]
    splits = 10 if only["--splits"] is None else only["--splits"]
    changes = parse.read_settings(only["--set"] or [])
    values = {
        "systems": [{"method": name, "settings": changes} for name in method],
        "n": only["--n"] or None,
        "seed": only["--seed"] or 0,
        "splits": splits if split is None else split + 1,
        "split_by": only["--split-by"] or "image",
    }
    return [parse_protocol({**values, "data": name}, "the command", root) for name in data]


def _list(root: Path | None) -> None:
    from countception.benchmark.methods import METHODS
    from countception.benchmark.protocol import DATASETS, own_datasets
    from countception.cli.console import table

    table(["method", ""], [[name, title] for name, (_, title) in METHODS.items()])
    echo("")
    rows = [
        [name, str(spec.test), ", ".join(map(str, spec.sizes))]
        for name, spec in {**DATASETS, **own_datasets(root)}.items()
    ]
    table(["data set", "test images", "N"], rows)


def _draw_maps(results: Results, root: Path | None, folder: Path) -> None:
    from countception.benchmark.page import write_maps
    from countception.benchmark.protocol import load

    names = dict.fromkeys(row.data for row in results.rows() if results.maps(row.key).exists())
    if not names:
        raise ConfigError(f"no run in {results.folder} has left count maps: those of split 0 without settings do")
    for path in write_maps(results, {name: load(name, root) for name in names}, folder):
        echo(f"maps: {path}")


def _load(protocols: list[Protocol], root: Path | None) -> dict[str, Data]:
    from countception.benchmark.protocol import check_data, dataset, load
    from countception.benchmark.runner import Data

    found: dict[str, Data] = {}
    for protocol in protocols:
        samples = found[protocol.data].samples if protocol.data in found else load(protocol.data, root)
        digest = check_data(samples, protocol.data_hash, protocol.data)
        found[protocol.data] = Data(samples, digest, dataset(protocol.data, root))
    return found


def _run(cells: list[Cell], data: dict[str, Data], results: Results, device: str | None) -> None:
    from countception.benchmark.runner import run
    from countception.cli.progress import progress_bar

    tally = run(cells, data, results, device=device, show=progress_bar, finished=_show)
    echo(f"{tally}: {results.folder}")


def _show(rows: list[Row]) -> None:
    for row in rows:
        echo(f"{row.key} {row.settings}: MAE {row.mae:.2f}, bias {row.bias:+.2f}, {row.seconds:.0f} s")


def _check(cells: list[Cell], data: dict[str, Data], results: Results, device: str | None, threads: int | None) -> None:
    """Print each run's MAE as it is now beside that of its row; end with 1 if any is another, or has no row.

    Threads (but for a number of `threads` that is asked for) and precision are those of the row, as both decide the
    last digits, and a training makes much of them.
    """
    from countception.benchmark.machine import set_threads
    from countception.benchmark.method import Setup
    from countception.benchmark.methods import config_hash, make
    from countception.benchmark.runner import refuse_others, run_cell
    from countception.cli.progress import progress_bar

    rows = {(row.key, row.settings): row for each in (results.examined, results) for row in each.rows()}
    own = dict(sorted(rows, key=lambda name: len(name[1]), reverse=True))  # the rest are variants, with more settings
    for name, each in data.items():
        refuse_others(results, name, each.hash)
    equal = True
    for number, cell in enumerate(cells, 1):
        setup = Setup(cell.data, cell.settings, device, n=cell.n)
        key = cell.run_key(config_hash(make(cell.method, setup)))
        called = own.get(key, cell.settings_text)  # which a row may be otherwise, with settings that decide nothing
        then = rows.get((key, called))
        if then is not None:
            setup = replace(setup, precision=then.precision)
            set_threads(then.threads if threads is None else threads)
        with progress_bar(f"{cell.method} on {cell.data} ({number} of {len(cells)})") as report:
            outcome = run_cell(cell, data[cell.data], setup, report=report)
        for now in outcome.rows:
            variant = now.settings.removeprefix(cell.settings_text)
            verdict, same = _compared(now, rows.get((now.key, f"{called}{variant}".strip())))
            echo(f"{now.key} {now.settings}: {verdict}")
            equal = equal and same
    if not equal:
        raise typer.Exit(1)


def _compared(now: Row, then: Row | None) -> tuple[str, bool]:
    """What is to be said of a run and its row, and whether the errors are equal but for how many digits rows have."""
    if then is None:
        return f"MAE {now.mae:.4f} now, no row of this configuration", False
    figures = f"MAE {now.mae:.4f} now, {then.mae:.4f} in its row"
    if all(math.isclose(getattr(now, key), getattr(then, key), rel_tol=1e-4, abs_tol=1e-4) for key in COMPARED):
        return f"{figures}: equal", True
    return f"{figures}: different (that was commit {then.commit} on {then.cpu}, {then.threads} threads)", False
