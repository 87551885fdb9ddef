"""What was counted in one image: the count, the map that it is the sum of, and what follows from the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from countception.config import LEVEL
from countception.geometry import covering, first_centre, to_image
from countception.images.extent import Extent
from countception.locate import density_of_map
from countception.points import Dots
from countception.targets import box_filter
from countception.trust.confidence import Interval, IntervalModel
from countception.wording import rounded

if TYPE_CHECKING:
    from countception.regions import Region, RegionCount


@dataclass(frozen=True, eq=False)
class Count:
    """What was counted in one image."""

    value: float
    """The count, all classes together; fractional."""
    by_class: dict[str, float]
    """The count of each class by name."""
    predicted: npt.NDArray[np.float32] = field(repr=False)
    """What the network says, calibrated, ``(classes, y, x)``: `map` itself or, if `boxed`, the density under it."""
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
    extent: Extent | None = field(default=None, repr=False)
    """What part of the image is picture; None where all of it is."""
    boxed: bool = False
    """Whether `predicted` holds objects per cell of `stride` working pixels, and `map` is their box filter."""
    spread: float | None = None
    """Standard deviation of the count over flips and shifts, where these were averaged over."""
    intervals: IntervalModel = field(default_factory=IntervalModel, repr=False)
    """What is known about the counter's errors."""
    warnings: tuple[str, ...] = ()
    """In what the image is unlike those that the counter learned from, the worst first; such counts are less sure."""
    points: Dots | None = field(default=None, repr=False)
    """One point per counted object, in image pixels, if points were asked for: of each class as many as its count,
    rounded, but for those that are `missing`."""
    confidence: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    """``(N,)`` in 0 to 1: how much of one object's mass lies at each point."""

    @cached_property
    def map(self) -> npt.NDArray[np.float32]:
        """The calibrated redundant map, ``(classes, y, x)``; its sum over `redundancy` is `value`.

        Made where it is asked for: of a huge image it takes several times the memory of what was counted.
        """
        if not self.boxed:
            return self.predicted
        return np.asarray(box_filter(torch.from_numpy(self.predicted)[None], self.window // self.stride)[0].numpy())

    @property
    def area(self) -> int:
        """Pixels of the image that are picture, and neither transparent nor without data."""
        return self.shape[0] * self.shape[1] if self.extent is None else self.extent.area

    @property
    def rounded(self) -> int:
        """The count for display, as `whole` gives it."""
        return rounded(self.value)

    @property
    def missing(self) -> int | None:
        """`rounded` less the points; None if these were not asked for.

        Above 0 where what was counted is too faint everywhere to put a point on. Of several classes it may also be that
        their rounded counts add up to another number, and so below 0: `missing_by_class` is free of that.
        """
        return None if self.points is None else self.rounded - len(self.points)

    @property
    def missing_by_class(self) -> dict[str, int]:
        """The same of each class and its own count, rounded; never below 0. Empty without points."""
        if self.points is None:
            return {}
        counts = enumerate(self.by_class.items())
        return {name: rounded(count) - len(self.points.of_class(k)) for k, (name, count) in counts}

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Where the true count lies with probability `level`; None where the validation images were too few to say.

        Of an image with `warnings` it is what it would be of an image like the training images.

        Raises
        ------
        ConfigError
            The level is not between 0 and 1.
        """
        return self.intervals.interval(self.value, self.spread, level)

    def density(self) -> npt.NDArray[np.float64]:
        """Objects per cell of `stride` working pixels, ``(classes, y, x)``: the map with its windows undone.

        Cell 0 starts at the image's first pixel and the last ones reach its end, so that all objects lie on the image:
        the sum is `value`, to rounding, but where a class is counted below 0: it has no density then.

        Raises
        ------
        ConfigError
            The stride does not divide the window.
        """
        return density_of_map(
            self.predicted,
            self.window,
            self.stride,
            redundancy=self.redundancy,
            pad=self.pad,
            boxed=self.boxed,
        )

    def in_regions(
        self, regions: Sequence[Region], *, pixel_size: float | None = None, level: float = LEVEL
    ) -> list[RegionCount]:
        """Count inside regions of the image.

        An object counts with the share of its density that a region covers, so that one on the border of two regions
        is divided between them, and regions that divide the image among themselves add up to `value`, if `density`
        does.

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
            extent=self.extent,
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
        centre = first_centre(self.window, self.stride, self.pad)
        y, x = to_image(np.array([[centre, centre]]), self.scale)[0]
        return float(y), float(x)
