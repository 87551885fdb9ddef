"""Counting: `Counter.load(path).count(image)`.

The counter is the public face of a trained model: it turns an array or a file into a count, with the count map that the
count is the sum of. Images go in as people have them, ``(y, x)`` or ``(y, x, channel)``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from countception import model_file, targets
from countception.canvas import Canvas, View
from countception.confidence import Interval, IntervalModel
from countception.config import Config, CountingConfig, updated
from countception.errors import ConfigError
from countception.familiarity import image_features
from countception.geometry import Window, covering, to_image, working_shape
from countception.images import as_channels_first, read_image
from countception.locate import density_of_counts, locate
from countception.model_file import Model
from countception.points import Dots
from countception.predict import choose_device, raw_map

if TYPE_CHECKING:
    from countception.regions import Region, RegionCount
    from countception.training.state import Record

FLIPS = tuple(View(bool(k & 1), bool(k & 2), bool(k & 4)) for k in range(8))


@dataclass(frozen=True)
class Count:
    """What was counted in one image."""

    value: float
    """The count, all classes together; fractional."""
    by_class: dict[str, float]
    """The count of each class by name."""
    map: npt.NDArray[np.float32]
    """The calibrated redundant map, ``(classes, y, x)``; its sum over `redundancy` is `value`."""
    redundancy: float
    """How often each object is counted in the map."""
    window: int
    """Side of the counting window in working pixels."""
    stride: int
    """Working pixels from one map entry to the next."""
    pad: int
    """Working pixels from the map's first entry to the image's first pixel."""
    scale: float
    """Working pixels per image pixel."""
    shape: tuple[int, int]
    """Height and width of the image in pixels."""
    spread: float | None = None
    """Standard deviation of the count over flips and shifts, where these were averaged over."""
    intervals: IntervalModel = field(default_factory=IntervalModel, repr=False)
    """What is known about the counter's errors."""
    warnings: tuple[str, ...] = ()
    """In what the image is unlike those that the counter learned from, the worst first; such counts are less sure."""
    points: Dots | None = field(default=None, repr=False)
    """One point per counted object, in image pixels, if points were asked for."""
    confidence: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    """``(N,)`` in 0 to 1: how much of one object's mass lies at each point."""

    @property
    def rounded(self) -> int:
        """The count for display: the nearest whole number, halves rounded up, never negative."""
        return max(0, int(np.floor(self.value + 0.5)))

    def interval(self, level: float = 0.9) -> Interval | None:
        """Where the true count lies with probability `level`; None where the validation images were too few to say.

        Raises
        ------
        ConfigError
            The level is not between 0 and 1.
        """
        return self.intervals.interval(self.value, self.spread, level)

    def density(self) -> npt.NDArray[np.float64]:
        """Objects per cell of `stride` working pixels, ``(classes, y, x)``: the map with its windows undone.

        Cell 0 starts at the image's first pixel and the last ones reach its end, so that all objects lie on the image:
        the sum is `value`, to rounding.

        Raises
        ------
        ConfigError
            The stride does not divide the window.
        """
        if self.window == 1:  # of a density map each entry is a cell
            return self.map.astype(np.float64) / self.redundancy
        return np.stack([density_of_counts(one, Window(self.window, self.stride)) for one in self.map])

    def in_regions(
        self, regions: Sequence[Region], *, pixel_size: float | None = None, level: float = 0.9
    ) -> list[RegionCount]:
        """Count inside regions of the image.

        An object counts with the share of its density that a region covers, so that one on the border of two regions
        is divided between them, and regions that divide the image among themselves add up to `value`.

        Parameters
        ----------
        regions
            From `countception.regions.read_regions`, or made as `Polygon` or `Mask`; they may overlap.
        pixel_size
            Side of an image pixel in micrometres, where known: gives areas in mm².
        level
            Of the intervals, as in `interval`.

        Raises
        ------
        RegionsError
            A mask was drawn on an image of another size.
        ConfigError
            A size or level makes no sense, or the stride does not divide the window.
        """
        from countception.regions import count_regions

        counted = count_regions(
            self.density(),
            regions,
            shape=self.shape,
            cell=self.stride / self.scale,
            pixel_size=pixel_size,
            class_names=tuple(self.by_class),
        )
        interval = self.intervals.part
        return [replace(one, interval=interval(one.count, self.value, self.spread, level)) for one in counted]

    def per_pixel(self) -> npt.NDArray[np.float32]:
        """Objects per image pixel, ``(y, x)`` of the image's size, all classes together.

        For each pixel the mean of the windows that it lies in, over a window's area. For pictures: it is smoothed by a
        window, so that objects at the border spread beyond the image.
        """
        sums = self.map.sum(0, dtype=np.float64)
        for axis in (0, 1):
            first, last = covering(
                self.shape[axis],
                sums.shape[axis],
                scale=self.scale,
                window=self.window,
                stride=self.stride,
                pad=self.pad,
            )
            running = np.insert(np.cumsum(sums, axis), 0, 0, axis)
            width = (last + 1 - first).reshape((-1, 1) if axis == 0 else (1, -1))
            sums = (running.take(last + 1, axis) - running.take(first, axis)) / width
        per_working_pixel = sums / (self.redundancy * self.stride**2)
        return np.asarray(per_working_pixel * self.scale**2, np.float32)

    def origin(self) -> tuple[float, float]:
        """Image position ``(y, x)`` of the centre of the map's first entry's window."""
        centre = -self.pad + (self.window - 1) / 2
        y, x = to_image(np.array([[centre, centre]]), self.scale)[0]
        return float(y), float(x)


class Counter:
    """A trained counter.

    Parameters
    ----------
    model
        As read by `model_file.load` or made by `countception.train`.
    device
        `cpu`, `cuda`, …; None takes a GPU where there is one.
    history
        The training curve, where the counter was just trained.

    Examples
    --------
    >>> from countception import Counter
    >>> counter = Counter.load("cells.count")            # doctest: +SKIP
    >>> counter.count(image).value                       # doctest: +SKIP
    """

    def __init__(self, model: Model, *, device: str | None = None, history: tuple[Record, ...] = ()) -> None:
        self.model = model
        self.history = history
        self.device = choose_device(device)
        self.interrupted = False
        model.network.to(self.device).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str | None = None) -> Counter:
        """Read a model file; no code in it is run.

        Raises
        ------
        ModelFileError
            The file is missing, of another kind, cut off or altered.
        ConfigError
            There is no such device.
        """
        return cls(model_file.load(path), device=device)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file, whole or not at all.

        Raises
        ------
        OutputError
            The place cannot be written to.
        """
        model_file.save(self.model, path)

    @property
    def config(self) -> Config:
        """The configuration that the model was trained with."""
        return self.model.config

    def count(
        self,
        image: npt.ArrayLike | str | os.PathLike[str],
        *,
        tile: int | None = None,
        flips: bool | None = None,
        shifts: int | None = None,
        points: bool = False,
        page: int | None = None,
        axis: int | str | None = None,
    ) -> Count:
        """Count the objects of one image.

        Parameters
        ----------
        image
            ``(y, x)`` or ``(y, x, channel)`` array of any number type in the units of the training images, or a file.
        tile
            Largest side, in map entries, computed in one piece; the count does not depend on it.
        flips
            Average over the eight flips and transpositions: slower, a little more accurate.
        shifts
            Average over this many further shifts of the image.
        points
            Also find one point per counted object.
        page, axis
            For a file of several pages or of unclear axes, as in `countception.images.read_image`.

        Raises
        ------
        ImageError
            The image cannot be read, has NaN pixels, or other channels than the model was trained on.
        """
        name = "the image"
        if isinstance(image, (str, os.PathLike)):
            name = str(Path(image))
            pixels = read_image(Path(image), page=page, axis=axis)
        else:
            pixels = as_channels_first(image)
        self.model.normalisation.check(pixels, name)
        given = {"tile": tile, "flips": flips, "shifts": shifts}
        chosen = {key: value for key, value in given.items() if value is not None}
        counting = updated(self.config, {f"counting.{key}": value for key, value in chosen.items()}).counting
        return self._count(pixels, counting, points=points)

    def _count(self, pixels: npt.NDArray[Any], counting: CountingConfig, *, points: bool) -> Count:
        network, factor = self.model.network, self.model.calibration.factor
        if counting.flips and network.window % network.layout.field.stride:
            raise ConfigError("flips need a stride that divides the window: count without them")
        views = [View(v.flip_y, v.flip_x, v.transpose, s) for v in _flips(counting) for s in _shifts(counting)]
        raws = [self._raw(pixels, view, counting.tile) for view in views]
        totals = [float(raw.sum(dtype=torch.float64)) for raw in raws]
        raw = torch.stack(raws).mean(0)
        values = network.redundant(raw[None])[0].numpy() * np.float32(factor)
        counts = [targets.count(one, network.redundancy) for one in values]
        count = Count(
            value=float(sum(counts)),
            by_class=dict(zip(self.model.class_names, counts, strict=True)),
            map=values,
            redundancy=network.redundancy,
            window=network.window,
            stride=network.layout.field.stride,
            pad=network.map_pad,
            scale=self.model.scale,
            shape=(pixels.shape[1], pixels.shape[2]),
            spread=_relative_spread(totals) * float(sum(counts)) if len(totals) > 1 else None,
            intervals=self.model.intervals,
        )
        features = image_features(pixels, self.model.normalisation, count.scale, count=count.value)
        count = replace(count, warnings=tuple(self.model.familiarity.unfamiliar(features)))
        return self._with_points(count, raw) if points else count

    def _with_points(self, count: Count, raw: torch.Tensor) -> Count:
        """One point per counted object of each class, as many as its count rounded."""
        density = self.model.network.density(raw) * self.model.calibration.factor
        working = working_shape(count.shape, count.scale)
        found = [locate(one, stride=count.stride, shape=working) for one in density]
        labels = np.repeat(np.arange(len(found)), [len(one.points) for one in found])
        places = to_image(np.concatenate([one.points for one in found]), count.scale)
        places = np.clip(places, 0, np.subtract(count.shape, 1))
        confidence = np.concatenate([one.confidence for one in found])
        return replace(count, points=Dots(places, labels, self.model.class_names), confidence=confidence)

    def _raw(self, pixels: npt.NDArray[Any], view: View, tile: int) -> torch.Tensor:
        """The raw map of a view, brought back to the image's own orientation and place."""
        model = self.model
        canvas = Canvas(pixels, model.normalisation, model.scale, model.network.layout, view)
        raw = raw_map(model.network, canvas, tile=tile)
        raw = raw[:, view.shift[0] :, view.shift[1] :]
        if view.transpose:
            raw = raw.transpose(1, 2)
        for axis, flipped in ((1, view.flip_y), (2, view.flip_x)):
            if flipped:
                raw = model.network.unflip(raw, axis)
        return raw


def _relative_spread(totals: list[float]) -> float:
    """Standard deviation over the mean; 0 where nothing was counted."""
    mean = float(np.mean(totals))
    return float(np.std(totals, ddof=1)) / mean if mean > 0 else 0.0


def _flips(counting: CountingConfig) -> tuple[View, ...]:
    return FLIPS if counting.flips else FLIPS[:1]


def _shifts(counting: CountingConfig) -> list[tuple[int, int]]:
    """Shifts in map entries, spread evenly over both axes: (0, 0), then a diagonal-first walk of small shifts."""
    walk = [(0, 0), (1, 1), (2, 3), (3, 2), (1, 3), (3, 1), (2, 2), (0, 2), (2, 0), (1, 2), (2, 1), (3, 3)]
    return [walk[i % len(walk)] for i in range(counting.shifts + 1)]
