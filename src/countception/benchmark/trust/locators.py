"""Ways to find points with what a run has learned; what there is to choose is chosen on its validation images by F1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from countception.baselines.blobs import Fitted as FittedBlobs
from countception.baselines.peaks import THRESHOLDS, Map, tune
from countception.baselines.proximity import Fitted as FittedProximity
from countception.benchmark.networks import FittedNetwork
from countception.geometry import Points, first_centre, to_image, to_working

if TYPE_CHECKING:
    from countception.benchmark.method import Fitted
    from countception.counting.counter import Counter
    from countception.data.dataset import Sample

Locator = Callable[["Sample"], Points]
"""Image → points ``(N, 2)`` in image pixels; the sample's dots must not be looked at."""
IMAGES = 10
"""Validation images that are looked at to choose."""
SIGMAS = (0.0, 1.0, 2.0, 3.0)
REACHES = (2, 4, 6)
"""Smoothing of maps, and least half distance of two peaks, to choose from; both in working pixels."""
FARTHER = 9
"""One more of the latter for the proximity map, which is shown larger objects."""
HIGHER = (0.7, 0.75, 0.8, 0.85, 0.9)
"""And heights, as its peaks are about as high as one another."""


def locators(fitted: Fitted, validation: Sequence[Sample], tolerance: float) -> dict[str, Locator]:
    """Locators by name; none for a method that only counts.

    Parameters
    ----------
    fitted
        What was learned.
    validation
        To choose settings on.
    tolerance
        Farthest that a point may lie from its dot, in image pixels.
    """
    if isinstance(fitted, FittedBlobs):
        return {"blobs": fitted.points}
    if isinstance(fitted, FittedProximity):
        return {"peaks of the proximity map": peaks_of(Proximities(fitted), validation, tolerance)}
    if not isinstance(fitted, FittedNetwork):
        return {}
    found: dict[str, Locator] = {
        "points": counted(fitted.counter),
        "points, flips": counted(fitted.counter, flips=True),
        "peaks of the density": peaks_of(Densities(fitted.counter), validation, tolerance),
    }
    if fitted.counter.model.network.window > 1:
        found["peaks of the count map"] = peaks_of(CountMaps(fitted.counter), validation, tolerance)
    return found


def counted(counter: Counter, *, flips: bool = False) -> Locator:
    """As `Counter.count` finds them."""

    def locate(sample: Sample) -> Points:
        found = counter.count_pixels(sample.image, points=True, flips=flips).points
        assert found is not None
        return found.points

    return locate


class Maps:
    """Maps of images, and where their entries lie."""

    reaches: tuple[int, ...] = REACHES
    thresholds: tuple[float, ...] = THRESHOLDS

    def __init__(self, scale: float, stride: int, first: float) -> None:
        self.scale, self.stride, self.first = scale, stride, first

    def __call__(self, sample: Sample) -> Map:
        """The map of an image, ``(y, x)``."""
        raise NotImplementedError

    def to_image(self, entries: Points) -> Points:
        """Entries → image pixels; entry 0 is centred on working pixel `first`."""
        return to_image(entries * self.stride + self.first, self.scale)

    def to_entries(self, points: Points) -> Points:
        """Image pixels → entries."""
        return (to_working(points, self.scale) - self.first) / self.stride


class Densities(Maps):
    """The density that a network predicts, or that its count map comes from."""

    def __init__(self, counter: Counter) -> None:
        stride = counter.model.network.layout.field.stride
        super().__init__(counter.model.scale, stride, (stride - 1) / 2)
        self.counter = counter

    def __call__(self, sample: Sample) -> Map:
        """Objects per cell."""
        density: Map = self.counter.count_pixels(sample.image).density()[0]
        return density


class CountMaps(Maps):
    """The redundant count map."""

    def __init__(self, counter: Counter) -> None:
        network = counter.model.network
        centre = first_centre(network.window, network.layout.field.stride, network.map_pad)
        super().__init__(counter.model.scale, network.layout.field.stride, centre)
        self.counter = counter

    def __call__(self, sample: Sample) -> Map:
        """Objects per window."""
        counts: Map = self.counter.count_pixels(sample.image).map[0]
        return counts


class Proximities(Maps):
    """The proximity map."""

    reaches = (*REACHES, FARTHER)
    thresholds = (*THRESHOLDS, *HIGHER)

    def __init__(self, fitted: FittedProximity) -> None:
        super().__init__(fitted.scale, 1, 0.0)
        self.fitted = fitted

    def __call__(self, sample: Sample) -> Map:
        """Heights, 0 to 1."""
        return self.fitted.heights(sample)


def peaks_of(maps: Maps, validation: Sequence[Sample], tolerance: float) -> Locator:
    """Peaks of a map, found as does best on the validation images."""
    chosen = validation[:IMAGES]
    options: Mapping[str, Any] = {
        "sigmas": [sigma / maps.stride for sigma in SIGMAS],
        "reaches": sorted({max(1, reach // maps.stride) for reach in maps.reaches}),
        "thresholds": maps.thresholds,
    }
    dots = [maps.to_entries(sample.dots.points) for sample in chosen]
    peaks, _ = tune([maps(sample) for sample in chosen], dots, tolerance * maps.scale / maps.stride, **options)
    return lambda sample: maps.to_image(peaks(maps(sample)))
