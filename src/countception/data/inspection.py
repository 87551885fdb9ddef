"""What is in a data set, before anything is trained on it; goes past bad files and lists them."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from countception.config import NetworkConfig, ScaleConfig
from countception.data.as_found import why_as_found
from countception.data.astray import swapped
from countception.data.dataset import Dataset, Sample, load_item, read_dataset, why_unmatched
from countception.data.mixed_up import why_mixed_up
from countception.data.mixture import Mixture, why_magnified
from countception.data.pairing import Item, why_no_dots
from countception.data.places import Place, places, why_cornered
from countception.data.refusals import and_others, why_all_the_same, why_no_dot, why_too_few, why_unusable
from countception.errors import CountceptionError, PointsError
from countception.geometry import ceil_div, inside
from countception.images.orientation import SIDEWAYS, UPRIGHT, read_orientation
from countception.images.projection import Page
from countception.images.same import pixel_hash
from countception.points import Order, find_scale, spacing

ENOUGH = 10
"""Dots in an image that tell how far apart they lie."""


@dataclass(frozen=True)
class Counts:
    """Dots per image."""

    mean: float
    sd: float
    """Standard deviation over the images, of the population."""
    smallest: int
    largest: int
    total: int
    histogram: tuple[int, ...]
    """Images in each of at most ten bins of equal, whole width."""
    edges: tuple[int, ...]
    """Edges of the bins, one more than bins; a bin's lower edge belongs to it, its upper edge to the next."""


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found. Files are given by name, so that they can be found and mended."""

    root: str
    pairs: int
    unmatched_images: tuple[str, ...]
    unmatched_dots: tuple[str, ...]
    passed_over: tuple[str, ...]
    """What is wrong with files that could be the dots of images without any."""
    unread: tuple[str, ...]
    """Images in the folder that are of kinds that are not read."""
    unreadable: dict[str, str]
    """Pairs that cannot be used, with the sentence that says why; the figures below are of the others."""
    sizes: dict[str, int]
    """How many images there are of each size, ``"height × width"``, smallest area first."""
    channels: dict[int, int]
    """How many images there are of each number of channels; more than one key cannot be trained on."""
    dtypes: dict[str, int]
    intensity: tuple[float, float] | None
    """Smallest and largest pixel value."""
    pixel_sizes: tuple[float, float] | None
    """Smallest and largest side of a pixel in micrometres, where the files of all images say it."""
    counts: Counts | None
    classes: dict[str, int]
    """Dots of each class."""
    class_images: dict[str, int]
    """In how many images there are any."""
    duplicates: dict[str, int]
    """By pair: dots in a pixel that has a dot of the same class already."""
    outside: dict[str, int]
    """By pair: dots outside the image."""
    swapped: tuple[str, ...]
    """Pairs of these whose dots would all be inside were x and y the other way round."""
    as_stored: tuple[str, ...]
    """Others of these whose dots would all be inside the image as it is stored, without its EXIF orientation."""
    turned: dict[str, int]
    """By pair: EXIF orientation of the image, where it is another than 1. It is shown upright, which ImageJ and napari
    do not do."""
    cornered: str | None
    """What may be wrong, such as the unit, where all dots lie in one corner of their images; None where they do not."""
    magnified: str | None
    """What to do where the files say pixels of several sizes; None where they do not."""
    mixed_up: str | None
    """What to do where dots say that they lie on another image of the data set; None where none do."""
    as_found: str | None
    """What to look at where tables hold nothing but points that a counter found; None where none do."""
    alike: str | None
    """What to do where classes or groups are spelled almost alike; None where they are not."""
    refused: tuple[str, ...]
    """Why `train` would refuse the data, each with what would mend it; empty where it would not."""
    same: tuple[tuple[str, ...], ...]
    """Pairs whose images hold the same pixels: one image under several names, which training takes for one group."""
    nearest: float | None
    """Median distance in image pixels from a dot to its nearest neighbour."""
    third_nearest: float | None
    """Median distance in image pixels from a dot to its third neighbour, which the scale follows from."""
    third_nearest_range: tuple[float, float] | None
    """The smallest and largest of these medians by image, of images with ten dots or more."""
    scale: float
    """Suggested working pixels per image pixel: about what training would choose, from the dots it learns from."""
    window: float
    """Side in image pixels of the counting window at that scale."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        values = asdict(self)
        values["channels"] = {str(channels): number for channels, number in self.channels.items()}
        names = ("unmatched_images", "unmatched_dots", "passed_over", "unread", "swapped", "as_stored", "refused")
        for key in (*names, "intensity", "pixel_sizes", "third_nearest_range"):
            values[key] = None if values[key] is None else list(values[key])
        values["same"] = [list(names) for names in self.same]
        if values["counts"] is not None:
            values["counts"] |= {key: list(values["counts"][key]) for key in ("histogram", "edges")}
        return values


@dataclass
class _Tally:
    """Sums over the images seen so far, so that no more than one image is in memory."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    dtypes: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    class_images: Counter[str] = field(default_factory=Counter)
    ranges: list[tuple[float, float]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    points: list[npt.NDArray[np.float64]] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    duplicates: dict[str, int] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)
    swapped: list[str] = field(default_factory=list)
    as_stored: list[str] = field(default_factory=list)
    turned: dict[str, int] = field(default_factory=dict)
    images: dict[str, list[str]] = field(default_factory=dict)
    mixture: Mixture = field(default_factory=Mixture)
    pixel_sizes: list[float | None] = field(default_factory=list)

    def add(self, item: Item, sample: Sample) -> None:
        image, dots, orientation = sample.image, sample.dots, read_orientation(item.image)
        shape = (image.shape[1], image.shape[2])
        self.mixture.add(sample, str(item.image))
        self.sizes[shape] += 1
        self.pixel_sizes.append(sample.pixel_size)
        self.channels[image.shape[0]] += 1
        self.dtypes[image.dtype.name] += 1
        self.ranges.append((float(image.min()), float(image.max())))
        self.counts.append(len(dots))
        if orientation != UPRIGHT:
            self.turned[sample.name] = orientation
        self.images.setdefault(pixel_hash(image), []).append(sample.name)
        self.classes.update(dots.class_names[label] for label in dots.labels)
        self.class_images.update({dots.class_names[label] for label in dots.labels})
        within = inside(dots.points, shape)
        self.points.append(dots.points[within])
        self.places += places([item], [sample])
        if not within.all():
            self.outside[sample.name] = int((~within).sum())
            if swapped(dots.points, shape):
                (self.as_stored if orientation in SIDEWAYS else self.swapped).append(sample.name)
        repeated = int(dots.select(within).repeated().sum())
        if repeated:
            self.duplicates[sample.name] = repeated


def inspect(
    source: str | os.PathLike[str] | Dataset,
    *,
    order: Order | None = None,
    page: Page | None = None,
    axis: int | str | None = None,
) -> Inspection:
    """Look through a data set.

    Parameters
    ----------
    source
        A folder or manifest, or what `read_dataset` found in one.
    order
        ``"xy"`` or ``"yx"``: what the two columns of tables without a header are.
    page, axis
        What to read of stacks, as `countception.images.read.read_image` takes it; None leaves it to `source`.

    Raises
    ------
    DatasetError
        There is no data set: nothing pairs, or a pairing is ambiguous. Bad files are listed instead.
    """
    dataset = source if isinstance(source, Dataset) else read_dataset(source, order=order)
    order = order or dataset.order
    page, axis = dataset.page if page is None else page, dataset.axis if axis is None else axis
    tally, unreadable, astray = _Tally(), {}, []
    load = functools.partial(load_item, classes=dataset.classes, order=order, page=page, axis=axis)
    for item in dataset.items:
        try:
            sample, why = _load(item, load)
            tally.add(item, sample)
            astray += why
        except CountceptionError as error:
            unreadable[item.name] = str(error)
    scale = find_scale(tally.points, ScaleConfig())
    return Inspection(
        root=str(dataset.root),
        pairs=len(dataset.items),
        unmatched_images=tuple(path.name for path in dataset.unmatched_images),
        unmatched_dots=tuple(path.name for path in dataset.unmatched_dots),
        passed_over=tuple(why_no_dots(file, order) for file in dataset.passed_over),
        unread=tuple(path.name for path in dataset.unread),
        unreadable=unreadable,
        sizes={f"{y} × {x}": tally.sizes[y, x] for y, x in sorted(tally.sizes, key=lambda size: size[0] * size[1])},
        channels=dict(sorted(tally.channels.items())),
        dtypes=dict(sorted(tally.dtypes.items())),
        intensity=(min(low for low, _ in tally.ranges), max(high for _, high in tally.ranges))
        if tally.ranges
        else None,
        pixel_sizes=_of_all(tally.pixel_sizes),
        counts=_counts(tally.counts),
        classes={name: tally.classes[name] for name in dataset.classes},
        class_images={name: tally.class_images[name] for name in dataset.classes},
        duplicates=tally.duplicates,
        outside=tally.outside,
        swapped=tuple(tally.swapped),
        as_stored=tuple(tally.as_stored),
        turned=tally.turned,
        cornered=why_cornered(tally.places, tally.pixel_sizes),
        magnified=why_magnified(tally.pixel_sizes),
        mixed_up=why_mixed_up(dataset.items),
        as_found=why_as_found(dataset.items),
        alike=dataset.alike,
        refused=_refused(dataset, tally, list(unreadable), astray),
        same=tuple(tuple(names) for names in tally.images.values() if len(names) > 1),
        nearest=spacing(tally.points, neighbour=1),
        third_nearest=spacing(tally.points),
        third_nearest_range=_range(tally.points),
        scale=scale,
        window=NetworkConfig().window / scale,
    )


def _load(item: Item, load: Callable[..., Sample]) -> tuple[Sample, list[str]]:
    """An image with all of its dots, and what is wrong where some lie outside."""
    try:
        return load(item), []
    except PointsError as error:
        return load(item, outside="keep"), [str(error)]


def _refused(dataset: Dataset, tally: _Tally, unreadable: Sequence[str], astray: Sequence[str]) -> tuple[str, ...]:
    """Why training would refuse the data, in the order in which it would."""
    number = len(tally.counts)
    found = [why_unmatched(dataset), why_unusable(unreadable), and_others(astray), tally.mixture.why]
    if not unreadable:  # which may well have dots
        found += [why_no_dot(tally.counts), why_too_few(number), why_all_the_same(number, len(tally.images))]
    return tuple(why for why in found if why is not None)


def _of_all(sizes: Sequence[float | None]) -> tuple[float, float] | None:
    known = [size for size in sizes if size is not None]
    return (min(known), max(known)) if known and len(known) == len(sizes) else None


def _range(points: Sequence[npt.NDArray[np.float64]]) -> tuple[float, float] | None:
    found = [each for some in points if len(some) >= ENOUGH and (each := spacing([some])) is not None]
    return (min(found), max(found)) if found else None


def _counts(counts: Sequence[int]) -> Counts | None:
    if not counts:
        return None
    low, high = min(counts), max(counts)
    width = ceil_div(high - low + 1, 10)
    edges = range(low, high + width + 1, width)
    numbers, _ = np.histogram(counts, bins=edges)
    return Counts(
        mean=float(np.mean(counts)),
        sd=float(np.std(counts)),
        smallest=low,
        largest=high,
        total=sum(counts),
        histogram=tuple(numbers.tolist()),
        edges=tuple(edges),
    )
