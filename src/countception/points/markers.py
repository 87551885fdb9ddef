"""Markers of Fiji's Cell Counter plugin (XML), which cellfinder writes, too.

Each type of marker that has markers is a class of its name, or ``Type 1`` and so on in files of older versions.
Positions are those of pixels. Markers on several planes of a stack are refused, and so are those of a plane above the
first where another page is read. Such files are not written, as the plugin reads only those that name its image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from countception.errors import PointsError
from countception.points.dots import Dots
from countception.points.format import Format, ReadOptions, named_dots
from countception.points.planes import refuse_other_page

ROOT = "CellCounter_Marker_File"
HEAD = 1024
"""Bytes within which a file of markers says that it is one."""

_BARE = re.compile(rb"&(?!#?\w+;)")
"""An ampersand that begins no entity."""

Marker = tuple[tuple[float, float], str]


def read(path: Path, options: ReadOptions) -> Dots:
    """Read the markers.

    Raises
    ------
    PointsError
        The file is no such XML, a marker has no place, or they lie on several planes or on another than is read.
    """
    root = _root(path)
    planes = {marker.findtext("MarkerZ", "1").strip() for marker in root.iter("Marker")}
    if len(planes) > 1:
        raise PointsError(f"{path}: its markers lie on {len(planes)} planes of a stack; save those of one plane")
    plane = next(iter(planes), "")
    if plane.isdecimal() and int(plane) > 1:  # the first may be a single image's, too
        refuse_other_page(path, int(plane), options, word="slice", first=(1,))
    return named_dots(path, list(_markers(path, root)))


def _root(path: Path) -> ElementTree.Element:
    try:
        data = path.read_bytes()
        try:
            root = ElementTree.fromstring(data)
        except ElementTree.ParseError:  # the plugin writes the image's name as it is, even R&D.tif
            root = ElementTree.fromstring(_BARE.sub(b"&amp;", data))
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:  # unknown encodings are the last
        raise PointsError(f"{path}: cannot be read as XML ({error}); save the markers again") from None
    if root.tag != ROOT:
        raise PointsError(f"{path}: is no file of Fiji's Cell Counter, as it starts with {root.tag}, not {ROOT}")
    return root


def _image(path: Path) -> str:
    """What the plugin writes about the image that was open."""
    return (_root(path).findtext("Image_Properties/Image_Filename") or "").strip()


def _markers(path: Path, root: ElementTree.Element) -> Iterator[Marker]:
    for number, kind in enumerate(root.iter("Marker_Type"), 1):
        name = (kind.findtext("Name") or f"Type {kind.findtext('Type', str(number)).strip()}").strip()
        for marker in kind.iter("Marker"):
            try:
                yield (float(marker.findtext("MarkerY", "")), float(marker.findtext("MarkerX", ""))), name
            except ValueError:
                raise PointsError(f"{path}: a marker of {name} has no place; remove it, or save them again") from None


def _recognises(path: Path) -> bool:
    with path.open("rb") as stream:
        return ROOT.encode() in stream.read(HEAD)


FORMAT = Format("Cell Counter", (".xml",), read, recognises=_recognises, image=_image)
