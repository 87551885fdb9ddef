"""GeoJSON as QuPath and others write it: features, each with a geometry and perhaps a name.

Regions (`countception.regions`) and dots (`countception.points`) are read from it. Positions are ``x, y`` in pixels
from the image's upper left corner.
"""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from countception.wording import one_line

SUFFIXES = (".geojson", ".json")

POINTS, AREAS = ("Point", "MultiPoint"), ("Polygon", "MultiPolygon")
"""Kinds of geometry."""

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What may be raised by looking into features, which are unchecked: a position may be empty, or have 400 digits."""


class GeoJSONError(Exception):
    """One sentence, with the path at its start."""


def read_features(path: Path) -> list[Any]:
    """The features, or bare geometries, of any of the forms that a GeoJSON file may have, unchecked.

    Raises
    ------
    GeoJSONError
        The file cannot be read, or is no JSON.
    """
    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise GeoJSONError(f"{path}: cannot be read as JSON ({error}); export it again") from None
    if isinstance(whole, list):
        return whole
    members = whole if isinstance(whole, dict) else {}
    for kind, key in (("FeatureCollection", "features"), ("GeometryCollection", "geometries")):
        if isinstance(members.get(key), list) and (members[key] or members.get("type") == kind):
            return list(members[key])
    return [whole]


def geometry_of(feature: Any) -> dict[str, Any]:
    """The geometry of a feature, which may be one itself.

    Raises
    ------
    ValueError
        It has none.
    """
    geometry = feature.get("geometry", feature) if isinstance(feature, dict) else None
    if not isinstance(geometry, dict) or not geometry.get("type"):
        raise ValueError("it has no geometry")
    return geometry


def without(features: list[Any], kinds: Container[str], *, beside: Container[str]) -> list[Any]:
    """The features but for those of some kinds, if there are any of the kinds `beside` them."""
    types = [type_of(feature) for feature in features]
    if not any(each in beside for each in types):
        return features
    return [feature for feature, each in zip(features, types, strict=True) if each not in kinds]


def type_of(feature: Any) -> str:
    """Of its geometry; nothing without one."""
    try:
        return str(geometry_of(feature)["type"])
    except ValueError:
        return ""


def class_of(feature: Any) -> str:
    """The class that QuPath gives an object, with those it derives from as QuPath shows them; empty without any."""
    classification = (feature.get("properties") or {}).get("classification") or {}
    names = classification.get("names") or [classification.get("name")]
    return ": ".join(one_line(str(name)) for name in names if name is not None)


def attribute(feature: Any, *names: str) -> str:
    """The first of these properties, in upper or lower case, that says something, as text; empty without any."""
    properties = {str(key).lower(): value for key, value in (feature.get("properties") or {}).items()}
    texts = (one_line(str(properties[name])) for name in names if properties.get(name) is not None)
    return next((text for text in texts if text.strip()), "")


def holds(path: Path, kinds: Container[str]) -> bool:
    """Whether a file is GeoJSON with a geometry of these kinds, or with no object at all.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if b'"type"' not in path.read_bytes():
        return False
    try:
        features = read_features(path)
    except GeoJSONError:
        return False
    for feature in features:
        try:
            geometry = geometry_of(feature)
        except ValueError:
            continue
        if geometry["type"] in kinds and "coordinates" in geometry:
            return True
    return not features
