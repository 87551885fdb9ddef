"""Pictures of the images of a data set with their dots on them, to look at before anything is learned from these."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from countception.data.dataset import Dataset, load_item, read_dataset
from countception.data.names import DOTS_FOLDERS
from countception.errors import DatasetError, ImageError, OutputError, PointsError
from countception.images.planes import Plane
from countception.images.projection import Page
from countception.results.outputs import Outputs
from countception.results.pictures import marked, save_picture

if TYPE_CHECKING:
    from countception.cli.progress import Each
    from countception.points import Order

StrPath = str | os.PathLike[str]


def draw_dots(
    source: StrPath | Dataset,
    folder: StrPath,
    *,
    order: Order | None = None,
    page: Page | None = None,
    axis: int | str | None = None,
    report: Each | None = None,
) -> list[Path]:
    """Write a picture of each image of a data set with a ring around each of its dots.

    Classes have shapes of their own; crossed out are dots outside their image, at its border, and duplicate ones.

    Parameters
    ----------
    source
        A folder or manifest, or what `read_dataset` found in one.
    folder
        Where to: `a.png` of the image `a.tif`; where images share a name, the folders that differ are put before it,
        and of an image that is cut into rectangles `a_part1.png` is the first. Pictures that are there are replaced.
    order
        ``"xy"`` or ``"yx"``: what the two columns of tables without a header are.
    page, axis
        What to read of stacks, as `countception.images.read.read_image` takes it; None leaves it to `source`.
    report
        Called after each image with how many are done, how many there are, and its name.

    Returns
    -------
    The pictures. There is none of images that cannot be used; `countception.inspect` says why.

    Raises
    ------
    DatasetError
        There is no data set: nothing pairs, or a pairing is ambiguous.
    OutputError
        A picture cannot be written there, or would take the place of an image or dots.
    """
    dataset = source if isinstance(source, Dataset) else read_dataset(source, order=order)
    order = order or dataset.order
    page, axis = dataset.page if page is None else page, dataset.axis if axis is None else axis
    written = []
    for done, (item, place) in enumerate(zip(dataset.items, places(dataset, folder), strict=True), 1):
        with suppress(ImageError, PointsError, DatasetError):
            sample = load_item(item, classes=dataset.classes, order=order, outside="keep", page=page, axis=axis)
            save_picture(marked(sample.image, sample.dots), place)
            written.append(place)
        if report is not None:
            report(done, len(dataset.items), item.name)
    return written


def places(dataset: Dataset, folder: StrPath, *, others: Iterable[StrPath] = ()) -> list[Path]:
    """Where the pictures of a data set's images go, checked before there are any.

    Parameters
    ----------
    dataset, folder
        As for `draw_dots`.
    others
        Other files that are read, or written.

    Raises
    ------
    OutputError
        As there; or a picture would take the place of one of the others.
    """
    folder, number = Path(folder), Counter[tuple[Path, int | None]]()
    planes = []
    for item in dataset.items:
        number[item.image, item.page] += 1
        part = None if item.box is None else number[item.image, item.page]
        planes.append(Plane(item.image, item.page, part))
    outputs = Outputs(planes, overlays=folder)
    dots = [item.dots for item in dataset.items]
    outputs.check(others=[*dots, *dataset.unmatched_images, *dataset.unmatched_dots, *others])
    _refuse_among_dots(folder, dataset.root, dots)
    return [folder / f"{outputs.names[plane]}.png" for plane in planes]


def _refuse_among_dots(folder: Path, root: Path, dots: Iterable[Path]) -> None:
    """Pictures there would be taken for masks of dots."""
    place = folder.resolve()
    beside = place.parent == root.resolve() and place.name.lower() in (*DOTS_FOLDERS, "images")
    sources = {each for file in dots for each in (file.parent.resolve(), file.resolve().parent)}
    if beside or place in sources:
        raise OutputError(
            f"{folder} is a folder that images or dots are read from, and pictures in it would be taken for these the "
            "next time: name another folder for the pictures (overlays, --overlays)"
        )
