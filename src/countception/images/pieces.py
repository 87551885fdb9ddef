"""Large TIFF files read region by region: what is counted tile by tile need never be in memory as a whole."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from countception.images import decoders, tiff_colours
from countception.images.holes import both, opaque, pierced, seen
from countception.images.projection import Page, projected
from countception.images.read import Image, StrPath, decoding, first_bytes, read_image, standard
from countception.images.tiff_file import (
    PLANE_AXES,
    Index,
    mask_of,
    no_data,
    open_tiff,
    refuse_missing,
    unmeasured,
)

LARGE = 2**26
"""Bytes of pixels from which an image is read in pieces; smaller ones are faster read at once."""
TALLEST = 256
"""Rows up to which compressed strips are read one after the other: each is unpacked as a whole."""

Region = tuple[slice, slice, slice]
Read = Callable[[slice, slice], npt.NDArray[Any]]
"""All channels of some rows and columns."""


class Pixels(Protocol):
    """Pixels ``(channel, y, x)``: an array, or `Pieces`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""

    def __getitem__(self, region: Region, /) -> npt.NDArray[Any]:
        """The pixels of a region."""

    def __array__(self) -> npt.NDArray[Any]:
        """All of them."""


@dataclass(frozen=True)
class Pieces:
    """A plane of a TIFF file, ``(channel, y, x)``, that reads what is asked for."""

    path: Path
    shape: tuple[int, int, int]
    read: Read
    holed: bool = False
    """Whether it may have holes (`countception.images.holes`)."""

    def __getitem__(self, region: Region) -> Image:
        """The pixels of a region, as `countception.images.read.read_image` would have given them.

        Raises
        ------
        ImageError
            That part of the file is damaged, or has NaN or infinite pixels.
        """
        channels, rows, columns = region
        with decoding(self.path):
            pixels = self.read(rows, columns)
        return standard(pixels[channels], str(self.path), part=True)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: FBT001 - numpy's signature
        """The whole plane, for what cannot be done piece by piece."""
        whole = self[:, :, :]
        return whole if dtype is None else whole.astype(dtype, copy=bool(copy))


class Source:
    """An image file, opened once for all of its pages, when the first is asked for.

    Parameters
    ----------
    path
        A TIFF, PNG, JPEG or BMP file.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self._tiff: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tiff is not None:
            self._tiff.close()

    def read(self, *, page: Page | None = None, axis: int | str | None = None) -> Image | Pieces:
        """The pixels of a page, or `Pieces` where it is large, which can be read as long as the file is open.

        Uncompressed TIFF is read in pieces always, compressed where it is in tiles or short strips and the package zarr
        is installed, and not where colours need all pixels to make sense of them (palettes).

        Parameters
        ----------
        page, axis
            As for `countception.images.read.read_image`.

        Raises
        ------
        ImageError
            As there.
        """
        if self._tiff is None:
            if not decoders.is_tiff(first_bytes(self.path)):
                return read_image(self.path, page=page, axis=axis)
            with decoding(self.path):
                self._tiff = open_tiff(self.path)
        with decoding(self.path):
            pieces = _pieces(self.path, self._tiff, page, axis)
            return pieces or standard(decoders.plane_of(self.path, self._tiff, page, axis), str(self.path))


@contextmanager
def opened(path: StrPath, *, page: Page | None = None, axis: int | str | None = None) -> Iterator[Image | Pieces]:
    """What `Source.read` gives of an image file, for as long as it is open."""
    with Source(path) as source:
        yield source.read(page=page, axis=axis)


def _pieces(path: Path, tiff: Any, page: Page | None, axis: int | str | None) -> Pieces | None:
    """None for a file that is to be read whole."""
    series, page = decoders.series_of(path, tiff, page)
    axes = decoders.name_axes(path, series.axes, series.shape, axis)
    places, plane = decoders.places_in(path, axes, series, page)
    refuse_missing(path, series, places)
    bytes_ = math.prod(series.shape[i] for i in plane) * series.dtype.itemsize
    if bytes_ < LARGE or not tiff_colours.plain_colours(tiff, series.keyframe):
        return None
    alpha = tiff_colours.alpha_kind(tiff, series.keyframe)
    if alpha and (len(places) > 1 or series.dtype.kind not in "ui"):
        return None
    mask = mask_of(tiff, series)
    if mask is not None and len(mask.shape) > PLANE_AXES:  # of several planes
        return None
    array = _regions_of(path, tiff, series)
    if array is None:
        return None
    named = dict(zip(axes, range(len(axes)), strict=True))
    hidden = None if mask is None else _hidden(path, tiff, mask)

    def stored(index: Index, rows: slice, columns: slice) -> npt.NDArray[Any]:
        wanted = list(index)
        wanted[named["Y"]], wanted[named["X"]] = rows, columns
        return decoders.channels_first(np.asarray(array()[tuple(wanted)]), plane)

    height, width = (series.shape[named[name]] for name in "YX")
    channels = bytes_ // (series.dtype.itemsize * height * width)
    constant = bool(alpha) and _says_nothing(functools.partial(stored, places[0]), height)

    def shown(pixels: npt.NDArray[Any], rows: slice, columns: slice) -> npt.NDArray[Any]:
        holes = both(unmeasured(tiff, pixels), hidden and hidden(rows, columns))
        if constant:
            pixels = pixels[:-1]
        elif alpha:
            pixels = seen(pixels, opaque(pixels.dtype), premultiplied=alpha == tiff_colours.PREMULTIPLIED)
        return pierced(pixels, holes)

    def read(rows: slice, columns: slice) -> npt.NDArray[Any]:
        return projected(page, (shown(stored(index, rows, columns), rows, columns) for index in places))

    holed = hidden is not None or no_data(tiff) is not None or bool(alpha and not constant)
    steady = _row_by_row(read) if _in_strips(series) else read
    return Pieces(path, (channels - bool(alpha), height, width), steady, holed)


def _says_nothing(read: Read, height: int) -> bool:
    """Whether alpha, the last channel, is the same everywhere and not opaque, where it would make no difference."""
    first = read(slice(0, 1), slice(0, 1))[-1, 0, 0]
    if first == opaque(first.dtype):
        return False
    bands = (slice(row, min(row + TALLEST, height)) for row in range(0, height, TALLEST))
    return all((read(rows, slice(None))[-1] == first).all() for rows in bands)


def _hidden(path: Path, tiff: Any, mask: Any) -> Callable[[slice, slice], npt.NDArray[np.bool_]]:
    """Where there is no picture by a mask in the same file, which is read in pieces if that can be."""
    array = _regions_of(path, tiff, mask) or functools.cache(mask.asarray)
    return lambda rows, columns: np.asarray(array()[rows, columns]) == 0


def _regions_of(path: Path, tiff: Any, series: Any) -> Callable[[], Any] | None:
    """What gives an array that reads only what it is asked for."""
    offset = decoders.data_offset(series)
    if offset is not None:
        # mapped anew for each region: pages that have been read would otherwise stay in memory
        return lambda: decoders.mapped(path, tiff, series, offset)
    if find_spec("zarr") is None or (_in_strips(series) and series.keyframe.rowsperstrip > TALLEST):
        return None
    import zarr

    array = zarr.open_array(series.aszarr(level=0), mode="r")
    return lambda: array


def _in_strips(series: Any) -> bool:
    """Whether whole rows have to be unpacked to have a part of them."""
    return decoders.data_offset(series) is None and not series.keyframe.is_tiled


def _row_by_row(read: Read) -> Read:
    """Whole rows are read, and the last ones kept: strips are unpacked once for all tiles beside each other."""

    @functools.lru_cache(maxsize=1)
    def rows_of(start: int | None, stop: int | None) -> npt.NDArray[Any]:
        rows = read(slice(start, stop), slice(None))
        rows.setflags(write=False)  # they are given out again
        return rows

    return lambda rows, columns: rows_of(rows.start, rows.stop)[:, :, columns]
