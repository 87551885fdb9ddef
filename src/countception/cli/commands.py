"""The command line: each command reads its options, calls the Python API and prints what it returns.

Nothing heavy is imported before a command runs, so that `countception --help` answers at once.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from countception._version import __version__
from countception.cli import options as given
from countception.cli import parse
from countception.cli.benchmark import benchmark
from countception.cli.count import count, evaluate
from countception.cli.screen import echo
from countception.cli.train import INTERRUPTED, train
from countception.errors import CountceptionError

if TYPE_CHECKING:
    from countception.data.pairing import Dataset


class _Commands(TyperGroup):
    """Commands whose expected errors are one sentence and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CountceptionError as error:
            _say(f"countception: {error}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            _say("countception: interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has enough of it
                raise
            _say(f"countception: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
            raise typer.Exit(1) from None


app = typer.Typer(
    name="countception",
    cls=_Commands,
    rich_markup_mode=None,  # plain help answers in half the time
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """Run the command line."""
    # torch's threads spin while they wait for each other, which on a busy machine makes training many times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # as schedulers and containers send it before they kill: what there is is saved, as after Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _print_anything()
    app(prog_name="countception")


def _print_anything() -> None:
    """Let standard output take any text: names of files as the bytes they are, and no sign that it does not know."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        is_utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "replace")


def _say(text: str) -> None:
    echo(text, err=True)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        echo(f"countception {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")]


@app.callback()
def _root(*, version: Version = False) -> None:
    """Count objects in images after learning from a few dots.

    Mark every object in some images with a dot, train a counter on them, and count new images:

    \b
      countception inspect cells/                    what is in the folder?
      countception train cells/ -o cells.count       learn to count
      countception evaluate cells.count more-cells/  how far off are the counts?
      countception count cells.count new/ -o counts.csv

    No data at hand? `countception demo` makes its own and shows everything in three minutes.
    """


app.command()(train)
app.command()(count)
app.command()(evaluate)


@app.command()
def inspect(
    data: given.Data,
    *,
    json: given.JsonFile = None,
    plot: given.PlotFile = None,
    overlays: given.DotOverlays = None,
    order: given.Order = None,
    image_suffix: given.ImageSuffix = None,
    dots_suffix: given.DotsSuffix = None,
    ignore_unmatched: given.IgnoreUnmatched = False,
    regions: given.MarkedIn = None,
    pixel_size: given.PixelsOf = None,
    page: given.Page = None,
    axis: given.Axis = None,
) -> None:
    """Show what a data set holds, before anything is trained on it.

    Pairs, files without a partner by name, sizes, how many dots the images have, duplicate dots and dots outside the
    image, and the spacing of the dots, with about the scale and counting window that training would choose. With
    --overlays the dots are drawn on their images: look at some before you train. Where `train` would refuse the data,
    it says why at the end, and the exit status is 1.

    \b
      countception inspect cells/ --overlays dots-seen/
    """
    from countception.cli import console
    from countception.data.inspection import inspect as look
    from countception.files import write_json
    from countception.results import plots

    parse.check_kind(data, parse.DATA, "inspect DATA")
    parse.check_results(json, plot, data=(data,), read=(regions,))
    if plot is not None:
        plots.plot_kind(plot)
    dataset = parse.Reading(order, image_suffix, dots_suffix, ignore_unmatched, page, axis, regions, pixel_size).find(
        data
    )
    if overlays is not None:
        parse.check_pictures(dataset, overlays, json, plot, regions)
    found = look(dataset)
    if json is not None:  # files first, as whoever reads the text may stop early
        write_json(json, found.to_dict())
    if plot is not None and found.counts is not None:
        plots.save_figure(plots.histogram(found.counts.histogram, found.counts.edges), plot)
    elif plot is not None:
        _say(f"{plot} is not written: no image can be used, so there is nothing to plot")
    try:
        drawn = None if overlays is None else _draw(dataset, overlays)
    finally:
        console.show_inspection(found)
    if drawn is not None:
        echo(f"\npictures of the dots: {drawn}, in {overlays}")
    if found.refused:
        raise typer.Exit(1)


def _draw(dataset: Dataset, folder: Path) -> int:
    """Pictures of the dots, with a bar that shows how far it has come; how many."""
    from countception.cli.progress import file_bar
    from countception.results.dot_pictures import draw_dots

    with file_bar("drawing") as progress:
        return len(draw_dots(dataset, folder, report=progress))


@app.command()
def info(model: given.Model, *, json: given.JsonFile = None) -> None:
    """Show what a model file holds: network, scale, calibration, training and validation."""
    from countception.counting.model_file import load
    from countception.files import write_json
    from countception.results.facts import details, facts

    parse.check_kind(model, parse.A_MODEL, "info MODEL")
    parse.check_results(json, read=(model,))
    loaded = load(model)
    for name, value in facts(loaded):
        echo(f"{name + ':':<17} {value}")
    if json is not None:
        write_json(json, details(loaded))


@app.command()
def simulate(
    out: given.Folder,
    *,
    number: given.Number = 20,
    seed: given.Seed = 0,
    look: given.Look = "fluorescence",
    size: given.Size = None,
    counts: given.Counts = None,
) -> None:
    """Make microscope images with known dots, to try things out on.

    fluorescence: overlapping cells, more or less out of focus, on a dark background; stained: nuclei in tissue, in
    bright field; membranes: cells that touch, as in fat tissue; random: everything drawn at random. Writes images/ and
    points/ into OUT. Image number i depends on the seed, the look and i alone.

    \b
      countception simulate cells/ -n 20 --look stained
    """
    from countception.files import check_empty
    from countception.simulation.simulate import simulate_dataset

    check_empty(out)
    sides, objects = parse.read_pair(size, "--size"), parse.read_pair(counts, "--counts")
    made = simulate_dataset(out, number, seed=seed, look=look, size=sides, counts=objects)
    echo(f"{out}: {len(made)} images with dots")


@app.command()
def settings(*, recipe: given.Recipe = "default", network: given.Network = None) -> None:
    """List all settings of a recipe, as `train --set KEY=VALUE` takes them."""
    from countception.config import recipe as named
    from countception.networks import check_name

    if network is not None:
        check_name(network)
    for setting in parse.list_settings(named(recipe, network=network).model_dump()):
        echo(setting)


@app.command()
def demo(*, out: given.DemoFolder = Path("demo"), time_budget: given.DemoTime = "150s", seed: given.Seed = 0) -> None:
    """Show everything on simulated images: make them, train, count new ones, report.

    Takes about three minutes on two cores and writes counts.csv, an overlay of each counted image and report.html.
    """
    from countception.cli import console, progress
    from countception.demo import run_demo

    with progress.progress_bar("demo") as shown:
        result = run_demo(out, seconds=parse.read_duration(time_budget), seed=seed, show=shown)
    console.show_evaluation(result)
    echo(f"\nreport: {out / 'report.html'}\ncounts: {out / 'counts.csv'}\npictures: {out / 'overlays'}")


app.command()(benchmark)
