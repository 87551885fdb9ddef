from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tifffile import imwrite

import tiny
from countception.cli.console import show_inspection
from countception.data.dataset import read_dataset
from countception.data.inspection import inspect
from countception.errors import CountceptionError, DatasetError, DataWarning
from countception.training import train


def test_a_good_folder(folder: Path) -> None:
    found = inspect(folder)
    assert found.root == str(folder)
    assert found.pairs == 4
    assert found.unmatched_images == found.unmatched_dots == ()
    assert found.unreadable == found.duplicates == found.outside == {}
    assert found.sizes == {"24 × 32": 4}
    assert found.channels == {3: 4}
    assert found.dtypes == {"uint8": 4}
    assert found.intensity == (0, 255)
    assert found.classes == {"object": 14}
    assert found.counts is not None
    assert (found.counts.mean, found.counts.smallest, found.counts.largest, found.counts.total) == (3.5, 2, 5, 14)
    assert found.counts.sd == pytest.approx(np.std([2, 3, 4, 5]))
    assert found.counts.histogram == (1, 1, 1, 1)
    assert found.counts.edges == (2, 3, 4, 5, 6)


def test_bins_hold_whole_numbers_of_dots(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, number in zip("abcd", (24, 24, 25, 35), strict=True):
        (folder / f"{name}.csv").write_text("x,y\n" + "1,2\n" * number)
    found = inspect(folder)
    assert found.counts is not None
    assert found.counts.edges == (24, 26, 28, 30, 32, 34, 36)
    assert found.counts.histogram == (3, 0, 0, 0, 0, 1)
    show_inspection(found)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["24", "–", "25", "█" * 40, "3"] in lines
    assert ["34", "–", "35", "█" * 14, "1"] in lines


def test_one_image_under_two_names_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "d.png").write_bytes((folder / "b.png").read_bytes())
    found = inspect(folder)
    assert found.same == (("b", "d"),)
    assert found.to_dict()["same"] == [["b", "d"]]
    show_inspection(found)
    assert "the same pixels: 1\n  b, d\n" in capsys.readouterr().out


def test_goes_past_bad_files(folder: Path, write_image: Callable[..., Path], write_table: Callable[..., Path]) -> None:
    (folder / "a.png").write_text("no image")
    write_image(folder / "b.png", shape=(10, 12), channels=1)
    (folder / "b.csv").write_text("1,2\n")
    write_table(folder / "c.csv", [(2, 3), (2.2, 3.3), (5, 6), (100, 3), (1e300, 0)])
    write_image(folder / "e.png", shape=(40, 50), channels=1)
    write_table(folder / "e.csv", [(2, 3)])
    write_image(folder / "unmatched.png")
    write_table(folder / "lonely.csv", [])
    found = inspect(read_dataset(folder))
    assert found.pairs == 5
    assert set(found.unreadable) == {"a", "b"}
    assert "no TIFF, PNG, JPEG or BMP" in found.unreadable["a"]
    assert "has no header" in found.unreadable["b"]
    assert found.unmatched_images == ("unmatched.png",)
    assert found.unmatched_dots == ("lonely.csv",)
    assert found.duplicates == {"c": 1}
    assert found.outside == {"c": 2}
    assert found.channels == {1: 1, 3: 2}
    assert found.sizes == {"24 × 32": 2, "40 × 50": 1}
    assert found.counts is not None
    assert found.counts.total == 5 + 5 + 1


def test_order_of_tables_without_header(folder: Path) -> None:
    (folder / "b.csv").write_text("1,2\n")
    assert inspect(folder, order="xy").unreadable == {}


def test_classes_that_are_spelled_in_two_ways_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, kind in zip("abcd", ("live", "Live", "dead", "live"), strict=True):
        (folder / f"{name}.csv").write_text(f"x,y,class\n3,4,{kind}\n30,22,dead\n")
    found = inspect(folder)
    assert str(found.alike).startswith("the classes Live and live differ in capital letters")
    show_inspection(found)
    said = capsys.readouterr().out
    assert f"\n\n{found.alike}\n" in said
    assert "\nclasses: Live (1 in 1 image), dead (5 in 4 images), live (2 in 2 images)\n" in said
    with pytest.warns(DataWarning, match="the classes Live and live differ"):
        train(folder, changes={"training.steps": 1})


def test_groups_that_are_spelled_in_two_ways_are_told(folder: Path) -> None:
    """One mouse would be both learned from and validated on."""
    rows = [f"{name}.png,{name}.csv,{group}" for name, group in zip("abcd", ("M1", "m1", "M2", "M2"), strict=True)]
    (folder / "manifest.csv").write_text("\n".join(["image,dots,group", *rows]))
    for name in "abcd":
        (folder / f"{name}.csv").write_text("x,y\n3,4\n30,22\n")
    assert str(inspect(folder / "manifest.csv").alike).startswith("the groups M1 and m1 differ in capital letters")
    with pytest.warns(DataWarning, match="the groups M1 and m1 differ"):
        train(folder / "manifest.csv", changes={"training.steps": 1})
    rows = [row.replace("m1", "M1") for row in rows]
    (folder / "manifest.csv").write_text("\n".join(["image,dots,group", *rows]))
    assert inspect(folder / "manifest.csv").alike is None


def test_dots_of_two_classes_in_one_pixel_are_no_duplicates(folder: Path) -> None:
    (folder / "a.csv").write_text("x,y,class\n1,1,live\n1,1,dead\n")
    for name in "bcd":
        (folder / f"{name}.csv").write_text("x,y\n")
    found = inspect(folder)
    assert found.duplicates == {}
    assert found.classes == {"dead": 1, "live": 1}
    assert found.class_images == {"dead": 1, "live": 1}


def test_scale_and_window_follow_from_the_spacing(
    tmp_path: Path, write_image: Callable[..., Path], write_table: Callable[..., Path]
) -> None:
    step = 96.0  # twice the widest spacing that the network is shown
    write_image(tmp_path / "a.png", shape=(960, 960))
    write_table(tmp_path / "a.csv", [(y * step, x * step) for y in range(10) for x in range(10)])
    found = inspect(tmp_path)
    assert found.nearest == found.third_nearest == step
    assert found.scale == pytest.approx(0.5)
    assert found.window == pytest.approx(64)


def test_no_dots_at_all(folder: Path) -> None:
    for path in folder.glob("*.csv"):
        path.write_text("x,y\n")
    found = inspect(folder)
    assert found.counts is not None
    assert (found.counts.total, found.counts.histogram) == (0, (4,))
    assert found.nearest is found.third_nearest is None
    assert (found.scale, found.window) == (1, 32)


def test_nothing_readable(folder: Path) -> None:
    for path in folder.glob("*.png"):
        path.write_text("no image")
    found = inspect(folder)
    assert len(found.unreadable) == 4
    assert found.counts is found.intensity is None


def test_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no images and no dots"):
        inspect(tmp_path)


def test_fit_for_json(folder: Path) -> None:
    values = inspect(folder).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["channels"] == {"3": 4}
    assert values["counts"]["histogram"] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("name", "pairs", "mean", "size"),
    [("vgg", 200, 176.0, "256 × 256"), ("mbm", 44, 126.2, "600 × 600"), ("adipocyte", 200, 155.0, "150 × 150")],
)
def test_real_data(real_data: Callable[[str], Path], name: str, pairs: int, mean: float, size: str) -> None:
    found = inspect(real_data(name))
    assert found.pairs == pairs
    assert found.unreadable == found.duplicates == found.outside == {}
    assert found.counts is not None
    assert round(found.counts.mean, 1) == mean
    assert found.sizes == {size: pairs}
    assert found.channels == {3: pairs}


def test_dots_outside_say_nothing_about_the_spacing(
    tmp_path: Path, write_image: Callable[..., Path], write_table: Callable[..., Path]
) -> None:
    write_image(tmp_path / "a.png", shape=(100, 100))
    grid = [(y * 10.0, x * 10.0) for y in range(4) for x in range(4)]
    write_table(tmp_path / "a.csv", grid + [(1000.0 * k, 0.0) for k in range(1, 40)])
    assert inspect(tmp_path).nearest == 10


def test_swapped_coordinates_are_named(folder: Path) -> None:
    (folder / "a.csv").write_text("x,y\n20,30\n")  # of 24 rows and 32 columns
    found = inspect(folder)
    assert found.outside["a"] == 1
    assert "a" in found.swapped


def test_turned_images_are_told_of(folder: Path, turn: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abd":
        (folder / f"{name}.csv").write_text("x,y\n30,4\n")  # on 24 rows and 32 columns
    turn(folder / "a.png", 6)
    turn(folder / "b.png", 3)
    (folder / "d.csv").write_text("x,y\n4,30\n")
    found = inspect(folder)
    assert found.turned == {"a": 6, "b": 3}
    assert (found.outside, found.as_stored, found.swapped) == ({"a": 1, "d": 1}, ("a",), ("d",))
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    show_inspection(found)
    said = capsys.readouterr().out
    assert "\n  a: 1, as if placed on the image as it is stored (see EXIF orientation below)\n" in said
    assert "\n2 images of 4 are turned by EXIF orientation: " in said
    assert said.index("(see EXIF") < said.index("turned by EXIF")


def test_several_magnifications_have_several_spacings(
    tmp_path: Path, write_image: Callable[..., Path], write_table: Callable[..., Path]
) -> None:
    for name, step in (("a", 10.0), ("b", 30.0)):
        write_image(tmp_path / f"{name}.png", shape=(160, 160))
        write_table(tmp_path / f"{name}.csv", [(y * step, x * step) for y in range(5) for x in range(5)])
    assert inspect(tmp_path).third_nearest_range == (10, 30)


@pytest.mark.parametrize("sides", [(1.0, 1.1), (1.0, 2.0), (1.0, None)])
def test_where_files_say_the_size_of_pixels_magnifications_are_told_from_sparse_objects(
    tmp_path: Path,
    write_table: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    sides: tuple[float, float | None],
) -> None:
    for name, step, side in zip("ab", (10.0, 30.0), sides, strict=True):
        said: dict[str, Any] = {"resolution": (1e4 / side,) * 2, "resolutionunit": "CENTIMETER"} if side else {}
        imwrite(tmp_path / f"{name}.tif", np.full((160, 160), 7, np.uint8), photometric="minisblack", **said)
        write_table(tmp_path / f"{name}.csv", [(y * step, x * step) for y in range(5) for x in range(5)])
    found = inspect(tmp_path)
    assert found.pixel_sizes == (None if sides[1] is None else pytest.approx(sides))
    show_inspection(found)
    text = capsys.readouterr().out
    assert ("it differs from image to image" in text) == (sides[1] is None)
    assert ("pixels are of 1 µm in some images and of 2 µm in others" in text) == (sides[1] == 2)
    assert (", 1 µm to " in text) == (sides[1] is not None)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_stacks_are_read_as_the_data_set_says(tmp_path: Path) -> None:
    imwrite(tmp_path / "a.tif", np.zeros((2, 20, 30), np.uint8), photometric="minisblack", metadata={"axes": "ZYX"})
    (tmp_path / "a.csv").write_text("x,y\n1,1\n")
    assert list(inspect(read_dataset(tmp_path)).unreadable) == ["a"]
    assert inspect(read_dataset(tmp_path, page=1)).sizes == {"20 × 30": 1}


def test_dots_are_counted_and_not_images_in_what_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.csv").write_text("x,y\n20,30\n20,31\n5,5\n5,5\n")
    show_inspection(inspect(folder))
    said = capsys.readouterr().out
    assert "dots outside the image: 2, in 1 image\n  a: 2, as if x and y were swapped" in said
    assert "duplicate dots: 1, in 1 image\n  a: 1" in said


Spoil = Callable[[Path], object]

REFUSED: dict[str, tuple[Spoil, str]] = {
    "outside": (lambda root: (root / "b.csv").write_text("x,y\n500,4\n"), "1 of 1 dots lie outside"),
    "channels": (lambda root: imwrite(root / "b.png", np.zeros((24, 32), np.uint8)), "has 1 channels but"),
    "no partner": (lambda root: (root / "b.csv").unlink(), r"1 image \(b\.png\) without a partner"),
    "no dot": (
        lambda root: [(root / f"{name}.csv").write_text("x,y\n") for name in "abcd"],
        "of the 4 images .* a dot",
    ),
    "damaged": (lambda root: (root / "b.png").write_bytes(b"\x89PNG"), r"cannot be used \(b\)|b\.png"),
    "one": (lambda root: [path.unlink() for name in "bcd" for path in root.glob(f"{name}.*")], "1 image .* too few"),
    "same": (
        lambda root: [(root / f"{name}.png").write_bytes((root / "a.png").read_bytes()) for name in "bcd"],
        "the same pixels",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_training_refuses_is_said_before(folder: Path, case: str) -> None:
    assert inspect(folder).refused == ()
    spoil, sentence = REFUSED[case]
    spoil(folder)
    assert any(re.search(sentence, why) for why in inspect(folder).refused), inspect(folder).refused
    with pytest.raises(CountceptionError, match=sentence):
        train(folder, changes=tiny.CHANGES)
