"""Counts inside regions: exact coverage, additivity, and the files that regions come in."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial import Delaunay

import tiny
from countception.counting.counter import Counter
from countception.errors import ConfigError, RegionsError
from countception.regions import Mask, Polygon, Region, RegionFiles, count_regions, read_regions
from countception.trust.fitting import fit_intervals

SQUARE = [[2, 1], [7, 1], [7, 4], [2, 4], [2, 1]]
"""x, y from the corner: 5 wide, 3 high."""


def rectangle(top: float, left: float, bottom: float, right: float) -> np.ndarray:
    """Ring from edges given from the image's upper left corner."""
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]]) - 0.5


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def feature(coordinates: Any, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties or None,
    }


def test_a_rectangle_covers_fractions_of_pixels_exactly() -> None:
    covered = Polygon("a", (rectangle(0.25, 1.5, 2, 3.1),)).coverage((0, 3), (0, 4))
    expected = np.outer([0.75, 1, 0], [0, 0.5, 1, 0.1])
    assert np.allclose(covered, expected, atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(5, 10))
def test_coverage_agrees_with_supersampling(seed: int, vertices: int) -> None:
    rng = np.random.default_rng(seed)
    angles = (np.arange(vertices) + rng.random(vertices)) * (2 * np.pi / vertices)  # a star, which never crosses itself
    radii = rng.uniform(1, 9, vertices)
    ring = np.stack([radii * np.sin(angles), radii * np.cos(angles)], axis=1) + rng.uniform(-1, 8, 2)
    covered = Polygon("star", (ring,)).coverage((0, 7), (0, 6))
    fine = 40
    y, x = ((np.mgrid[: 7 * fine, : 6 * fine] + 0.5) / fine - 0.5).reshape(2, -1)
    crossings = np.zeros(len(y), bool)
    for (y0, x0), (y1, x1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        spans = (y0 <= y) != (y1 <= y)
        crossings ^= spans & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    sampled = crossings.reshape(7, fine, 6, fine).mean((1, 3))
    assert np.abs(covered - sampled).max() < 0.06


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([(1.0, (9, 12)), (2.0, (5, 6)), (1.5, (6, 8)), (0.7, (13, 18))]))
def test_regions_that_divide_the_image_share_its_count(seed: int, grid: tuple[float, tuple[int, int]]) -> None:
    cell, cells = grid
    shape = (9, 12)
    rng = np.random.default_rng(seed)
    density = rng.gamma(0.3, 1.0, cells)
    inner = rng.uniform(0, 1, (8, 2)) * shape
    corners = np.array([[0, 0], [0, 12], [9, 0], [9, 12]])
    vertices = np.concatenate([inner, corners * 1.0]) * 1.4 - 1  # reaching beyond the image
    triangles = [Polygon(str(k), (vertices[t] - 0.5,)) for k, t in enumerate(Delaunay(vertices).simplices)]
    counted = count_regions(density, triangles, shape=shape, cell=cell)
    assert sum(each.count for each in counted) == pytest.approx(density.sum())
    assert sum(each.area for each in counted) == pytest.approx(9 * 12)
    labels = rng.integers(0, 4, shape)
    masks = [Mask(str(k), labels == k, (0, 0), shape) for k in range(4)]
    counted = count_regions(density, masks, shape=shape, cell=cell)
    assert sum(each.count for each in counted) == pytest.approx(density.sum())
    assert [each.area for each in counted] == [(labels == k).sum() for k in range(4)]


@settings(deadline=None, max_examples=10)
@given(
    seed=st.integers(0, 1000),
    network=st.sampled_from(
        [("boxnet", 2), ("boxnet", 4), ("count_ception", 1), ("fcrn_a", 1), ("count_ception_gaussian", 1)]
    ),
    classes=st.sampled_from([1, 2]),
    scale=st.sampled_from([1.0, 0.7, 1.4]),
)
def test_regions_that_divide_an_image_share_what_was_counted_in_it(
    seed: int, network: tuple[str, int], classes: int, scale: float
) -> None:
    counter = tiny.untrained(network=network[0], stride=network[1], classes=classes)
    known = fit_intervals([20.0 + k for k in range(12)], [21.0 + 1.1 * k for k in range(12)])
    counter = Counter(replace(counter.model, scale=scale, intervals=known), device="cpu")
    count = counter.count(tiny.pixels(seed=seed))
    shares = {name: max(0.0, value) for name, value in count.by_class.items()}  # what has no objects has none anywhere
    if network[0] in ("fcrn_a", "count_ception_gaussian"):
        shares = count.by_class
    labels = np.random.default_rng(seed).integers(0, 4, (40, 56))
    masks = [Mask(str(k), labels == k, (0, 0), (40, 56)) for k in range(4)]
    left = Polygon("l", (rectangle(0, 0, 40, 31.3),))
    right = Polygon("r", (rectangle(-5, 31.3, 90, 70),))
    for parts in (masks, [left, right]):
        counted = count.in_regions(parts)
        assert sum(each.count for each in counted) == pytest.approx(sum(shares.values()), rel=1e-5, abs=1e-5)
        assert sum(each.area for each in counted) == pytest.approx(40 * 56)
        for name, value in shares.items():
            assert sum(each.by_class[name] for each in counted) == pytest.approx(value, rel=1e-5, abs=1e-5)
    (whole,) = count.in_regions([Polygon("all", (rectangle(0, 0, 40, 56),))], level=0.8)
    if shares == count.by_class:
        assert whole.interval == pytest.approx(count.interval(0.8), rel=1e-4)


def test_a_map_with_a_margin_counts_in_regions_what_lies_nearest() -> None:
    count = tiny.untrained(network="count_ception_gaussian", stride=1).count(tiny.pixels((40, 40)))
    assert count.map.shape == (1, 72, 72)
    left, right = (Polygon("half", (rectangle(0, start, 40, start + 20),)) for start in (0, 20))
    expected = count.map[0, :, :36].sum(dtype=np.float64) / count.redundancy
    first, second = count.in_regions([left, right])
    assert (first.count, second.count) == pytest.approx((expected, count.value - expected), rel=1e-5)


def test_a_mask_and_a_polygon_of_the_same_pixels_count_the_same() -> None:
    density = np.random.default_rng(0).random((30, 41))
    covered = np.zeros((60, 81), bool)
    covered[7:31, 12:53] = True
    mask = Mask("mask", covered[5:40, 10:60], (5, 10), (60, 81))
    polygon = Polygon("polygon", (rectangle(7, 12, 31, 53),))
    a, b = count_regions(density, [mask, polygon], shape=(60, 81), cell=2.0)
    assert a.count == pytest.approx(b.count)
    assert a.area == pytest.approx(b.area) == 24 * 41


def test_an_object_counts_where_it_lies() -> None:
    density = np.zeros((10, 10))
    density[3, 7], density[8, 1] = 1.0, 0.5
    around = Polygon("around", (np.array([[2.5, 6.5], [2.5, 7.5], [3.5, 7.5], [3.5, 6.5]]),))
    half = Polygon("half", (np.array([[7.5, 1.0], [7.5, 3], [9, 3], [9, 1.0]]),))
    outside = Polygon("outside", (rectangle(20, 20, 30, 30),))
    counts = count_regions(density, [around, half, outside], shape=(10, 10))
    assert [each.count for each in counts] == pytest.approx([1, 0.25, 0])
    assert [each.area for each in counts] == pytest.approx([1, 3, 0])


def test_a_hole_is_left_out_and_parts_are_added() -> None:
    hole = rectangle(2, 2, 4, 4)[::-1]
    region = Polygon("ring", (rectangle(1, 1, 5, 5), hole, rectangle(7, 7, 8, 9)))
    (counted,) = count_regions(np.ones((10, 10)), [region], shape=(10, 10))
    assert counted.count == counted.area == pytest.approx(16 - 4 + 2)


def test_density_per_square_millimetre() -> None:
    region = Polygon("a", (rectangle(0, 0, 10, 10),))
    (counted,) = count_regions(np.full((20, 20), 0.5), [region], shape=(20, 20), pixel_size=2.0)
    assert counted.area_mm2 == pytest.approx(100 * 4e-6)
    assert counted.per_mm2 == pytest.approx(50 / 4e-4)
    (unknown,) = count_regions(np.ones((20, 20)), [region], shape=(20, 20))
    assert unknown.area_mm2 is unknown.per_mm2 is None


def test_large_regions_are_counted_strip_by_strip() -> None:
    density = np.random.default_rng(0).random((1500, 8))
    (counted,) = count_regions(density, [Polygon("all", (rectangle(-5, -5, 9999, 99),))], shape=(3000, 16), cell=2.0)
    assert counted.count == pytest.approx(density.sum())
    assert counted.area == pytest.approx(48_000)


def test_sizes_that_do_not_fit_are_refused() -> None:
    region = Polygon("a", (rectangle(0, 0, 1, 1),))
    sizes = ({"cell": 0.0}, {"pixel_size": 0.0}, {"pixel_size": math.inf})
    for cells, options in (((5, 5), {}), ((11, 10), {}), *(((10, 10), each) for each in sizes)):
        with pytest.raises(ConfigError, match=r"make no sense|does not fit an image"):
            count_regions(np.zeros(cells), [region], shape=(10, 10), **options)  # type: ignore[arg-type]
    mask = Mask("7", np.ones((3, 3), bool), (0, 0), (3, 3))
    with pytest.raises(RegionsError, match=r"region 7 is 3 × 3 pixels but the image 10 × 10"):
        count_regions(np.zeros((10, 10)), [mask], shape=(10, 10))


def test_a_mask_of_numbers_covers_where_they_are_above_0() -> None:
    """As label images are read: one of 0 and 255 would else count each object 255 times."""
    density = np.random.default_rng(0).random((10, 12))
    covered = density > 0.5
    masks = [Mask("m", numbers, (0, 0), (10, 12)) for numbers in (covered, covered * np.uint8(255), covered * 0.3)]
    first, *others = count_regions(density, masks, shape=(10, 12))
    assert first.count == pytest.approx(density[covered].sum())
    assert all((other.count, other.area) == (first.count, first.area) for other in others)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Polygon("a", ()), "region a has no ring"),
        (lambda: Polygon("a", rectangle(0, 0, 1, 1)), r"ring of shape \(2,\)"),  # type: ignore[arg-type]
        (lambda: Polygon("a", (np.zeros((0, 2)),)), r"ring of shape \(0, 2\)"),
        (lambda: Polygon("a", (np.array([[0, 0], [np.nan, 4], [4, 4]]),)), "NaN or infinite"),
        (lambda: Mask("a", np.ones((3, 3, 1), bool), (0, 0), (3, 3)), r"shape \(3, 3, 1\)"),
        (lambda: Mask("a", np.ones((3, 3), bool), (1, 0), (3, 3)), "from row 1 and column 0 on, reaches beyond"),
        (lambda: Mask("a", np.ones((3, 3), bool), (-1, 0), (9, 9)), "reaches beyond its image of 9 × 9"),
    ],
)
def test_what_is_no_region_is_refused_when_it_is_made(make: Callable[[], Region], sentence: str) -> None:
    with pytest.raises(RegionsError, match=sentence):
        make()


def test_geojson_of_every_form_is_read(tmp_path: Path) -> None:
    bare = feature([SQUARE])
    for content in (bare, bare["geometry"], [bare], {"type": "FeatureCollection", "features": [bare]}):
        (region,) = read_regions(write_json(tmp_path / "a.geojson", content))
        assert isinstance(region, Polygon)
        assert region.name == "region 1"
        assert region.box((9, 9)) == ((1, 4), (2, 7))
        assert region.coverage((1, 4), (2, 7)).tolist() == [[1.0] * 5] * 3


@pytest.mark.parametrize("turn", [1, -1])
def test_geojson_holes_are_left_out_however_they_run(tmp_path: Path, turn: int) -> None:
    hole = [[3, 2], [5, 2], [5, 3], [3, 3], [3, 2]][::turn]
    other = [[0, 6], [2, 6], [2, 8]]  # not closed
    content = feature([[SQUARE, hole], [other]], "MultiPolygon")
    (counted,) = count_regions(np.ones((9, 9)), read_regions(write_json(tmp_path / "a.json", content)), shape=(9, 9))
    assert counted.area == pytest.approx(15 - 2 + 2)


def test_geojson_names_come_from_the_properties(tmp_path: Path) -> None:
    named = [
        feature([SQUARE], name="rim"),
        feature([SQUARE], classification={"name": "Tumor"}),
        feature([SQUARE], classification={"name": "Tumor"}),
        feature([SQUARE], other=1),
        feature([SQUARE], fid=7, Name="A1"),
        feature([SQUARE], fid=8, plot_id="B2", name=None),
        feature([SQUARE], fid=9),
    ]
    regions = read_regions(write_json(tmp_path / "a.geojson", named))
    assert [region.name for region in regions] == ["rim", "Tumor", "Tumor (2)", "region 4", "A1", "B2", "9"]


def test_no_number_after_a_name_makes_it_that_of_another(tmp_path: Path) -> None:
    called = ["a", "a", "a (2)", "a", "a (2)"]
    regions = read_regions(write_json(tmp_path / "a.geojson", [feature([SQUARE], name=name) for name in called]))
    assert [region.name for region in regions] == ["a", "a (3)", "a (2)", "a (4)", "a (2) (2)"]


@pytest.mark.parametrize(
    ("curve", "sentence"),
    [
        ([3, 46, 0, 50, 4, 50, 10], "rim has curves, which cannot be read; make it straight in ImageJ"),
        ([7, 50, 10], "the outline of rim is damaged"),
    ],
)
def test_curves_of_combined_regions_are_refused(tmp_path: Path, curve: list[float], sentence: str) -> None:
    roifile = pytest.importorskip("roifile")
    path = np.array([0, 10, 0, 1, 40, 0, *curve, 1, 0, 50, 4], np.float32)  # as of a rounded rectangle in ImageJ
    roi = roifile.ImagejRoi(name="rim", roitype=roifile.ROI_TYPE.RECT, right=50, bottom=50)
    roi.multi_coordinates, roi.shape_roi_size = path, len(path)
    roi.tofile(tmp_path / "a.roi")
    with pytest.raises(RegionsError, match=rf"a\.roi: .*{sentence}"):
        read_regions(tmp_path / "a.roi")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        (json.dumps(feature([1, 2], "Point")), "a Point has no area"),
        (json.dumps(feature([[[0, 0], [1, 1]]])), "at least three finite positions"),
        ('{"type": "Polygon", "coordinates": [[[0, 0], [1, NaN], [1, 1]]]}', "at least three finite positions"),
        (json.dumps(feature([[["a", "b"]] * 3])), "no GeoJSON polygon"),
        (json.dumps(feature([], "MultiPolygon")), "it has no ring"),
        ('{"type": "Feature", "geometry": null}', "it has no geometry"),
        ("[1]", "no GeoJSON polygon"),
        ("7", "no GeoJSON polygon"),
        (json.dumps(feature([[[0, 0], [1e17, 0], [0, 9]]])), "a position beyond 1e\\+09 pixels"),
        (json.dumps(feature([[]])), "region 1 is no GeoJSON polygon"),
        (json.dumps(feature([[[], [], []]])), "region 1 is no GeoJSON polygon"),
        (json.dumps(feature([[[0, 0], [10**400, 0], [0, 9]]])), "region 1 is no GeoJSON polygon"),
    ],
)
def test_what_is_no_geojson_of_areas_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(content)
    with pytest.raises(RegionsError, match=sentence) as caught:
        read_regions(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_label_images_are_read(tmp_path: Path, suffix: str) -> None:
    labels = np.zeros((6, 8), np.uint16 if suffix == ".tif" else np.uint8)
    labels[1:3, 2:5] = 3
    labels[4, 7] = labels[2, 6] = 200
    path = tmp_path / f"labels{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, labels)
    else:
        Image.fromarray(labels).save(path)
    density = np.arange(48.0).reshape(6, 8)
    counted = count_regions(density, read_regions(path), shape=(6, 8))
    assert [(each.name, each.area) for each in counted] == [("3", 6), ("200", 2)]
    assert counted[0].count == density[1:3, 2:5].sum()
    assert counted[1].count == density[4, 7] + density[2, 6]


def test_a_label_image_of_another_size_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rois.png"
    Image.fromarray(np.ones((3, 5), np.uint8)).save(path)
    with pytest.raises(RegionsError, match=r"rois\.png: the label image is 3 × 5 pixels but the image 6 × 8 \(height"):
        count_regions(np.ones((6, 8)), read_regions(path), shape=(6, 8))


def test_a_label_image_without_background_is_read(tmp_path: Path) -> None:
    Image.fromarray(np.array([[1, 1, 2]], np.uint8)).save(tmp_path / "a.png")
    assert [region.name for region in read_regions(tmp_path / "a.png")] == ["1", "2"]


@pytest.mark.parametrize("dtype", ["uint32", ">u4", "int64", "float64"])
def test_large_labels_stay_apart(tmp_path: Path, dtype: str) -> None:
    labels = np.array([[0, 16777216, 16777217]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", labels, photometric="minisblack")
    assert [region.name for region in read_regions(tmp_path / "a.tif")] == ["16777216", "16777217"]


def test_images_that_hold_no_labels_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "colour.png")
    tifffile.imwrite(tmp_path / "real.tif", np.full((4, 4), 0.5, np.float32))
    Image.new("L", (4, 4)).save(tmp_path / "black.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    Image.new("L", (16, 16), 255).save(tmp_path / "smeared.jpg")
    shutil.copy(tmp_path / "smeared.jpg", tmp_path / "smeared.png")
    for name, sentence in (
        ("colour.png", "3 channels; .* save it as 8-bit grey"),
        ("smeared.jpg", r"smeared\.jpg: is a JPEG, whose compression smears the numbers of regions; save .* as PNG or"),
        ("smeared.png", r"smeared\.png: is a JPEG"),
        ("real.tif", "not whole numbers"),
        ("broken.png", "is no TIFF, PNG"),
        ("missing.roi", "no such file"),
    ):
        with pytest.raises(RegionsError, match=sentence):
            read_regions(tmp_path / name)


def test_names_are_one_line_of_text_and_none_is_that_of_the_image(tmp_path: Path) -> None:
    square = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]}
    names = ["whole image", "left\r\nhalf", "half \ud83d"]
    features = [{"type": "Feature", "geometry": square, "properties": {"name": name}} for name in names]
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert [region.name for region in read_regions(tmp_path / "a.geojson")] == [
        "whole image (2)",
        "left half",
        "half ?",
    ]


def test_a_file_in_order_may_hold_no_region_but_not_that_of_all_images(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((4, 5), np.uint8))
    for name in ("a.geojson", "b.tif"):
        assert read_regions(tmp_path / name) == []
        with pytest.raises(RegionsError, match="there is no region in it"):
            RegionFiles(tmp_path / name, {tmp_path / "x.png": "x"})


def test_images_of_one_stem_have_regions_by_their_whole_names(tmp_path: Path) -> None:
    images = {Path("im/001.bmp"): "001", Path("im/001.png"): "001_2"}
    for name in ("001.bmp", "001.png"):
        (tmp_path / f"{name}.geojson").write_text(json.dumps(feature([[[0, 0], [4, 0], [0, 4]]])))
    files = RegionFiles(tmp_path, images).files
    assert {str(image): file.name for image, file in files.items()} == {
        "im/001.bmp": "001.bmp.geojson",
        "im/001.png": "001.png.geojson",
    }


def test_a_place_that_cannot_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for attempt in (read_regions, lambda path: RegionFiles(path, {tmp_path / "a.tif": "a"})):
        with pytest.raises(RegionsError, match=r"\.roi: cannot be read: File name too long"):
            attempt(tmp_path / f"{'a' * 300}.roi")

    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(RegionsError, match="cannot be read: Permission denied"):
        RegionFiles(tmp_path, {tmp_path / "a.tif": "a"})


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(RegionsError, match="the suffixes known are"):
        read_regions(tmp_path / "a.txt")


def test_without_roifile_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "roifile", None)
    (tmp_path / "a.roi").write_bytes(b"Iout")
    with pytest.raises(RegionsError, match=r'run pip install "countception\[roi\]"'):
        read_regions(tmp_path / "a.roi")


def test_imagej_regions_are_read(tmp_path: Path) -> None:
    roifile = pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
    polygon = roifile.ImagejRoi.frompoints(np.array(SQUARE[:4]), name="field")
    path = tmp_path / "a.roi"
    polygon.tofile(path)
    (region,) = read_regions(path)
    assert region.name == "field"
    assert region.coverage((1, 4), (2, 7)).tolist() == [[1.0] * 5] * 3

    bounds = {"left": 10, "top": 20, "right": 50, "bottom": 40}
    box = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, name="box", **bounds)
    oval = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.OVAL, name="oval", **bounds)
    roifile.roiwrite(tmp_path / "a.zip", [box, oval], name=["box", "oval"])
    counted = count_regions(np.ones((60, 60)), read_regions(tmp_path / "a.zip"), shape=(60, 60))
    assert [each.name for each in counted] == ["box", "oval"]
    assert counted[0].area == pytest.approx(800)
    assert counted[1].area == pytest.approx(math.pi / 4 * 800, rel=1e-3)

    outer, hole = [(0, 2, 1), (1, 7, 1), (1, 7, 4), (1, 2, 4), (4,)], [(0, 3, 2), (1, 3, 3), (1, 5, 3), (1, 5, 2), (4,)]
    steps = np.array([value for step in outer + hole for value in step], np.float32)
    shape = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, shape_roi_size=len(steps), multi_coordinates=steps)
    shape.tofile(path)
    (counted,) = count_regions(np.ones((9, 9)), read_regions(path), shape=(9, 9))
    assert counted.area == pytest.approx(15 - 2)

    line = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, name="line")
    line.tofile(path)
    with pytest.raises(RegionsError, match="line is a line or point"):
        read_regions(path)
    path.write_bytes(b"Iout, cut off")
    with pytest.raises(RegionsError, match="cannot be read as ImageJ regions"):
        read_regions(path)


def test_names_with_accents_in_two_pieces_are_the_same(tmp_path: Path) -> None:
    square = {"type": "Polygon", "coordinates": [[[0, 0], [0, 4], [4, 4], [4, 0], [0, 0]]]}
    (tmp_path / "Zählung.geojson").write_text(json.dumps(square))
    image = Path("Za\u0308hlung.png")
    assert len(RegionFiles(tmp_path, {image: image.stem}).of(image)) == 1
