"""One reader and one writer in front of the file formats.

A format is a small module with a `FORMAT`; adding one to `FORMATS` is all that makes it readable. Coordinates leave
every format as ``(y, x)`` with a pixel's centre at a whole number: a format whose origin is a pixel's corner shifts by
half a pixel when it reads and writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from countception.errors import PointsError
from countception.points import geojson, markers, mask, rois, table
from countception.points.dots import Dots
from countception.points.format import Format, Order, ReadOptions, Writer, unknown

FORMATS: tuple[Format, ...] = (
    table.FORMAT,
    table.TEXT,
    mask.FORMAT,
    rois.SET,
    rois.SINGLE,
    markers.FORMAT,
    geojson.FORMAT,
)
"""Every format; of those that share a suffix the first reads what no other recognises, and writes."""

SUFFIXES = frozenset(suffix for format_ in FORMATS for suffix in format_.suffixes)
"""Suffixes, in lower case, that files of dots can have."""


def read_points(
    path: str | os.PathLike[str],
    *,
    image_shape: tuple[int, int] | None = None,
    order: Order | None = None,
    classes: Sequence[str] | None = None,
    pixel_size: Callable[[], float | None] | None = None,
    image: str | os.PathLike[str] | None = None,
    page: Callable[[], int | None] | None = None,
    listed: Collection[int] = (),
) -> Dots:
    """Read the dots of one image.

    Parameters
    ----------
    path
        A table (CSV), a mask or label image, points of ImageJ, Fiji's Cell Counter or QuPath: see `table`, `mask`,
        `labels`, `rois`, `markers` and `geojson` in this package.
    image_shape
        Height and width of the image that the dots belong to; a mask must have that size.
    order
        ``"xy"`` or ``"yx"``: what the two columns of a table without a header are. A header goes before it.
    classes
        Names that class numbers refer to; left out, the names in the file, in natural order.
    pixel_size
        Asked for the side of the image's pixels in micrometres, in which ImageJ may have measured.
    image
        The image that the dots belong to, of which a table may hold the rows among those of others; only its file's
        name matters. Left out, all rows are read.
    page
        Asked for the page of a stack, from 0, where dots say on which they lie; None where that cannot be compared.
    listed
        The pages for which a table is listed; it may hold the dots of others, too, which are passed over.

    Returns
    -------
    Dots
        In the file's order. Dots outside the image are kept: the caller knows what to do with them.

    Raises
    ------
    PointsError
        The file is missing, no file of dots, damaged, of another size than the image or another of its pages, or has a
        class not in `classes`.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise PointsError(f"{path}: there is no such file of dots")
    except OSError as error:
        raise PointsError(f"{path}: cannot be read: {error.strerror or error}") from error
    name = None if image is None else Path(image).name
    options = ReadOptions(image_shape, order, pixel_size or unknown, name, page or unknown, listed)
    dots = find_format(path).read(path, options)
    if classes is None:
        return dots
    try:
        return dots.with_classes(classes)
    except PointsError as error:
        raise PointsError(f"{path}: {error}") from None


def write_points(path: str | os.PathLike[str], dots: Dots, *, extra: Mapping[str, npt.ArrayLike] | None = None) -> None:
    """Write dots in the format that the suffix of `path` names.

    Parameters
    ----------
    path
        Ends in ``.csv`` or ``.tsv``, ``.geojson`` or ``.json``, or ``.zip`` (ImageJ).
    dots
        The class is written unless it is the only one and has no name.
    extra
        Further columns by name, one value per dot, such as the confidence in each; tables alone have room for them.

    Raises
    ------
    PointsError
        No format of that suffix can be written, or a column's length is not the number of dots.
    OutputError
        The file cannot be written; nothing is left half-written.
    """
    path = Path(path)
    columns = {name: _column(name, values, len(dots)) for name, values in (extra or {}).items()}
    find_writer(path, dots.class_names)(path, dots, columns)


def find_writer(path: Path, classes: Sequence[str] = ()) -> Writer:
    """What writes dots of these classes to such a path.

    Raises
    ------
    PointsError
        No format of that suffix can be written, it has no room for such a name, or the package that does it is not
        installed.
    """
    for format_ in FORMATS:
        if format_.write is not None and path.suffix.lower() in format_.suffixes:
            format_.needs(path, classes)
            return format_.write
    writable = [suffix for format_ in FORMATS if format_.write is not None for suffix in format_.suffixes]
    raise PointsError(f"{path}: dots cannot be written as {path.suffix or 'that'}; use {' or '.join(writable)}")


def holds_dots(path: Path) -> bool:
    """Whether a file that lies among others is one of dots, by its suffix and, where that is not enough, contents."""
    try:
        return any(path.suffix.lower() in each.suffixes and each.recognises(path) for each in FORMATS)
    except OSError:
        return False


def image_of(path: Path) -> str:
    """The one image that a file of dots says they lie on, by the name of its file; empty where it says none or several.

    Raises
    ------
    PointsError
        The file cannot be read.
    """
    return find_format(path).image(path)


def find_format(path: Path) -> Format:
    """Format of a file, by its suffix; where formats share one, by its contents.

    Raises
    ------
    PointsError
        No format has the suffix.
    """
    sharing = [format_ for format_ in FORMATS if path.suffix.lower() in format_.suffixes]
    if sharing:  # what no other recognises the first reads, and says what is wrong with it
        return next((format_ for format_ in sharing[1:] if format_.recognises(path)), sharing[0])
    known = ", ".join(sorted(SUFFIXES))
    raise PointsError(f"{path}: is in no format of dots that can be read; the suffixes known are {known}")


def _column(name: str, values: npt.ArrayLike, length: int) -> list[object]:
    column: list[object] = np.asarray(values).tolist()
    if not isinstance(column, list) or len(column) != length:
        raise PointsError(f"the column {name!r} does not have one value for each of the {length} dots")
    return column
