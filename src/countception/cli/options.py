"""The options of the commands: their names, help and how their text is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from countception.errors import ConfigError
from countception.networks import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from countception.data.pairing import Dataset
    from countception.images.projection import Page as PageOf
    from countception.points import Order as ColumnOrder

Argument, Option = typer.Argument, typer.Option

# arguments
Model = Annotated[Path, Argument(metavar="MODEL", help="Model file that `train` wrote.", show_default=False)]
Data = Annotated[Path, Argument(metavar="DATA", help="Folder or manifest of images with dots.", show_default=False)]
Images = Annotated[
    list[str], Argument(metavar="IMAGE...", help="Image files, folders or patterns, any number.", show_default=False)
]
Folder = Annotated[Path, Argument(metavar="OUT", help="Folder to make; it must be new or empty.", show_default=False)]

DIGITS = 10
"""A number of a page or an axis has fewer."""
POINTS_AS = ("csv", "geojson", "zip")

# of all commands
Device = Annotated[str | None, Option(metavar="NAME", help="cpu, cuda, cuda:1 …; left out, a GPU where there is one.")]
Order = Annotated[
    str | None, Option(metavar="xy|yx", help="What the columns of dot tables without a header are: x,y or y,x.")
]
ImageSuffix = Annotated[
    str | None,
    Option(metavar="ENDING", help="How names of images end, such as _raw.tif, where they follow no usual way."),
]
DotsSuffix = Annotated[
    str | None,
    Option(metavar="ENDING", help="How names of dots end, such as _marked.png; what comes before is what pairs them."),
]
IgnoreUnmatched = Annotated[
    bool, Option("--ignore-unmatched", help="Pass over images without dots, and dots without an image.")
]
MarkedIn = Annotated[
    Path | None,
    Option(
        "--regions",
        metavar="FILE|DIR",
        help="Rectangles in which all objects have dots, where the rest of the images has none or some: ImageJ .roi or "
        ".zip, or GeoJSON; one file for all images, or a folder of files named after the images.",
    ),
]
Seed = Annotated[int, Option(metavar="N", min=0, help="The same seed makes the same images.")]

# of train
ModelFile = Annotated[Path, Option("-o", "--out", metavar="MODEL", help="Model file to write.", show_default=False)]
TimeBudget = Annotated[
    str | None,
    Option(metavar="TIME", help="How long to train: 90s, 10m, 1h30m. The learning-rate schedule is fitted to it."),
]
Steps = Annotated[int | None, Option(metavar="N", help="Length in optimiser steps instead.")]
Epochs = Annotated[int | None, Option(metavar="N", help="Length in passes over the images instead.")]
Valid = Annotated[
    str | None,
    Option(
        metavar="DATA|SHARE", help="Another data set to validate on, or a share of DATA to split off.  [default: 0.25]"
    ),
]
Folds = Annotated[
    int | None,
    Option(
        metavar="K",
        help="Put no images aside: learn from all, then K times from all but a part, to see how far off counts are.",
    ),
]
Recipe = Annotated[str, Option(metavar="NAME", help="default, or paper: as published in 2017.")]
Network = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help=f"Instead of the recipe's own: {', '.join(names())}.",
    ),
]
Window = Annotated[int | None, Option(metavar="R", help="Side of the counting window in working pixels.")]
Scale = Annotated[
    str | None, Option(metavar="auto|S", help="Working pixels per image pixel; auto: from the spacing of the dots.")
]
TrainingSeed = Annotated[
    int | None, Option("--seed", metavar="N", help="The same seed gives the same model on one machine.  [default: 0]")
]
Settings = Annotated[
    list[str] | None,
    Option("--set", metavar="KEY=VALUE", help="Any other setting, such as training.batch=8; repeatable."),
]
Resume = Annotated[bool, Option("--resume", help="Go on with an interrupted training.")]
TensorBoard = Annotated[
    Path | None, Option(metavar="DIR", help="Also write a TensorBoard log (needs the package tensorboard).")
]

# of count and evaluate
CountsFile = Annotated[
    Path | None, Option("-o", "--out", metavar="CSV", help="File for the counts; left out, they are printed.")
]
Overwrite = Annotated[
    bool, Option("--overwrite", help="Let --points replace files that are there, corrections and all.")
]
Overlays = Annotated[Path | None, Option(metavar="DIR", help="Write a picture of each image with its density.")]
Maps = Annotated[Path | None, Option(metavar="DIR", help="Write the count maps as float32 TIFF.")]
PointsFolder = Annotated[
    Path | None,
    Option("--points", metavar="DIR", help="Write a point per counted object, to correct and train on."),
]
PointsAs = Annotated[
    str | None,
    Option(
        metavar="csv|geojson|zip",
        help="Points as tables with the confidence in each, as GeoJSON for QuPath, or as ROI sets for ImageJ.  "
        "[default: csv]",
    ),
]
CountReport = Annotated[
    Path | None,
    Option("--report", metavar="HTML", help="Write a page about the counts, with pictures, warnings first."),
]
Regions = Annotated[
    Path | None,
    Option(
        metavar="FILE|DIR",
        help="Count inside regions, too: ImageJ .roi or .zip, GeoJSON, or a label image; one file for all images, or a "
        "folder of files named after the images.",
    ),
]
RegionsFile = Annotated[
    Path | None,
    Option("--regions-csv", metavar="CSV", help="File for the regions.  [default: beside the counts, .regions.csv]"),
]
PixelSize = Annotated[
    float | None,
    Option(metavar="UM", help="Side of a pixel in micrometres, for areas in mm²; left out, what TIFF files say."),
]
GroupBy = Annotated[
    str | None, Option(metavar="folder|COLUMN", help="Also add up the images of a folder, or a column of --groups.")
]
GroupsTable = Annotated[
    Path | None, Option(metavar="CSV", help="Table with columns image and group, or what --group-by says.")
]
TotalsFile = Annotated[
    Path | None, Option(metavar="CSV", help="File for the totals of groups; without groups, of all images.")
]
FindPoints = Annotated[bool, Option("--points", help="Also find a point per object and match them with the dots.")]
Tolerance = Annotated[
    float | None,
    Option(metavar="PX", help="How far a point may lie from its dot.  [default: about half the objects' spacing]"),
]
Level = Annotated[
    float | None, Option(metavar="P", help="Probability with which an interval holds the true count.  [default: 0.9]")
]
Flips = Annotated[bool, Option("--flips", help="Average over the eight flips and turns: slower, more accurate.")]
Shifts = Annotated[int | None, Option(metavar="N", min=0, max=11, help="Average over N further shifts of the image.")]
Tile = Annotated[
    int | None,
    Option(metavar="N", min=1, help="Count large images in tiles of N map entries a side; the count stays the same."),
]
Pages = Annotated[
    str | None,
    Option(
        "--page",
        metavar="N|max|mean|all",
        help="Page of multi-page TIFF files, from 0; the brightest or the mean of all; or each as an image.",
    ),
]
Page = Annotated[
    str | None,
    Option(metavar="N|max|mean", help="Page of multi-page TIFF files, from 0; or the brightest or the mean of all."),
]
Axis = Annotated[str | None, Option(metavar="N|LETTER", help="Axis of TIFF stacks that holds the channels.")]
JsonFile = Annotated[Path | None, Option("--json", metavar="FILE", help="Write the figures as JSON.")]
CsvFile = Annotated[
    Path | None, Option("--csv", metavar="FILE", help="Write true count, count and error of each image.")
]
PlotFile = Annotated[Path | None, Option("--plot", metavar="PNG", help="Write a plot, as PNG, SVG or PDF by its name.")]
ReportFile = Annotated[
    Path | None, Option("--report", metavar="HTML", help="Write a page with all figures and a picture of every image.")
]

# of simulate and demo
Number = Annotated[int, Option("-n", "--number", metavar="N", min=1, help="How many images.")]
Look = Annotated[str, Option(metavar="NAME", help="fluorescence, stained, membranes, or random.")]
Size = Annotated[str | None, Option(metavar="N|HxW", help="Side, or height and width, of the images in pixels.")]
Counts = Annotated[str | None, Option(metavar="MIN-MAX", help="Fewest and most objects in an image.")]
DemoFolder = Annotated[Path, Option("-o", "--out", metavar="DIR", help="Folder to write to.")]
DemoTime = Annotated[str, Option("--time-budget", metavar="TIME", help="How long to train.")]


def read_settings(pairs: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` pairs; a value is read as JSON where it is that, and as text otherwise.

    Raises
    ------
    ConfigError
        One has no equals sign.
    """
    import json

    changes = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair} sets nothing: write --set KEY=VALUE, such as --set training.batch=8")
        try:
            changes[key.strip()] = json.loads(text)
        except ValueError:
            changes[key.strip()] = text
    return changes


def read_changes(
    pairs: list[str], named: Mapping[str, Any], *, time_budget: str | None, scale: str | None
) -> dict[str, Any]:
    """Changes to a recipe, dotted: what options of their own say goes before ``KEY=VALUE`` pairs.

    Parameters
    ----------
    pairs
        As for `read_settings`.
    named
        Settings that have options of their own; None changes nothing.
    time_budget, scale
        Two more, as text.

    Raises
    ------
    ConfigError
        One cannot be read.
    """
    from countception.cli.progress import parse_duration

    changes = read_settings(pairs) | {key: value for key, value in named.items() if value is not None}
    if time_budget is not None:
        changes["training.seconds"] = parse_duration(time_budget)
    if scale is not None:
        changes["scale.factor"] = read_scale(scale)
    return changes


def list_settings(values: dict[str, Any]) -> list[str]:
    """Nested values as the ``KEY=VALUE`` pairs that `read_settings` reads, but for those that are not chosen by one."""
    import json

    from countception.config import DECIDED, dotted

    return [f"{key}={json.dumps(value)}" for key, value in dotted(values).items() if key not in DECIDED]


def read_scale(text: str) -> float | None:
    """A number, or None for ``auto``.

    Raises
    ------
    ConfigError
        Anything else.
    """
    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise ConfigError(f"--scale {text} is neither auto nor a number") from None


def read_valid(text: str | None) -> str | float | None:
    """A share where `text` is a number and there is no such file, a data set otherwise."""
    try:
        return text if text is None or Path(text).exists() else float(text)
    except (OSError, ValueError):  # whoever reads it says what is wrong
        return text


def read_level(level: float | None) -> float:
    """That of intervals; the default is looked up here, as importing it takes longer than all of the help."""
    from countception.config import LEVEL

    return LEVEL if level is None else level


def read_axis(text: str | None) -> int | str | None:
    """An axis by number or by letter."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < DIGITS else text


def read_page(text: str | None) -> PageOf | Literal["all"] | None:
    """A page by number, what is made of all of them, or all.

    Raises
    ------
    ConfigError
        It is none of these.
    """
    if text is None:
        return None
    if text in ("max", "mean", "all"):
        return cast("Literal['max', 'mean', 'all']", text)
    if not (text.isascii() and text.isdigit() and len(text) < DIGITS):
        raise ConfigError(f"--page {text or 'nothing'} is no page: give its number, from 0, or max, mean or all")
    return int(text)


def read_one_page(text: str | None) -> PageOf | None:
    """As `read_page`, where each image has one file of dots.

    Raises
    ------
    ConfigError
        As there; or it is all of them.
    """
    page = read_page(text)
    if page == "all":
        raise ConfigError("--page all is for `count` alone: dots belong to one page; give its number, or max or mean")
    return page


def read_points_as(text: str | None, folder: Path | None, *, overwrite: bool) -> str:
    """How points are written: the suffix of their files.

    Raises
    ------
    ConfigError
        None of those that are offered, or no folder for them.
    """
    if text is not None and text not in POINTS_AS:
        raise ConfigError(f"--points-as {text or 'nothing'} is none of {', '.join(POINTS_AS)}")
    if text is not None and folder is None:
        raise ConfigError(f"--points-as {text} needs a folder for the points: name one with --points")
    if overwrite and folder is None:
        raise ConfigError("--overwrite is for points alone, which are written where --points says")
    return text or POINTS_AS[0]


def read_order(text: str | None) -> ColumnOrder | None:
    """``xy`` or ``yx``.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if text not in (None, "xy", "yx"):
        raise ConfigError(f"--order {text} is no order of columns: say xy or yx")
    return cast("ColumnOrder | None", text)


@dataclass(frozen=True)
class Reading:
    """How data sets are read, as the options of the commands say it."""

    order: str | None = None
    """Of the columns of tables of dots that have no header."""
    image_suffix: str | None = None
    dots_suffix: str | None = None
    """How the names of images and of dots end, where they follow no convention."""
    ignore_unmatched: bool = False
    """Whether files without a partner are passed over instead of refused."""
    page: str | None = None
    axis: str | None = None
    """What to read of stacks."""
    regions: Path | None = None
    """Rectangles in which all objects have dots."""

    def find(self, path: Path | str) -> Dataset:
        """The images and dots of a folder or manifest."""
        from countception.data.pairing import read_dataset

        order = read_order(self.order)
        found = read_dataset(path, order=order, image_suffix=self.image_suffix, dots_suffix=self.dots_suffix)
        return found if self.regions is None else found.within(self.regions)

    def data(self, path: Path | str) -> Path | str | Dataset:
        """A data set as the commands take it, with its files found already where that takes options."""
        if self == Reading():
            return path
        found = replace(self.find(path), page=read_one_page(self.page), axis=read_axis(self.axis))
        return found.without_unmatched() if self.ignore_unmatched else found


def check_results(
    *places: Path | None, data: Sequence[Path | str | float | None] = (), read: Sequence[Path | None] = ()
) -> None:
    """Refuse results that would be written over each other, or over what is read, before there are any.

    Parameters
    ----------
    *places
        Files to write; None is no file.
    data
        Data sets that are read; what is none is left out.
    read
        Other files that are; None is no file.

    Raises
    ------
    OutputError
        Says which.
    DatasetError
        A data set cannot be looked into.
    """
    from countception.data.pairing import is_part_of
    from countception.results.outputs import check_places

    known = [file for each in read if each is not None for file in _files_of(each)]
    check_places(known, *places)  # first: what cannot be written may be what cannot be looked at
    sets = [each for each in data if isinstance(each, Path | str)]
    taken = [place for place in places if place is not None and any(is_part_of(each, place) for each in sets)]
    check_places(taken, *places)


def _files_of(place: Path) -> list[Path]:
    """A file, or those in a folder; whoever reads it says what is wrong with it."""
    try:
        return sorted(place.iterdir()) if place.is_dir() else [place]
    except OSError:
        return [place]


def read_pair(text: str | None, option: str) -> tuple[int, int] | None:
    """Two whole numbers between which there is ``x`` or ``-``, or one that stands for both.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if text is None:
        return None
    parts = text.lower().replace("x", "-").split("-")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ConfigError(f"{option} {text} is not one whole number or two: write it as 256, 256x300 or 50-200")
    return int(parts[0]), int(parts[-1])
