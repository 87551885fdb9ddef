from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from countception.errors import ConfigError, DatasetError
from countception.results.groups import ALL, copies, find_groups, group_totals, of_no_image, same_named
from countception.results.row import Row
from countception.results.tables import write_totals
from countception.trust.confidence import IntervalModel
from countception.trust.fitting import fit_intervals

MODEL = fit_intervals([20.0 + k for k in range(12)], [21.0 + 1.1 * k for k in range(12)], [1.0] * 12)


def test_groups_are_totalled_apart_and_failures_named(tmp_path: Path) -> None:
    rows = [
        Row("1", 10.0, spread=1.0),
        Row("2", 20.0, spread=2.0, warning="darker"),
        Row("3", 30.0, spread=3.0),
        Row("4", error="damaged"),
        Row("5", error="damaged"),
    ]
    b, a, c = group_totals(rows, ["b", "a", "b", "b", "c"], MODEL, 0.9)
    assert (b.group, b.images, b.count, b.flagged, b.failed) == ("b", 2, 40, 0, 1)
    assert b.interval == MODEL.total([10, 30], [1, 3], 0.9)
    assert a.interval is None, "no more than its only image has one"
    assert a.flagged == 1
    assert (c.images, c.count, c.interval, c.failed) == (0, 0, None, 1)
    write_totals(tmp_path / "t.csv", [b, a, c])
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table.columns) == ["group", "images", "count", "low", "high", "mean", "sd", "flagged", "failed"]
    assert table["count"].tolist()[:2] == [40, 20]
    assert np.isnan(table["count"][2])
    assert b.interval is not None
    assert table.low[0] == pytest.approx(b.interval.low, abs=1e-3)
    assert table.low.isna().tolist() == [False, True, True]
    assert table["mean"].tolist()[:2] == [20, 20]
    assert table.sd[0] == pytest.approx(np.sqrt(200), abs=1e-3)
    assert table.sd.isna().tolist() == [False, True, True]
    some = group_totals([*rows[:1], *rows[1:2]], ["a", "a"], MODEL, 0.9)[0]
    assert some.interval == MODEL.total([10, 20], [1, 2], 0.9)


def test_a_total_is_surer_than_the_sum_of_its_intervals() -> None:
    rows = [Row(str(k), 100.0) for k in range(25)]
    rng = np.random.default_rng(0)
    model = fit_intervals(np.full(60, 100.0), rng.normal(100, 5, 60))
    one, many = model.interval(100, None, 0.9), group_totals(rows, [ALL] * 25, model)[0].interval
    assert one is not None
    assert many is not None
    assert many.high - 2500 < 0.9 * 25 * (one.high - 100)


def test_a_model_that_cannot_say_gives_totals_without_intervals() -> None:
    (total,) = group_totals([Row("1", 5.0)], ["a"], IntervalModel())
    assert (total.count, total.interval) == (5, None)


def test_classes_are_totalled(tmp_path: Path) -> None:
    rows = [Row("1", 3.0, by_class={"red": 1.0, "white": 2.0}), Row("2", 7.0, by_class={"red": 3.0, "white": 4.0})]
    (total,) = group_totals(rows, ["a", "a"], MODEL)
    assert total.by_class == {"red": 4.0, "white": 6.0}
    write_totals(tmp_path / "t.csv", [total])
    assert pd.read_csv(tmp_path / "t.csv")["count_white"].tolist() == [6]


def test_a_total_lies_in_its_interval_even_if_some_counts_are_below_0() -> None:
    rows = [*(Row(str(k), -0.3) for k in range(100)), *(Row(f"b{k}", 2.0) for k in range(100))]
    total = group_totals(rows, [ALL] * 200, fit_intervals([20.0 + k for k in range(12)], [21.0 + k for k in range(12)]))
    assert total[0].interval is not None
    assert total[0].interval.low < total[0].count < total[0].interval.high


def test_a_total_of_empty_images_may_be_0_and_is_no_wider_than_their_intervals_together() -> None:
    rng = np.random.default_rng(0)
    true = np.array([0.0] * 8 + [float(k) for k in range(1, 25)])
    counts = np.where(true == 0, rng.uniform(0.04, 0.08, 32), true + 0.3 * np.sqrt(true) * rng.normal(size=32))
    model = fit_intervals(true, counts)
    for level in (0.8, 0.9):
        for n in (2, 10, 100):
            empty = rng.uniform(0.04, 0.08, n)
            found = group_totals([Row(str(k), count) for k, count in enumerate(empty)], [ALL] * n, model, level)[0]
            assert found.interval is not None
            assert found.interval.low == 0, (level, n)
            alone = [model.interval(count, None, level) for count in empty]
            assert found.interval.high <= sum(one.high for one in alone if one is not None)


def test_images_without_a_suffix_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,group\ncell01,A\ncell02,B\n")
    assert find_groups(["x/cell01", "x/cell02"], table=tmp_path / "t.csv") == ["A", "B"]


def test_one_group_per_row_is_needed() -> None:
    with pytest.raises(ConfigError, match="one per image"):
        group_totals([Row("1", 5.0)], ["a", "b"], MODEL)


def test_images_are_grouped_by_folder_or_all_together() -> None:
    images = [Path("p1/a.png"), Path("p2/a.png"), Path("p1/b.png")]
    assert find_groups(images, by="folder") == ["p1", "p2", "p1"]
    assert find_groups(images) == [ALL] * 3
    with pytest.raises(ConfigError, match="--groups"):
        find_groups(images, by="plate")


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        ("*_{}_*", ["B03", "C11"]),
        ("*_{}_s*", ["B03", "C11"]),
        ("{}_*", ["p1", "p1"]),
        ("*_{}.tif", ["s1", "s12"]),
        ("{}_{}_*", ["p1 B03", "p1 C11"]),
        ("{}", ["p1_B03_s1", "p1_C11_s12"]),
        ("p1_{}*_s*", ["B03", "C11"]),
        ("p1_{}_s*", ["B03", "C11"]),
        ("p{}_*", ["1", "1"]),
    ],
)
def test_a_part_of_the_name_is_the_group(pattern: str, groups: list[str]) -> None:
    assert find_groups(["a/p1_B03_s1.tif", "b/p1_C11_s12.tif"], by=pattern) == groups


@pytest.mark.parametrize(
    ("name", "pattern", "group"),
    [
        ("r02c03f04p01-ch1sk1fk1fl1.tiff", "{}f*", "r02c03"),
        ("r02c03f04p01-ch1sk1fk1fl1.tiff", "r{}c{}f*-ch1*", "02 03"),
        ("B - 03(fld 2 wv DAPI - DAPI).tif", "{}(fld *", "B - 03"),
        ("plate1_B03_s2_w1.TIF", "*_{}_s*_w1", "B03"),
        ("A1s1s2.tif", "{}s*", "A1"),
    ],
)
def test_names_as_microscopes_make_them(name: str, pattern: str, group: str) -> None:
    """Letters after a group end it where they come first, and not where they come last."""
    assert find_groups([name], by=pattern) == [group]


def test_folders_may_be_part_of_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Plates whose wells have the same names lie in folders of their own."""
    images = [Path(f"screen/{plate}/day_1/exp_B03_s1.tif") for plate in ("P_1", "P_2")]
    assert find_groups(images, by="*_{}_*") == ["B03", "B03"]
    assert find_groups(images, by="{}/*/*_{}_*") == ["P_1 B03", "P_2 B03"]
    assert find_groups(images, by="P_{}/day_{}/*_{}_*.tif") == ["1 1 B03", "2 1 B03"]
    assert find_groups(images, by="day_1/*_{}_*") == ["B03", "B03"]
    with pytest.raises(DatasetError, match="its name is not made as"):
        find_groups(images, by="P_1/{}/*")
    monkeypatch.chdir(tmp_path)
    assert find_groups(["exp_B03_s1.tif"], by="{}/*_{}_*") == [f"{tmp_path.name} B03"], "those above, too"
    assert same_named(images, ["B03", "B03"]) == (images[0], images[1])
    assert same_named(images, ["P1", "P2"]) is None
    assert same_named(images[:1] * 2, ["B03", "B03"]) is None


@pytest.mark.parametrize("pattern", ["*-{}-*", "{}_s1", "p(1_{}_*", "P1_{}_*"])
def test_a_name_that_is_made_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(DatasetError, match=r"p1_C11_s12\.tif: its name is not made as"):
        find_groups(["p1_C11_s12.tif"], by=pattern)


def test_a_row_of_a_table_may_stand_for_many_images(tmp_path: Path) -> None:
    images = ["a/p1_B03_s1.tif", "b/p1_B03_s2.tif", "b/p1[1]_C11_s1.tif"]
    table = tmp_path / "wells.csv"
    table.write_text("image,drug\n*_B03_*,none\np1[1]_*,taxol\n")
    assert find_groups(images, by="drug", table=table) == ["none", "none", "taxol"]
    table.write_text("image,drug\n*,taxol\np1_B03_s1.tif,none\n")
    assert find_groups(images, by="drug", table=table) == ["none", "taxol", "taxol"]
    (tmp_path / "b").mkdir()
    inside = [tmp_path / image for image in images]
    table.write_text("image,drug\na/p1_*,none\nb/p1*,taxol\n")
    assert find_groups(inside, by="drug", table=table) == ["none", "taxol", "taxol"], "relative to the table"
    folders = [f"2024_B03_run/{image}" for image in images]
    table.write_text("image,drug\n*_B03_*,none\n*_C11_*,taxol\n")
    assert find_groups(folders, by="drug", table=table) == ["none", "none", "taxol"], "names of files, not of folders"
    table.write_text("image,drug\n*_B03_*,none\np1*,taxol\n")
    with pytest.raises(DatasetError, match=r"in the groups none and taxol, by \*_B03_\* and p1\*"):
        find_groups(images, by="drug", table=table)
    table.write_text("image,drug\na/p1_B03_s1,none\np1_B03_s1.tif,taxol\np1_B03_s2.tif,none\np1_B03_s2,taxol\n")
    assert find_groups(images[:1], by="drug", table=table) == ["none"], "a path goes before a file's name"
    with pytest.raises(DatasetError, match=r"in the groups none and taxol, by p1_B03_s2\.tif and p1_B03_s2"):
        find_groups(images[1:2], by="drug", table=table)


def test_a_table_names_images_by_path_by_file_name_or_by_stem(tmp_path: Path) -> None:
    images = [tmp_path / "x" / name for name in ("a.png", "b.png", "c.png")]
    table = tmp_path / "groups.csv"
    table.write_text("well,image,Plate\n1,x/a.png,one\n2,b.png,two\n3,c,one\n4,other.png,three\n")
    assert find_groups(images, by="plate", table=table) == ["one", "two", "one"]
    table.write_text(f"image,group\n{images[0]},g\n{images[1]},h\nc.png,g\n")
    assert find_groups(images, table=table) == ["g", "h", "g"]


def test_a_path_without_suffix_names_an_image_before_a_pattern_does(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("image,group\nx/a,g\nx/*,h\ny/*,i\n")
    images = [tmp_path / place for place in ("x/a.png", "x/b.png", "y/a.png")]
    assert find_groups(images, table=table) == ["g", "h", "i"]
    with pytest.raises(DatasetError, match="x/a is the name of several images"):
        find_groups([*images, tmp_path / "x" / "a.tif"], table=table)


def test_rows_that_are_of_no_image_are_found(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("image,dose\na,1\nx/b.png,2\nx\\c.png,3\n*,4\nlost_*,5\nA.png,6\nx/*,4\n")
    images = [tmp_path / "x" / name for name in ("a.png", "b.png", "c.png")]
    assert find_groups(images, by="dose", table=table) == ["1", "2", "4"]
    assert of_no_image(images, table, "dose") == ["x\\c.png", "lost_*", "A.png"]
    assert of_no_image(images[:2], table, "dose") == ["x\\c.png", "lost_*", "A.png"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image,group\nx/a.png,g\n", "no row for the image .*b.png"),
        ("image,group\na.png,g\nb.png,g\na.png,h\n", "line 4: a.png is in two groups, g and h"),
        ("image,group\na.png,g\nb.png\n", "line 3: needs both"),
        ("image,plate\na.png,g\n", "columns image and group; or group by another \\(--group-by\\): plate$"),
        ("image,Group,group\na.png,g,h\nb.png,g,h\n", "several columns group; rename"),
        ("", "columns image and group"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    table = tmp_path / "groups.csv"
    table.write_text(text)
    with pytest.raises(DatasetError, match=sentence):
        find_groups([tmp_path / "x" / "a.png", tmp_path / "x" / "b.png"], table=table)


def test_a_table_of_many_stars_takes_no_time(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text(f"image,group\n{'*a' * 12}*b,x\na[1]?.*,y\n")
    with pytest.raises(DatasetError, match="has no row for the image"):
        find_groups([tmp_path / f"{'a' * 60}.png"], table=table)
    assert find_groups([tmp_path / "a[1]?.png"], table=table) == ["y"], "stars alone stand for something else"


def test_a_name_that_several_images_have_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("image,group\na.png,g\n")
    images = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"]
    with pytest.raises(DatasetError, match="several images"):
        find_groups(images, table=table)
    table.write_text("image,group\nx/a.png,g\ny/a.png,h\n")
    assert find_groups(images, table=table) == ["g", "h"]
    with pytest.raises(DatasetError, match=r"missing\.csv"):
        find_groups(images, table=tmp_path / "missing.csv")


def test_density_of_a_group_needs_the_area_of_all_its_images(tmp_path: Path) -> None:
    rows = [Row("1", 10.0, area_mm2=0.5), Row("2", 30.0, area_mm2=1.5), Row("3", 30.0), Row("4", error="damaged")]
    known, unknown = group_totals(rows, ["a", "a", "b", "a"], MODEL, 0.9)
    assert (known.area_mm2, known.per_mm2) == (2.0, 20.0)
    assert (unknown.area_mm2, unknown.per_mm2) == (None, None)
    assert group_totals(rows[1:3], ["a", "a"], MODEL, 0.9)[0].per_mm2 is None
    write_totals(tmp_path / "t.csv", [known, unknown])
    table = pd.read_csv(tmp_path / "t.csv")
    assert table.per_mm2[0] == 20
    assert table.per_mm2.isna().tolist() == [False, True]


def test_names_with_accents_in_two_pieces_are_the_same(tmp_path: Path) -> None:
    table = tmp_path / "wells.csv"
    table.write_text("image,group\nZählung.png,a\n", encoding="utf-8")
    assert find_groups([tmp_path / "Za\u0308hlung.png"], table=table) == ["a"]


def test_copies_of_files_are_found(tmp_path: Path) -> None:
    a, b, c, d, e, f = (str(tmp_path / name) for name in "abcdef")
    for name in (a, b, c, d, e, f):
        Path(name).write_bytes(b"two" if name == b else b"one")
    rows = [Row(b, 5.0), Row(a, 5.0), Row(c, 5.0), Row(d, 5.0, page=1), Row(e, error="damaged"), Row("gone", 5.0)]
    assert copies([*rows, Row(f, 4.0)]) == {c: a}
    assert copies([Row(a, 5.0), Row(a, 5.0)]) == {}
    assert copies([Row(a, 0.1), Row(c, 0.1)]) == {}, "empty tiles are alike"
