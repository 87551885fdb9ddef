"""Microscope images with known dots, to try things out on, to test with and to pretrain networks on.

Three looks, each with its own frozen configuration: `Fluorescence` (overlapping cells at varying focus, after
Lehmussola et al. 2007, the simulator behind VGG Cells), `Stained` (nuclei in haematoxylin and eosin) and `Membranes`
(cells that touch, as in fat tissue). `random_look` draws a configuration with everything random.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from countception.errors import ConfigError, OutputError
from countception.files import whole_file
from countception.images.find import images_in
from countception.points import Dots, write_points
from countception.simulation import fluorescence, membranes, stained
from countception.simulation.looks import LOOKS, Fluorescence, Look, Membranes, Stained, look_named
from countception.simulation.optics import Image
from countception.simulation.variety import random_look

__all__ = [
    "LOOKS",
    "Fluorescence",
    "Look",
    "Membranes",
    "SimulatedImage",
    "Stained",
    "look_named",
    "random_look",
    "simulate",
    "simulate_dataset",
]

Layout = Literal["folders", "beside"]

_RENDER: dict[type[Look], Callable[[Any, np.random.Generator], tuple[Image, npt.NDArray[np.float64]]]] = {
    Fluorescence: fluorescence.render,
    Stained: stained.render,
    Membranes: membranes.render,
}


@dataclass(frozen=True, eq=False)
class SimulatedImage:
    """An image and the objects that are truly on it."""

    image: Image
    """uint8 or uint16, ``(y, x)`` or ``(y, x, channel)``."""
    points: npt.NDArray[np.float64]
    """``(N, 2)`` float64 ``(y, x)`` in pixels: the middle of the part of each object that lies on the image."""
    look: Look
    """What it was made with."""


def simulate(look: str | Look = "fluorescence", *, seed: int | np.random.Generator = 0) -> SimulatedImage:
    """Make one image.

    Parameters
    ----------
    look
        A configuration, or the name of one with its defaults: ``"fluorescence"``, ``"stained"``, ``"membranes"``, or
        ``"random"`` for `random_look`.
    seed
        A whole number, 0 or more, or a generator, which is then advanced. The same seed and look give the same image.

    Raises
    ------
    ConfigError
        No look of that name, or a seed that is none.
    """
    rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(_checked_seed(seed))
    if look == "random":
        look = random_look(rng)
    look = look_named(look) if isinstance(look, str) else look
    try:
        render = _RENDER[type(look)]
    except KeyError:
        raise ConfigError(
            f"{look!r} is no look: give a name or one of {', '.join(k.__name__ for k in _RENDER)}"
        ) from None
    image, points = render(look, rng)
    return SimulatedImage(image, points, look)


def simulate_dataset(
    out: str | os.PathLike[str],
    n: int,
    *,
    seed: int = 0,
    look: str | Look = "fluorescence",
    size: tuple[int, int] | None = None,
    counts: tuple[int, int] | None = None,
    layout: Layout = "folders",
) -> list[Path]:
    """Write a data set of `n` images and their dots.

    Image `i` depends on `seed`, `i` and the look only, so that a larger data set begins with the smaller one.

    Parameters
    ----------
    out
        Folder to write to; made if missing. ``images/000.png`` (``.tif`` for 16 bits) and ``points/000.csv`` (columns
        ``x,y``) with the layout ``"folders"``, ``000.png`` and ``000.csv`` with ``"beside"``.
    n
        Number of images, at least 1.
    seed
        A whole number, 0 or more.
    look
        As for `simulate`.
    size, counts
        Height and width of the images, and fewest and most objects in each, instead of the look's own.

    Returns
    -------
    list of Path
        The images, in order.

    Raises
    ------
    ConfigError
        An option that makes no sense.
    OutputError
        The folder cannot be written to, or holds images that are not part of this data set.
    """
    look = _with_changes(look, size=size, counts=counts)
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise ConfigError(f"cannot simulate {n!r} images: ask for at least 1")
    if layout not in ("folders", "beside"):
        raise ConfigError(f"there is no layout {layout!r}: use 'folders' or 'beside'")
    _checked_seed(seed)
    images, points = (Path(out) / part if layout == "folders" else Path(out) for part in ("images", "points"))
    suffix = ".tif" if isinstance(look, Look) and look.bits == 16 else ".png"
    written = [images / f"{i:03d}{suffix}" for i in range(n)]
    _refuse_strangers(images, {path.name for path in written})
    for i, path in enumerate(written):
        made = simulate(look, seed=np.random.default_rng([seed, i]))
        write_points(points / f"{path.stem}.csv", Dots(made.points))
        _write_image(path, made.image)
    return written


def _with_changes(look: str | Look, **values: tuple[int, int] | None) -> str | Look:
    """The look with those values that are given; ``"random"`` stays a name, as each image draws its own."""
    changes = {key: value for key, value in values.items() if value is not None}
    if isinstance(look, Look):
        return look.changed(**changes)
    if look != "random":
        return look_named(look, **changes)
    if changes:
        raise ConfigError("random looks draw their own size and counts: leave those options out, or name a look")
    return look


def _checked_seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"the seed {seed!r} is no whole number of 0 or more")
    return int(seed)


def _refuse_strangers(folder: Path, ours: set[str]) -> None:
    """A data set must not be mixed with images left there by another."""
    try:
        found = images_in(folder) if folder.is_dir() else []
    except OSError as error:
        raise OutputError(f"cannot read {folder}: {error.strerror or error}; choose another folder") from error
    strange = [path.name for path in found if path.name not in ours]
    if strange:
        raise OutputError(f"{folder} already holds other images ({strange[0]}): choose an empty folder")


def _write_image(path: Path, image: Image) -> None:
    from PIL import Image as Picture
    from tifffile import imwrite

    with whole_file(path) as temporary:
        if image.dtype == np.uint8:
            Picture.fromarray(image).save(temporary)
        else:
            imwrite(temporary, image, photometric="rgb" if image.ndim == 3 else "minisblack")
