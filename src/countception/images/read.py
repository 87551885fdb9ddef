"""Image files → arrays ``(channel, y, x)``.

TIFF, PNG, JPEG and BMP are read; what a file is, its contents say, not its name.

Conventions
-----------
depth
    uint8 and uint16 stay as they are in the file; 1-bit becomes uint8 0 and 255; everything else becomes float32.
alpha
    An alpha channel that is the same everywhere says nothing and is dropped. Otherwise the image is composited on
    black, and a hole where nothing is seen of it (`countception.images.holes`).
no data
    Pixels of the number that a TIFF's metadata call no data, and those outside the mask that it holds, are holes.
palette
    Becomes RGB, except in ImageJ's TIFFs, where it is only a look-up table for display: the index is the intensity.
inverted grey
    TIFFs whose zeros are white are inverted, except those of ImageJ and tifffile, which store pixels as they are.
orientation
    The EXIF orientation of JPEG and PNG is applied. That of TIFF is not, as in ImageJ, napari and QuPath, so that dots
    placed there fit. ImageJ and napari apply that of JPEG and PNG neither: see `countception.images.orientation`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from countception.errors import ImageError
from countception.files import state
from countception.images import decoders
from countception.images.holes import NO_PICTURE, holes_of, pierced
from countception.images.projection import Page

StrPath = str | os.PathLike[str]


class Interface(Protocol):
    """What numpy makes an array of though it does not say so by its type, such as an image of Pillow."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


Arrays = npt.ArrayLike | Interface
Image = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.float32]
"""Pixels ``(channel, y, x)``, finite, at least one of each; a masked array where there are `holes`."""

NO_BRIGHTNESS = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
"""Modes of Pillow whose numbers are places in a palette, or colours that files are not read as."""
MISSING = 1e15
"""Nothing measures so much: programs write such numbers where there is no measurement."""


def read_image(path: StrPath, *, page: Page | None = None, axis: int | str | None = None) -> Image:
    """Read one image.

    Parameters
    ----------
    path
        A TIFF, PNG, JPEG or BMP file.
    page
        Which plane of a stack (z, time or pages, in the order of the file), from 0; or ``"max"`` or ``"mean"``, which
        make one of all planes, pixel by pixel.
    axis
        Which axis of a stack holds channels: a letter of the file's axes such as ``"Z"``, or a number from 0.

    Returns
    -------
    Image
        ``(channel, y, x)``, uint8, uint16 or float32; see the conventions above.

    Raises
    ------
    ImageError
        The file is missing, empty, cut off or no image; it has NaN or infinite pixels; it is a stack and neither
        `page` nor `axis` says what to read.
    """
    path = Path(path)
    return standard(_decoded(path, page, axis), str(path))


def read_numbers(path: StrPath, *, page: Page | None = None) -> npt.NDArray[Any]:
    """Read one image as `read_image` does, but leave whole and real numbers of any depth as they are in the file.

    Labels need that: float32 makes neighbours above 2 ** 24 the same. Holes are 0.

    Raises
    ------
    ImageError
        As there.
    """
    path = Path(path)
    pixels = _decoded(path, page)
    usual = standard(pixels, str(path), part=True)  # also what is wrong with them; all may be 0, and that no data
    return np.ma.getdata(pixels if pixels.dtype.kind in "uif" else usual)


def _decoded(path: Path, page: Page | None = None, axis: int | str | None = None) -> npt.NDArray[Any]:
    head = first_bytes(path)
    with decoding(path):
        return decoders.decode(path, head, page=page, axis=axis)


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Whatever a library says of a damaged file, in one sentence.

    Raises
    ------
    ImageError
        Instead of any other error.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{path}: the image does not fit into memory; cut it into smaller images") from None
    except ModuleNotFoundError as error:
        raise ImageError(
            f"{path}: reading it needs the package {error.name}, which is not installed: run pip install countception"
        ) from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{path}: the image cannot be read, it may be damaged or cut off ({reason}); export or copy it again"
        ) from error


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Refuse an image that is written to while it is read, such as by a copy that goes on: parts of it may be missing.

    Raises
    ------
    ImageError
        It was.
    """
    before = state(path)
    yield
    if state(path) not in (before, None):  # one that is gone was whole while it was there
        raise ImageError(f"{path}: has changed while it was read; count it again when whatever writes it is done")


@contextmanager
def about(name: StrPath) -> Iterator[None]:
    """Errors of an image that do not say which it is begin with its name.

    Raises
    ------
    ImageError
        As within.
    """
    try:
        yield
    except ImageError as error:
        if os.fspath(name) in str(error):
            raise
        raise ImageError(f"{os.fspath(name)}: {error}") from error


def as_channels_first(image: Arrays) -> Image:
    """Turn an array as people have it, ``(y, x)`` or ``(y, x, channel)``, into ``(channel, y, x)``.

    Parameters
    ----------
    image
        Any real dtype; bool becomes uint8 0 and 255, uint8 and uint16 stay, everything else becomes float32.

    Raises
    ------
    ImageError
        Another number of axes, an empty axis, channels that seem to come first, values that are no numbers, NaN.
    """
    array = _array(image, "the image")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise ImageError(f"the image has shape {array.shape}: it must be (y, x) or (y, x, channel)")
    if array.shape[2] > 16 and array.shape[0] < array.shape[2]:
        raise ImageError(
            f"the image has shape {array.shape}, whose channels seem to come first: "
            "move them last with numpy.moveaxis(image, 0, -1)"
        )
    return standard(np.moveaxis(array, 2, 0), "the image")


def checked(image: Arrays, name: str) -> Image:
    """An array ``(channel, y, x)`` with a dtype that the rest of the package knows; the same one, if it has that.

    Raises
    ------
    ImageError
        Another number of axes, an empty axis, channels that seem to come last, values that are no numbers, NaN.
    """
    array = _array(image, name)
    if array.ndim != 3:
        raise ImageError(f"{name} has shape {array.shape}: it must be (channel, y, x)")
    if array.shape[0] > 16 and 1 <= array.shape[2] <= 4:
        raise ImageError(
            f"{name} has shape {array.shape}, whose channels seem to come last: "
            "move them first with numpy.moveaxis(image, -1, 0)"
        )
    return standard(array, name)


def _array(image: Arrays, name: str) -> npt.NDArray[Any]:
    """Of whatever people have; masked pixels stay so."""
    if isinstance(image, np.ma.MaskedArray):
        return image
    mode = getattr(image, "mode", None)
    if mode in NO_BRIGHTNESS:
        raise ImageError(
            f"{name} is one of Pillow in mode {mode}, whose numbers are no brightness: convert it first, as "
            'image.convert("RGB") or image.convert("L")'
        )
    try:
        array = np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:  # tensors that need gradients, or of types numpy lacks
        raise ImageError(f"{name} cannot be made a numpy array ({error}); make one of it first") from None
    except (OSError, SyntaxError) as error:  # Pillow reads the pixels of a file only now
        raise ImageError(f"{name} cannot be read, it may be damaged or cut off ({error})") from None
    if not array.ndim:
        raise ImageError(
            f"{name} is no array of pixels, but of type {type(image).__name__}: give an array, or a file's path"
        )
    return array


def check_finite(image: npt.NDArray[Any], name: str) -> None:
    """Refuse pixels that are no measured values: NaN, infinite, or so large that they stand for missing ones.

    Raises
    ------
    ImageError
        Says how many there are in the image called `name`.
    """
    if image.dtype.kind != "f":
        return
    bad = int(np.size(image) - np.count_nonzero(np.abs(image) < MISSING))  # NaN is not less either
    if bad:
        raise ImageError(
            f"{name}: {bad} of {image.size} pixel values are NaN or infinite, or beyond {MISSING:g} as those "
            "that stand for missing ones; replace them before counting"
        )


def first_bytes(path: Path) -> bytes:
    """Enough of a file to tell what it is.

    Raises
    ------
    ImageError
        There is no such file, it cannot be read, or it is empty.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(32)
    except FileNotFoundError:
        leads = f": it is a link to {os.path.realpath(path)}" if path.is_symlink() else ""
        raise ImageError(f"{path}: there is no such file{leads}") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not head:
        raise ImageError(f"{path}: the file is empty; export the image again")
    return head


def is_jpeg(path: Path) -> bool:
    """Whether a file is a JPEG, by its contents, so that its pixels are near what was saved and no more.

    Raises
    ------
    ImageError
        As `first_bytes`.
    """
    return first_bytes(path).startswith(b"\xff\xd8\xff")


def standard(pixels: npt.NDArray[Any], name: str, *, part: bool = False) -> Image:
    """Give pixels a dtype that the rest of the package knows, contiguous and checked; only a part may be all holes."""
    holes = holes_of(pixels)
    if holes is not None:
        if holes.all() and not part:
            raise ImageError(f"{name} has {NO_PICTURE}")
        return cast("Image", pierced(standard(np.ma.getdata(pierced(pixels, holes)), name), holes))
    if pixels.size == 0:
        raise ImageError(f"{name} has no pixels (shape {pixels.shape}); export the image again")
    if pixels.dtype.kind not in "buif":
        raise ImageError(f"{name} has pixels of type {pixels.dtype}; convert them to whole or real numbers")
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    elif pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    else:
        with np.errstate(over="ignore"):  # becomes infinite, which is refused next
            pixels = pixels.astype(np.float32)
        check_finite(pixels, name)
    return np.ascontiguousarray(pixels)


def stored(image: npt.NDArray[Any]) -> npt.NDArray[np.generic]:
    """The same pixels in one order of bytes and axes, whatever machine they come from."""
    whole = np.ascontiguousarray(image)
    return whole.astype(whole.dtype.newbyteorder("<"), copy=False)
