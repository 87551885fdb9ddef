"""Counting: `Counter.load(path).count(image)`.

The counter is the public face of a trained model: it turns an array or a file into a count, with the count map that the
count is the sum of. Images go in as people have them, ``(y, x)`` or ``(y, x, channel)``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import torch

from countception import targets
from countception.config import Config, CountingConfig, CountOptions, updated
from countception.counting import model_file
from countception.counting.canvas import Canvas, View
from countception.counting.count import Count
from countception.counting.model_file import Model
from countception.counting.predict import Report, choose_device, leave_out_holes, raw_map, usual_modes
from countception.errors import ConfigError, ImageError
from countception.geometry import to_image, working_shape
from countception.images.extent import Extent
from countception.images.pieces import Pieces, Pixels, opened
from countception.images.pixel_size import checked_size, enlargement, read_pixel_size
from countception.images.projection import Page
from countception.images.read import Arrays, about, as_channels_first, checked
from countception.locate import REACH, locate
from countception.memory import enough_to_count
from countception.points import Dots
from countception.trust.confidence import IntervalModel
from countception.trust.familiarity import blank, other_depth, other_pixels
from countception.trust.features import image_features
from countception.wording import rounded

if TYPE_CHECKING:
    from countception.training.state import Record

FLIPS = tuple(View(bool(k & 1), bool(k & 2), bool(k & 4)) for k in range(8))

MOST = 100.0
"""Objects per working pixel. Even networks that have hardly learned stay far below: more is not counted but computed
from pixels like -3e38, which stand for missing ones."""


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

    def with_channels(self, channels: Sequence[int]) -> Counter:
        """The same counter for images that have elsewhere what it was trained on.

        Parameters
        ----------
        channels
            Numbers, from 0, of the channels to count in, each in place of one that it was trained on: ``[2]`` for a
            counter of grey images that is to count in the blue of others.

        Raises
        ------
        ConfigError
            There are not as many as it was trained on, or they make no sense.
        """
        chosen = updated(self.config, {"channels": list(channels)}).channels
        shown = self.model.normalisation
        if chosen is None or len(chosen) != shown.channels:
            raise ConfigError(
                f"channels {', '.join(map(str, channels))} cannot be counted in: the model is shown "
                f"{shown.channels}, so name as many"
            )
        model = replace(self.model, normalisation=replace(shown, numbers=chosen))
        return Counter(model, device=str(self.device))

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

    def __repr__(self) -> str:
        names, images = ", ".join(self.model.class_names), self.model.trained_on.get("images")
        return f"<Counter of {names}: {self.config.network.name}, learned from {images} images>"

    def interval_model(self, *, flips: bool | None = None) -> IntervalModel:
        """What is known about the errors of its counts; `flips` as for `count`, as they make errors smaller."""
        return self.model.interval_model(flips=self.config.counting.flips if flips is None else flips)

    def count(
        self,
        image: Arrays | Pieces | str | os.PathLike[str],
        *,
        tile: int | None = None,
        flips: bool | None = None,
        shifts: int | None = None,
        points: bool = False,
        rescale: bool = False,
        page: Page | None = None,
        axis: int | str | None = None,
        report: Report | None = None,
    ) -> Count:
        """Count the objects of one image.

        Parameters
        ----------
        image
            ``(y, x)`` or ``(y, x, channel)`` array of any number type in the units of the training images, or a file.
            In what is transparent, without data, or masked (`numpy.ma`), nothing is counted.
            Large TIFF files are read tile by tile (`countception.images.pieces`). Of files the EXIF orientation is
            applied; an array, or an image of Pillow in grey or RGB, is counted as it is, and not turned.
        tile
            Largest side, in map entries, computed in one piece; the count does not depend on it.
        flips
            Average over the eight flips and transpositions: slower, a little more accurate.
        shifts
            Average over this many further shifts of the image.
        points
            Also find one point per counted object.
        rescale
            Bring the image to the magnification of the training images, by the sizes of their pixels, where these are
            known. If they are and it is not brought to it, an image of another magnification has a warning.
        page, axis
            For a file of several pages or of unclear axes, as in `countception.images.read.read_image`.
        report
            Called after each tile with the share that is done, 0 to 1.

        Raises
        ------
        ImageError
            The image cannot be read, has NaN pixels, other channels than the model was trained on, or pixels so far out
            of range that no count comes out; it is to be rescaled, and the size of its pixels is not known or very far
            from that of the training images; or there is not enough memory.
        ConfigError
            An option makes no sense, or images are to be rescaled to a magnification that the model does not know.
        """
        options = CountOptions(tile=tile, flips=flips, shifts=shifts, rescale=rescale)
        if isinstance(image, (str, os.PathLike)):
            size = read_pixel_size(image, page=page)
            with about(image), opened(image, page=page, axis=axis) as pixels:
                self.model.normalisation.check(pixels, os.fspath(image))
                return self._count(pixels, options, size, points=points, report=report)
        pixels = image if isinstance(image, Pieces) else as_channels_first(image)
        self.model.normalisation.check(pixels)
        return self._count(pixels, options, None, points=points, report=report)

    def count_pixels(
        self,
        pixels: Arrays | Pieces,
        *,
        pixel_size: float | None = None,
        points: bool = False,
        report: Report | None = None,
        **options: Unpack[CountOptions],
    ) -> Count:
        """As `count`, of pixels ``(channel, y, x)``, as samples hold them: where the channels are is not guessed.

        `pixel_size` is their side in micrometres, where it is known.
        """
        pixels = pixels if isinstance(pixels, Pieces) else checked(pixels, "the image")
        self.model.normalisation.check(pixels)
        return self._count(pixels, options, pixel_size, points=points, report=report)

    def check_rescaling(self) -> float:
        """Side in micrometres of the training images' pixels, to which images are rescaled.

        Raises
        ------
        ConfigError
            It is not known.
        """
        known = self.model.trained_on.get("pixel_size")
        if known is None:
            raise ConfigError(
                "images cannot be rescaled, as the model does not know the size of its training images' pixels: train "
                "it with --pixel-size (pixel_size of samples), or on files that say it"
            )
        return float(known)

    def shown(self, pixels: Pixels) -> Pixels:
        """Of an image ``(channel, y, x)``, the channels that the network is shown: for pictures of what it counted."""
        return self.model.normalisation.shown(pixels)

    def _counting(self, options: CountOptions) -> CountingConfig:
        """How images are counted; an option that is None is as the model was trained to."""
        chosen = {key: value for key, value in options.items() if value is not None and key != "rescale"}
        return updated(self.config, {f"counting.{key}": value for key, value in chosen.items()}).counting

    def _count(
        self,
        pixels: Pixels,
        options: CountOptions,
        size: float | None,
        *,
        points: bool,
        report: Report | None,
    ) -> Count:
        rescale = options.get("rescale", False)
        counting = self._counting(options)
        size = None if size is None else checked_size(size)
        scale = self.model.scale * (enlargement(size, self.check_rescaling()) if rescale else 1)
        with enough_to_count(), usual_modes():
            count = self._without_points(pixels, scale, counting, report)
            unlike = self._unlike(pixels, None if rescale else size)
            count = replace(count, warnings=(*unlike, *count.warnings))
            return self._with_points(count) if points else count

    def _unlike(self, pixels: Pixels, size: float | None) -> list[str]:
        """What a file, and not its look, says of an image with pixels of `size` micrometres, in words."""
        known = self.model.trained_on
        found = other_pixels(size, known.get("pixel_size")) + other_depth(pixels, known.get("pixel_type"))
        if isinstance(pixels, np.ndarray) and blank(self.shown(pixels)[:, :, :]) and not self.model.knows(pixels):
            found.append("all pixels have the same value")
        return found

    def _without_points(self, pixels: Pixels, scale: float, counting: CountingConfig, report: Report | None) -> Count:
        network = self.model.network
        views = [View(v.flip_y, v.flip_x, v.transpose, s) for v in _flips(counting) for s in _shifts(counting)]
        raw, totals, extent = self._mean_raw(pixels, scale, views, counting.tile, report)
        raw.mul_(self.model.calibration.factor)
        predicted = (raw if network.boxed else network.redundant(raw[None])[0]).numpy()
        counts = [targets.count(one, 1 if network.boxed else network.redundancy) for one in predicted]
        value = _possible(float(sum(counts)), most=MOST * pixels.shape[1] * pixels.shape[2] * scale**2)
        count = Count(
            value=value,
            by_class=dict(zip(self.model.class_names, counts, strict=True)),
            predicted=predicted,
            boxed=network.boxed,
            redundancy=network.redundancy,
            window=network.window,
            stride=network.layout.field.stride,
            pad=network.map_pad,
            scale=scale,
            shape=(pixels.shape[1], pixels.shape[2]),
            extent=extent,
            spread=_relative_spread(totals) * max(0.0, value) if len(totals) > 1 else None,
            intervals=self.interval_model(flips=counting.flips),
        )
        features = image_features(pixels, self.model.normalisation, scale, count=value, area=count.area)
        return replace(count, warnings=tuple(self.model.familiarity.unfamiliar(features)))

    def _with_points(self, count: Count) -> Count:
        """One point per counted object of each class: as many as its count rounded, if they can be found."""
        working = working_shape(count.shape, count.scale)
        reach = REACH if self.apart is None else self.apart / 2
        numbers = map(rounded, count.by_class.values())
        found = [
            locate(one, stride=count.stride, number=number, shape=working, reach=reach)
            for one, number in zip(count.density(), numbers, strict=True)
        ]
        labels = np.repeat(np.arange(len(found)), [len(one.points) for one in found])
        places = to_image(np.concatenate([one.points for one in found]), count.scale)
        places = np.clip(places, 0, np.subtract(count.shape, 1))
        confidence = np.concatenate([one.confidence for one in found])
        return replace(count, points=Dots(places, labels, self.model.class_names), confidence=confidence)

    @property
    def apart(self) -> float | None:
        """Median distance of an object's third neighbour in working pixels; None where the scale was set by hand.

        Older models, which do not know it, and those whose images had too few dots to tell, show it as configured.
        """
        if self.config.scale.factor is not None:
            return None
        known = self.model.trained_on.get("spacing")
        return self.config.scale.spacing if known is None else float(known) * self.model.scale

    def _mean_raw(
        self, pixels: Pixels, scale: float, views: Sequence[View], tile: int, report: Report | None
    ) -> tuple[torch.Tensor, list[float], Extent | None]:
        """The mean raw map of all views, each view's sum, and where there is a picture.

        Never more than two maps are held.
        """
        mean, totals, extent = None, [], None
        for done, view in enumerate(views):
            raw = self._raw(pixels, scale, view, tile, report and _part(report, done, len(views)))
            extent = leave_out_holes(raw, self.model.network, pixels, scale, extent)  # or the spread would know of them
            totals.append(targets.count(raw.numpy(), 1))
            mean = raw if mean is None else mean.add_(raw)
        assert mean is not None
        return mean.div_(len(totals)), totals, extent

    def _raw(self, pixels: Pixels, scale: float, view: View, tile: int, report: Report | None) -> torch.Tensor:
        """The raw map of a view, brought back to the image's own orientation and place."""
        model = self.model
        canvas = Canvas(pixels, model.normalisation, scale, model.network.layout, view)
        raw = raw_map(model.network, canvas, tile=tile, report=report)
        raw = raw[:, view.shift[0] :, view.shift[1] :]
        if view.transpose:
            raw = raw.transpose(1, 2)
        for axis, flipped in ((1, view.flip_y), (2, view.flip_x)):
            if flipped:
                raw = model.network.unflip(raw, axis)
        return raw


def _possible(value: float, most: float) -> float:
    """The count as it is, if it is a number and not above `most`."""
    if not value <= most:  # also if it is no number
        raise ImageError(
            f"a count of {value:.3g} is impossible: the image must have pixels far out of the range of the training "
            "images, such as a value that stands for missing ones; replace those, or crop the image"
        )
    return value


def _part(report: Report, done: int, parts: int) -> Report:
    """Reports the share of the next of `parts` equal parts as a share of the whole."""
    return lambda share: report((done + share) / parts)


def _relative_spread(totals: list[float]) -> float:
    """Standard deviation over the mean; 0 where nothing was counted."""
    mean = float(np.mean(totals))
    return float(np.std(totals, ddof=1)) / mean if mean > 0 else 0.0


def _flips(counting: CountingConfig) -> tuple[View, ...]:
    return FLIPS if counting.flips else FLIPS[:1]


def _shifts(counting: CountingConfig) -> list[tuple[int, int]]:
    """Shifts in map entries, spread evenly over both axes: (0, 0), then a diagonal-first walk of small shifts."""
    walk = [(0, 0), (1, 1), (2, 3), (3, 2), (1, 3), (3, 1), (2, 2), (0, 2), (2, 0), (1, 2), (2, 1), (3, 3)]
    return walk[: counting.shifts + 1]
