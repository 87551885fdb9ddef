"""ImageJ's own files, ``.roi`` and the ``.zip`` of its ROI manager, through the package roifile.

Regions (`countception.regions`) and dots (`countception.points`) are read from them. Coordinates are as in the file:
areas count from a pixel's corner, points and lines from its centre.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SUFFIXES = (".roi", ".zip")
POINT = 10
"""ImageJ's type of points, one or many."""
NO_POINTS = b"no points"
"""Comment of a set that is empty because there are no points, not because something else was packed."""

_HEAD = 7
"""Bytes that hold the four letters of every such file, a version, and the type."""
_LARGEST = 2**26
"""Bytes of all selections of a file, unpacked: a million of corners have 8 of these 64 MB."""
_REASON = 120
"""Characters of what another package says is wrong."""


class RoiError(Exception):
    """One sentence, with the path at its start."""


def read_rois(path: Path) -> list[Any]:
    """`roifile.ImagejRoi` of each selection in a file; what else there is in a ``.zip`` is left alone.

    Raises
    ------
    RoiError
        The file cannot be read, or the package is not installed.
    """
    read = roifile(path).ImagejRoi.frombytes
    try:
        with _as_errors():
            return [read(data) for data in _selections(path)]
    except Exception as error:  # raises nearly anything on damaged files
        reason = (" ".join(str(error).split()) or type(error).__name__)[:_REASON]
        raise RoiError(f"{path}: cannot be read as ImageJ regions or points ({reason}); save them again") from None


def holds_points(path: Path) -> bool:
    """Whether the first selection in a file is points, or it is an empty set of them; roifile need not be there."""
    try:
        first = next(_selections(path, _HEAD), None)
        if first is not None:
            return _is_of_points(first)
        with zipfile.ZipFile(path) as archive:
            return archive.comment == NO_POINTS
    except Exception:  # raises nearly anything on damaged archives
        return False


def points_within(image: Path) -> bool:
    """Whether an image is a TIFF that ImageJ saved with a selection of points, or an overlay that has some."""
    import tifffile

    try:
        with tifffile.TiffFile(image) as tiff:
            known = tiff.imagej_metadata or {}
            overlays = known.get("Overlays") or []  # a single one is none of a list
            selections = [known.get("ROI") or b"", *([overlays] if isinstance(overlays, bytes) else overlays)]
            return any(map(_is_of_points, selections))
    except Exception:  # raises nearly anything on damaged files
        return False


def _is_of_points(selection: bytes) -> bool:
    return selection[:4] == b"Iout" and selection[_HEAD - 1 : _HEAD] == bytes([POINT])


def planes_of(roi: Any) -> set[tuple[int, ...]]:
    """The planes of a stack that a selection, or its points, say they lie on; the channel shown does not matter."""
    if roi.counter_positions is not None and any(roi.counter_positions):
        return {(int(position),) for position in set(roi.counter_positions) if position}
    if roi.z_position or roi.t_position:
        return {(roi.z_position, roi.t_position)}
    return {(roi.position,)} if roi.position else set()


def roifile(path: Path) -> Any:
    """The package, imported late, as it is an extra.

    Raises
    ------
    RoiError
        It is not installed, and `path` needs it.
    """
    try:
        import roifile as package  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        raise RoiError(
            f'{path}: regions and points of ImageJ need the package roifile: run pip install "countception[roi]"'
        ) from None
    return package


def _selections(path: Path, size: int = -1) -> Iterator[bytes]:
    """The first bytes of each selection, or all, unless these are too many to be what ImageJ saved."""
    if path.suffix.lower() != ".zip":
        _refuse_bomb(path.stat().st_size if size < 0 else 0)
        with path.open("rb") as stream:
            yield stream.read(size)
        return
    with zipfile.ZipFile(path) as archive:
        packed = [each for each in archive.infolist() if _is_selection(each.filename)]
        _refuse_bomb(sum(each.file_size for each in packed) if size < 0 else 0)  # no more of each are unpacked
        for each in packed:
            with archive.open(each) as entry:
                yield entry.read(size)


def _is_selection(name: str) -> bool:
    """Whether a file in an archive is one. A set that macOS has packed again holds files of its own, too."""
    last = name.rpartition("/")[2]
    return last.lower().endswith(".roi") and not last.startswith(".")


def _refuse_bomb(size: int) -> None:
    if size > _LARGEST:
        raise ValueError(f"its selections have {size / 2**20:.0f} MB, and more than {_LARGEST / 2**20:.0f} are a trap")


@contextmanager
def _as_errors() -> Iterator[None]:
    """What roifile logs of damaged files becomes an error."""

    class Raise(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ValueError(record.getMessage())

    logger, handler = logging.getLogger("roifile"), Raise(logging.WARNING)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
