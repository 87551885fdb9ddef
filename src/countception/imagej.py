"""ImageJ's own files, ``.roi`` and the ``.zip`` of its ROI manager, through the package roifile.

Regions (`countception.regions`) and dots (`countception.points`) are read from them. Coordinates are as in the file:
areas count from a pixel's corner, points and lines from its centre.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

SUFFIXES = (".roi", ".zip")
POINT = 10
"""ImageJ's type of points, one or many."""

_TYPE = 6
"""Byte that holds the type, after the four letters of every such file and a version."""


class RoiError(Exception):
    """One sentence, with the path at its start."""


def read_rois(path: Path) -> list[Any]:
    """`roifile.ImagejRoi` of each selection in a file.

    Raises
    ------
    RoiError
        The file cannot be read, or the package is not installed.
    """
    try:
        read = roifile(path).roiread(path)
    except RoiError:
        raise
    except Exception as error:  # raises nearly anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RoiError(f"{path}: cannot be read as ImageJ regions or points ({reason}); save them again") from None
    return read if isinstance(read, list) else [read]


def holds_points(path: Path) -> bool:
    """Whether the first selection in a file, if there is any, is points; roifile need not be there."""
    try:
        if path.suffix.lower() != ".zip":
            return _starts_points(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            return all(_starts_points(archive.read(name)) for name in archive.namelist()[:1])
    except (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return False


def _starts_points(data: bytes) -> bool:
    return data.startswith(b"Iout") and data[_TYPE : _TYPE + 1] == bytes([POINT])


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
