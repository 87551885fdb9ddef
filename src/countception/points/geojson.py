"""Points as GeoJSON, as QuPath exports and imports them: one object with one or many points, and its class.

Maps drawn elsewhere say the class in an attribute `class`, as tables do in a column.

Positions in such files count from a pixel's corner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from countception import geojson
from countception.errors import PointsError
from countception.files import whole_file
from countception.points.dots import Dots
from countception.points.format import Format, ReadOptions, named_dots
from countception.points.planes import refuse_other_page

DETECTED = ("detection", "cell")
"""QuPath's types of objects that it found."""
CORNER = 0.5
"""From a pixel's corner to its centre."""


def read(path: Path, options: ReadOptions) -> Dots:
    """Read the points; areas in the same file are passed over, as QuPath exports all of an image together.

    Raises
    ------
    PointsError
        The file is no GeoJSON, or an object is no points; or objects that QuPath detected lie beside the points, which
        were put on those that it missed; or the points lie on several planes or on another than is read.
    """
    found: list[tuple[tuple[float, float], str]] = []
    planes: set[tuple[int, int]] = set()
    try:
        whole = geojson.read_features(path)
    except geojson.GeoJSONError as error:
        raise PointsError(str(error)) from None
    features = geojson.without(whole, geojson.AREAS, beside=geojson.POINTS)
    if len(features) < len(whole) and (number := sum(map(_is_detected, whole))):
        raise PointsError(
            f"{path}: has outlines of objects that QuPath detected ({number}) beside its points, which alone would be "
            "dots: give every object a point, and export annotations only"
        )
    for number, feature in enumerate(features, 1):
        try:
            found += list(_dots(feature))
            plane = geojson.geometry_of(feature).get("plane") or {}
            planes.add((int(plane.get("z") or 0), int(plane.get("t") or 0)))
        except geojson.MALFORMED as error:
            raise PointsError(f"{path}: object {number} is no GeoJSON of points ({error})") from None
    if len(planes) > 1:
        raise PointsError(f"{path}: its points lie on {len(planes)} planes of a stack; export those of one plane")
    for plane in planes:
        number, word = max(zip(plane, ("z", "t"), strict=True))
        if number > 0:  # the first is what is not said, too
            refuse_other_page(path, number, options, word=word, first=(0,))
    return named_dots(path, found)


def write(path: Path, dots: Dots, extra: Mapping[str, Sequence[object]]) -> None:  # noqa: ARG001
    """Write one annotation for each class that has points, to be corrected as a whole; `extra` has no place in it."""
    features = [_feature(dots, k) for k in range(len(dots.class_names)) if len(dots.of_class(k))]
    with whole_file(path) as temporary:
        whole = {"type": "FeatureCollection", "features": features}
        temporary.write_text(json.dumps(whole) + "\n", encoding="utf-8")


def _is_detected(feature: Any) -> bool:
    """Whether it is the outline of an object that QuPath found, and no region that somebody drew."""
    properties = feature.get("properties") if geojson.type_of(feature) in geojson.AREAS else None
    return isinstance(properties, dict) and properties.get("objectType") in DETECTED


def _dots(feature: Any) -> Iterator[tuple[tuple[float, float], str]]:
    geometry = geojson.geometry_of(feature)
    if geometry["type"] not in geojson.POINTS:
        raise ValueError(f"a {geometry['type']} is no point: export the points alone")
    positions = [geometry["coordinates"]] if geometry["type"] == "Point" else geometry["coordinates"]
    name = geojson.class_of(feature) or geojson.attribute(feature, "class")
    for x, y, *_ in positions:
        yield (float(y) - CORNER, float(x) - CORNER), name


def _feature(dots: Dots, k: int) -> dict[str, Any]:
    positions = (dots.of_class(k)[:, ::-1] + CORNER).tolist()
    kind = {"classification": {"name": dots.class_names[k]}} if dots.named else {}
    return {
        "type": "Feature",
        "geometry": {"type": "MultiPoint", "coordinates": positions},
        "properties": {"objectType": "annotation", **kind},
    }


FORMAT = Format("GeoJSON", geojson.SUFFIXES, read, write, lambda path: geojson.holds(path, geojson.POINTS))
