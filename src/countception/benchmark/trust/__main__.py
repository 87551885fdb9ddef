"""``python -m countception.benchmark.trust``: run protocols and examine what is learned; make the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from countception.errors import ConfigError, CountceptionError

Option = typer.Option


def main(
    *,
    protocol: Annotated[list[Path] | None, Option(help="Run the cells of a protocol file; repeatable.")] = None,
    splits: Annotated[int | None, Option(min=1, help="Run only the first so many splits.")] = None,
    method: Annotated[list[str] | None, Option(help="Run only the systems of this method; repeatable.")] = None,
    results: Annotated[Path, Option(help="Folder of the rows and tables.")] = Path("benchmarks/results/trust"),
    data_root: Annotated[Path | None, Option(help="Folder of the data sets.  [default: $COUNTCEPTION_DATA]")] = None,
    page: Annotated[bool, Option("--page", help="Make the page anew from the tables.")] = False,
    docs: Annotated[Path, Option(help="Where --page writes points-and-intervals.md and its plots.")] = Path("docs"),
) -> None:
    """Measure points, intervals and flags; a run that has its row is passed over, so stop and start it at any time."""
    try:
        if not (protocol or page):
            raise ConfigError("say what to run with --protocol, or make the page with --page")
        if protocol:
            run_protocols(protocol, results, data_root, splits, method)
        if page:
            from countception.benchmark.trust.page import write_page

            typer.echo(f"page: {write_page([results.parent, results], docs)}")
    except CountceptionError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def run_protocols(
    paths: list[Path], folder: Path, data_root: Path | None, splits: int | None, methods: list[str] | None
) -> None:
    """Run what is not done yet."""
    from countception.benchmark.protocol import DATASETS, check_data, load, read_protocol
    from countception.benchmark.results import Results
    from countception.benchmark.runner import Data, run
    from countception.benchmark.trust.measure import Examiner
    from countception.cli.progress import progress_bar

    protocols = [read_protocol(path, data_root) for path in paths]
    for path, each in zip(paths, protocols, strict=True):
        if each.data not in DATASETS:
            raise ConfigError(f"{path}: points and intervals are examined on {', '.join(DATASETS)} alone")
    data = {}
    for name in DATASETS:
        samples = load(name, data_root)
        expected = next((each.data_hash for each in protocols if each.data == name), None)
        data[name] = Data(samples, check_data(samples, expected, name))
    cells = [
        cell
        for each in protocols
        for cell in each.cells()
        if (splits is None or cell.split < splits) and (not methods or cell.method in methods)
    ]
    if not cells:
        raise ConfigError(f"{', '.join(map(str, paths))}: has no system of method {' or '.join(methods or [])}")
    results = Results(folder)
    tally = run(
        cells,
        data,
        results,
        show=progress_bar,
        finished=lambda rows: typer.echo(f"{rows[0].key}: MAE {rows[0].mae:.2f}, {rows[0].seconds:.0f} s of learning"),
        examine=Examiner(data, results),
    )
    typer.echo(f"{tally}: {results.folder}")


if __name__ == "__main__":
    typer.run(main)
