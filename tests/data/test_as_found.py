from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import tiny
from countception.cli.console import show_inspection
from countception.counting.counter import Counter
from countception.data.as_found import why_as_found
from countception.data.inspection import inspect
from countception.data.pairing import Item
from countception.errors import DataWarning
from countception.results.batch import count_files
from countception.training import train


def said_of(folder: Path, *tables: str) -> str | None:
    items = []
    for number, text in enumerate(tables):
        dots = folder / f"{number}.csv"
        dots.write_text(text)
        items += [Item(folder / f"{number}.tif", dots, f"{number}")] * 2  # as parts of an image
    return why_as_found(items)


def test_points_to_which_none_was_added_are_told(tmp_path: Path) -> None:
    found, added = "x,y,confidence\n1,2,0.9\n3,4,0.8\n", "x;y;confidence\n1,5;2;0,9\n3;4;\n"
    assert str(said_of(tmp_path, found, added)).startswith("1 table (0.csv) holds nothing but points that a counter")
    assert str(said_of(tmp_path, found, found)).startswith("2 tables (0.csv, 1.csv) hold nothing but points")


@pytest.mark.parametrize("text", ["x,y\n1,2\n", "x,y,confidence\n", "x,y,confidence\n1,2,0.9\n3,4\n", "", "a\n\x00"])
def test_dots_of_people_and_no_dots_are_not(tmp_path: Path, text: str) -> None:
    assert said_of(tmp_path, text) is None


def test_other_files_are_not_looked_into(tmp_path: Path) -> None:
    assert why_as_found([Item(tmp_path / "a.tif", tmp_path / "a.png", "a")]) is None


def test_inspect_and_train_say_so_of_what_count_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tiny.dataset(tmp_path / "data")
    points = tmp_path / "found"
    rows = count_files(Counter.load(tiny.model_file(), device="cpu"), [data / "images"], points=points)
    taken = next(Path(row.points) for row in rows if len(Path(row.points).read_text().splitlines()) > 1)
    (data / "points" / taken.name).write_text(taken.read_text())
    found = inspect(data)
    assert str(found.as_found).startswith(f"1 table ({taken.name}) holds nothing but points that a counter found")
    show_inspection(found)
    assert f"\n\n{found.as_found}\n" in capsys.readouterr().out
    with warnings.catch_warnings(record=True) as said:
        train(data, changes=tiny.CHANGES)
    assert [each.category for each in said if "points that a counter found" in str(each.message)] == [DataWarning]
