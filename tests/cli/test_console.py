from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countception.cli.console import (
    show_evaluation,
    show_inspection,
    show_summary,
    show_totals,
    table,
    tell_drawn_on,
    tell_linked,
)
from countception.data.inspection import inspect
from countception.evaluation.evaluation import EvaluatedImage, Evaluation
from countception.results.groups import group_totals
from countception.results.row import Row
from countception.trust.confidence import Interval, IntervalModel
from countception.trust.metrics import metrics


def test_columns_line_up_under_names_of_any_script(capsys: pytest.CaptureFixture[str]) -> None:
    table(["image", "count"], [["a.png", "7"], ["細胞.png", "12"], ["e\u0301.png", "3"]])
    assert capsys.readouterr().out.splitlines() == [
        "image     count",
        "a.png         7",
        "細胞.png     12",
        "e\u0301.png         3",
    ]


def test_spacings_that_differ_may_be_those_of_emptier_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, step in (("crowded", 10), ("thin", 30)):
        Image.new("L", (100, 100)).save(tmp_path / f"{name}.png")
        rows = [f"{x},{y}" for x in range(5, 100, step) for y in range(5, 100, step)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["x,y", *rows]))
    show_inspection(inspect(tmp_path))
    assert "10.0 to 30.0 pixels to the third: no harm where there are fewer objects" in capsys.readouterr().out


def test_links_that_are_left_out_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    tell_linked([str(tmp_path)])
    for number in range(7):
        (tmp_path / f"b{number}.png").symlink_to(tmp_path / "a.png")
    tell_linked([str(tmp_path)])
    said = capsys.readouterr().err
    assert said.startswith(f"7 images left out, as links to others: {tmp_path / 'b0.png'} is {tmp_path / 'a.png'}, ")
    assert said.endswith(" and 2 more\n")


def test_pages_of_a_film_of_which_the_same_is_said_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A film of a thousand frames in the wrong colours would say so a thousand times."""
    dark = ["darker; less contrast", "less contrast; darker", "darker; less contrast", "", "darker; less contrast"]
    rows = [Row("a.tif", page=page, count=1.0, warning=why) for page, why in enumerate(dark)]
    rows += [Row("b.tif", page=page, error=f"b.tif, page {page} has 3 channels") for page in range(12)]
    rows += [Row("c.tif", page=1, error="c.tif, page 1: is damaged"), Row("d.tif", error="d.tif: is no image")]
    rows += [Row("e.tif", count=1.0, warning="less contrast; darker")]
    show_summary(rows, group_totals(rows, ["all"] * len(rows), IntervalModel())[0], "", level=0.9)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "6 images counted, 6 objects",
        "5 are unlike the training images: the count may be far off, and the interval does not hold:",
        "  a.tif (pages 0 to 2, 4), e.tif: darker; less contrast",
        "14 could not be counted:",
        "  b.tif has 3 channels (pages 0 to 11)",
        "  c.tif, page 1: is damaged",
        "  d.tif: is no image",
    ]


def test_a_warning_that_many_images_have_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The table says all that there is of each."""
    rows = [Row(f"{k}.tif", count=1.0, warning="darker; less contrast" if k % 2 else "brighter") for k in range(9)]
    show_summary(rows, group_totals(rows, ["all"] * len(rows), IntervalModel())[0], "", level=0.9)
    assert capsys.readouterr().err.splitlines()[2:] == [
        "  0.tif, 2.tif, 4.tif and 2 more: brighter",
        "  1.tif, 3.tif, 5.tif and 1 more: darker; less contrast",
    ]


@pytest.mark.parametrize("place", ["position", "t_position"])
def test_regions_that_were_drawn_on_several_planes_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """They are counted on all pages, and may be meant for one each."""
    roifile = pytest.importorskip("roifile")
    for number in (3, 3, 4):
        square = roifile.ImagejRoi.frompoints(np.array([[0, 0], [0, 9], [9, 9]]))
        setattr(square, place, number)
        square.tofile(tmp_path / "film.zip")
        tell_drawn_on(tmp_path, [Path("film.tif")])
        said = capsys.readouterr().err
        assert said == "" or number == 4
    assert said.startswith(f"{tmp_path / 'film.zip'}: its regions were drawn on 2 planes of a stack, ")


def test_an_evaluation_says_of_how_many_images_its_intervals_are(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [EvaluatedImage(f"{k}.png", 10.0, 11.0, intervals={0.9: Interval(9, 12 + k)}) for k in range(3)]
    strange = EvaluatedImage("dark.png", 10.0, 4.0, warning="darker")

    def said(*rows: EvaluatedImage) -> str:
        figures = metrics([row.true for row in rows], [row.count for row in rows])
        show_evaluation(Evaluation(figures, rows, 3.0))
        return capsys.readouterr().out

    assert "90 % intervals hold the true count in 100 % of the images, and are 4.0 objects wide" in said(*rows)
    assert "in 100 % of the 3 images that have one, and are 4.0 objects wide" in said(*rows, strange)
    assert "in 100 % of the 1 image that has one" in said(rows[0], strange)
    assert "95 % intervals: none, the model was validated on too few images" in said(*rows, strange)
    assert "90 % intervals: none, as no image is like the training images" in said(strange)


def test_an_evaluation_says_how_far_off_each_class_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A rare class may be far off where all together are not."""
    rows = [EvaluatedImage("a.png", 100.0, 102.0, by_class={"ripe": (98.0, 98.0), "unripe": (2.0, 4.0)})]
    show_evaluation(Evaluation(metrics([100.0], [102.0]), rows, 3.0))
    said = capsys.readouterr().out
    assert "\nMAE 2.00, RMSE 2.00, bias +2.00, relative error 2 %\n" in said
    assert "  of unripe: MAE 2.00, RMSE 2.00, bias +2.00, relative error 100 %\n" in said


def test_an_evaluation_says_a_warning_of_many_images_once(capsys: pytest.CaptureFixture[str]) -> None:
    why = ("dark; flat", "flat; dark", "", "dark", "dark; flat", "flat; dark")
    rows = [EvaluatedImage(f"{k}.png", 10.0, 4.0, warning=each) for k, each in enumerate(why)]
    figures = metrics([row.true for row in rows], [row.count for row in rows])
    show_evaluation(Evaluation(figures, rows, 3.0))
    said = capsys.readouterr().out.splitlines()
    start = said.index("unlike the training images: 5 of 6, whose intervals do not hold")
    assert said[start + 1 : start + 3] == ["  0.png, 1.png, 4.png and 1 more: dark; flat", "  3.png: dark"]


def test_totals_say_which_groups_lack_images(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("1", 5.0), Row("2", 7.0, warning="dark"), Row("3", error="damaged")]
    show_totals(group_totals(rows, ["a", "a", "b"], IntervalModel()), err=False)
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[-2:] == ["flagged", "failed"]
    assert [line.split() for line in lines] == [
        ["a", "2", "12", "–", "–", "6.0", "1.4", "1", "0"],
        ["b", "0", "–", "–", "–", "–", "–", "0", "1"],
    ]
    show_totals(group_totals(rows[:1], ["a"], IntervalModel()), err=False)
    assert "flagged" not in capsys.readouterr().out


def test_totals_have_those_of_each_class(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("1", 5.0, by_class={"ripe": 4.0, "unripe": 1.0}), Row("2", error="damaged")]
    show_totals(group_totals(rows, ["a", "b"], IntervalModel()), err=False)
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[2:7] == ["objects", "low", "high", "ripe", "unripe"]
    assert [line.split()[2:7] for line in lines] == [["5", "–", "–", "4", "1"], ["–"] * 5]
