from __future__ import annotations

from pathlib import Path

import pytest

from countception.data.dataset import load_dataset, read_dataset
from countception.data.exports import export_kind
from countception.data.inspection import inspect
from countception.errors import DatasetError

EXPORTS = {
    "instances.json": (b'{"info": {}, "images": [{"id": 1}], "annotations": [], "categories": []}', "COCO"),
    "via_project.json": (b'{"_via_settings": {}, "_via_img_metadata": {}}', "VIA"),
    "via_region_data.json": (
        b'{"a.jpg9": {"filename": "a.jpg", "regions": [{"shape_attributes": {"name": "point", "cx": 1, "cy": 2}}]}}',
        "VIA (annotations)",
    ),
    "a.json": (b'{"version": "5.0", "shapes": [{"shape_type": "point"}], "imagePath": "a.jpg"}', "LabelMe"),
    "project-1.json": (b'[{"id": 1, "annotations": [{"result": []}], "data": {"image": "a.jpg"}}]', "Label Studio"),
    "annotations.xml": (b'<?xml version="1.0"?>\n<annotations>\n<version>1.1</version></annotations>', "CVAT"),
    "a.xml": (b"<annotation><folder>photos</folder></annotation>", "Pascal VOC"),
    "dots.pnt": (b"{}", "DotDotGoose's own format"),
    "min.json": (b'[{"image": "a.jpg", "kp": [{"x": 1, "y": 2, "original_width": 9}]}]', "Label Studio (JSON-MIN)"),
    "dots.gpkg": (b"SQLite format 3", "a GeoPackage"),
    "dots.shp": (b"", "a shapefile"),
    "dots.xls": (b"\xd0\xcf\x11\xe0", "a workbook of Excel"),
    "dots.ods": (b"PK\x03\x04", "a workbook of LibreOffice"),
    "dots.xlsx": (b"PK\x03\x04", "a workbook of Excel"),
}


def lay(root: Path, images: str, folder: str, name: str) -> Path:
    """An image, and an export in a folder."""
    for path in (root / images / "a.jpg", root / folder / name):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / folder / name).write_bytes(EXPORTS[name][0])
    return root / folder / name


@pytest.mark.parametrize(("images", "folder"), [("", ""), ("images", "points"), ("", "annotations")])
@pytest.mark.parametrize("name", EXPORTS)
def test_exports_are_named_where_nothing_pairs(tmp_path: Path, images: str, folder: str, name: str) -> None:
    path = lay(tmp_path, images, folder, name)
    with pytest.raises(DatasetError) as caught:
        read_dataset(tmp_path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: is ")
    assert EXPORTS[name][1] in sentence.partition(",")[0]
    assert "export the points as CSV with columns image,x,y (one table for all images) or x,y" in sentence
    assert "has 1 image (a.jpg), but no dots" in sentence


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.geojson", b'{"type": "Point", "coordinates": [1, 2]}'),
        ("a.json", b'{"Objective": "20x", "images": 3}'),
        ("a.xml", b"<CellCounter_Marker_File></CellCounter_Marker_File>"),
        (".hidden.xlsx", b""),
        ("a.csv", b"x,y\n"),
    ],
)
def test_other_files_are_none(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert export_kind(tmp_path / name) == ""
    (tmp_path / "folder.xlsx").mkdir()
    assert export_kind(tmp_path / "folder.xlsx") == ""


def test_where_others_pair_the_export_of_an_image_without_dots_is_named(tmp_path: Path) -> None:
    lay(tmp_path, "images", "points", "a.json")
    (tmp_path / "images" / "b.jpg").touch()
    (tmp_path / "points" / "b.csv").write_text("x,y\n")
    (sentence,) = inspect(tmp_path).passed_over
    assert sentence == f"{tmp_path / 'points' / 'a.json'}: is an export of LabelMe, which is not read"
    with pytest.raises(DatasetError, match=r"1 image \(a\.jpg\) without a partner.*a\.json: is an export of LabelMe"):
        load_dataset(tmp_path)
