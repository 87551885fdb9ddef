"""Files of regions → `Region`.

GeoJSON
    Polygons and multipolygons, as QuPath writes them: ``x, y`` in pixels from the image's upper left corner. Points in
    the same file are passed over.
ImageJ
    ``.roi`` and ``.zip`` with the package ``roifile`` (``pip install "countception[roi]"``): rectangles, ovals,
    polygons, freehand and traced outlines, and combinations of these; ``x, y`` from the upper left corner, too.
label images
    Any image that `countception.images.read` reads, of the size of the image that is counted: pixels of value k > 0 are
    region k. No JPEG, which smears them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from countception import geojson, imagej
from countception.errors import ImageError, RegionsError
from countception.geometry import Points
from countception.images.find import SUFFIXES as IMAGE_SUFFIXES
from countception.images.read import is_jpeg, read_numbers
from countception.regions.shapes import Mask, Polygon, Region
from countception.wording import WHOLE

SUFFIXES = IMAGE_SUFFIXES.union(geojson.SUFFIXES, imagej.SUFFIXES)
"""Suffixes, in lower case, of files that may hold regions."""

ROI_AREAS = frozenset({0, 1, 2, 7, 8})
"""ImageJ's types that have an area: polygon, rectangle, oval, freehand, traced."""
ROI_RECTANGLE, ROI_OVAL = 1, 2
OVAL_VERTICES = 256
CALLED = ("label", "title", "plot", "plot_id", "id", "fid", "class")
"""Attributes of maps that tell regions apart, in lower case, the likeliest first."""
FARTHEST = 1e9
"""Beyond it areas of pixels would be lost in rounding."""


def read_regions(path: str | os.PathLike[str]) -> list[Region]:
    """Read the regions of one image; none of a file in order that holds none.

    Raises
    ------
    RegionsError
        The file is missing, of no known kind or damaged; it has something that has no area; or the package that reads
        it is not installed.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise RegionsError(f"{path}: there is no such file of regions")
    except OSError as error:
        raise RegionsError(f"{path}: cannot be read: {error.strerror or error}") from error
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise RegionsError(f"{path}: is no file of regions; the suffixes known are {', '.join(sorted(SUFFIXES))}")
    reader = _geojson if suffix in geojson.SUFFIXES else _imagej if suffix in imagej.SUFFIXES else _labels
    try:
        regions: list[Region] = [*reader(path)]
    except (geojson.GeoJSONError, imagej.RoiError) as error:
        raise RegionsError(str(error)) from None
    return _told_apart(regions)


def planes_drawn_on(path: Path) -> int:
    """On how many planes of a stack ImageJ's regions in a file say that they were drawn.

    Raises
    ------
    RegionsError
        As `read_regions`.
    """
    if path.suffix.lower() not in imagej.SUFFIXES:
        return 0
    try:
        return len({plane for roi in imagej.read_rois(path) for plane in imagej.planes_of(roi)})
    except imagej.RoiError as error:
        raise RegionsError(str(error)) from None


def _told_apart(regions: list[Region]) -> list[Region]:
    """The same, with a number after names that came before: the first from 2 on that makes it no other's name."""
    taken = {region.name for region in regions}
    numbers: dict[str, Iterator[int]] = {WHOLE: itertools.count(2)}  # which the image itself is called
    found: list[Region] = []
    for region in regions:
        name = region.name
        if name in numbers:
            name = next(new for k in numbers[name] if (new := f"{region.name} ({k})") not in taken)
            taken.add(name)
        else:
            numbers[name] = itertools.count(2)
        found.append(replace(region, name=name))
    return found


def _geojson(path: Path) -> Iterator[Polygon]:
    features = geojson.without(geojson.read_features(path), geojson.POINTS, beside=geojson.AREAS)
    for number, feature in enumerate(features, 1):
        try:
            name, rings = _feature_name(feature) or f"region {number}", _geometry(feature)
        except geojson.MALFORMED as error:
            raise RegionsError(f"{path}: region {number} is no GeoJSON polygon ({error})") from None
        yield Polygon(name, rings)


def _feature_name(feature: Any) -> str:
    """QuPath puts the name into the properties, or only a class; maps have any attributes."""
    return geojson.attribute(feature, "name") or geojson.class_of(feature) or geojson.attribute(feature, *CALLED)


def _geometry(feature: Any) -> tuple[Points, ...]:
    geometry = geojson.geometry_of(feature)
    kind = geometry["type"]
    if kind not in geojson.AREAS:
        raise ValueError(f"a {kind} has no area")
    parts = geometry["coordinates"] if kind == "MultiPolygon" else [geometry["coordinates"]]
    rings = tuple(_ring(ring, hole=k > 0) for part in parts for k, ring in enumerate(part))
    if not rings:
        raise ValueError("it has no ring")
    return rings


def _ring(positions: Any, *, hole: bool) -> Points:
    """Vertices ``x, y`` from the corner → ``(y, x)`` at pixel centres; outer rings run one way and holes the other."""
    points = np.array([position[:2] for position in positions], np.float64)[:, ::-1] - 0.5
    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError("a ring needs at least three finite positions")
    if np.abs(points).max() > FARTHEST:
        raise ValueError(f"a position beyond {FARTHEST:g} pixels is no place in an image")
    y, x = points.T
    backwards = float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) < 0
    return points[::-1] if backwards != hole else points


def _imagej(path: Path) -> Iterator[Polygon]:
    for number, roi in enumerate(imagej.read_rois(path), 1):
        name = roi.name or f"region {number}"
        if int(roi.roitype) not in ROI_AREAS:
            raise RegionsError(f"{path}: {name} is a line or point, which has no area; remove it from the file")
        try:
            rings = tuple(np.asarray(ring, np.float64)[:, ::-1] - 0.5 for ring in _outlines(roi))
        except NotImplementedError:  # of combinations alone
            raise RegionsError(
                f"{path}: {name} has curves, which cannot be read; make it straight in ImageJ (Edit > Selection > "
                "Interpolate) and save it again"
            ) from None
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise RegionsError(f"{path}: the outline of {name} is damaged ({error}); save it again") from None
        yield Polygon(name, rings)


def _outlines(roi: Any) -> list[Any]:
    """Rings ``x, y`` of an ImageJ region, from the corner; ovals with more vertices than roifile gives them."""
    if roi.composite or int(roi.roitype) not in (ROI_RECTANGLE, ROI_OVAL):
        return [ring for ring in roi.coordinates(multi=True) if len(ring) >= 3]
    left, top, width, height = roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top
    if roi.subpixelrect:
        left, top, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    angles = np.arange(OVAL_VERTICES) * (2 * np.pi / OVAL_VERTICES)
    unit = corners if int(roi.roitype) == ROI_RECTANGLE else np.stack([np.cos(angles), np.sin(angles)], 1) / 2 + 0.5
    return [unit * (width, height) + (left, top)]


def _labels(path: Path) -> Iterator[Mask]:
    from scipy import ndimage

    try:
        smeared, pixels = is_jpeg(path), read_numbers(path)
    except ImageError as error:
        raise RegionsError(str(error)) from None
    if smeared:
        raise RegionsError(
            f"{path}: is a JPEG, whose compression smears the numbers of regions; save the label image as PNG or TIFF"
        )
    if len(pixels) != 1:
        raise RegionsError(
            f"{path}: has {len(pixels)} channels; a label image has one, with a number per region: save it as 8-bit "
            "grey"
        )
    labels = pixels[0].astype(np.int64)
    if (labels != pixels[0]).any() or labels.min() < 0:
        raise RegionsError(f"{path}: is no label image, as its values are not whole numbers of 0 or more")
    values, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape) + int(values[0] != 0)
    boxes = ndimage.find_objects(compact)
    for k, (value, box) in enumerate(zip(values[values > 0], boxes, strict=True), 1):
        corner = (int(box[0].start), int(box[1].start))
        yield Mask(str(value), compact[box] == k, corner, (labels.shape[0], labels.shape[1]), path)
