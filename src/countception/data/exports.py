"""Exports of annotation tools that lie where dots are looked for, but are not read: which they are, by contents."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from countception.images.find import natural_key

MOST = 2**26
"""Bytes of a file that are looked at."""
JSON_KEYS = {
    "VIA": (b'"_via_img_metadata"',),
    "VIA (annotations)": (b'"regions"', b'"shape_attributes"'),
    "LabelMe": (b'"shapes"', b'"imagePath"'),
    "COCO": (b'"images"', b'"annotations"'),
    "Label Studio": (b'"data"', b'"annotations"'),
    "Label Studio (JSON-MIN)": (b'"original_width"',),
}
"""What is in each of these; the first that fits is meant."""
XML_ROOTS = {"CVAT": b"<annotations>", "Pascal VOC": b"<annotation>"}
WHOLE = {".pnt": "DotDotGoose's own format", ".xlsx": "a workbook of Excel"} | {
    ".xls": "a workbook of Excel",
    ".ods": "a workbook of LibreOffice",
    ".gpkg": "a GeoPackage",
    ".shp": "a shapefile",
}
"""Kinds that are known by their suffixes."""


def why_export(folders: Iterable[Path]) -> str:
    """What the first export in these folders is and what to do instead, as one sentence; nothing without any."""
    for folder in folders:
        for file in sorted(folder.iterdir(), key=lambda file: natural_key(file.name)):
            if kind := export_kind(file):
                return (
                    f"{file}: is {kind}, which is not read; export the points as CSV with columns image,x,y (one table "
                    "for all images) or x,y (one for each image, of its name)"
                )
    return ""


def export_kind(file: Path) -> str:
    """What kind of export a file is; nothing of another file, or one that cannot be read."""
    suffix = file.suffix.lower()
    if file.name.startswith(".") or not file.is_file():
        return ""
    if suffix in WHOLE:
        return WHOLE[suffix]
    if suffix not in (".json", ".xml"):
        return ""
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST)
    except OSError:
        return ""
    if suffix == ".json":
        tool = next((tool for tool, keys in JSON_KEYS.items() if all(key in content for key in keys)), None)
    else:
        tool = next((tool for tool, root in XML_ROOTS.items() if root in content), None)
    return f"an export of {tool}" if tool else ""
