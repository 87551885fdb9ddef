"""Mask images: black, with one bright pixel per object, or with every object filled by a number of its own (`labels`).

The rule
--------
Lossless files (PNG, BMP, TIFF; any depth, grey, 1-bit, palette or colour)
    Every pixel that is not black is one dot, at that pixel's centre; touching pixels are separate dots. All dots must
    have the same value. This reads the masks of VGG Cells (RGB, red 255) and of MBM (1-bit).
JPEG files
    Compression smears a dot over its neighbours and leaves faint specks elsewhere. A pixel is bright if its strongest
    colour is above 100 of 255, and bright pixels that touch, also at a corner, are one dot, at their mean position.
    This reads the annotations of the adipocyte data set (red above 100): 155.0 ± 35.8 dots per image. A file with more
    half-bright pixels than bright ones was compressed so strongly that dots are lost, and is refused: red dots live
    through quality 90 if colours are not subsampled, white ones through 70.

An image that is plainly something else (a photograph, filled cells of one value, discs instead of dots, black on white)
is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from countception.errors import ImageError, PointsError
from countception.images.find import SUFFIXES
from countception.images.holes import holes_of
from countception.images.planes import is_stack
from countception.images.read import is_jpeg, read_image, read_numbers
from countception.points import labels
from countception.points.dots import Dots
from countception.points.format import Format, ReadOptions

JPEG_BRIGHT = 100
JPEG_FAINT = 25
JPEG_FULL = 200
"""Values from `JPEG_FAINT` to `JPEG_FULL` come from smeared dots; the adipocyte annotations have one such pixel."""
MOST_OF_IMAGE = 0.1
"""Share of the image that dots can cover; dots of objects cover a hundredth."""
FEW = 20
"""So few bright pixels are dots whatever their share, as in very small images."""
LARGEST_DOT = 4
"""Mean pixels per group of touching bright pixels from which they must be discs; it is 1.01 in VGG Cells."""


def read(path: Path, options: ReadOptions) -> Dots:
    """Read the dots of a mask image.

    Raises
    ------
    PointsError
        The file cannot be read as an image, has another size than the image it belongs to, or is no mask of dots.
    """
    page = _page(path, options)
    pixels = _pixels(path, page)
    if options.image_shape is not None and pixels.shape[1:] != tuple(options.image_shape):
        (mask_height, mask_width), (height, width) = pixels.shape[1:], options.image_shape
        raise PointsError(
            f"{path}: the mask is {mask_height} × {mask_width} pixels but its image is {height} × {width} "
            "(height × width); they must be of one size"
        )
    strongest = pixels.max(axis=0)
    if is_jpeg(path):
        bright = strongest > JPEG_BRIGHT
        _refuse_flood(path, bright)
        _refuse_smears(path, strongest)
        return Dots(_centres(bright))
    centres = labels.centres(pixels)
    if centres is not None:
        return Dots(centres)
    bright = strongest != 0
    _refuse_flood(path, bright)
    _refuse_shades(path, pixels[:, bright])
    _refuse_discs(path, bright)
    _refuse_black_on_nothing(path, bright, page)
    return Dots(np.argwhere(bright).astype(np.float64))


def _pixels(path: Path, page: int | None) -> npt.NDArray[Any]:
    try:
        return read_numbers(path, page=page)
    except ImageError as error:
        raise PointsError(str(error)) from error


def _page(path: Path, options: ReadOptions) -> int | None:
    """Of a stack of masks the page that is read of the image, too; None of any other mask."""
    page = options.page()
    return page if page is not None and is_stack(path) else None


def _groups(bright: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int32], int]:
    """Numbers, from 1, of groups of pixels that touch at a side or a corner."""
    from scipy import ndimage

    groups, count = ndimage.label(bright, structure=np.ones((3, 3)))
    return groups, int(count)


def _centres(bright: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    from scipy import ndimage

    groups, count = _groups(bright)
    return np.array(ndimage.center_of_mass(bright, groups, range(1, count + 1)), np.float64).reshape(-1, 2)


def _refuse_flood(path: Path, bright: npt.NDArray[np.bool_]) -> None:
    count = int(bright.sum())
    if count > FEW and count > MOST_OF_IMAGE * bright.size:
        raise PointsError(
            f"{path}: is no mask of dots, as {100 * count / bright.size:.0f} % of its pixels are not black; "
            "mark each object by one bright pixel on black, or give a CSV of coordinates"
        )


def _refuse_smears(path: Path, strongest: npt.NDArray[Any]) -> None:
    full = np.count_nonzero(strongest >= JPEG_FULL)
    slack = 2 if full else 0  # few dots may each have one smear too many
    if np.count_nonzero(strongest >= JPEG_FAINT) > 2 * full + slack:
        raise PointsError(
            f"{path}: the JPEG is compressed so strongly that its dots cannot be told from their smears; "
            "save the mask as PNG, or give a CSV of coordinates"
        )


def _refuse_shades(path: Path, values: npt.NDArray[Any]) -> None:
    """Refuse dots, ``(channel, N)``, of more than one value: they are smears, numbers of objects, or classes."""
    kinds = len(np.unique(values, axis=1).T)
    if kinds > 1:
        raise PointsError(
            f"{path}: is no mask of dots, as its bright pixels have {kinds} different values; "
            "give all dots one value on black, or, if the values are classes, a CSV with a class column"
        )


def _refuse_discs(path: Path, bright: npt.NDArray[np.bool_]) -> None:
    _, count = _groups(bright)
    if count and bright.sum() >= LARGEST_DOT * count:
        raise PointsError(
            f"{path}: is no mask of dots, as its {count} marks have {bright.sum() / count:.1f} pixels each; "
            "mark each object by a single pixel, or give a CSV of coordinates"
        )


def _refuse_black_on_nothing(path: Path, bright: npt.NDArray[np.bool_], page: int | None) -> None:
    """Refuse a mask without a bright pixel that is transparent but for few: these are dots drawn in black."""
    if bright.any():
        return
    try:
        holes = holes_of(read_image(path, page=page))
    except ImageError:  # all of it is a hole
        return
    if holes is not None and (~holes).sum() <= MOST_OF_IMAGE * holes.size:
        raise PointsError(
            f"{path}: is no mask of dots, as it has black pixels alone, on a transparent ground; mark each object by "
            "one bright pixel on black"
        )


FORMAT = Format("mask image", tuple(sorted(SUFFIXES)), read)
