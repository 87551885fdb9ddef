from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from countception.errors import OutputError, PointsError
from countception.points import Dots, find_format, read_points, write_points

YX = [[2.0, 1.5], [4.0, 3.0]]


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "dots.csv"
    path.write_text(text, encoding=encoding)
    return path


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "x,y\n1.5,2\n3,4\n",
            "y,x\n2,1.5\n4,3\n",
            "axis-0,axis-1\n2,1.5\n4,3\n",
            "index,axis-0,axis-1\n0.0,2.0,1.5\n1.0,4.0,3.0\n",
            "X;Y\n1.5;2\n3;4\n",
            "x;y\n1,5;2,0\n3;4\n",
            "x\ty\n1.5\t2\n3\t4\n",
            "x, y\r\n1.5, 2\r\n3, 4\r\n",
            '"x","y"\n"1.5","2"\n"3","4"\n',
            "\n\nx,y\n1.5,2\n\n3,4\n,\n",
            "name,x,radius,y\n7,1.5,,2\nb,3,10,4",
            "confidence,x,y\n0.9,1.5,2\nby hand,3,4",
            "x,y\n1.5e0,+2\n3.,4",
            "sep=;\r\nx;y\r\n1,5;2\r\n3;4\r\n",
            "sep=,\nx,y\n1.5,2\n3,4\n",
            "\nSEP=\t\nx\ty\n1.5\t2\n3\t4\n",
            "Area,X,Y,BX,BY,Width,Height\n9,1.5,2,0,0,3,3\n9,3,4,1,1,3,3\n",
            " ,X,Y,Width,Height\n1,1.5,2,3,3\n2,3,4,3,3\n",
            "x,y,image_width,image_height,width\n1.5,2,9,9,1\n3,4,9,9,1\n",
        ],
    )
    def test_headers_and_delimiters(self, tmp_path: Path, text: str) -> None:
        dots = read_points(table(tmp_path, text))
        assert dots.points.tolist() == YX
        assert dots.class_names == ("object",)

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        assert read_points(table(tmp_path, "x,y\n1.5,2\n3,4\n", "utf-8-sig")).points.tolist() == YX

    def test_tsv(self, tmp_path: Path) -> None:
        (tmp_path / "a.tsv").write_text("y\tx\n2\t1.5\n4\t3\n")
        assert read_points(tmp_path / "a.tsv").points.tolist() == YX

    @pytest.mark.parametrize(
        "text", ["label,x,y\n1,1.5,2\n2,3,4\n", " ,Label,Area,X,Y\n1,a.tif,0,1.5,2\n2,b.tif,0,3,4\n"]
    )
    def test_labels_and_types_are_no_classes(self, tmp_path: Path, text: str) -> None:
        dots = read_points(table(tmp_path, text))
        assert (dots.points.tolist(), dots.class_names) == (YX, ("object",))

    @pytest.mark.parametrize("column", ["class", "Class"])
    def test_classes_by_name(self, tmp_path: Path, column: str) -> None:
        dots = read_points(table(tmp_path, f"x,y,{column}\n1,2,type 10\n3,4,type 9\n5,6,type 10\n"))
        assert dots.class_names == ("type 9", "type 10")
        assert dots.labels.tolist() == [1, 0, 1]

    def test_classes_in_the_order_asked_for(self, tmp_path: Path) -> None:
        path = table(tmp_path, "x,y,class\n1,2,live\n3,4,dead\n")
        dots = read_points(path, classes=["live", "dying", "dead"])
        assert dots.labels.tolist() == [0, 2]
        with pytest.raises(PointsError, match=r"dots\.csv: has dots of class dead, but the classes are live"):
            read_points(path, classes=["live"])

    @pytest.mark.parametrize("header", ["x,y\n", "x,y", "x,y,class\n", "index,axis-0,axis-1\n"])
    def test_header_alone_is_an_image_without_objects(self, tmp_path: Path, header: str) -> None:
        dots = read_points(table(tmp_path, header))
        assert len(dots) == 0
        assert dots.class_names == ("object",)

    def test_spaces_part_columns_where_nothing_else_does(self, tmp_path: Path) -> None:
        assert read_points(table(tmp_path, " y  x class \n 2 1.5 a\n4   3  b \n")).points.tolist() == YX
        assert read_points(table(tmp_path, "x, y\n1.5, 2\n3, 4\n")).points.tolist() == YX

    def test_order_stands_in_for_a_header(self, tmp_path: Path) -> None:
        path = table(tmp_path, "1.5,2\n3,4\n")
        assert read_points(path, order="xy").points.tolist() == YX
        assert read_points(path, order="yx").points.tolist() == [[1.5, 2], [3, 4]]

    def test_header_goes_before_order(self, tmp_path: Path) -> None:
        assert read_points(table(tmp_path, "x,y\n1.5,2\n3,4\n"), order="yx").points.tolist() == YX

    def test_empty_file_is_no_dots_if_the_order_is_known(self, tmp_path: Path) -> None:
        assert len(read_points(table(tmp_path, ""), order="xy")) == 0

    def test_huge_coordinates_are_left_to_the_caller(self, tmp_path: Path) -> None:
        assert read_points(table(tmp_path, "x,y\n1e300,-7\n")).points.tolist() == [[-7, 1e300]]


class TestBadTables:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "the file is empty; an image without objects has the header x,y alone"),
            ("1,2\n3,4\n", "has no header; put x,y or y,x in its first line, or say the order"),
            ("1,2,\n3,4,\n", "has no header"),
            ("a,b\n1,2\n", "its columns are a, b, where x and y once each"),
            ("x\n1\n", "its columns are x, where"),
            ("x,y,x\n1,2,3\n", "once each"),
            ("x,y,axis-0,axis-1\n1,2,3,4\n", "once each"),
            (
                "image,X,Y,Width,Height\na.jpg,1,2,3,4\n",
                "seem to be boxes, whose x and y are a corner; give the centres",
            ),
            (",x,y,width,height\n0,1,2,3,4\n", "its columns x, y, width and height seem to be boxes"),
            (
                "index,shape-type,vertex-index,axis-0,axis-1\n0,ellipse,0,1,2\n0,ellipse,1,1,8\n",
                "is of a shapes layer of napari, whose rows are corners of shapes and no dots",
            ),
            ("x,y,w,h\n1,2,3,4\n", "its columns x, y, w and h seem to be boxes, whose x and y are a corner"),
            ("label,x2,y2,x,y\na,3,4,1,2\n", "its columns x, y, x2 and y2 seem to be boxes, .* leave out x2 and y2"),
            ("0 0.5 0.25 0.04 0.04\n", "seems to be YOLO's, with boxes in shares of the image's sides; write a table"),
            ("0 0.5 0.25 1.04 0.04\n", "has no header; put x,y"),
            ("0,1,,,\n", "has no header; put x,y"),
            ("cell,1,2,a.jpg,640,480\n", r"has no header, as its first line is cell, 1, 2, a\.jpg, 640, 480; put one"),
            ("sep=;\nx;y\n1;cell\n", "line 3: 'cell' is no number"),
            ("sep=;\n", "the file is empty"),
            ("axis-0,axis-1,axis-2\n1,2,3\n0,2,3\n", r"lie on 2 planes \(column axis-0\)"),
            ("# x y score\n10 20 0.9\n", "line 2: has 3 values for 4 columns, which spaces part; leave none in"),
            ("Cell ID x y\n1 10 20\n", "line 2: has 3 values for 4 columns"),
            ("x y\n1 2 3\n", "line 2: has 3 values for 2 columns"),
            ("x,y\n1,2\n3,cell\n", "line 3: 'cell' is no number"),
            ("x,y\n1,2\n\n3,\n", "line 4: '' is no number"),
            (
                "Nr;X;Y\n1;1;2\n2;3;4\n3;5,5;6\n4;7;8\n5;9;9\nMittelwert;5,1;5,8\nSD;3;3\n",
                "line 7: seems to be no dot but a sum or mean of those above, as it begins with Mittelwert",
            ),
            (
                " ,Area,X,Y\n1,0,5,6\n2,0,7,8\nMean,0,6,7\nSD,0,1.4,1.4\nMin,0,5,6\nMax,0,7,8\n",
                "line 4: seems to be no dot but a sum or mean of those above, as it begins with Mean",
            ),
            ("x,y\n1,nan\n", "line 2: 'nan' is no place in an image"),
            ("x,y\n1,-inf\n", "line 2: '-inf' is no place"),
            ("x,y\n1,1_000\n", "line 2: '1_000' is no number"),
            ("x,y\n1\n", "line 2: has only 1 values"),
            ("x,y\n1,5,2,5\n", "line 2: has 4 values for 2 columns; are there decimal commas"),
            ("x;y\n1.234,5;2\n", "line 2: '1.234,5' is no number"),
            ("x,y,class\n1,2,\n", "line 2: the class is missing"),
            ('x,y,note\n1,2,"hi\n3,4,\n5,6,ok\n', "line 2: is no row of a table .*mend the quotes"),
            ('x,y,note\n1,2,\n3,4,"hi\n5,6,"ok"\n', "line 3: is no row of a table .*mend the quotes"),
        ],
    )
    def test_one_sentence_with_the_line(self, tmp_path: Path, text: str, sentence: str) -> None:
        with pytest.raises(PointsError, match=sentence) as caught:
            read_points(table(tmp_path, text))
        assert str(caught.value).startswith(str(tmp_path / "dots.csv"))

    def test_order_of_three_columns_is_not_guessed(self, tmp_path: Path) -> None:
        with pytest.raises(PointsError, match="more than two columns; put a header"):
            read_points(table(tmp_path, "1,2,3\n"), order="xy")

    def test_unknown_order(self, tmp_path: Path) -> None:
        with pytest.raises(PointsError, match="'xy' or 'yx'"):
            read_points(table(tmp_path, "1,2\n"), order="zx")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "content",
        [
            b"x\0,\0y\0",
            b"\xff\xfe\0\0x\0\0\0,\0\0\0",
            b"x,y,x,Gr\xf6\xdfe\n1,2,3,4\n",
            b"\xff\xfex\0,\0y\0\n",
            b"x,y\n\xe9,1\n",
            b"x,y,class\n1,2,ok\n1,2,Zyt\xe4\n",
            b"gr\xf6\xdfe,Fl\xe4che\n1,2\n",
            b"\x89PNG\r\n\x1a\n\0\0\0",
        ],
    )
    def test_files_that_are_no_text(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(PointsError, match=r"a\.csv(, line \d)?: is neither UTF-8 nor"):
            read_points(tmp_path / "a.csv")

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
    def test_workbooks_that_are_called_tables(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"PK\x03\x04\x14\0\x06\0")
        with pytest.raises(PointsError, match=r"a\.[ct]sv: is a workbook of Excel by another name; .* save it as CSV"):
            read_points(tmp_path / name)

    @pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "utf-8", "utf-8-sig", "utf-16"])
    def test_encodings_of_spreadsheets(self, tmp_path: Path, encoding: str) -> None:
        """Headings of columns that nobody reads may be in any encoding."""
        (tmp_path / "a.csv").write_bytes("X;Y;Fläche;Größe in µm\r\n1,5;2;3;4\r\n".encode(encoding))
        assert read_points(tmp_path / "a.csv").points.tolist() == [[2.0, 1.5]]

    def test_line_ends_of_old_macs(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_bytes(b"x,y\r1,2\r3,4\r")
        assert read_points(tmp_path / "a.csv").points.tolist() == [[2.0, 1.0], [4.0, 3.0]]

    def test_class_names_in_utf_16(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_bytes("x\ty\tclass\n1\t2\tZytär\n".encode("utf-16"))
        assert read_points(tmp_path / "a.csv").class_names == ("Zytär",)

    @given(st.text(max_size=60))
    def test_any_text_gives_dots_or_one_sentence(self, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
        path = table(tmp_path_factory.mktemp("text"), "")
        path.write_bytes(("x,y\n" + text).encode("utf-8", "replace"))
        sentence = str(path)
        try:
            dots = read_points(path)
        except PointsError as error:
            sentence = str(error)
        else:
            assert np.isfinite(dots.points).all()
        assert str(path) in sentence
        assert "\n" not in sentence


class TestWriting:
    @given(
        hnp.arrays(np.float64, st.tuples(st.integers(0, 8), st.just(2)), elements=st.floats(-1e9, 1e9)),
        st.sampled_from([".csv", ".tsv"]),
    )
    def test_round_trip_is_exact(
        self, tmp_path_factory: pytest.TempPathFactory, points: np.ndarray, suffix: str
    ) -> None:
        path = tmp_path_factory.mktemp("round") / f"dots{suffix}"
        write_points(path, Dots(points))
        np.testing.assert_array_equal(read_points(path).points, points)

    def test_round_trip_with_classes(self, tmp_path: Path) -> None:
        dots = Dots(np.array(YX), np.array([1, 0]), ('a "quoted", name', "b"))
        write_points(tmp_path / "a.csv", dots)
        back = read_points(tmp_path / "a.csv")
        assert back.class_names == dots.class_names
        assert back.labels.tolist() == [1, 0]

    def test_further_columns_as_pandas_reads_them(self, tmp_path: Path) -> None:
        write_points(tmp_path / "a.csv", Dots(np.array(YX)), extra={"confidence": np.array([0.1, 1 / 3])})
        frame = pd.read_csv(tmp_path / "a.csv")
        assert list(frame.columns) == ["x", "y", "confidence"]
        assert frame.confidence.tolist() == pytest.approx([0.1, 1 / 3])
        assert read_points(tmp_path / "a.csv").points.tolist() == YX

    def test_column_of_another_length(self, tmp_path: Path) -> None:
        with pytest.raises(PointsError, match="'confidence' does not have one value for each of the 2 dots"):
            write_points(tmp_path / "a.csv", Dots(np.array(YX)), extra={"confidence": [1.0]})
        assert not (tmp_path / "a.csv").exists()

    def test_formats_that_are_only_read(self, tmp_path: Path) -> None:
        with pytest.raises(PointsError, match=r"dots cannot be written as \.png; use \.csv or \.tsv"):
            write_points(tmp_path / "a.png", Dots(np.array(YX)))

    def test_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match=r"cannot write .*a\.csv"):
            write_points(tmp_path / "file" / "a.csv", Dots(np.array(YX)))


def test_format_is_found_by_suffix() -> None:
    assert find_format(Path("a.CSV")).name == "table"
    assert find_format(Path("a.JPEG")).name == "mask image"
    with pytest.raises(PointsError, match=r"a\.docx: is in no format of dots that can be read; the suffixes known are"):
        find_format(Path("a.docx"))


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match=r"\.csv: cannot be read: File name too long"):
        read_points(tmp_path / f"{'a' * 300}.csv")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match=r"a\.csv: there is no such file of dots"):
        read_points(tmp_path / "a.csv")


class TestSeveralImages:
    """Rows of one image in a table that holds those of others, too."""

    @pytest.mark.parametrize("heading", ["image", "Image_Name", "img", "FILENAME", "file_name", "file"])
    @pytest.mark.parametrize("name", ["a b.jpg", "a b", "day 1/a b.jpg", "C:\\photos\\a b.jpg"])
    def test_rows_of_the_image_that_is_asked_for(self, tmp_path: Path, heading: str, name: str) -> None:
        path = table(tmp_path, f"x,{heading},y\n1.5,{name},2\n9,ab.jpg,9\n3,{name},4\n8,a b.jpg.png,8\n")
        assert read_points(path, image=tmp_path / "a b.jpg").points.tolist() == YX
        assert len(read_points(path)) == 4

    @pytest.mark.parametrize(
        ("label", "image"),
        [
            ("a.jpg", "a.jpg"),
            ("a.jpg:0001-0023", "a.jpg"),
            ("a.tif:2", "a.tif"),
            ("a", "a.ome.tif"),
            ("Za\u0308", "Zä.png"),
        ],
    )
    def test_results_of_imagej_that_were_never_cleared(self, tmp_path: Path, label: str, image: str) -> None:
        path = table(tmp_path, f" ,Label,X,Y\n1,b.jpg,9,9\n2,{label},1.5,2\n3,{label},3,4\n4,c.jpg:7,8,8\n")
        assert read_points(path, image=image).points.tolist() == YX

    @pytest.mark.parametrize(
        "text",
        [
            "x,y,image\n1.5,2,old.jpg\n3,4,old.jpg\n",
            "x,y,image\n1.5,2,\n3,4,\n",
            "x,y,image\n1.5,2,old.jpg\n3,4\n",
            ",label,x,y\n1,live,1.5,2\n2,dead,3,4\n",
            "Label,x,y\nlive,1.5,2\ndead,3,4\n",
            "x,y,image,file\n1.5,2,a.jpg,1.roi\n3,4,a.jpg,2.roi\n",
        ],
    )
    def test_all_rows_where_no_two_images_are_named(self, tmp_path: Path, text: str) -> None:
        assert read_points(table(tmp_path, text), image="a.jpg").points.tolist() == YX

    def test_the_first_column_that_names_the_image(self, tmp_path: Path) -> None:
        path = table(tmp_path, "image,file,x,y\n0,a.jpg,1.5,2\n0,a.jpg,3,4\n1,b.jpg,9,9\n")
        assert read_points(path, image="a.jpg").points.tolist() == YX

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (
                "x,y,file\n1,2,b.jpg\n3,4,c\n",
                r"rows are of 2 images by the column file \(b\.jpg, c\), but none is of a\.jpg",
            ),
            ("x,y,file\n1,2,A.jpg\n3,4,a.png\n", r"none is of a\.jpg"),
            ("x,y,img\n1,2,1\n1,2,2\n1,2,3\n1,2,4\n", r"4 images by the column img \(1, 2, 3 and 1 more\), but none"),
            ("x,y,image\n1,2,a.jpg\n3,4,\n", "line 3: does not say in the column image of which image it is"),
            ("x,y,image\n1,2,p/a.jpg\n3,4,q/a.jpg\n", r"has rows of a\.jpg in 2 folders by the column image"),
        ],
    )
    def test_what_can_be_read_in_two_ways_is_refused(self, tmp_path: Path, text: str, sentence: str) -> None:
        with pytest.raises(PointsError, match=sentence) as caught:
            read_points(table(tmp_path, text), image="a.jpg")
        assert str(caught.value).startswith(str(tmp_path / "dots.csv"))

    def test_a_table_that_has_changed_is_read_anew(self, tmp_path: Path) -> None:
        for name, other in (("a", "b"), ("b", "a")):
            path = table(tmp_path, f"image,x,y\n{name},1.5,2\n{name},3,4\n{other},9,9\n")
            assert [read_points(path, image=f"{each}.jpg").points.tolist() for each in (name, other)] == [YX, [[9, 9]]]

    def test_naparis_dots_on_a_stack_are_those_of_its_last_axes(self, tmp_path: Path) -> None:
        """Its tables have all axes of the image, whichever plane or projection the dots were placed on."""
        path = tmp_path / "a.csv"
        path.write_text("index,axis-0,axis-1,axis-2,axis-3\n0,1.0,4.0,10.5,20.0\n1,1.0,4.0,11.0,21.0\n")
        assert read_points(path, image_shape=(30, 30)).points.tolist() == [[10.5, 20], [11, 21]]

    def test_planes_and_units_of_other_images_do_not_matter(self, tmp_path: Path) -> None:
        path = table(tmp_path, "x,y,slice,image\n1,2,1,a.jpg\n3,4,2,b.jpg\n")
        assert len(read_points(path, image="a.jpg")) == 1


class TestImageJ:
    """Tables of results, which ImageJ measures in the unit of the image."""

    @staticmethod
    def measured(folder: Path, factor: float, number: int = 20, head: str = " ") -> Path:
        places = np.random.default_rng(0).uniform(0, 99, (number, 2)) * factor
        rows = [f"{k},255,{x:.3f},{y:.3f}" for k, (y, x) in enumerate(places, 1)]
        return table(folder, "\n".join([f"{head},Mean,X,Y", *rows]))

    def test_micrometres_are_refused(self, tmp_path: Path) -> None:
        path = self.measured(tmp_path, 0.65)
        with pytest.raises(PointsError, match=r"in µm and not in pixels, which are 0\.65 µm wide"):
            read_points(path, image_shape=(100, 100), pixel_size=lambda: 0.65)

    def test_pixels_are_not(self, tmp_path: Path) -> None:
        path = self.measured(tmp_path, 1)
        assert len(read_points(path, image_shape=(100, 100), pixel_size=lambda: 0.65)) == 20

    def test_nor_are_few_dots_other_tables_and_images_that_do_not_say(self, tmp_path: Path) -> None:
        shape = (100, 100)
        assert len(read_points(self.measured(tmp_path, 0.65, 3), image_shape=shape, pixel_size=lambda: 0.65)) == 3
        path = self.measured(tmp_path, 0.65)
        for size in (None, 1.0, 2.0):
            assert len(read_points(path, image_shape=shape, pixel_size=lambda size=size: size)) == 20
        assert len(read_points(path, image_shape=shape)) == 20
        named = self.measured(tmp_path, 0.65, head="index")
        assert len(read_points(named, image_shape=shape, pixel_size=lambda: 0.65)) == 20

    def test_counters_of_the_multi_point_tool_are_classes_as_in_its_selections(self, tmp_path: Path) -> None:
        rows = "{0},Mean,X,Y,Slice,Counter,Count\n1,9,1.5,2,1,0,2\n2,9,3,4,1,{1},2\n"
        dots = read_points(table(tmp_path, rows.format(" ", 1)))
        assert (dots.class_names, dots.labels.tolist(), dots.named) == (("0", "1"), [0, 1], True)
        assert not read_points(table(tmp_path, rows.format(" ", 0))).named, "nobody thought of counters"
        assert read_points(table(tmp_path, rows.format("Nr", 1))).class_names == ("object",)
        assert read_points(table(tmp_path, " ,X,Y,Counter,Count,class\n1,2,3,0,1,live\n")).class_names == ("live",)

    @pytest.mark.parametrize("column", ["Slice", "z", "Frame"])
    def test_dots_of_several_planes_are_refused(self, tmp_path: Path, column: str) -> None:
        with pytest.raises(PointsError, match=rf"lie on 2 planes \(column {column.lower()}\)"):
            read_points(table(tmp_path, f"x,y,{column}\n1,2,1\n3,4,2\n"))
        assert len(read_points(table(tmp_path, f"x,y,{column}\n1,2,7\n3,4,7\n"))) == 2


@pytest.mark.parametrize("column", ["frame", "slice", "z", "t", "Page"])
def test_dots_of_several_pages_are_not_those_of_one(tmp_path: Path, column: str) -> None:
    (tmp_path / "a.csv").write_text(f"x,y,{column}\n1,2,0\n3,4,1\n")
    with pytest.raises(PointsError, match=rf"its dots lie on 2 planes \(column {column.lower()}\)"):
        read_points(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text(f"x,y,{column}\n1,2,1\n3,4,1.0\n")
    assert len(read_points(tmp_path / "a.csv")) == 2
