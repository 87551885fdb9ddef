"""The command line: each command reads its options, calls the Python API and prints what it returns.

Nothing heavy is imported before a command runs, so that `countception --help` answers at once.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from countception._version import __version__
from countception.cli import options as given
from countception.cli import parse
from countception.cli.benchmark import benchmark
from countception.cli.count import count, evaluate
from countception.errors import CountceptionError, DataWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from countception.counting.counter import Counter
    from countception.counting.model_file import Model
    from countception.data.pairing import Dataset

FEW = 50
"""Steps from which on a training may have learned something."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


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
    _print_anything()
    app(prog_name="countception")


def _print_anything() -> None:
    """Let standard output take any text: names of files as the bytes they are, and no sign that it does not know."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        is_utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "replace")


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        typer.echo(f"countception {__version__}")
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


@app.command()
def train(
    data: given.Data,
    *,
    out: given.ModelFile,
    time_budget: given.TimeBudget = None,
    steps: given.Steps = None,
    epochs: given.Epochs = None,
    valid: given.Valid = None,
    folds: given.Folds = None,
    recipe: given.Recipe = "default",
    network: given.Network = None,
    window: given.Window = None,
    scale: given.Scale = None,
    channels: given.Channels = None,
    seed: given.TrainingSeed = None,
    settings: given.Settings = None,
    order: given.Order = None,
    image_suffix: given.ImageSuffix = None,
    dots_suffix: given.DotsSuffix = None,
    ignore_unmatched: given.IgnoreUnmatched = False,
    regions: given.MarkedIn = None,
    page: given.Page = None,
    axis: given.Axis = None,
    device: given.Device = None,
    resume: given.Resume = False,
    tensorboard: given.TensorBoard = None,
) -> None:
    """Learn to count from images with dots.

    DATA is a folder with images and, for each, dots of the same name, as a mask image, a CSV file, or points of ImageJ,
    Fiji or QuPath, beside it or in `images/` and `points/` (or `annotations/`); or a manifest: a CSV file with columns
    image and dots.

    Without a length it takes 1000 steps, from 32 images to learn from on 3400: on two cores of a CPU 2 to 4 minutes, or
    7 to 12 (the paper's recipe has its own 1000 epochs). A quarter of the images, or those of --valid, are not learned
    from: the weights that count them best are kept. Beside the model, <name>.curve.csv and <name>.curve.png show how
    the training went. Ctrl-C keeps the best so far; repeat the command with --resume to go on.

    Where only parts of large images have dots, --regions names rectangles in which all objects have one: each is
    learned from as an image of its own.

    With a handful of images, --folds 5 learns from all of them, and says all the same how far off counts are; it takes
    six times as long.

    \b
      countception train cells/ -o cells.count --time-budget 10m
      countception train five-images/ -o cells.count --folds 5
      countception train cells/ -o paper.count --recipe paper --valid more-cells/
    """
    from countception import training
    from countception.cli import console, progress
    from countception.results.curve import curve_paths

    named = {"training.steps": steps, "training.epochs": epochs, "network.name": network, "network.window": window}
    named["training.seed"] = seed
    changes = parse.read_changes(settings or [], named, time_budget=time_budget, scale=scale, channels=channels)
    validation = parse.read_valid(valid)
    for each in (data, validation):
        parse.check_kind(each, parse.DATA, "train DATA -o MODEL")
    places = out, training.checkpoint_path(out), *curve_paths(out)
    parse.check_results(*places, data=(data, validation), read=(regions,))
    reading = parse.Reading(order, image_suffix, dots_suffix, ignore_unmatched, page, axis, regions)
    console.tell_unread(data, data / "images")
    former = out.stat() if out.exists() else None
    if resume and former is None and not training.checkpoint_path(out).exists():
        _say(f"there is no unfinished training of {out} to go on with: starting anew")
    kept = training.checkpoint_path(out)
    with _plain_warnings(), _told_if_kept(kept, out), progress.training_report(tensorboard) as shown:
        counter = training.train(
            reading.data(data),
            valid=reading.data(validation) if isinstance(validation, str) else validation,
            folds=folds,
            out=out,
            config=recipe,
            changes=changes,
            device=device,
            resume=resume,
            report=shown,
        )
    if counter.interrupted and former is not None and out.stat().st_mtime_ns == former.st_mtime_ns:
        _say(f"interrupted: {out} is still the model that was there before; go on with --resume")
        raise typer.Exit(INTERRUPTED)
    _tell_trained(counter, out, crossed=folds is not None)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """What is doubtful in data as a line of its own, without the place in the program that Python adds."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, DataWarning):
                _say(str(message))
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show
        yield


@contextmanager
def _told_if_kept(checkpoint: Path, out: Path) -> Iterator[None]:
    """After Ctrl-C that ends a training without a model, because it came again or before there was anything to save."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint.exists():
            _say(f"the training is kept, but not saved as {out} yet: repeat the command with --resume to go on")
        raise


def _tell_trained(counter: Counter, out: Path, *, crossed: bool) -> None:
    """What came out of a training, and its curve; exit status as after Ctrl-C where that ended it."""
    from countception.results.curve import write_curve

    table, picture = write_curve(counter, out)
    _tell_errors(counter.model, out, crossed=crossed)
    typer.echo(f"training curve: {table}, {picture}")
    if counter.interrupted:
        _say("interrupted: the best weights so far are saved; go on with --resume")
        raise typer.Exit(INTERRUPTED)


def _tell_errors(model: Model, out: Path, *, crossed: bool) -> None:
    """How far off counts are, and what that rests on."""
    from countception.config import LEVEL
    from countception.results.facts import average_mae, validated_on

    if model.validation:
        mae, average = model.validation["mae"], average_mae(model)
        typer.echo(f"{out}: off by {mae:.2f} objects per image on {validated_on(model)}")
        typer.echo(f"saying the average of the images learned from every time would be off by {average:.2f}")
        if mae >= average:
            _say("so the model is no better than that: train longer, or look at the dots (countception inspect)")
    note = model.intervals.note(LEVEL)
    if note:
        _say(note)
    steps = model.trained_on.get("steps_in_all", FEW)
    if model.config.training.seconds is not None and steps < FEW:
        _say(f"there was time for {steps} steps alone: give more, or fewer images to validate on")
    images = model.trained_on["images"] + model.validation.get("images", 0)
    if not (crossed or model.intervals.supports(LEVEL)) and images > 2:
        folds = min(5, images)
        _say(f"where no more images have dots, --folds {folds} learns from all of these and validates on them, too")


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
    dataset = parse.Reading(order, image_suffix, dots_suffix, ignore_unmatched, page, axis, regions).find(data)
    if overlays is not None:
        parse.check_pictures(dataset, overlays, json, plot, regions)
    found = look(dataset)
    console.show_inspection(found)
    if overlays is not None:
        _draw(dataset, overlays)
    if json is not None:
        write_json(json, found.to_dict())
    if plot is not None and found.counts is not None:
        plots.save_figure(plots.histogram(found.counts.histogram, found.counts.edges), plot)
    elif plot is not None:
        _say(f"{plot} is not written: no image can be used, so there is nothing to plot")
    if found.refused:
        raise typer.Exit(1)


def _draw(dataset: Dataset, folder: Path) -> None:
    """Pictures of the dots, with a bar that shows how far it has come."""
    from countception.cli.progress import file_bar
    from countception.results.dot_pictures import draw_dots

    with file_bar("drawing") as progress:
        drawn = draw_dots(dataset, folder, report=progress)
    typer.echo(f"\npictures of the dots: {len(drawn)}, in {folder}")


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
        typer.echo(f"{name + ':':<17} {value}")
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
    typer.echo(f"{out}: {len(made)} images with dots")


@app.command()
def settings(*, recipe: given.Recipe = "default", network: given.Network = None) -> None:
    """List all settings of a recipe, as `train --set KEY=VALUE` takes them."""
    from countception.config import recipe as named

    for setting in parse.list_settings(named(recipe, network=network).model_dump()):
        typer.echo(setting)


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
    typer.echo(f"\nreport: {out / 'report.html'}\ncounts: {out / 'counts.csv'}\npictures: {out / 'overlays'}")


app.command()(benchmark)
