"""Images with their dots, loaded, checked and hashed.

Which files belong together is found by `countception.data.pairing`, whose conventions hold here.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from countception.data.astray import Outside, Whose, that_stay
from countception.data.mixture import kind_of, refuse_mixture
from countception.data.names import why_case, why_within
from countception.data.pairing import Dataset, Item, read_dataset, why_passed_over
from countception.data.sample import Opened, Sample
from countception.errors import ConfigError, DatasetError, PointsError
from countception.geometry import inside
from countception.images.find import why_unread
from countception.images.pieces import Pieces, opened
from countception.images.pixel_size import read_pixel_size
from countception.images.planes import along_one_axis
from countception.images.projection import Page
from countception.images.read import Image, checked, read_image, stored
from countception.points import Dots, Order, read_points
from countception.wording import count_of

__all__ = [
    "Dataset",
    "Item",
    "Opened",
    "Outside",
    "Sample",
    "Stream",
    "content_hash",
    "load_dataset",
    "load_item",
    "read_dataset",
    "why_unmatched",
    "with_classes",
]


def load_item(
    item: Item,
    *,
    classes: Sequence[str] | None = None,
    order: Order | None = None,
    outside: Outside = "error",
    page: Page | None = None,
    axis: int | str | None = None,
) -> Sample:
    """Read one image and its dots.

    Parameters
    ----------
    item
        The files.
    classes
        Names that class numbers refer to; left out, those in the file.
    order
        Order of coordinates in a table without a header.
    outside
        Whether dots outside the image are an error, dropped, or kept.
    page, axis
        What to read of a stack, as `countception.images.read.read_image` takes it; the item's own page goes before.

    Raises
    ------
    ImageError, PointsError
        A file cannot be read, a mask has another size than the image, or dots lie outside the image.
    DatasetError
        The part that the item stands for is not in the image.
    """
    page = item.page_or(page)
    if item.box is None:
        image = read_image(item.image, page=page, axis=axis)
        dots = _dots(item, image, classes, order, outside, page, axis)
        return Sample(image, dots, item.name, item.group, _size(item, page))
    with opened(item.image, page=page, axis=axis) as whole:  # of a slide the part alone is read
        part = _part(item, whole, _dots(item, whole, classes, order, outside, page, axis), page)
    return Sample(np.array(part.image, subok=True), part.dots, item.name, item.group, part.pixel_size, part=True)


def load_dataset(
    source: str | os.PathLike[str] | Dataset | Iterable[Sample],
    *,
    order: Order | None = None,
    outside: Outside = "error",
    unmatched: Literal["error", "ignore"] = "error",
    page: Page | None = None,
    axis: int | str | None = None,
) -> list[Sample]:
    """Read a whole data set, checked to be one.

    Parameters
    ----------
    source
        A folder or manifest, what `read_dataset` found in one, or samples, which are checked in the same way.
    order
        Order of coordinates in tables without a header.
    outside
        Whether dots outside their image are an error, dropped, or kept.
    unmatched
        Whether an image without dots, or dots without an image, is an error or is passed over. An image without
        objects has an empty mask or a table with a header alone.
    page, axis
        What to read of stacks, as `countception.images.read.read_image` takes it; None leaves it to `source`.

    Raises
    ------
    DatasetError
        Nothing pairs, a file has no partner, or images differ in their number of channels or samples in their classes.
    ImageError, PointsError
        As `load_item`; of samples, an image that is not ``(channel, y, x)``, too.
    ConfigError
        Another word than these.
    """
    for name, word, known in (("outside", outside, get_args(Outside)), ("unmatched", unmatched, ("error", "ignore"))):
        if word not in known:
            raise ConfigError(f"{name} cannot be {word!r}: it is one of {', '.join(known)}")
    if isinstance(source, str | os.PathLike):
        source = read_dataset(source, order=order)
    if isinstance(source, Dataset):
        if unmatched == "error":
            _refuse_unmatched(source)
        samples = []
        order = order or source.order
        page, axis = (source.page if page is None else page), (source.axis if axis is None else axis)
        for item in source.items:
            sample = load_item(item, classes=source.classes, order=order, outside=outside, page=page, axis=axis)
            samples.append(sample)
            refuse_mixture(kind_of(samples[0]), kind_of(samples[-1]), str(source.items[0].image), str(item.image))
        return samples
    samples = [_checked(sample, outside) for sample in source]
    if not samples:
        raise DatasetError("there are no samples: give at least one image with its dots")
    for sample in samples:
        refuse_mixture(kind_of(samples[0]), kind_of(sample), samples[0].name, sample.name)
    return samples


class Stream:
    """The images of a data set with their dots, opened one after the other each time it is gone through.

    Parameters
    ----------
    source
        As for `load_dataset`; samples are in memory already.
    classes
        Names of the classes that the dots are given, which may be more than they have.
    whose
        Whose classes these are, for errors.

    Raises
    ------
    DatasetError, ImageError, PointsError
        As `load_dataset` and `with_classes`; of files, when their turn comes.
    """

    def __init__(
        self, source: str | os.PathLike[str] | Dataset | Iterable[Sample], classes: Sequence[str], *, whose: str
    ) -> None:
        self.classes, self.whose = classes, whose
        if isinstance(source, str | os.PathLike):
            source = read_dataset(source)
        if isinstance(source, Dataset):
            _refuse_unmatched(source)
        self.source = source if isinstance(source, Dataset) else load_dataset(source)

    def __len__(self) -> int:
        return len(self.source.items if isinstance(self.source, Dataset) else self.source)

    def __iter__(self) -> Iterator[Opened]:
        for one in self._from_files(self.source) if isinstance(self.source, Dataset) else self.source:
            yield Opened(one.image, renamed(one, self.classes, self.whose), one.name, one.pixel_size)

    def _from_files(self, dataset: Dataset) -> Iterator[Opened]:
        first = None
        for item in dataset.items:
            page, axis = item.page_or(dataset.page), dataset.axis
            with opened(item.image, page=page, axis=axis) as image:
                dots = _dots(item, image, dataset.classes, dataset.order, "error", page, axis)
                one = _part(item, image, dots, page)
                first = first or kind_of(one)
                refuse_mixture(first, kind_of(one), str(dataset.items[0].image), str(item.image))
                yield one


def with_classes(samples: Iterable[Sample], names: Sequence[str], *, whose: str) -> list[Sample]:
    """Samples with their classes renumbered to the order of those of other data, which may have more.

    One kind of object may have another name in both.

    Raises
    ------
    DatasetError
        A sample has dots of a class that is not among `names`; the sentence says `whose` these are.
    """
    return [replace(sample, dots=renamed(sample, names, whose)) for sample in samples]


def content_hash(samples: Iterable[Sample]) -> str:
    """SHA-256, in hexadecimal, of the pixels and dots of samples in their order; names and files do not matter."""
    digest = hashlib.sha256()
    for sample in samples:
        image = stored(sample.image)
        names = [sample.dots.class_names[label] for label in sample.dots.labels]
        digest.update(f"{image.dtype.str} {image.shape} {len(sample.dots)} {names!r}\n".encode())
        digest.update(image.tobytes())
        digest.update(np.ascontiguousarray(sample.dots.points, "<f8").tobytes())
    return digest.hexdigest()


def renamed(sample: Sample | Opened, names: Sequence[str], whose: str) -> Dots:
    """Its dots, as `with_classes` has them.

    Raises
    ------
    DatasetError
        As there.
    """
    if len(names) == len(sample.dots.class_names) == 1:
        return replace(sample.dots, class_names=tuple(names), named=None)
    try:
        return sample.dots.with_classes(names)
    except PointsError as error:
        raise DatasetError(f"{sample.name} {error}, as in {whose}: use the same names in both") from None


def _dots(
    item: Item,
    image: Image | Pieces,
    classes: Sequence[str] | None,
    order: Order | None,
    outside: Outside,
    page: Page | None,
    axis: int | str | None,
) -> Dots:
    """The dots of an image, those that may stay."""
    shape = (image.shape[1], image.shape[2])
    size = functools.partial(_size, item, None)
    dots = read_points(
        item.dots,
        image_shape=shape,
        order=order,
        classes=classes,
        pixel_size=size,
        image=item.image,
        page=lambda: page if isinstance(page, int) and along_one_axis(item.image, axis) else None,
        listed=item.listed,
    )
    whose = Whose(str(item.dots), f"the image {item.image.name}", item.image, size)
    return that_stay(dots, image, outside, whose)


def _part(item: Item, image: Image | Pieces, dots: Dots, page: Page | None) -> Opened:
    """The part of an image that an item stands for."""
    size = _size(item, page)
    if item.box is None:
        return Opened(image, dots, item.name, size)
    rows, columns = item.box
    height, width = image.shape[1:]
    if not (0 <= rows[0] < rows[1] <= height and 0 <= columns[0] < columns[1] <= width):
        raise DatasetError(
            f"{item.name}: the rectangle of rows {rows[0]} to {rows[1] - 1} and columns {columns[0]} to "
            f"{columns[1] - 1} is not in the image {item.image}, which is {height} × {width} pixels (height × width); "
            "draw it within the image"
        )
    corner = np.array([rows[0], columns[0]], np.float64)
    within = inside(dots.points - corner, (rows[1] - rows[0], columns[1] - columns[0]))
    chosen = dots.select(within)
    part = image[:, slice(*rows), slice(*columns)]
    return Opened(part, replace(chosen, points=chosen.points - corner), item.name, size)


def _size(item: Item, page: Page | None) -> float | None:
    """Side of a pixel in micrometres, as it is said or as the file says it."""
    return item.pixel_size or read_pixel_size(item.image, page=page)


def _checked(sample: Sample, outside: Outside) -> Sample:
    """What `load_item` promises, of a sample that was made elsewhere; itself, if nothing is to be changed."""
    if not isinstance(sample, Sample):
        raise DatasetError(
            f"an image with its dots is a countception.Sample(image, dots, name), with the channels first, and no "
            f"{type(sample).__name__}"
        )
    if not isinstance(sample.dots, Dots):
        raise DatasetError(
            f"{sample.name}: its dots are countception.Dots(points), with (y, x) in each row, and no "
            f"{type(sample.dots).__name__}"
        )
    name, group = str(sample.name), None if sample.group is None else str(sample.group)
    if sample.pixel_size is not None and not 0 < sample.pixel_size < math.inf:
        raise DatasetError(
            f"{name}: a pixel size of {sample.pixel_size} µm makes no sense: give None where it is not known"
        )
    image = checked(sample.image, name)
    dots = that_stay(sample.dots, image, outside, Whose(name, "the image", size=lambda: sample.pixel_size))
    unchanged = image is sample.image and dots is sample.dots and (name, group) == (sample.name, sample.group)
    return sample if unchanged else replace(sample, image=image, dots=dots, name=name, group=group)


def _refuse_unmatched(dataset: Dataset) -> None:
    why = why_unmatched(dataset)
    if why is not None:
        raise DatasetError(why)


def why_unmatched(dataset: Dataset) -> str | None:
    """Which files have no partner, and what to do; None where all have one."""
    alone = {"image": dataset.unmatched_images, "dots file": dataset.unmatched_dots}
    found = [count_of(paths, noun) for noun, paths in alone.items() if paths]
    if not found:
        return None
    row = f" (no row of {dataset.shared.name} names it)" if dataset.shared and dataset.unmatched_images else ""
    own = " of their own" if dataset.shared else ""
    return (
        f"{dataset.root}: has {' and '.join(found)} without a partner{row}; rename them, or pass over them "
        f"(--ignore-unmatched), and give images without objects an empty table of dots{own} with the header x,y"
        + why_case(dataset.unmatched_images, dataset.unmatched_dots)
        + why_passed_over(dataset.passed_over, dataset.order)
        + why_within(dataset.unmatched_images)
        + why_unread(dataset.unread)
    )
