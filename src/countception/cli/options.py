"""The options of the commands: their names and help; how their text is read is in `parse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from countception.networks import names

Argument, Option = typer.Argument, typer.Option

# arguments
Model = Annotated[Path, Argument(metavar="MODEL", help="Model file that `train` wrote.", show_default=False)]
Data = Annotated[Path, Argument(metavar="DATA", help="Folder or manifest of images with dots.", show_default=False)]
Images = Annotated[
    list[str], Argument(metavar="IMAGE...", help="Image files, folders or patterns, any number.", show_default=False)
]
Folder = Annotated[Path, Argument(metavar="OUT", help="Folder to make; it must be new or empty.", show_default=False)]


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
Channels = Annotated[
    str | None,
    Option(metavar="N,…", help="Channels of the images to learn from and to count in, from 0.  [default: all]"),
]
OtherChannels = Annotated[
    str | None,
    Option("--channels", metavar="N,…", help="Channels to count in, from 0.  [default: those that were learned from]"),
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
PixelsOf = Annotated[
    float | None,
    Option("--pixel-size", metavar="UM", help="Side of a pixel in micrometres; left out, what TIFF files say."),
]
PixelSize = Annotated[
    float | None,
    Option(metavar="UM", help="Side of a pixel in micrometres, for areas in mm²; left out, what TIFF files say."),
]
Rescale = Annotated[
    bool,
    Option(
        "--rescale",
        help="Bring images of another magnification, by the size of their pixels, to that of the training images.",
    ),
]
GroupBy = Annotated[
    str | None,
    Option(
        metavar="folder|PATTERN|COLUMN",
        help='Also add up the images of a folder, a part of their names (such as "*_{}_*"), or a column of --groups.',
    ),
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
    Option(metavar="PX", help="How far a point may lie from its dot.  [default: a good third of the dots' spacing]"),
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
Against = Annotated[
    Path | None, Option(metavar="MODEL", help="Also say whether this other model is better or worse, and how surely.")
]
ReportFile = Annotated[
    Path | None, Option("--report", metavar="HTML", help="Write a page with all figures and a picture of every image.")
]

# of inspect
DotOverlays = Annotated[
    Path | None,
    Option("--overlays", metavar="DIR", help="Write a picture of each image with its dots, wrong ones crossed out."),
]

# of simulate and demo
Number = Annotated[int, Option("-n", "--number", metavar="N", min=1, help="How many images.")]
Look = Annotated[str, Option(metavar="NAME", help="fluorescence, stained, membranes, or random.")]
Size = Annotated[str | None, Option(metavar="N|HxW", help="Side, or height and width, of the images in pixels.")]
Counts = Annotated[str | None, Option(metavar="MIN-MAX", help="Fewest and most objects in an image.")]
DemoFolder = Annotated[Path, Option("-o", "--out", metavar="DIR", help="Folder to write to.")]
DemoTime = Annotated[str, Option("--time-budget", metavar="TIME", help="How long to train.")]
