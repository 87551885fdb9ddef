from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from countception.counting.counter import Counter
from countception.errors import OutputError
from countception.regions import RegionCount
from countception.results.count_report import write_count_report
from countception.results.groups import group_totals
from countception.results.plots import counts
from countception.results.row import Row
from countception.trust.fitting import fit_intervals
from helpers_page import Page

KNOWN = fit_intervals([20.0 + k for k in range(12)], [21.0 + 1.1 * k for k in range(12)])


def sure() -> Counter:
    return Counter(replace(tiny.untrained().model, intervals=KNOWN), device="cpu")


def row(name: str, count: float, **values: object) -> Row:
    low, high = (not values.get("warning") and KNOWN.interval(count, None, 0.9)) or (None, None)
    return Row(name, count, low, high, **values)  # type: ignore[arg-type]


def page(tmp_path: Path, rows: list[Row], counter: Counter | None = None, **options: object) -> Page:
    write_count_report(tmp_path / "counts.html", rows, counter or sure(), **options)  # type: ignore[arg-type]
    return Page((tmp_path / "counts.html").read_text(encoding="utf-8"))


def test_warnings_come_first_and_failures_are_named(tmp_path: Path) -> None:
    rows = [row("in/a.png", 30.0), Row("in/b.png", error="in/b.png is damaged"), row("in/c.png", 12.0, warning="dim")]
    text = page(tmp_path, rows).text
    table = text.split("All images, those with warnings first")[1]
    assert table.index("c.png") < table.index("dim") < table.index("a.png")
    assert "in/b.png is damaged" in text
    assert "42 objects in all from in" in text
    assert "1 of them is not" in text
    total = KNOWN.total([30, 12], None, 0.9)
    assert total is not None
    assert f"between {int(total.low + 0.5)} and {int(total.high + 0.5)}" in text
    for count, held in ((30.0, True), (12.0, False)):
        low, high = KNOWN.interval(count, None, 0.9) or (0.0, 0.0)
        assert (f"{int(low + 0.5)} to {int(high + 0.5)}" in table) == held


def test_no_interval_is_shown_that_the_model_cannot_support(tmp_path: Path) -> None:
    few = tiny.untrained()
    shown = page(tmp_path, [Row("a.png", 30.0), Row("b.png", 3.0)], few)
    assert "No 90 % intervals: they need at least 9 validation images" in shown.text
    assert "probability" not in shown.text
    assert not shown.all("i")


def test_pictures_are_those_of_the_rows_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    jpeg = b"\xff\xd8\xff"
    rows = [row("a.png", 1.0, picture=jpeg), row("b.png", 2.0), row("c.png", 3.0, picture=jpeg, warning="dim")]
    shown = page(tmp_path, rows)
    sources = [image["src"] or "" for image in shown.all("img")]
    assert [source.split(";")[0] for source in sources] == ["data:image/jpeg", "data:image/png", "data:image/jpeg"]
    assert not shown.all("script")
    assert not shown.all("link")
    assert all(image["alt"] for image in shown.all("img"))


def test_a_page_is_for_everyone(tmp_path: Path) -> None:
    region = RegionCount("rim", 7.0, 20.0, 0.1)
    rows = [row("x/a.png", 30.0, whole=replace(region, name="all"), regions=(region,), by_class={"red": 30.0})]
    rows += [row("x/b.png", 12.0, warning="dim", picture=b"\xff\xd8\xff", by_class={"red": 12.0})]
    shown = page(tmp_path, rows, totals=group_totals(rows, ["m", "n"], KNOWN, 0.9))
    shown.check_access()
    assert shown.text.count("drawn from 0 to") == 2, "of totals and of images"


def test_images_with_a_warning_are_told_apart_in_grey() -> None:
    like, unlike = counts([row("a.png", 30.0), row("b.png", 12.0, warning="dim")]).axes[0].lines
    assert like.get_marker() != unlike.get_marker()
    legend = counts([row(f"{k}.png", 9.0, warning="dim" * (k % 2)) for k in range(400)]).axes[0].get_legend()
    assert legend is not None
    assert min(handle.get_markersize() for handle in legend.legend_handles) > 5, "however small the marks are"


def test_totals_and_regions_are_shown_when_asked_for(tmp_path: Path) -> None:
    whole = RegionCount("whole image", 30.0, 100.0, 0.5)
    rows = [row("x/a.png", 30.0, whole=whole, regions=(RegionCount("rim", 7.0, 20.0, 0.1),)), row("y/b.png", 12.0)]
    plain = page(tmp_path, rows[1:])
    assert "Totals" not in plain.text
    assert "Regions" not in plain.text
    shown = page(tmp_path, rows, totals=group_totals(rows, ["one plate", "two"], KNOWN))
    assert shown.text.index("one plate") < shown.text.index("two")
    regions = shown.text.split("Regions")[1]
    assert "rim" in regions
    assert "70" in regions, "per mm²"
    assert "0.1" in regions, "mm²"
    assert "per mm²" not in shown.text.split("Regions")[0], "the size of y/b.png is not known"
    sized = [row("a.png", 30.0, area_mm2=0.5), row("b.png", 12.0, area_mm2=0.5)]
    totals = page(tmp_path, sized, totals=group_totals(sized, ["plate", "plate"], KNOWN)).text.split("Totals")[1]
    assert "21 ± 12.7" in totals, "per image"
    assert "42" in totals, "per mm²"
    lost = [row("a.png", 30.0), Row("b.png", error="damaged")]
    totals = page(tmp_path, lost, totals=group_totals(lost, ["here", "gone"], KNOWN)).text.split("Totals")[1]
    assert "1 missing0––" in totals, "no image, and a count that is not known to be 0"


def test_totals_and_regions_have_those_of_each_class(tmp_path: Path) -> None:
    rim = RegionCount("rim", 9.0, 20.0, by_class={"ripe": 8.0, "unripe": 1.0})
    both = {"ripe": 19.0, "unripe": 11.0}
    rows = [row("a.png", 30.0, by_class=both, whole=replace(rim, name="all"), regions=(rim,)), Row("b", error="bad")]
    text = page(tmp_path, rows, totals=group_totals(rows, ["one", "gone"], KNOWN)).text
    totals, regions = text.split("Totals")[1], text.split("Regions")[1]
    assert "objectsripeunripe" in totals
    assert "gone1 missing0––––" in totals, "images, objects, each class and interval"
    assert "countripeunripe" in regions
    assert "rim981" in regions


def test_areas_of_land_are_in_square_metres(tmp_path: Path) -> None:
    whole, plot = RegionCount("whole image", 30.0, 100.0, 5e8), RegionCount("plot", 7.0, 20.0, 2e7)
    rows = [row("a.png", 30.0, area_mm2=5e8, whole=whole, regions=(plot,)), row("b.png", 12.0)]
    shown = page(tmp_path, rows, totals=group_totals(rows, ["north", "south"], KNOWN))
    assert "mm²" not in shown.text
    assert "0.06" in shown.text.split("Totals")[1].split("Regions")[0], "per m² of the group"
    regions = shown.text.split("Regions")[1]
    assert "20" in regions, "m²"
    assert "0.35" in regions, "per m²"


def test_thousands_of_images_make_a_light_page_in_parts(tmp_path: Path) -> None:
    rows = [row(f"folder/image {k:05}.png", 100.0 + k % 7) for k in range(3000)]
    shown = page(tmp_path, rows)
    assert len(shown.all("details")) == 12
    assert sum("open" in part for part in shown.all("details")) == 1
    assert "image 02999.png" in shown.text
    assert (tmp_path / "counts.html").stat().st_size < 2_000_000


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>{{ 7 * 7 }}"
    region = RegionCount(name, 1.0, 2.0)
    rows = [row(name, 5.0, warning=name, whole=region, regions=(region,)), Row(name, error=name)]
    shown = page(tmp_path, rows, totals=group_totals(rows, [name, name], KNOWN))
    assert not shown.all("script")
    assert not any("onerror" in attributes for _, attributes in shown.tags)
    assert shown.text.count("{{ 7 * 7 }}") >= 4


def test_a_report_of_failures_only_can_be_written(tmp_path: Path) -> None:
    shown = page(tmp_path, [Row("a.png", error="a.png is damaged"), Row("/b.png", error="b")])
    assert "0 images, 0 objects" in shown.text


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_count_report(tmp_path / "file" / "a.html", [row("a.png", 1.0)], sure())
