"""The command `countception train`; nothing heavy is imported before it runs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from countception.cli import options as given
from countception.cli import parse
from countception.cli.screen import echo
from countception.errors import DataWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from countception.counting.counter import Counter
    from countception.counting.model_file import Model
    from countception.data.pairing import Dataset

FEW = 50
"""Steps from which on a training may have learned something."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


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
    pixel_size: given.PixelsOf = None,
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

    Without a length it takes 1000 steps, or 3400 where the images hold much to learn from, and up to a good two times
    as many where objects are large: on two cores of a CPU 2 to 4 minutes, 7 to 12, or up to 25 (the paper's recipe has
    its own 1000 epochs). A quarter of the images, or those of --valid, are not learned from: they calibrate counts and
    intervals. Beside the model, <name>.curve.csv and <name>.curve.png show how the training went. Ctrl-C keeps the best
    so far; repeat the command with --resume to go on.

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
    from countception.cli import progress

    named = {"training.steps": steps, "training.epochs": epochs, "network.name": network, "network.window": window}
    named["training.seed"] = seed
    changes = parse.read_changes(settings or [], named, time_budget=time_budget, scale=scale, channels=channels)
    validation = parse.read_valid(valid)
    former = _check_training(data, validation, out, regions, resume=resume)
    reading = parse.Reading(order, image_suffix, dots_suffix, ignore_unmatched, page, axis, regions, pixel_size)
    kept = training.checkpoint_path(out)
    with _plain_warnings(), _told_if_kept(kept, out), progress.training_report(tensorboard) as shown:
        dataset = reading.find(data)
        counter = training.train(
            dataset,
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
    if folds is None and not isinstance(validation, str):
        _tell_of_folds(counter.model, dataset)


def _check_training(
    data: Path, validation: str | float | None, out: Path, regions: Path | None, *, resume: bool
) -> os.stat_result | None:
    """Refuse what cannot be learned from or written to, and tell what is passed over; the model that was there."""
    from countception.cli import console
    from countception.results.curve import curve_paths
    from countception.results.plots import check_drawing
    from countception.training import checkpoint_path

    for each in (data, validation):
        parse.check_kind(each, parse.DATA, "train DATA -o MODEL")
    parse.check_results(out, checkpoint_path(out), *curve_paths(out), data=(data, validation), read=(regions,))
    check_drawing()  # the curve
    console.tell_unread(data, data / "images")
    former = out.stat() if out.exists() else None
    if resume and former is None and not checkpoint_path(out).exists():
        _say(f"there is no unfinished training of {out} to go on with: starting anew")
    return former


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
    _tell_errors(counter.model, out)
    echo(f"training curve: {table}, {picture}")
    if counter.interrupted:
        _say("interrupted: the best weights so far are saved; go on with --resume")
        raise typer.Exit(INTERRUPTED)
    steps = counter.model.trained_on.get("steps_in_all", FEW)
    if counter.model.config.training.seconds is not None and steps < FEW:
        fewer = "" if crossed else ", or fewer images to validate on"
        _say(f"there was time for {steps} step{'s'[: steps != 1]} alone: give more{fewer}")


def _tell_of_folds(model: Model, dataset: Dataset) -> None:
    """Where the images put aside are too few for intervals, how to learn from all and have them."""
    from countception.config import LEVEL

    groups = len({item.group or item.name for item in dataset.items})
    if not model.intervals.supports(LEVEL) and groups > 2:
        folds = min(5, groups)
        _say(f"where no more images have dots, --folds {folds} learns from all of these and validates on them, too")


def _tell_errors(model: Model, out: Path) -> None:
    """How far off counts are, and what that rests on."""
    from countception.config import LEVEL
    from countception.results.facts import average_mae, validated_on

    if model.validation:
        mae, average = model.validation["mae"], average_mae(model)
        echo(f"{out}: off by {mae:.2f} objects per image on {validated_on(model)}")
        echo(f"saying the average of the images learned from every time would be off by {average:.2f}")
        if mae >= average:
            _say("so the model is no better than that: train longer, or look at the dots (countception inspect)")
    note = model.intervals.note(LEVEL)
    if note:
        _say(note)


def _say(text: str) -> None:
    echo(text, err=True)
