"""How many planes OME's metadata in a TIFF tell of, before tifffile makes room for them: a list with a place for each.

A file of a few bytes may tell of any number, which would fill the memory of the computer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

MOST = 2**22
"""Planes that a file may tell of; in sets of files, each of which tells of all, there are hundreds of thousands."""
FEW = 2**24
"""Pixels up to which it does not matter how many planes they are."""


def planes_told_of(tiff: Any) -> float:
    """The most planes that metadata make tifffile believe in; 0 where they are few or none."""
    try:
        root = ElementTree.fromstring(tiff.ome_metadata or "<none/>")  # expat expands no outside entities
    except ElementTree.ParseError:  # which tifffile passes over, too
        return 0
    return max(_by_size(tiff, root), _by_number(root), *_within_axes(root), 0)


def _by_size(tiff: Any, root: ElementTree.Element) -> int:
    """As many as there would be of the smallest page."""
    sizes = (each.attrib for each in root.iter() if each.tag.endswith("Pixels"))
    pixels = sum(math.prod(int(size) for name, size in each.items() if name.startswith("Size")) for each in sizes)
    if pixels <= FEW:
        return 0
    return pixels // max(1, min(int(page.imagelength) * int(page.imagewidth) for page in tiff.pages))


def _by_number(root: ElementTree.Element) -> int:
    """As parts of images say by themselves."""
    return sum(int(each.get(name, 0)) for each in root.iter() for name in ("PlaneCount", "NumPlanes"))


def _within_axes(root: ElementTree.Element) -> Iterator[float]:
    """Places along each axis that lies within another."""
    for each in root.iter():
        if {"Start", "End"} <= each.attrib.keys():
            length, step = float(each.attrib["End"]) - float(each.attrib["Start"]), float(each.get("Step", 1))
            yield abs(length / step) if step else math.inf
