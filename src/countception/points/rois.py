"""Points of ImageJ: ``.roi``, and ``.zip`` of its ROI manager (needs ``pip install "countception[roi]"``).

The class of a dot is the number of its counter, as the multi-point tool has them, or for all points of a selection its
property ``class``, which is also how classes are written. Points that are all of counter 0, as they are where nobody
thinks of counters, have no class, unless other images of the data set use more. A whole number is a pixel's centre in
ImageJ's points, too.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from countception import imagej
from countception.errors import PointsError
from countception.files import whole_file
from countception.points.dots import Dots
from countception.points.format import FIRST, Format, ReadOptions, counted, named_dots
from countception.points.planes import refuse_other_page

CLASS = "class"


def read(path: Path, options: ReadOptions) -> Dots:
    """Read the points.

    Raises
    ------
    PointsError
        The file cannot be read, holds something else than points, or points on several planes of a stack.
    """
    try:
        rois = imagej.read_rois(path)
    except imagej.RoiError as error:
        raise PointsError(str(error)) from None
    if not rois and not imagej.holds_points(path):
        raise PointsError(f"{path}: has no selection of ImageJ in it; save the points as .roi, or from the ROI manager")
    planes = {plane for roi in rois for plane in imagej.planes_of(roi)}
    if len(planes) > 1:
        raise PointsError(f"{path}: its points lie on {len(planes)} planes of a stack; save those of one plane")
    if planes:
        refuse_other_page(path, max(map(max, planes)), options, word="slice", first=(1,))
    return counted(named_dots(path, [dot for roi in rois for dot in _dots(path, roi)]))


def write(path: Path, dots: Dots, extra: Mapping[str, Sequence[object]]) -> None:  # noqa: ARG001
    """Write one selection of points for each class that has any; `extra` has no place in such a file."""
    package = _package(path, dots.class_names)
    rois = [_roi(package, dots, k) for k in np.unique(dots.labels).tolist()]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.comment = b"" if rois else imagej.NO_POINTS
        for k, roi in enumerate(rois):
            archive.writestr(f"{k}-{roi.name.replace('/', '-')}.roi", roi.tobytes())
    with whole_file(path) as temporary:
        temporary.write_bytes(packed.getvalue())


def _dots(path: Path, roi: Any) -> Iterator[tuple[tuple[float, float], str]]:
    if int(roi.roitype) != imagej.POINT:
        raise PointsError(f"{path}: {roi.name or 'a selection'} is an area or line, not points; remove it")
    with np.errstate(invalid="ignore"):  # NaN in a damaged file, which is refused with the others
        places = np.asarray(roi.coordinates(), np.float64).reshape(-1, 2)[:, ::-1]
    named = _properties(roi).get(CLASS)
    for i, (y, x) in enumerate(places.tolist()):
        yield (y, x), named or (FIRST if roi.counters is None else str(int(roi.counters[i])))


def _properties(roi: Any) -> dict[str, str]:
    lines = [line.partition(":") for line in (roi.props or "").splitlines()]
    return {key.strip(): value.strip() for key, _, value in lines}


def _package(path: Path, classes: Sequence[str]) -> Any:
    odd = [name for name in classes if not name.isprintable() or max(name) > "\uffff"]
    if odd:
        raise PointsError(f"{path}: has no room for the class name {odd[0]!r}: write CSV or GeoJSON instead")
    try:
        return imagej.roifile(path)
    except imagej.RoiError as error:
        raise PointsError(str(error)) from None


def _roi(roifile: Any, dots: Dots, k: int) -> Any:
    roi = roifile.ImagejRoi.frompoints(dots.of_class(k)[:, ::-1].astype(np.float32), name=dots.class_names[k])
    roi.roitype = roifile.ROI_TYPE.POINT
    roi.props = f"{CLASS}: {dots.class_names[k]}\n" if dots.named else ""
    return roi


SET = Format("ImageJ ROI set", (".zip",), read, write, imagej.holds_points, _package)
SINGLE = Format("ImageJ ROI", (".roi",), read, recognises=imagej.holds_points)  # not written: it has room for one class
