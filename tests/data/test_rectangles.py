"""Images of which only parts are marked: `Dataset.within`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from countception.cli.parse import check_results
from countception.data.dataset import Stream, load_dataset
from countception.data.inspection import inspect
from countception.data.pairing import read_dataset
from countception.errors import DatasetError, DataWarning, OutputError, RegionsError
from countception.images import pieces
from countception.points import Dots, write_points
from countception.regions.rectangles import box_of
from countception.regions.shapes import Mask, Polygon
from countception.training import train
from helpers_blobs import QUICK, blobs

DOTS = [(2.0, 3.0), (9.0, 9.0), (9.4, 14.5), (20.0, 40.0)]
"""The third lies on the edge of the pixels that `LEFT` ends with and `RIGHT` begins with."""
LEFT, RIGHT = (0, 0, 15, 12), (15, 5, 10, 10)
"""``x, y, width, height`` from the corner, as programs draw them."""


def drawn(path: Path, *boxes: tuple[float, float, float, float], turned: float = 0.0) -> Path:
    """Rectangles as QuPath saves them."""
    rings = [[[x, y], [x + w, y + turned], [x + w, y + h + turned], [x, y + h], [x, y]] for x, y, w, h in boxes]
    features = [{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}} for ring in rings]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for k, name in enumerate("ab"):
        image = np.random.default_rng(k).integers(0, 255, (30, 50), np.uint8)
        tifffile.imwrite(folder / f"{name}.tif", image)
        write_points(folder / f"{name}.csv", Dots(np.array(DOTS)))
    return folder


def test_each_rectangle_is_an_image_with_its_dots(data: Path, tmp_path: Path) -> None:
    found = read_dataset(data).within(drawn(tmp_path / "boxes.geojson", LEFT, RIGHT))
    samples = load_dataset(found)
    assert [sample.name for sample in samples] == ["a region 1", "a region 2", "b region 1", "b region 2"]
    whole = tifffile.imread(data / "a.tif")
    np.testing.assert_array_equal(samples[0].image[0], whole[:12, :15])
    np.testing.assert_array_equal(samples[1].image[0], whole[5:15, 15:25])
    assert samples[0].dots.points.tolist() == [[2, 3], [9, 9]]
    np.testing.assert_allclose(samples[1].dots.points, [[4.4, -0.5]])
    assert samples[1].image.flags["C_CONTIGUOUS"]


def test_rectangles_that_divide_the_image_have_each_dot_once(data: Path, tmp_path: Path) -> None:
    boxes = [(x, y, 25, 15) for y in (0, 15) for x in (0, 25)]
    samples = load_dataset(read_dataset(data).within(drawn(tmp_path / "boxes.geojson", *boxes)))
    assert sum(len(sample.dots) for sample in samples) == 2 * len(DOTS)


def test_dots_and_rectangles_may_come_in_one_file(data: Path) -> None:
    """As QuPath exports all of an image's annotations."""
    for name in "ab":
        (data / f"{name}.csv").unlink()
        whole = json.loads(drawn(data / f"{name}.geojson", LEFT).read_text())
        points = [[x + 0.5, y + 0.5] for y, x in DOTS]
        whole["features"].insert(0, {"type": "Feature", "geometry": {"type": "MultiPoint", "coordinates": points}})
        (data / f"{name}.geojson").write_text(json.dumps(whole))
    assert [len(sample.dots) for sample in load_dataset(data)] == [len(DOTS)] * 2
    samples = load_dataset(read_dataset(data).within(data))
    assert [sample.name for sample in samples] == ["a region 1", "b region 1"]
    assert [sample.dots.points.tolist() for sample in samples] == [[[2, 3], [9, 9]]] * 2


def test_models_know_the_size_of_pixels_and_that_parts_were_marked(data: Path, tmp_path: Path) -> None:
    found = read_dataset(data).within(drawn(tmp_path / "boxes.geojson", LEFT, RIGHT))
    assert "pixel_size" not in train(found, valid=blobs(2), changes=QUICK).model.trained_on
    for name, side in (("a", 0.5), ("b", 0.52)):
        resolution = {"resolution": (1e4 / side, 1e4 / side), "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(data / f"{name}.tif", tifffile.imread(data / f"{name}.tif"), **resolution)
    known = train(found, valid=blobs(2), changes=QUICK).model.trained_on
    assert (known["pixel_size"], known["parts"]) == (pytest.approx(0.51), True)
    assert [one.pixel_size for one in Stream(found, ("object",), whose="the test")][2:] == [
        pytest.approx(0.52, rel=1e-5)
    ] * 2
    whole = train(read_dataset(data), valid=blobs(2), changes=QUICK).model.trained_on
    assert "parts" not in whole
    assert whole["pixel_size"] == pytest.approx(0.51)
    tifffile.imwrite(
        data / "b.tif", tifffile.imread(data / "b.tif"), resolution=(1e4, 1e4), resolutionunit="CENTIMETER"
    )
    with pytest.warns(DataWarning, match="pixels are of 0.5 µm in some images and of 1 µm in others"):
        mixed = train(read_dataset(data), valid=blobs(2), changes=QUICK)
    assert "pixel_size" not in mixed.model.trained_on


def test_a_stream_and_an_inspection_see_the_same(data: Path, tmp_path: Path) -> None:
    found = read_dataset(data).within(drawn(tmp_path / "boxes.geojson", LEFT, RIGHT))
    streamed = [(one.image.shape, len(one.dots), one.name) for one in Stream(found, ("object",), whose="the test")]
    assert streamed == [(s.image.shape, len(s.dots), s.name) for s in load_dataset(found)]
    seen = inspect(found)
    assert seen.pairs == 4
    assert dict(seen.sizes) == {"10 × 10": 2, "12 × 15": 2}
    assert not seen.unreadable


def test_of_a_large_image_the_part_alone_is_read(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LARGE", 100)
    seen: list[tuple[int, ...]] = []
    getitem = pieces.Pieces.__getitem__

    def noted(self: pieces.Pieces, key: tuple[slice, slice, slice]) -> np.ndarray:
        region = getitem(self, key)
        seen.append(region.shape)
        return region

    monkeypatch.setattr(pieces.Pieces, "__getitem__", noted)
    samples = load_dataset(read_dataset(data).within(drawn(tmp_path / "boxes.geojson", LEFT)))
    assert seen == [(1, 12, 15)] * 2
    np.testing.assert_array_equal(samples[0].image[0], tifffile.imread(data / "a.tif")[:12, :15])


def test_a_folder_of_them_has_a_file_for_each_image(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "boxes"
    folder.mkdir()
    drawn(folder / "a.geojson", LEFT)
    with pytest.raises(RegionsError, match=r"boxes: has no region of .*b\.tif; draw a rectangle around what is"):
        read_dataset(data).within(folder)
    drawn(folder / "b_regions.geojson", RIGHT)
    assert [item.name for item in read_dataset(data).within(folder).items] == ["a region 1", "b region 1"]


def test_groups_stay(data: Path, tmp_path: Path) -> None:
    (data / "manifest.csv").write_text("image,dots,group\na.tif,a.csv,one\nb.tif,b.csv,one\n")
    found = read_dataset(data).within(drawn(tmp_path / "boxes.geojson", LEFT, RIGHT))
    assert {item.group for item in found.items} == {"one"}


def test_parts_of_an_image_stay_together_unless_it_is_the_only_one(data: Path, tmp_path: Path) -> None:
    boxes = drawn(tmp_path / "boxes.geojson", LEFT, RIGHT)
    groups = [item.group for item in read_dataset(data).within(boxes).items]
    assert groups[0] == groups[1] != groups[2] == groups[3]
    (data / "b.tif").unlink()
    (data / "b.csv").unlink()
    assert [item.group for item in read_dataset(data).within(boxes).items] == [None, None]


def test_rectangles_of_one_name_are_all_there(data: Path, tmp_path: Path) -> None:
    roifile = pytest.importorskip("roifile")
    for k, (x, y, width, height) in enumerate((LEFT, RIGHT)):
        corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
        roi = roifile.ImagejRoi.frompoints(corners)
        roi.roitype, roi.name = roifile.ROI_TYPE.RECT, "field"
        roi.left, roi.top, roi.right, roi.bottom = x, y, x + width, y + height
        roi.tofile(tmp_path / "boxes.zip", name=f"{k}.roi", mode="a" if k else "w")
    names = [item.name for item in read_dataset(data).within(tmp_path / "boxes.zip").items]
    assert names == ["a field", "a field (2)", "b field", "b field (2)"]


def test_results_do_not_replace_rectangles(tmp_path: Path) -> None:
    folder = tmp_path / "boxes"
    folder.mkdir()
    with pytest.raises(OutputError, match="would be overwritten"):
        check_results(drawn(folder / "a.geojson", LEFT), read=(folder, None))


class TestBad:
    def test_other_shapes(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(RegionsError, match=r"boxes\.geojson: region 1 is no upright rectangle; draw rectangles"):
            read_dataset(data).within(drawn(tmp_path / "boxes.geojson", LEFT, turned=2.0))

    def test_a_rectangle_beyond_the_image(self, data: Path, tmp_path: Path) -> None:
        found = read_dataset(data).within(drawn(tmp_path / "boxes.geojson", (45, 0, 10, 10)))
        with pytest.raises(DatasetError, match=r"a region 1: the rectangle of rows 0 to 9 and columns 45 to 54 is not"):
            load_dataset(found)


class TestBoxOf:
    def test_pixels_whose_centres_are_in_it(self) -> None:
        ring = np.array([[0.4, 1.6], [0.4, 4.4], [3.0, 4.4], [3.0, 1.6]])
        assert box_of(Polygon("a", (ring,))) == ((1, 3), (2, 5))

    def test_side_by_side_on_centres_they_share_no_pixel(self) -> None:
        near, far = (np.array([[0, x], [0, x + 5], [9, x + 5], [9, x]], float) for x in (0, 5))
        assert [box_of(Polygon("a", (ring,))) for ring in (near, far)] == [((0, 9), (0, 5)), ((0, 9), (5, 10))]

    def test_too_small_for_a_pixel_or_with_a_hole_or_a_triangle(self) -> None:
        ring = np.array([[0.4, 0.4], [0.4, 0.6], [0.6, 0.6], [0.6, 0.4]])
        assert box_of(Polygon("a", (ring,))) is None
        assert box_of(Polygon("a", (10 * ring, ring[::-1]))) is None
        assert box_of(Polygon("a", (10 * ring[:3],))) is None

    def test_masks(self) -> None:
        assert box_of(Mask("a", np.ones((2, 3), bool), (4, 5), (10, 10))) == ((4, 6), (5, 8))
        assert box_of(Mask("a", np.eye(3, dtype=bool), (4, 5), (10, 10))) is None
