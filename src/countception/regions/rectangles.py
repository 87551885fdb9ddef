"""Rectangles in which all objects of an image are marked, where those of the rest are not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from countception.errors import RegionsError
from countception.regions.shapes import Mask, Region, Span
from countception.regions.source import RegionFiles

Box = tuple[Span, Span]
"""Rows and columns, the last ones not included."""


def rectangles(path: str | os.PathLike[str], images: Mapping[Path, str]) -> dict[Path, dict[str, Box]]:
    """The pixels of each rectangle, by image and by name.

    Parameters
    ----------
    path, images
        As `RegionFiles` takes them; every image must have a region.

    Raises
    ------
    RegionsError
        As `RegionFiles`; an image has no region, or one that is no upright rectangle.
    """
    files = RegionFiles(path, images)
    return {image: _of(files, image) for image in images}


def _of(files: RegionFiles, image: Path) -> dict[str, Box]:
    found: dict[str, Box] = {}
    for region in files.of(image):
        box = box_of(region)
        if box is None:
            raise RegionsError(
                f"{files.file_of(image)}: {region.name} is no upright rectangle; draw rectangles around what "
                "is marked in full, as images are cut along them"
            )
        found[region.name] = box
    if not found:
        raise RegionsError(
            f"{files.path}: has no region of {image}; draw a rectangle around what is marked in full there, be it the "
            "whole image"
        )
    return found


def box_of(region: Region) -> Box | None:
    """The pixels whose centres an upright rectangle holds, at least one; None of any other region.

    Centres on its first edges are in it, and on its last edges are not, so that rectangles side by side share none.
    """
    if isinstance(region, Mask):
        (y, x), (height, width) = region.corner, region.covered.shape
        return ((y, y + height), (x, x + width)) if region.covered.all() else None
    corners = np.unique(np.concatenate(region.rings), axis=0)
    sides = [np.unique(axis) for axis in corners.T]
    if len(region.rings) != 1 or len(corners) != 4 or [len(side) for side in sides] != [2, 2]:
        return None
    rows, columns = ((int(np.ceil(low)), int(np.ceil(high))) for low, high in sides)
    return (rows, columns) if rows[0] < rows[1] and columns[0] < columns[1] else None
