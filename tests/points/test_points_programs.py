"""Dots of other programs: ImageJ, Fiji's Cell Counter, QuPath."""

import io
import json
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from countception.data.pairing import read_dataset
from countception.errors import PointsError
from countception.points import Dots, find_writer, holds_dots, read_points, write_points

PLACES = np.array([[3.0, 10.0], [0.5, 2.25], [40.0, 0.0]])

MARKERS = """<?xml version="1.0" encoding="UTF-8"?>
<CellCounter_Marker_File>
 <Image_Properties>
     <Image_Filename>a.tif</Image_Filename>
 </Image_Properties>
 <Marker_Data>
     <Current_Type>1</Current_Type>
     <Marker_Type>
         <Type>1</Type>
         <Marker><MarkerX>10</MarkerX><MarkerY>3</MarkerY><MarkerZ>1</MarkerZ></Marker>
         <Marker><MarkerX>2</MarkerX><MarkerY>7</MarkerY><MarkerZ>1</MarkerZ></Marker>
     </Marker_Type>
     <Marker_Type>
         <Type>2</Type>
         SECOND
     </Marker_Type>
 </Marker_Data>
</CellCounter_Marker_File>
"""


def roi(points: list[list[float]], **values: Any) -> Any:
    """Points ``x, y`` of ImageJ's multi-point tool."""
    roifile = pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
    made = roifile.ImagejRoi.frompoints(np.array(points), name="points")
    made.roitype = roifile.ROI_TYPE.POINT
    for name, value in values.items():
        setattr(made, name, value)
    return made


def features(*kinds: tuple[str, Any, str]) -> str:
    made = [
        {
            "type": "Feature",
            "geometry": {"type": kind, "coordinates": positions},
            "properties": {"classification": {"name": name}} if name else {},
        }
        for kind, positions, name in kinds
    ]
    return json.dumps({"type": "FeatureCollection", "features": made})


class TestImageJ:
    def test_whole_numbers_are_centres_of_pixels(self, tmp_path: Path) -> None:
        roi([[10, 3], [2, 7]]).tofile(tmp_path / "a.roi")
        dots = read_points(tmp_path / "a.roi")
        assert_array_equal(dots.points, [[3, 10], [7, 2]])
        assert not dots.named

    def test_places_between_pixels_and_single_points(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("0001-0002.roi", roi([[10.25, 3.5]]).tobytes())
            archive.writestr("0003-0004.roi", roi([[1, 2]]).tobytes())
        assert_array_equal(read_points(path).points, [[3.5, 10.25], [2, 1]])

    def test_counters_are_classes(self, tmp_path: Path) -> None:
        roi([[1, 2], [3, 4], [5, 6]], counters=np.array([0, 2, 0], np.uint8)).tofile(tmp_path / "a.roi")
        dots = read_points(tmp_path / "a.roi")
        assert dots.class_names == ("0", "2")
        assert_array_equal(dots.labels, [0, 1, 0])
        roi([[1, 2]], counters=np.array([0], np.uint8)).tofile(tmp_path / "b.roi")
        assert not read_points(tmp_path / "b.roi").named

    def test_points_on_several_planes_are_refused(self, tmp_path: Path) -> None:
        planes = {"counters": np.zeros(2, np.uint8), "counter_positions": np.array([1, 2], np.uint32)}
        roi([[1, 2], [3, 4]], **planes).tofile(tmp_path / "a.roi")
        with pytest.raises(PointsError, match=r"a\.roi: its points lie on 2 planes of a stack"):
            read_points(tmp_path / "a.roi")

    @pytest.mark.parametrize(
        "planes",
        [
            [{"position": 1}, {"position": 2}],
            [{"z_position": 1, "c_position": 1}, {"z_position": 3, "c_position": 1}],
            [{"t_position": 1}, {"t_position": 2}],
            [{"counters": np.zeros(1, np.uint8), "counter_positions": np.array([k], np.uint32)} for k in (1, 2)],
        ],
    )
    def test_selections_on_several_planes_are_refused(self, tmp_path: Path, planes: list[dict[str, Any]]) -> None:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for k, plane in enumerate(planes):
                archive.writestr(f"{k}.roi", roi([[1, 2]], **plane).tobytes())
        with pytest.raises(PointsError, match=r"a\.zip: its points lie on 2 planes of a stack"):
            read_points(path)

    def test_the_channel_that_was_shown_does_not_matter(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for channel in (1, 2):
                archive.writestr(f"{channel}.roi", roi([[1, 2]], c_position=channel, z_position=4).tobytes())
        assert len(read_points(path)) == 2

    def test_the_first_counter_is_a_class_beside_others_only(self, tmp_path: Path) -> None:
        for name, counters in (("a", None), ("b", [0, 0]), ("c", [0, 1])):
            (tmp_path / f"{name}.png").touch()
            kept = {} if counters is None else {"counters": np.array(counters, np.uint8)}
            roi([[1, 2], [3, 4]], **kept).tofile(tmp_path / f"{name}.roi")
        dataset = read_dataset(tmp_path)
        assert dataset.classes == ("0", "1")
        labels = [read_points(item.dots, classes=dataset.classes).labels.tolist() for item in dataset.items]
        assert labels == [[0, 0], [0, 0], [0, 1]]
        (tmp_path / "c.roi").unlink()
        dataset = read_dataset(tmp_path)
        assert dataset.classes == ("object",)
        assert read_points(dataset.items[0].dots, classes=dataset.classes).class_names == ("object",)

    def test_what_else_is_in_a_set_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.mkdir("RoiSet") if hasattr(archive, "mkdir") else archive.writestr("RoiSet/", "")
            archive.writestr("__MACOSX/._1.roi", b"Mac OS X")
            archive.writestr("RoiSet/1.roi", roi([[1, 2]]).tobytes())
            archive.writestr("RoiSet/.DS_Store", b"more of it")
        assert holds_dots(path)
        assert_array_equal(read_points(path).points, [[2, 1]])

    @pytest.mark.parametrize("how", ["cut", "longer", "encrypted", "method"])
    def test_damaged_archives_are_left_alone(self, tmp_path: Path, how: str) -> None:
        """Each is damaged where another part of the library looks."""
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("a.roi", bytes(100))
        data = bytearray(whole.getvalue())
        entry = data.rfind(b"PK\x01\x02")
        if how == "cut":
            del data[40:]
        elif how == "longer":  # sizes beyond the end of the file
            data[entry + 20 : entry + 28] = struct.pack("<II", 100_000, 100_000)
        elif how == "encrypted":
            data[entry + 8] |= 1
        else:
            data[entry + 10] = 14
        (tmp_path / "a.zip").write_bytes(data)
        (tmp_path / "a.png").touch()
        (tmp_path / "a.csv").write_text("x,y\n")
        assert not holds_dots(tmp_path / "a.zip")
        assert [item.dots.name for item in read_dataset(tmp_path).items] == ["a.csv"]
        pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
        with pytest.raises(PointsError, match=r"a\.zip: "):
            read_points(tmp_path / "a.zip")

    def test_a_set_of_something_else_is_not_one_without_points(self, tmp_path: Path) -> None:
        pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.geojson", features(("Point", [1, 2], "")))
        with pytest.raises(PointsError, match=r"a\.zip: has no selection of ImageJ in it"):
            read_points(tmp_path / "a.zip")

    def test_a_large_archive_is_not_unpacked_to_be_told(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.roi", bytes(50_000_000))
        tracemalloc.start()
        assert not holds_dots(tmp_path / "a.zip")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()

    def test_a_bomb_does_not_go_off(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for k in range(2):
                archive.writestr(f"{k}.roi", roi([[1, 2]]).tobytes() + bytes(40_000_000))
        tracemalloc.start()
        with pytest.raises(PointsError, match=r"a\.zip: .*its selections have 76 MB, and more than 64 are a trap"):
            read_points(tmp_path / "a.zip")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()

    def test_what_roifile_only_logs_is_an_error(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        data = bytearray(roi([[1, 2]]).tobytes())
        header = struct.unpack(">i", data[60:64])[0]
        data[header + 20 : header + 24] = struct.pack(">i", 2**30)  # the length of the name
        (tmp_path / "a.roi").write_bytes(data)
        with pytest.raises(PointsError, match=r"a\.roi: cannot be read .*name"):
            read_points(tmp_path / "a.roi")
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("name", ["two\nlines", "\U0001f9a0"])
    def test_names_of_classes_that_would_not_come_back_are_refused(self, tmp_path: Path, name: str) -> None:
        pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
        with pytest.raises(PointsError, match="no room for the class name"):
            write_points(tmp_path / "a.zip", Dots(PLACES, class_names=(name,)))
        assert not (tmp_path / "a.zip").exists()

    def test_areas_are_no_points(self, tmp_path: Path) -> None:
        roifile = pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
        box = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, name="box", left=1, top=2, right=5, bottom=7)
        box.tofile(tmp_path / "a.roi")
        with pytest.raises(PointsError, match=r"a\.roi: box is an area or line, not points"):
            read_points(tmp_path / "a.roi")
        assert not holds_dots(tmp_path / "a.roi")

    @pytest.mark.parametrize("name", ["a.roi", "a.zip"])
    @pytest.mark.parametrize("content", [b"", b"Iout", b"Iout\x00\xe4\x0a\x00", b"PK\x03\x04rest", b"\x89PNG"])
    def test_damaged_files_get_one_sentence(self, tmp_path: Path, name: str, content: bytes) -> None:
        pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PointsError, match="cannot be read as ImageJ regions or points") as caught:
            read_points(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_without_roifile_one_sentence_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "roifile", None)
        (tmp_path / "a.roi").write_bytes(b"Iout\x00\xe4\x0a\x00")
        assert holds_dots(tmp_path / "a.roi")
        with pytest.raises(PointsError, match=r'run pip install "countception\[roi\]"'):
            read_points(tmp_path / "a.roi")
        with pytest.raises(PointsError, match=r'run pip install "countception\[roi\]"'):
            find_writer(tmp_path / "b.zip")

    def test_it_reads_what_is_written(self, tmp_path: Path) -> None:
        roifile = pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
        write_points(tmp_path / "a.zip", Dots(PLACES, np.array([1, 0, 1]), ("alive", "dead/lost")))
        alive, dead = roifile.roiread(tmp_path / "a.zip")
        assert (alive.name, dead.name) == ("alive", "dead/lost")
        assert alive.roitype == dead.roitype == roifile.ROI_TYPE.POINT
        assert_array_equal(dead.coordinates(), PLACES[[0, 2], ::-1])


class TestCellCounter:
    def test_types_are_classes(self, tmp_path: Path) -> None:
        marker = "<Name>dead</Name><Marker><MarkerX>1</MarkerX><MarkerY>0</MarkerY><MarkerZ>1</MarkerZ></Marker>"
        (tmp_path / "a.xml").write_text(MARKERS.replace("SECOND", marker))
        dots = read_points(tmp_path / "a.xml")
        assert dots.class_names == ("Type 1", "dead")
        assert_array_equal(dots.points, [[3, 10], [7, 2], [0, 1]])
        assert_array_equal(dots.labels, [0, 0, 1])

    def test_names_of_images_are_not_escaped(self, tmp_path: Path) -> None:
        (tmp_path / "a.xml").write_text(MARKERS.replace("a.tif", "R&D &amp; more.tif").replace("SECOND", ""))
        assert len(read_points(tmp_path / "a.xml")) == 2

    def test_types_without_markers_are_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "a.xml").write_text(MARKERS.replace("SECOND", ""))
        assert read_points(tmp_path / "a.xml").class_names == ("Type 1",)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("<CellCounter_Marker_File>", "cannot be read as XML"),
            ('<?xml version="1.0" encoding="klingon"?><a/>', "cannot be read as XML"),
            ("<metadata/>", "is no file of Fiji's Cell Counter"),
            (MARKERS.replace("SECOND", "<Marker><MarkerX>1</MarkerX></Marker>"), "a marker of Type 2 has no place"),
            (MARKERS.replace("SECOND", "<Marker><MarkerZ>2</MarkerZ></Marker>"), "lie on 2 planes of a stack"),
        ],
    )
    def test_what_is_no_file_of_markers_is_refused(self, tmp_path: Path, content: str, sentence: str) -> None:
        (tmp_path / "a.xml").write_text(content)
        with pytest.raises(PointsError, match=sentence) as caught:
            read_points(tmp_path / "a.xml")
        assert str(tmp_path / "a.xml") in str(caught.value)


class TestQuPath:
    def test_positions_count_from_the_corner(self, tmp_path: Path) -> None:
        (tmp_path / "a.geojson").write_text(
            features(("Point", [10.5, 3.5], ""), ("MultiPoint", [[1, 2], [0.5, 0.5]], ""))
        )
        dots = read_points(tmp_path / "a.geojson")
        assert_array_equal(dots.points, [[3, 10], [1.5, 0.5], [0, 0]])
        assert not dots.named

    def test_classifications_are_classes(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(features(("MultiPoint", [[1, 2]], "Tumor"), ("Point", [3, 4], "Stroma")))
        dots = read_points(tmp_path / "a.json")
        assert dots.class_names == ("Stroma", "Tumor")
        assert_array_equal(dots.labels, [1, 0])

    def test_classes_that_differ_in_spaces_are_kept_apart_and_line_breaks_are_spaces(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(
            features(("Point", [1, 2], "T  cell"), ("Point", [3, 4], "T cell"), ("Point", [5, 6], "B\r\ncell"))
        )
        assert read_points(tmp_path / "a.json").class_names == ("B cell", "T  cell", "T cell")

    @pytest.mark.parametrize("key", ["class", "Class"])
    def test_an_attribute_of_a_map_is_the_class_as_a_column_is(self, tmp_path: Path, key: str) -> None:
        whole = json.loads(features(("Point", [1, 2], ""), ("Point", [3, 4], "")))
        for each, name in zip(whole["features"], ("pup", "adult"), strict=True):
            each["properties"] = {"fid": 1, key: name}
        (tmp_path / "a.geojson").write_text(json.dumps(whole))
        dots = read_points(tmp_path / "a.geojson")
        assert (dots.class_names, dots.labels.tolist()) == (("adult", "pup"), [1, 0])
        whole["features"][0]["properties"][key] = None
        (tmp_path / "a.geojson").write_text(json.dumps(whole))
        with pytest.raises(PointsError, match="1 of 2 dots have no class"):
            read_points(tmp_path / "a.geojson")

    @pytest.mark.parametrize("kind", ["cell", "detection", "annotation"])
    def test_points_beside_what_was_detected_are_not_all_objects(self, tmp_path: Path, kind: str) -> None:
        """They are on what QuPath missed; beside an annotation they are those in it."""
        whole = json.loads(features(("Point", [1, 2], ""), ("Polygon", [[[0, 0], [9, 0], [9, 9]]], "")))
        whole["features"][1]["properties"]["objectType"] = kind
        (tmp_path / "a.geojson").write_text(json.dumps(whole))
        if kind == "annotation":
            assert len(read_points(tmp_path / "a.geojson")) == 1
        else:
            with pytest.raises(PointsError, match=r"objects that QuPath detected \(1\) beside its points"):
                read_points(tmp_path / "a.geojson")

    def test_derived_classes_keep_all_their_names(self, tmp_path: Path) -> None:
        whole = json.loads(features(("Point", [1, 2], "Tumor"), ("Point", [3, 4], "Tumor")))
        whole["features"][0]["properties"]["classification"] = {"names": ["Tumor", "Positive"]}
        (tmp_path / "a.geojson").write_text(json.dumps(whole))
        assert read_points(tmp_path / "a.geojson").class_names == ("Tumor", "Tumor: Positive")

    def test_points_on_several_planes_are_refused(self, tmp_path: Path) -> None:
        whole = json.loads(features(("Point", [1, 2], ""), ("Point", [3, 4], "")))
        whole["features"][1]["geometry"]["plane"] = {"c": -1, "z": 1, "t": 0}
        (tmp_path / "a.geojson").write_text(json.dumps(whole))
        with pytest.raises(PointsError, match=r"a\.geojson: its points lie on 2 planes of a stack"):
            read_points(tmp_path / "a.geojson")

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("{", "cannot be read as JSON"),
            ('{"type": "Point", "coordinates": [1' + "0" * 400 + ", 2]}", "object 1 is no GeoJSON of points"),
            ("[" * 100_000, "cannot be read as JSON"),
            (features(("Polygon", [[[0, 0], [1, 0], [1, 1]]], "")), "a Polygon is no point"),
            (features(("Point", [1], "")), "object 1 is no GeoJSON of points"),
            (features(("MultiPoint", [["a", "b"]], "")), "object 1 is no GeoJSON of points"),
            (features(("MultiPoint", [[1, 2]], "a"), ("Point", [1, 2], "")), "1 of 2 dots have no class"),
            (features(("Point", [1, float("nan")], "")), "NaN or infinite"),
            ("[7]", "object 1 is no GeoJSON of points"),
            ('{"features": []}', "object 1 is no GeoJSON of points"),
        ],
    )
    def test_what_is_no_geojson_of_points_is_refused(self, tmp_path: Path, content: str, sentence: str) -> None:
        (tmp_path / "a.geojson").write_text(content)
        with pytest.raises(PointsError, match=sentence) as caught:
            read_points(tmp_path / "a.geojson")
        assert str(tmp_path / "a.geojson") in str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".geojson", ".json", ".zip"])
@given(
    points=arrays(
        np.float64, st.tuples(st.integers(0, 5), st.just(2)), elements=st.integers(-4, 4000).map(lambda k: k / 4)
    ),
    names=st.sampled_from([("object",), ("alive", "dead"), ("naïve, big",)]),
)
def test_dots_come_back(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, points: np.ndarray, names: tuple[str, ...]
) -> None:
    if suffix == ".zip":
        pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
    dots = Dots(points, np.arange(len(points)) % len(names), names)
    path = tmp_path_factory.mktemp("dots") / f"a{suffix}"
    write_points(path, dots, extra={"confidence": np.ones(len(points))})
    again = read_points(path, classes=names)
    order = np.argsort(dots.labels, kind="stable") if suffix in (".geojson", ".json", ".zip") else slice(None)
    assert_allclose(again.points, points[order])
    assert_array_equal(again.labels, dots.labels[order])
    assert holds_dots(path)


def test_other_files_of_such_suffixes_are_no_dots(tmp_path: Path) -> None:
    contents = {
        "a.xml": "<metadata/>",
        "b.json": '{"exposure": 3}',
        "c.zip": "PK",
        "d.roi": "",
        "e.json": '{"features": [], "lr": 1}',
        "f.json": '{"type": "Point", "size": 3}',
        "g.zip": b"PK\x05\x06" + bytes(18),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        assert not holds_dots(tmp_path / name)
    assert not holds_dots(tmp_path / "missing.xml")
    assert holds_dots(tmp_path / "missing.csv")
