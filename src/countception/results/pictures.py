"""Pictures of counted images: where the objects are, over the image, with the count in a corner.

Images come in as ``(channel, y, x)``; pictures come out as Pillow images, which is imported when first used.
"""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from countception.files import whole_file
from countception.geometry import ceil_div, inside, to_working
from countception.points import spacing
from countception.results.marks import DOTS, POINTS, TRUE, WRONG, Colour, Mark, draw, marks
from countception.wording import one_line, whole

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFont import FreeTypeFont

    from countception.counting.count import Count
    from countception.points import Dots
    from countception.regions import Region

SMALLEST_SIDE, LARGEST_SIDE = 512, 4096
"""Pictures are magnified by a whole number to at least the one, and shrunk to at most the other."""

SMALLEST_OBJECT = 5
"""Side in working pixels of what one object covers in the map of a network whose windows are smaller."""
OUTLINE: Colour = (120, 255, 150)
WHITE = (255, 255, 255)
SEPARATOR = "   "
LARGEST_RING = 80
"""Into a picture's side go so many of the radii of its largest marks."""
MOST_NAMES = 40
"""Regions whose names are drawn."""


def viewable(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Any image as RGB for the screen, its contrast stretched from the darkest to the brightest thousandth.

    Parameters
    ----------
    image
        ``(channel, y, x)`` of any depth. One channel becomes grey, two become magenta and green, of more than three the
        first three are shown. Holes are black, and make no difference to the contrast.

    Returns
    -------
    uint8 ``(y, x, 3)``.
    """
    step = max(1, int(np.sqrt(image[0].size / 1e6)))
    sampled = np.ma.compressed(image[:, ::step, ::step].astype(np.float32))
    low, high = np.percentile(sampled if sampled.size else (0, 1), (0.1, 99.9))
    levels = np.ma.filled((image[:3].astype(np.float32) - low) / max(high - low, np.finfo(np.float32).tiny), 0)
    if len(levels) == 1:
        levels = levels.repeat(3, 0)
    elif len(levels) == 2:
        levels = levels[[0, 1, 0]]
    return np.asarray(np.moveaxis(np.clip(levels, 0, 1), 0, 2) * 255 + 0.5).astype(np.uint8)


def overlay(
    image: npt.ArrayLike,
    count: Count,
    *,
    dots: npt.NDArray[np.float64] | None = None,
    regions: Sequence[Region] = (),
) -> Picture:
    """The density of the counted objects over the image, with the count in a corner.

    Parameters
    ----------
    image
        ``(channel, y, x)``.
    count
        What was counted in it.
    dots
        True positions ``(N, 2)`` as ``(y, x)``, where known: drawn as rings, and their number beside the count. The
        counted points, if any were asked for, are drawn as crosses, or in a shape and colour for each class.
    regions
        Drawn as outlines, with their names if they are not too many.
    """
    from PIL import Image

    density = count.per_pixel()
    alone = (count.scale / max(count.window, SMALLEST_OBJECT)) ** 2  # what one object alone has at its place
    grey = viewable(np.asanyarray(image).mean(0, keepdims=True, dtype=np.float32))[..., 0].astype(np.float32)
    strength = density / max(float(density.max()), alone)  # so that an empty image stays empty
    colours, alpha = heat(strength)
    blended = grey[..., None] * (1 - alpha[..., None]) + colours * alpha[..., None]
    picture, factor = _resized(Image.fromarray(np.asarray(np.clip(blended, 0, 255), np.uint8)))
    _draw_regions(picture, regions, factor)
    if dots is not None:
        draw(picture, to_working(dots, factor), TRUE, *_size(dots, picture, factor))
    if count.points is not None:
        size = _size(count.points.points, picture, factor)
        for kind, mark in enumerate(marks(POINTS, len(count.by_class))):
            draw(picture, to_working(count.points.of_class(kind), factor), mark, *size)
    _draw_label(picture, _label(count, None if dots is None else len(dots)))
    return picture


def marked(image: npt.NDArray[np.generic], dots: Dots) -> Picture:
    """The image with a ring, or another shape, around each dot and, below it, where they hide none, their numbers.

    Parameters
    ----------
    image
        ``(channel, y, x)``.
    dots
        Those of each class have a shape and colour of its own. Crossed out, red and larger are dots outside the image,
        which are drawn at its border, and those in a pixel that has one of the same class already.
    """
    from PIL import Image

    shape = (image.shape[1], image.shape[2])
    within = inside(dots.points, shape)
    repeated = within & dots.repeated()
    classes = len(dots.class_names)
    shapes = [TRUE] if classes == 1 else marks(DOTS, classes)
    picture, factor = _resized(Image.fromarray(viewable(image)))
    radius, width = _size(dots.points[within], picture, factor)
    for kind, mark in enumerate(shapes):
        right = (dots.labels == kind) & within & ~repeated
        draw(picture, to_working(dots.points[right], factor), mark, radius, width)
    wrong = np.clip(dots.points[repeated | ~within], 0, np.array(shape) - 1)
    draw(picture, to_working(wrong, factor), WRONG, 1.5 * radius, width)
    return _captioned(picture, _numbers(dots, shapes, outside=int((~within).sum()), repeated=int(repeated.sum())))


def _numbers(dots: Dots, shapes: Sequence[Mark], *, outside: int, repeated: int) -> list[tuple[str, Colour]]:
    """How many dots there are, of each class and of each fault, in coloured parts."""
    parts = [("1 dot" if len(dots) == 1 else f"{len(dots)} dots", WHITE)]
    if len(dots.class_names) > 1:
        parts += [
            mark.said(f"{name} {len(dots.of_class(kind))}")
            for kind, (name, mark) in enumerate(zip(dots.class_names, shapes, strict=True))
        ]
    faults = {"outside the image": outside, "duplicate": repeated}
    return parts + [WRONG.said(f"{number} {what}") for what, number in faults.items() if number]


def _size(points: npt.NDArray[np.float64], picture: Picture, factor: float) -> tuple[float, int]:
    """Radius and width of marks that can be seen, and told apart where objects lie close to each other."""
    apart = spacing([points], neighbour=1)
    largest = max(picture.size) / LARGEST_RING
    radius = max(2.0, 1.5 * factor, largest if apart is None else min(largest, apart * factor / 3))
    return radius, max(1, round(radius / 3))


def _label(count: Count, known: int | None) -> list[tuple[str, Colour]]:
    """What is counted, in coloured parts: classes with the marks of their points."""
    parts = [(f"{count.rounded} counted" + ("" if known is None else f", {known} true"), WHITE)]
    if len(count.by_class) > 1:
        said = [f"{name} {whole(value)}" for name, value in count.by_class.items()]
        pointed = zip(said, marks(POINTS, len(said)), strict=True)
        parts += [(text, WHITE) if count.points is None else mark.said(text) for text, mark in pointed]
    return parts


def heat(strength: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Colours ``(y, x, 3)`` in 0 to 255, violet over pink to yellow, and opacity ``(y, x)``, of values in 0 to 1."""
    stops = np.array([[84, 40, 200], [214, 84, 134], [255, 224, 40]], np.float32)  # lighter and from blue to yellow
    places = np.linspace(0, 1, len(stops))
    value = np.clip(strength, 0, 1)
    colours = np.stack([np.interp(value, places, stops[:, i]) for i in range(3)], -1).astype(np.float32)
    return colours, np.asarray(0.5 * value, np.float32)


def _resized(picture: Picture) -> tuple[Picture, float]:
    """At a size that can be looked at, and the magnification."""
    from PIL import Image

    large = max(picture.size)
    factor: float = max(1, ceil_div(SMALLEST_SIDE, large))
    if large > LARGEST_SIDE:
        factor = LARGEST_SIDE / large
    if factor == 1:
        return picture, 1.0
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS), factor


def _draw_regions(picture: Picture, regions: Sequence[Region], factor: float) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / 300))
    font = _font(max(12.0, max(picture.size) / 28))
    for region in regions:
        lines = [to_working(line, factor)[:, ::-1] + 0.5 for line in region.outlines()]
        for line in lines:
            draw.line([tuple(point) for point in line.tolist()], fill=OUTLINE, width=width)
        if len(regions) <= MOST_NAMES and lines:
            places = np.clip(np.concatenate(lines), 0, picture.size)
            middle = tuple((places.min(0) + places.max(0)) / 2)
            draw.text(middle, one_line(region.name), OUTLINE, font, anchor="mm", stroke_width=2, stroke_fill=(0, 0, 0))


def _letters(picture: Picture) -> float:
    """Their size in a picture's label."""
    return max(10.0, min(picture.width, picture.height * 2) / 24)


def _captioned(picture: Picture, parts: Sequence[tuple[str, Colour]]) -> Picture:
    """With a label below."""
    from PIL import Image

    size = _letters(picture)
    taller = Image.new("RGB", (picture.width, picture.height + round(2 * size)))
    taller.paste(picture)
    _draw_label(taller, parts, top=picture.height, size=size)
    return taller


def _draw_label(
    picture: Picture, parts: Sequence[tuple[str, Colour]], *, top: int = 0, size: float | None = None
) -> None:
    """Text on a dark plate at the left, smaller where the picture is narrow."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture, "RGBA")
    size = _letters(picture) if size is None else size
    parts = [(one_line(text), colour) for text, colour in parts]
    text = SEPARATOR.join(text for text, _ in parts)
    width = draw.textlength(text, font=_font(size))
    if width > 0.94 * picture.width:
        size = max(6.0, size * 0.94 * picture.width / width)
        width = draw.textlength(text, font=_font(size))
    font, edge = _font(size), size / 2
    draw.rectangle((0, top, width + 2 * edge, top + size + 2 * edge), fill=(0, 0, 0, 170))
    place = edge
    for part, colour in parts:
        draw.text((place, top + edge + size / 2), part, font=font, fill=(*colour, 255), anchor="lm")
        place += draw.textlength(part + SEPARATOR, font=font)


@functools.cache
def _font(size: float) -> FreeTypeFont:
    """DejaVu Sans, which matplotlib brings: Pillow's own font has next to nothing but English letters.

    Matplotlib is not imported for it, as that fails where neither the home nor a temporary folder can be written to.
    """
    from PIL import ImageFont

    found = find_spec("matplotlib")
    data = Path((found and found.origin) or "").parent / "mpl-data"
    if not data.is_dir():  # as where a distribution keeps it elsewhere
        import matplotlib

        data = Path(matplotlib.get_data_path())
    return ImageFont.truetype(data / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def save_picture(picture: Picture, path: str | os.PathLike[str]) -> None:
    """Write a picture in the format of its suffix, whole or not at all.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    with whole_file(path) as temporary:
        picture.save(temporary)


def encoded(picture: Picture, *, largest: int = 640) -> bytes:
    """JPEG bytes of a picture of at most `largest` pixels a side, for embedding."""
    small = picture.convert("RGB")
    small.thumbnail((largest, largest))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=85)
    return stream.getvalue()
