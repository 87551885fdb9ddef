from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from roifile import ROI_TYPE, ImagejRoi
from tifffile import imwrite

from countception.data.dataset import Dataset, load_dataset, read_dataset, why_unmatched
from countception.errors import DatasetError
from countception.points import read_points
from countception.results.curve import curve_paths

CONTENTS = {
    ".csv": b"x,y\n",
    ".roi": b"Iout\x00\xe4\x0a\x00",
    ".zip": b"PK\x05\x06" + bytes(16) + b"\x09\x00no points",  # as sets without points are written
    ".xml": b"<CellCounter_Marker_File></CellCounter_Marker_File>",
    ".geojson": b'{"type": "Point", "coordinates": [1, 2]}',
}
"""What tells files of dots from others of their suffix."""


def make(root: Path, *names: str) -> Path:
    """Empty files: pairing reads no pixels."""
    root.mkdir(exist_ok=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def pairs(dataset: Dataset) -> list[tuple[str, str]]:
    return [(item.image.name, item.dots.name) for item in dataset.items]


class TestOneFolder:
    @pytest.mark.parametrize(
        ("image", "dots"),
        [
            ("001cell.png", "001dots.png"),
            ("BM_01_000.png", "BM_01_dots_000.png"),
            ("a.png", "a.csv"),
            ("a.tif", "a.tsv"),
            ("a.PNG", "a.CSV"),
            ("a.png", "a_dots.png"),
            ("a.jpg", "a_dots.png"),
            ("a.png", "a_points.csv"),
            ("a.png", "a-annotations.csv"),
            ("a.png", "a.labels.png"),
            ("img_7.png", "dots_7.png"),
            ("cell_7.png", "cell_7_dots.png"),
            ("7_image.png", "7_dots.png"),
            ("a.ome.tif", "a.csv"),
            ("a.ome.tiff", "a.ome.csv"),
            ("a_cells.ome.tif", "a_dots.png"),
            ("a.ome.tif", "a_points.csv"),
            ("quantum_dots_1.png", "quantum_dots_1.csv"),
            ("quantum_dots_1.png", "quantum_dots_1_dots.png"),
            ("quantum_dots_1.png", "quantum_dots_1_points.csv"),
            ("Za\u0308hlung.png", "Zählung.csv"),
            ("Zählung.png", "Za\u0308hlung_dots.png"),
        ],
    )
    def test_names_that_pair(self, tmp_path: Path, image: str, dots: str) -> None:
        dataset = read_dataset(make(tmp_path, image, dots))
        assert pairs(dataset) == [(image, dots)]
        assert dataset.items[0].name == Path(image).stem
        assert dataset.unmatched_images == dataset.unmatched_dots == ()

    def test_a_table_for_all_names_images_whatever_they_are_called(self, tmp_path: Path) -> None:
        make(tmp_path, "Dots_1.png", "Dots_2.png", "a.png", "a_mask.png")
        (tmp_path / "all.csv").write_text("image,x,y\nDots_1.png,1,2\nDots_2.png,3,4\n")
        dataset = read_dataset(tmp_path)
        assert pairs(dataset) == [("Dots_1.png", "all.csv"), ("Dots_2.png", "all.csv"), ("a.png", "a_mask.png")]
        assert dataset.unmatched_images == dataset.unmatched_dots == ()

    def test_a_table_that_names_masks_makes_no_images_of_them(self, tmp_path: Path) -> None:
        make(tmp_path, "a.png", "a_mask.png", "b.png", "b_mask.png")
        (tmp_path / "Results.csv").write_text(" ,Label,X,Y\n1,a_mask.png,1,2\n2,b_mask.png,3,4\n")
        assert pairs(read_dataset(tmp_path)) == [("a.png", "a_mask.png"), ("b.png", "b_mask.png")]

    def test_the_training_curve_beside_a_model_is_no_pair(self, tmp_path: Path) -> None:
        names = [path.name for path in curve_paths(tmp_path / "m.count")]
        dataset = read_dataset(make(tmp_path, "a.png", "a.csv", "m.count", "m.count.checkpoint", *names))
        assert pairs(dataset) == [("a.png", "a.csv")]
        assert dataset.unmatched_images == dataset.unmatched_dots == ()

    @pytest.mark.parametrize(
        ("image", "dots"),
        [
            ("a.tif", "a.roi"),
            ("a.tif", "RoiSet_a.zip"),
            ("roi_1.tif", "roi_1.csv"),
            ("roi_1.tif", "roi_1.roi"),
            ("a.tif", "CellCounter_a.xml"),
            ("a.tif", "a_markers.xml"),
            ("a.tif", "a.geojson"),
            ("marker_3.tif", "CellCounter_marker_3.xml"),
            ("ROI_4.tif", "RoiSet_ROI_4.zip"),
            ("a.tif", "a.tif.geojson"),
            ("a.tif", "CellCounter_a.tif.xml"),
        ],
    )
    def test_dots_of_other_programs(self, tmp_path: Path, image: str, dots: str) -> None:
        make(tmp_path, image, dots)
        (tmp_path / dots).write_bytes(CONTENTS[Path(dots).suffix])
        assert pairs(read_dataset(tmp_path)) == [(image, dots)]

    def test_images_that_are_not_read_are_named(self, tmp_path: Path) -> None:
        make(tmp_path, "a.tif", "a.csv", "b.czi", "b.csv", ".c.nd2")
        dataset = read_dataset(tmp_path)
        assert [path.name for path in dataset.unread] == ["b.czi"]
        with pytest.raises(
            DatasetError, match=r"1 dots file \(b\.csv\) without.*; 1 image \(b\.czi\) is of a kind that is"
        ):
            load_dataset(dataset)
        make(tmp_path / "none", "Images/a.czi", "Images/b.gif", "points/a.csv")
        with pytest.raises(
            DatasetError, match=r"2 images \(a\.czi, b\.gif\) are of a kind that is not read: export as"
        ):
            read_dataset(tmp_path / "none")

    def test_texts_are_dots_if_they_look_like_that(self, tmp_path: Path) -> None:
        make(tmp_path, "a.tif", "b.tif", "c.tif", "readme.txt")
        (tmp_path / "a.txt").write_text("12.5\t7\n3\t4\n")
        (tmp_path / "b.txt").write_text("y x class\n1  2.5 cell\n")
        (tmp_path / "c.txt").write_text("Cells at x and y marked on Monday\n")
        (tmp_path / "scale.txt").write_text("0.65 0.65\n")
        (tmp_path / "Results.txt").write_text(" \tX\tY\n1\t3\t4\n")
        make(tmp_path, "d.tif")
        (tmp_path / "d.csv").write_text("x,y\n")
        (tmp_path / "d.txt").write_text("x y\n1 2\n")
        dataset = read_dataset(tmp_path, order="xy")
        assert pairs(dataset) == [("a.tif", "a.txt"), ("b.tif", "b.txt"), ("d.tif", "d.csv")]
        assert dataset.unmatched_dots == (), "notes are called so, too"
        assert [path.name for path in dataset.unmatched_images] == ["c.tif"]
        assert [path.name for path in dataset.passed_over] == ["c.txt"]
        found = [read_points(item.dots, order="xy") for item in dataset.items]
        assert [dots.points.tolist() for dots in found] == [[[7, 12.5], [4, 3]], [[1, 2.5]], []]
        assert found[1].class_names == ("cell",)

    def test_a_file_that_is_no_dots_is_named_where_an_image_has_no_others(self, tmp_path: Path) -> None:
        make(tmp_path, "a.tif", "a.csv", "b.tif", "b.geojson", "b.json", "c.xml")
        dataset = read_dataset(tmp_path)
        assert [path.name for path in dataset.passed_over] == ["b.geojson"]
        with pytest.raises(
            DatasetError, match=r"1 image \(b\.tif\) without a partner.*b\.geojson: cannot be read as JSON"
        ):
            load_dataset(dataset)

    def test_nothing_but_files_that_are_no_dots(self, tmp_path: Path) -> None:
        make(tmp_path, "a.tif", "a.xml")
        with pytest.raises(DatasetError, match=r"no dots for any of them.*a\.xml: cannot be read as XML"):
            read_dataset(tmp_path)

    def test_files_of_other_programs_that_hold_no_dots_are_left_alone(self, tmp_path: Path) -> None:
        dataset = read_dataset(make(tmp_path, "a.tif", "a.csv", "a.xml", "a.json", "a.roi", "a.zip", "meta.xml"))
        assert pairs(dataset) == [("a.tif", "a.csv")]
        assert dataset.unmatched_dots == ()

    @pytest.mark.parametrize(("image", "dots"), [("a.png", "A.csv"), ("a.png", "ab.csv"), ("1.png", "01.csv")])
    def test_names_that_do_not_pair(self, tmp_path: Path, image: str, dots: str) -> None:
        with pytest.raises(DatasetError, match=rf"1 image \({image}\) and 1 dots file \({dots}\), but no pairs"):
            read_dataset(make(tmp_path, image, dots))

    def test_natural_order(self, tmp_path: Path) -> None:
        names = ["10cell.png", "10dots.png", "9cell.png", "9dots.png"]
        assert [item.name for item in read_dataset(make(tmp_path, *names)).items] == ["9cell", "10cell"]

    def test_unmatched_files_are_listed(self, tmp_path: Path) -> None:
        names = ["a.png", "a.csv", "b.png", "c.csv", "d_dots.png", "notes.txt", ".hidden.png", ".hidden.csv"]
        dataset = read_dataset(make(tmp_path, *names))
        assert pairs(dataset) == [("a.png", "a.csv")]
        assert [path.name for path in dataset.unmatched_images] == ["b.png"]
        assert sorted(path.name for path in dataset.unmatched_dots) == ["c.csv", "d_dots.png"]

    def test_suffixes_that_are_named(self, tmp_path: Path) -> None:
        root = make(tmp_path, "1-raw.png", "1-gt.png", "2-raw.png", "2-gt.png")
        expected = [("1-raw.png", "1-gt.png"), ("2-raw.png", "2-gt.png")]
        assert pairs(read_dataset(root, image_suffix="-raw.png", dots_suffix="-gt.png")) == expected

    def test_one_suffix_is_enough(self, tmp_path: Path) -> None:
        root = make(tmp_path, "1.png", "1-gt.png", "2.png", "2-gt.png", "3.png")
        dataset = read_dataset(root, dots_suffix="-gt.png")
        assert pairs(dataset) == [("1.png", "1-gt.png"), ("2.png", "2-gt.png")]
        assert [path.name for path in dataset.unmatched_images] == ["3.png"]
        assert pairs(read_dataset(root, image_suffix=".png", dots_suffix="-gt.png")) == pairs(dataset)
        root = make(tmp_path / "tables", "1 raw.png", "1.csv")
        assert pairs(read_dataset(root, image_suffix=" raw.png")) == [("1 raw.png", "1.csv")]

    def test_two_dots_for_one_image(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"a\.png: has more than one dots file, a\.csv and a_dots\.csv"):
            read_dataset(make(tmp_path, "a.png", "a.csv", "a_dots.csv"))
        with pytest.raises(DatasetError, match=r"a\.png: has more than one dots file, a_dots\.csv and a_dots\.png"):
            read_dataset(make(tmp_path / "mask", "a.png", "a_dots.png", "a_dots.csv"))

    def test_two_images_for_one_file_of_dots(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"a\.csv: could belong to a\.png or to a\.tif; rename"):
            read_dataset(make(tmp_path, "a.png", "a.tif", "a.csv"))
        with pytest.raises(DatasetError, match=r"1dots\.png: could belong to"):
            read_dataset(make(tmp_path / "word", "1.png", "1cell.png", "1dots.png"))


class TestTwoFolders:
    @pytest.mark.parametrize("beside", ["points", "annotations", "dots", "labels", "Points"])
    def test_folders_that_pair(self, tmp_path: Path, beside: str) -> None:
        root = make(tmp_path, "images/a.png", f"{beside}/a.png", "images/b.jpg", f"{beside}/b.csv")
        assert pairs(read_dataset(root)) == [("a.png", "a.png"), ("b.jpg", "b.csv")]

    def test_words_in_the_names(self, tmp_path: Path) -> None:
        root = make(tmp_path, "images/1_cell.png", "dots/1_dots.png")
        assert pairs(read_dataset(root)) == [("1_cell.png", "1_dots.png")]

    def test_suffixes_that_are_named(self, tmp_path: Path) -> None:
        root = make(tmp_path, "images/1.raw.png", "points/1.png", "images/2.png")
        dataset = read_dataset(root, image_suffix=".raw.png")
        assert pairs(dataset) == [("1.raw.png", "1.png")]
        assert pairs(read_dataset(root, image_suffix=".raw.png", dots_suffix=".png")) == pairs(dataset)

    def test_unmatched_files_are_listed(self, tmp_path: Path) -> None:
        dataset = read_dataset(make(tmp_path, "images/a.png", "points/a.csv", "images/b.png", "points/c.csv"))
        assert [path.name for path in dataset.unmatched_images] == ["b.png"]
        assert [path.name for path in dataset.unmatched_dots] == ["c.csv"]

    def test_a_damaged_file_of_dots_is_one(self, tmp_path: Path) -> None:
        dataset = read_dataset(make(tmp_path, "images/a.png", "points/a.zip", "images/b.png", "points/b.csv"))
        assert pairs(dataset) == [("a.png", "a.zip"), ("b.png", "b.csv")]
        assert dataset.unmatched_images == dataset.passed_over == ()

    def test_two_folders_of_dots(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="dots could be in points/ or in labels/; keep one"):
            read_dataset(make(tmp_path, "images/a.png", "points/a.csv", "labels/a.csv"))

    def test_two_images_of_one_stem(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"a\.csv: could belong to a\.png or to a\.tif"):
            read_dataset(make(tmp_path, "images/a.png", "images/a.tif", "points/a.csv"))


class TestOneTableForAll:
    TEXT = "survey id,image,class,x,y\nme,b.jpg,live,1,2\nme,a.jpg,dead,3,4\nme,b.jpg,live,5,6\nme,d.jpg,odd,7,8\n"

    @pytest.mark.parametrize(("images", "dots"), [("", "all.csv"), ("", "all.txt"), ("images/", "points/all.csv")])
    def test_every_image_that_it_names_is_paired_with_it(self, tmp_path: Path, images: str, dots: str) -> None:
        root = make(tmp_path, f"{images}a.jpg", f"{images}b.jpg", f"{images}c.jpg", dots)
        (root / dots).write_text(self.TEXT.replace(",", "\t") if dots.endswith("txt") else self.TEXT)
        dataset = read_dataset(root)
        assert pairs(dataset) == [("a.jpg", Path(dots).name), ("b.jpg", Path(dots).name)]
        assert dataset.classes == ("dead", "live"), "those of other images do not matter"
        assert [path.name for path in dataset.unmatched_images] == ["c.jpg"]
        assert dataset.unmatched_dots == ()

    def test_an_image_that_it_does_not_name_needs_a_table_of_its_own(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.jpg", "b.jpg", "c.jpg", "all.csv")
        (root / "all.csv").write_text(self.TEXT)
        with pytest.raises(
            DatasetError,
            match=r"1 image \(c\.jpg\) without a partner \(no row of all\.csv names it\).*table of dots of their own",
        ):
            load_dataset(root)
        (root / "c.csv").write_text("x,y\n")
        dataset = read_dataset(root)
        assert pairs(dataset) == [("a.jpg", "all.csv"), ("b.jpg", "all.csv"), ("c.jpg", "c.csv")]
        assert dataset.unmatched_images == dataset.unmatched_dots == ()

    def test_files_that_are_no_dots_do_not_matter_to_images_that_it_names(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.jpg", "b.jpg", "a.json", "all.csv")
        (root / "all.csv").write_text(self.TEXT)
        assert read_dataset(root).passed_over == ()

    def test_tables_that_name_no_image_or_hold_no_dots_are_not_it(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.jpg", "b.jpg", "all.csv")
        (root / "all.csv").write_text(self.TEXT)
        (root / "counts.csv").write_text("image,count\na.jpg,1\nb.jpg,2\n")
        (root / "others.csv").write_text("image,x,y\ne.jpg,1,2\n")
        dataset = read_dataset(root)
        assert {item.dots.name for item in dataset.items} == {"all.csv"}
        assert [path.name for path in dataset.unmatched_dots] == ["counts.csv", "others.csv"]

    @pytest.mark.parametrize(
        ("files", "sentence"),
        [
            ({"more.csv": TEXT}, r"has several tables that name images, all\.csv and more\.csv; keep one"),
            ({"a.csv": "x,y\n"}, r"all\.csv: has dots of a\.jpg, which has a file of dots of its own, too; keep one"),
            ({"e.png": "", "e.jpg": "", "all.csv": "image,x,y\ne,1,2\n"}, r"all\.csv: e could be e\.jpg or e\.png"),
        ],
    )
    def test_what_can_be_read_in_two_ways_is_refused(
        self, tmp_path: Path, files: dict[str, str], sentence: str
    ) -> None:
        root = make(tmp_path, "a.jpg", "b.jpg")
        for name, text in {"all.csv": self.TEXT, **files}.items():
            (root / name).write_text(text)
        with pytest.raises(DatasetError, match=sentence):
            read_dataset(root)

    @pytest.mark.parametrize(
        "names", [("a.jpg", "b.jpg"), ("a.TIF", "b.TIF"), ("x/a.czi", "x/b.czi"), ("a.tif", "b.TIFF")]
    )
    def test_images_may_have_another_suffix_there(self, tmp_path: Path, names: tuple[str, str]) -> None:
        """As where dots were placed on copies, or a table comes from a program that writes suffixes its own way."""
        root = make(tmp_path, "a.tif", "b.tif", "all.csv")
        (root / "all.csv").write_text("image,x,y\n{0},1,2\n{1},3,4\n{1},5,6\n".format(*names))
        dataset = read_dataset(root)
        assert pairs(dataset) == [("a.tif", "all.csv"), ("b.tif", "all.csv")]
        dots = [read_points(item.dots, image=item.image).points.tolist() for item in dataset.items]
        assert dots == [[[2, 1]], [[4, 3], [6, 5]]]

    def test_a_name_that_an_image_has_is_of_no_other(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.tif", "a.png", "b.tif", "b.png", "all.csv")
        (root / "all.csv").write_text("image,x,y\na.tif,1,2\nb.tif,3,4\n")
        assert pairs(read_dataset(root)) == [("a.tif", "all.csv"), ("b.tif", "all.csv")]
        (root / "all.csv").write_text("image,x,y\na.jpg,1,2\nb.tif,3,4\n")
        with pytest.raises(DatasetError, match=r"a\.jpg could be a\.png or a\.tif"):
            read_dataset(root)

    def test_a_table_that_names_none_says_so(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.jpg", "b.jpg", "all.csv")
        (root / "all.csv").write_text("image,x,y\nold 1.jpg,1,2\nold 2.jpg,3,4\n")
        with pytest.raises(
            DatasetError, match=r"its rows are of old 1\.jpg, old 2\.jpg, but .* called a\.jpg, b\.jpg: w"
        ):
            read_dataset(root)
        (root / "all.csv").write_text("Bild,x,y\na.jpg,1,2\nb.jpg,3,4\n")
        with pytest.raises(
            DatasetError, match=r"all\.csv: does not say on which image each dot lies: give it a column"
        ):
            read_dataset(root)

    def test_a_table_of_images_that_all_have_dots_is_left_over(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.jpg", "b.jpg", "a.csv", "b.csv")
        (root / "all.csv").write_text(self.TEXT)
        dataset = read_dataset(root)
        assert pairs(dataset) == [("a.jpg", "a.csv"), ("b.jpg", "b.csv")]
        assert [path.name for path in dataset.unmatched_dots] == ["all.csv"]


class TestManifest:
    FILES = ("raw/1.png", "raw/2.png", "dots/p.csv", "dots/q.csv")

    def manifest(self, root: Path, text: str, name: str = "list.csv") -> Path:
        (make(root, *self.FILES) / name).write_text(text)
        return root / name

    def test_pairs_and_groups(self, tmp_path: Path) -> None:
        text = "image,dots,group,x,y\nraw/2.png,dots/p.csv,slide 1,1,2\nraw/1.png,dots/q.csv,,,\n"
        dataset = read_dataset(self.manifest(tmp_path, text))
        assert [(item.name, item.dots.name, item.group) for item in dataset.items] == [
            ("raw/2.png", "p.csv", "slide 1"),
            ("raw/1.png", "q.csv", None),
        ]
        assert dataset.root == tmp_path

    def test_pages_of_stacks(self, tmp_path: Path) -> None:
        """Those of one stack are not independent, unless a group is said."""
        text = "image,page,dots,group\nraw/1.png,4,dots/p.csv,\nraw/1.png,0,dots/q.csv,mine\nraw/2.png,,dots/r.csv,\n"
        make(tmp_path, "dots/r.csv")
        items = read_dataset(self.manifest(tmp_path, text)).items
        assert [(item.name, item.page, item.group) for item in items] == [
            ("raw/1.png, page 4", 4, str(tmp_path / "raw/1.png")),
            ("raw/1.png, page 0", 0, "mine"),
            ("raw/2.png", None, None),
        ]

    def test_manifest_in_a_folder_goes_first(self, tmp_path: Path) -> None:
        self.manifest(tmp_path, "dots;image\ndots/p.csv;raw/1.png\n", "manifest.csv")
        assert pairs(read_dataset(make(tmp_path, "a.png", "a.csv"))) == [("1.png", "p.csv")]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "is no manifest of a data set; its first line must name columns image and dots"),
            (
                "image,y,x\na.jpg,1,2\n",
                "is a table of dots and no manifest; name the folder that it and its images lie in",
            ),
            ("label,count\na,1\n", "is no manifest"),
            ("image,dots\nraw/3.png,dots/p.csv\n", r"line 2: there is no file .*3\.png; paths are relative"),
            ("image,dots\nraw/1.png,dots/r.csv\n", r"line 2: there is no file .*r\.csv"),
            ("image,dots\nraw/1.png,\n", "line 2: needs both an image and a dots file"),
            ("image,dots\nraw/1.png\n", "line 2: needs both"),
            (
                "image,dots\nraw/1.png,dots/p.csv\nraw/1.png,dots/q.csv\n",
                r"line 3: 1\.png is listed before; each file belongs in one row; of a stack, a column page says which",
            ),
            ("image,dots,page\nraw/1.png,dots/p.csv,7\nraw/1.png,dots/q.csv,7\n", r"line 3: 1\.png is listed before"),
            ("image,dots,page\nraw/1.png,dots/p.csv,-1\n", "line 2: '-1' is no page; give its number, from 0"),
            ("image,dots,page\nraw/1.png,dots/p.csv,max\n", "line 2: 'max' is no page"),
            ("image,dots\nraw/1.png,dots/p.csv\nraw/2.png,dots/p.csv\n", r"line 3: p\.csv is listed before"),
            ("image,dots\n", r"\.csv: lists no images; give it a row"),
        ],
    )
    def test_bad_manifests(self, tmp_path: Path, text: str, sentence: str) -> None:
        with pytest.raises(DatasetError, match=sentence):
            read_dataset(self.manifest(tmp_path, text))

    def test_image_in_place_of_a_manifest(self, tmp_path: Path, write_image: Callable[..., Path]) -> None:
        with pytest.raises(DatasetError, match=r"a\.png: .*with columns image and dots"):
            read_dataset(write_image(tmp_path / "a.png"))


class TestNothing:
    def test_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"has no images and no dots in it; name them a\.png and a\.csv"):
            read_dataset(tmp_path)

    def test_images_only(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"5 images \(0\.png, 1\.png, 2\.png and 2 more\), but no dots"):
            read_dataset(make(tmp_path, *(f"{k}.png" for k in range(5))))

    def test_dots_only(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"no images and 1 dots file \(a\.csv\), but no pairs"):
            read_dataset(make(tmp_path, "a.csv"))

    @pytest.mark.parametrize(
        ("image", "dots"),
        [("IMG_0.JPG", "img_0.csv"), ("a.jpg", "A_points.csv"), ("a.jpg", "A.jpg.csv"), ("B.jpg", "b.csv")],
    )
    def test_names_that_differ_in_case_only(self, tmp_path: Path, image: str, dots: str) -> None:
        sentence = f"{image} and {dots} differ in upper and lower case only: rename one"
        with pytest.raises(DatasetError, match=f"but no pairs; {sentence}"):
            read_dataset(make(tmp_path, image, dots))
        with pytest.raises(DatasetError, match=f"without a partner.*; {sentence}"):
            load_dataset(make(tmp_path, "c.png", "c.csv"))

    def test_points_that_imagej_saved_within_an_image_are_told_of(self, tmp_path: Path) -> None:
        selection = ImagejRoi.frompoints([[3, 4], [8, 9]])
        selection.roitype = ROI_TYPE.POINT
        (tmp_path / "plain").mkdir()
        for name, more in (("a", {"ROI": selection.tobytes()}), ("b", {"Overlays": [selection.tobytes()]}), ("c", {})):
            folder = tmp_path / name
            folder.mkdir()
            imwrite(folder / f"{name}.tif", np.zeros((20, 30), np.uint8), imagej=True, metadata=more)
            with pytest.raises(DatasetError, match=r"no dots for any of them") as caught:
                read_dataset(folder)
            said = f"{name}.tif has points in it, as ImageJ saves a selection with its image, and these are not read"
            assert (said in str(caught.value)) == bool(more)
        imwrite(tmp_path / "a" / "d.tif", np.zeros((20, 30), np.uint8))
        (tmp_path / "a" / "d.csv").write_text("x,y\n1,2\n")
        why = why_unmatched(read_dataset(tmp_path / "a"))
        assert why is not None
        assert "save them as a.roi (File > Save As > Selection)" in why

    def test_other_names_are_not_said_to_differ_in_case(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError) as caught:
            read_dataset(make(tmp_path, "img 1.jpg", "points.csv", "b.jpg", "d.csv"))
        assert "case" not in str(caught.value)

    @pytest.mark.parametrize(
        ("names", "hint"),
        [
            (
                ["day 1/a.png", "day 1/a.csv", "day 2/b.png"],
                "{root}: has no images.*; name one of its folders, such as {root}/day 1$",
            ),
            (["p/images/a.png", "p/points/a.csv"], "; name one of its folders, such as {root}/p$"),
            (["images/a.png", "a.csv"], "; the dots of {root}/images belong into {root}/points$"),
            (["images/a.png", "images/a.csv"], "; name {root}/images, which has files of dots beside the images$"),
        ],
    )
    def test_data_in_folders_of_the_folder(self, tmp_path: Path, names: list[str], hint: str) -> None:
        root = make(tmp_path / "data", *names, "notes/a.txt", ".cache/a.png")
        with pytest.raises(DatasetError, match=hint.format(root=root)):
            read_dataset(root)

    def test_what_is_wrong_with_the_only_table(self, tmp_path: Path) -> None:
        make(tmp_path, "a.jpg")
        (tmp_path / "all.csv").write_text("image,x,y,width,height\na.jpg,1,2,3,4\n")
        with pytest.raises(
            DatasetError, match=r"1 dots file \(all\.csv\), but no pairs; .*all\.csv: .* seem to be boxes"
        ):
            read_dataset(tmp_path)

    def test_an_order_that_is_given_is_not_asked_for_again(self, tmp_path: Path) -> None:
        make(tmp_path, "a.jpg")
        (tmp_path / "a.txt").write_text("7 8 0.5\n9 4 0.3\n")
        with pytest.raises(DatasetError, match=r"a\.txt: has no header; put x,y or y,x .* or say the order"):
            read_dataset(tmp_path)
        with pytest.raises(
            DatasetError, match=r"a\.txt, line 1: has no header and more than two columns; put a header"
        ):
            read_dataset(tmp_path, order="xy")

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="nowhere: there is no such folder or manifest"):
            read_dataset(tmp_path / "nowhere")


class TestClasses:
    def test_unified_over_all_tables(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.png", "b.png", "c.png")
        (root / "a.csv").write_text("x,y,class\n1,1,type 10\n2,2,type 2\n")
        (root / "b.csv").write_text("x,y,class\n1,1,live\n")
        (root / "c.csv").write_text("x,y\n")
        assert read_dataset(root).classes == ("live", "type 2", "type 10")

    def test_object_is_a_name_like_others(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.png", "b.png")
        (root / "a.csv").write_text("x,y,class\n1,1,object\n")
        (root / "b.csv").write_text("x,y,class\n1,1,cell\n")
        assert read_dataset(root).classes == ("cell", "object")

    def test_without_names(self, tmp_path: Path) -> None:
        root = make(tmp_path, "a.png")
        (root / "a.csv").write_text("x,y\n1,1\n")
        assert read_dataset(root).classes == ("object",)


@pytest.mark.parametrize(
    ("name", "number", "image", "dots"),
    [
        ("vgg", 200, "001cell.png", "001dots.png"),
        ("mbm", 44, "BM_GRAZ_HE_0001_01_000.png", "BM_GRAZ_HE_0001_01_dots_000.png"),
        (
            "adipocyte",
            200,
            "0-11900_GTEX-13QJC_Adipose-Subcutaneous.jpeg",
            "0-11900_GTEX-13QJC_Adipose-Subcutaneous.jpeg",
        ),
    ],
)
def test_real_data_as_they_lie(real_data: Callable[[str], Path], name: str, number: int, image: str, dots: str) -> None:
    dataset = read_dataset(real_data(name))
    assert len(dataset.items) == number
    assert pairs(dataset)[0] == (image, dots)
    assert dataset.unmatched_images == dataset.unmatched_dots == ()
