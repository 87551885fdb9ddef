"""Holes: pixels that are no picture, as they are transparent or stand for no measurement.

An image with holes is a `numpy.ma.MaskedArray` ``(channel, y, x)``, masked in all channels alike and 0 under the mask,
so that what knows nothing of holes sees black. An image without any is a plain array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Holes = npt.NDArray[np.bool_] | None
"""``(y, x)``, true where there is no picture; None where there is everywhere."""
NO_PICTURE = "no picture: all of it is transparent or stands for no data; export it again"
"""What is wrong with an image that is one hole, after its name and that it has it."""


def holes_of(image: Array) -> Holes:
    """The holes of an image ``(channel, y, x)``: what is masked in any channel."""
    return np.asarray(np.ma.getmaskarray(image).any(0)) if np.ma.is_masked(image) else None


def both(one: Holes, other: Holes) -> Holes:
    """What is a hole in either."""
    return other if one is None else one if other is None else one | other


def pierced(image: Array, holes: Holes) -> Array:
    """An image ``(channel, y, x)`` with these holes beside its own."""
    holes = both(holes, holes_of(image))
    if holes is None or not holes.any():
        return np.ma.getdata(image)
    pixels = np.where(holes, image.dtype.type(0), np.ma.getdata(image))
    return np.ma.MaskedArray(pixels, np.broadcast_to(holes, image.shape))


def without_alpha(image: Array, *, premultiplied: bool = False) -> Array:
    """The colours, on black, of an image ``(channel, y, x)`` whose last channel is alpha, with holes where that is 0.

    Alpha that is the same everywhere says nothing. `premultiplied` colours are on black already.
    """
    alpha = image[-1]
    if alpha.size == 0 or (alpha == alpha.flat[0]).all():
        return image[:-1]
    return seen(image, opaque(alpha.dtype) if alpha.dtype.kind in "ui" else alpha.max(), premultiplied=premultiplied)


def seen(image: Array, full: float, *, premultiplied: bool = False) -> Array:
    """The same of an alpha that is `full` where nothing shows through, and is not the same everywhere."""
    colours, alpha = image[:-1], image[-1]
    shown = colours if premultiplied else colours * (alpha / full)
    if colours.dtype.kind in "ui":
        shown = np.rint(shown)
    return pierced(shown.astype(colours.dtype, copy=False), alpha == 0)


def opaque(dtype: np.dtype[Any]) -> int:
    """What alpha of a type of whole numbers is where nothing shows through."""
    return int(np.iinfo(dtype).max)
