"""A batch that was interrupted goes on where it was, and says the same as one that was not."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tifffile import imwrite

import tiny
from countception.counting.counter import Counter
from countception.errors import OutputError
from countception.points import read_points
from countception.results import batch
from countception.results.batch import count_files
from countception.results.row import Row

Batch = Callable[..., list[Row]]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tiny.images(tmp_path / "images", 4)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each image that is counted."""
    count, seen = Counter.count_pixels, []

    def watched(self: Counter, *args: Any, **options: Any) -> Any:
        seen.append(1)
        return count(self, *args, **options)

    monkeypatch.setattr(Counter, "count_pixels", watched)
    return seen


def interrupted(images: Path, out: Path, *, after: int = 2, **options: Any) -> None:
    def stop(done: float, *_: object) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_files(tiny.untrained(), images, out=out, report=stop, **options)


@pytest.mark.parametrize("classes", [1, 2])
def test_what_was_counted_is_not_counted_again_and_all_results_are_those_of_one_go(
    images: Path, tmp_path: Path, counted: list[int], classes: int
) -> None:
    Image.fromarray(np.ones((40, 56), np.uint8)).save(tmp_path / "all.png")
    counter = tiny.untrained(classes=classes)

    def batch(place: Path, stop: float | None = None) -> list[Row]:
        def report(done: float, *_: object) -> None:
            if done == stop:
                raise KeyboardInterrupt

        (tmp_path / "now").unlink(missing_ok=True)
        place.mkdir(exist_ok=True)
        (tmp_path / "now").symlink_to(place)  # files are named by the same paths in both
        now = tmp_path / "now"
        folders = {kind: now / kind for kind in ("overlays", "maps", "points")}
        regions = {"regions": tmp_path / "all.png", "regions_out": now / "regions.csv"}
        options: dict[str, Any] = {**folders, **regions, "flips": True, "pixel_size": 0.5, "pictures": 4}
        return count_files(counter, images, out=now / "counts.csv", report=report, **options)

    whole = batch(tmp_path / "whole")
    counted.clear()
    with pytest.raises(KeyboardInterrupt):
        batch(tmp_path / "parts", stop=3)
    rows = batch(tmp_path / "parts")
    assert len(counted) == 4
    assert [row.before for row in rows] == [True, True, True, False]
    for row, other in zip(rows, whole, strict=True):
        assert {**vars(row), "before": False} == vars(other)
    files = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*")}
    assert files == {path.relative_to(tmp_path / "parts") for path in (tmp_path / "parts").rglob("*")}
    for name in files:
        if (tmp_path / "whole" / name).is_file():
            assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_pages_go_on_too(tmp_path: Path, counted: list[int]) -> None:
    imwrite(
        tmp_path / "film.tif",
        np.stack([tiny.pixels(seed=k, channels=1)[..., 0] for k in range(4)]),
        photometric="minisblack",
    )
    counter = tiny.untrained(channels=1)

    def stop(done: float, *_: object) -> None:
        if done == 3:
            raise KeyboardInterrupt

    out = tmp_path / "counts.csv"
    with pytest.raises(KeyboardInterrupt):
        count_files(counter, tmp_path / "film.tif", out=out, page="all", report=stop)
    rows = count_files(counter, tmp_path / "film.tif", out=out, page="all")
    assert len(counted) == 4
    assert [row.page for row in rows] == [0, 1, 2, 3]
    assert rows[0] != rows[1]


def test_an_image_that_has_changed_is_counted_again(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "counts.csv"
    interrupted(images, out, after=3)
    Image.fromarray(tiny.pixels(seed=9)).save(images / "1.png")
    rows = count_files(tiny.untrained(), images, out=out)
    assert [row.before for row in rows] == [True, False, True, False]
    assert rows[1].count == tiny.untrained().count(images / "1.png").value


def test_so_is_one_whose_regions_have_changed(images: Path, tmp_path: Path) -> None:
    out, regions = tmp_path / "counts.csv", tmp_path / "regions"
    regions.mkdir()
    for k in range(4):
        Image.fromarray(np.ones((40, 56), np.uint8)).save(regions / f"{k}.png")
    options = {"regions": regions, "regions_out": tmp_path / "regions.csv"}
    interrupted(images, out, after=3, **options)
    Image.fromarray(np.full((40, 56), 7, np.uint8)).save(regions / "0.png")
    rows = count_files(tiny.untrained(), images, out=out, **options)  # type: ignore[arg-type]
    assert [row.before for row in rows] == [False, True, True, False]
    assert rows[0].regions[0].name == "7"


def test_and_one_whose_overlay_is_gone(images: Path, tmp_path: Path) -> None:
    out, overlays = tmp_path / "counts.csv", tmp_path / "overlays"
    interrupted(images, out, after=3, overlays=overlays)
    (overlays / "2.png").unlink()
    rows = count_files(tiny.untrained(), images, out=out, overlays=overlays)
    assert [row.before for row in rows] == [True, True, False, False]
    assert (overlays / "2.png").exists()


def test_images_that_have_come_since_are_counted_with_the_rest(images: Path, tmp_path: Path) -> None:
    interrupted(images, tmp_path / "counts.csv", after=3)
    Image.fromarray(tiny.pixels(seed=9)).save(images / "00.png")
    rows = count_files(tiny.untrained(), images, out=tmp_path / "counts.csv")
    assert [(Path(row.image).name, row.before) for row in rows] == [
        ("0.png", True),
        ("00.png", False),
        ("1.png", True),
        ("2.png", True),
        ("3.png", False),
    ]


@pytest.mark.parametrize("options", [{"flips": True}, {"level": 0.8}, {"pixel_size": 2.0}])
def test_another_batch_is_counted_from_the_start(images: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    interrupted(images, tmp_path / "counts.csv")
    rows = count_files(tiny.untrained(), images, out=tmp_path / "counts.csv", **options)
    assert not any(row.before for row in rows)


def test_what_was_counted_stays_known_with_other_tiles_and_gets_the_pictures_it_lacks(
    images: Path, tmp_path: Path
) -> None:
    interrupted(images, tmp_path / "counts.csv")
    rows = count_files(tiny.untrained(), images, out=tmp_path / "counts.csv", tile=32)
    assert [row.before for row in rows] == [True, True, False, False]
    interrupted(images, tmp_path / "counts.csv")
    rows = count_files(tiny.untrained(), images, out=tmp_path / "counts.csv", pictures=2)
    assert [row.picture is not None for row in rows] == [False, True, False, True]
    assert [row.before for row in rows] == [True, True, False, False]
    interrupted(images, tmp_path / "counts.csv", pictures=2)
    assert [row.before for row in count_files(tiny.untrained(), images, out=tmp_path / "counts.csv")][:2] == [True] * 2


def test_pictures_that_are_lacking_change_nothing_else(images: Path, tmp_path: Path) -> None:
    """Neither points that were corrected, nor what is known if that is interrupted, too."""
    points, out = tmp_path / "points", tmp_path / "counts.csv"
    interrupted(images, out, after=3, points=points)
    (points / "1.csv").write_text("x,y\n1,1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Counter, "count_pixels", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            count_files(tiny.untrained(), images, out=out, points=points, pictures=2)
    rows = count_files(tiny.untrained(), images, out=out, points=points, pictures=2)
    assert [row.before for row in rows] == [True, True, True, False]
    assert [row.picture is not None for row in rows] == [False, True, False, True]
    assert (points / "1.csv").read_text() == "x,y\n1,1\n"


def test_files_that_come_into_the_folder_of_regions_change_nothing_for_images_without_any(
    images: Path, tmp_path: Path
) -> None:
    regions = tmp_path / "regions"
    regions.mkdir()
    Image.fromarray(np.ones((40, 56), np.uint8)).save(regions / "0.png")
    out = regions / "counts.csv"
    interrupted(images, out, regions=regions)
    rows = count_files(tiny.untrained(), images, out=out, regions=regions)
    assert [row.before for row in rows] == [True, True, False, False]
    interrupted(images, out, regions=regions)
    Image.fromarray(np.ones((40, 56), np.uint8)).save(regions / "1.png")
    rows = count_files(tiny.untrained(), images, out=out, regions=regions)
    assert [row.before for row in rows] == [True, False, False, False]


def test_a_batch_that_counts_nothing_leaves_what_another_has_counted(images: Path, tmp_path: Path) -> None:
    interrupted(images, tmp_path / "counts.csv")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Counter, "count_pixels", stop)
        with pytest.raises(KeyboardInterrupt):
            count_files(tiny.untrained(), images, out=tmp_path / "counts.csv", level=0.8)
    rows = count_files(tiny.untrained(), images, out=tmp_path / "counts.csv")
    assert [row.before for row in rows] == [True, True, False, False]


def test_the_table_so_far_has_what_was_counted_before_and_not_come_to_yet(images: Path, tmp_path: Path) -> None:
    interrupted(images, tmp_path / "counts.csv", after=3)
    Image.fromarray(tiny.pixels(seed=9)).save(images / "0.png")
    interrupted(images, tmp_path / "counts.csv", after=1)
    table = (tmp_path / "counts.unfinished.csv").read_text().splitlines()
    assert [Path(line.split(",")[0]).name for line in table[1:]] == ["0.png", "1.png", "2.png"]


def test_so_has_the_one_that_is_written_now_and_then_with_its_groups(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "SAVED_EVERY", -1.0)
    groups = {str(images / f"{k}.png"): f"group {k}" for k in range(4)}
    interrupted(images, tmp_path / "counts.csv", after=3, groups=groups)
    tables: list[list[str]] = []

    def look(*_: object) -> None:
        table = pd.read_csv(tmp_path / "counts.unfinished.csv")
        tables.append(list(table["group"]))

    count_files(tiny.untrained(), images, out=tmp_path / "counts.csv", groups=groups, report=look)
    assert tables[0] == ["group 0", "group 1", "group 2"]


def test_so_is_one_by_another_model_or_in_other_channels(images: Path, tmp_path: Path) -> None:
    counter = tiny.untrained()
    for other in (tiny.untrained(network="fcrn_a"), counter.with_channels([2, 1, 0])):
        interrupted(images, tmp_path / "counts.csv")
        assert not any(row.before for row in count_files(other, images, out=tmp_path / "counts.csv"))


def test_what_could_not_be_counted_is_tried_again(images: Path, tmp_path: Path) -> None:
    good = (images / "0.png").read_bytes()
    (images / "0.png").write_bytes(good[:200])
    interrupted(images, tmp_path / "counts.csv")
    (images / "0.png").write_bytes(good)
    rows = count_files(tiny.untrained(), images, out=tmp_path / "counts.csv")
    assert [row.before for row in rows] == [False, True, False, False]
    assert not any(row.error for row in rows)


@pytest.mark.parametrize("damage", ["torn", "other", "binary", "list", "empty"])
def test_of_a_damaged_file_what_can_be_read_is_taken(images: Path, tmp_path: Path, damage: str) -> None:
    out, journal = tmp_path / "counts.csv", tmp_path / "counts.unfinished.jsonl"
    interrupted(images, out, after=3)
    lines = journal.read_bytes().splitlines(keepends=True)
    damaged = {
        "torn": [*lines[:-1], lines[-1][:50]],
        "other": [*lines[:-1], b'{"image": "0.png", "page": null, "row": {"image": 3}}\n'],
        "binary": [*lines[:-1], bytes(range(256))],
        "list": [b"[1]\n", *lines[1:]],
        "empty": [],
    }
    journal.write_bytes(b"".join(damaged[damage]))
    rows = count_files(tiny.untrained(), images, out=out)
    before = 0 if damage in ("list", "empty") else 2
    assert [row.before for row in rows] == [k < before for k in range(4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["counts.csv", "images"]


@pytest.mark.parametrize(
    "change",
    [
        {"count": "many"},
        {"count": None},
        {"count": math.inf},
        {"image": "/dev/zero"},
        {"page": 3},
        {"by_class": {"object": "<b>"}},
        {"width": [1]},
        {"warning": 5},
        {"regions": [{"name": 1, "count": 1, "area": 1, "interval": None}]},
        {"whole": {"name": "whole image", "count": 1, "area": "large", "interval": None}},
    ],
)
def test_values_of_another_kind_are_no_row(images: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    out, journal = tmp_path / "counts.csv", tmp_path / "counts.unfinished.jsonl"
    interrupted(images, out, after=2)
    *lines, last = journal.read_text().splitlines()
    values = json.loads(last)
    values["row"] |= change
    journal.write_text("\n".join([*lines, json.dumps(values)]) + "\n")
    rows = count_files(tiny.untrained(), images, out=out)
    assert [row.before for row in rows] == [True, False, False, False]


def test_it_stays_until_what_is_made_of_the_rows_is_written(images: Path, tmp_path: Path) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    out, journal = tmp_path / "counts.csv", tmp_path / "counts.unfinished.jsonl"
    with pytest.raises(KeyboardInterrupt):
        count_files(tiny.untrained(), images, out=out, finish=stop)
    assert out.exists()
    seen: list[int] = []
    rows = count_files(tiny.untrained(), images, out=out, finish=lambda rows: seen.append(len(rows)))
    assert [row.before for row in rows] == [True] * 4
    assert seen == [4]
    assert not journal.exists()


@pytest.mark.parametrize("out", ["counts", "counts.csv", "plate.1", "plate.2"])
def test_it_takes_no_name_that_may_be_of_something_else(images: Path, tmp_path: Path, out: str) -> None:
    for name in ("counts.jsonl", "plate.jsonl", "plate.unfinished.jsonl"):
        (tmp_path / name).write_text("mine")
    interrupted(images, tmp_path / out)
    assert [row.before for row in count_files(tiny.untrained(), images, out=tmp_path / out)][:2] == [True, True]
    for name in ("counts.jsonl", "plate.jsonl", "plate.unfinished.jsonl"):
        assert (tmp_path / name).read_text() == "mine"


def test_a_line_nested_without_end_is_a_damaged_one(images: Path, tmp_path: Path) -> None:
    out, journal = tmp_path / "counts.csv", tmp_path / "counts.unfinished.jsonl"
    interrupted(images, out, after=2)
    with journal.open("a") as stream:
        stream.write("[" * 100_000 + "\n")
    assert [row.before for row in count_files(tiny.untrained(), images, out=out)] == [True, True, False, False]


@pytest.mark.parametrize("name", ["counts.unfinished.jsonl", "counts.unfinished.csv"])
def test_what_a_link_leads_to_in_a_place_that_nobody_named_stays(images: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / name).symlink_to(tmp_path / "precious")
    interrupted(images, tmp_path / "counts.csv")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / name).is_symlink()
    assert count_files(tiny.untrained(), images, out=tmp_path / "counts.csv")[0].before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_not_waited_for(images: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "counts.unfinished.jsonl")
    assert len(count_files(tiny.untrained(), images, out=tmp_path / "counts.csv")) == 4


def test_after_each_interruption_more_is_known(images: Path, tmp_path: Path, counted: list[int]) -> None:
    for k in range(1, 4):
        interrupted(images, tmp_path / "counts.csv", after=k)
        assert len((tmp_path / "counts.unfinished.csv").read_text().splitlines()) == k + 1
    rows = count_files(tiny.untrained(), images, out=tmp_path / "counts.csv")
    assert [row.before for row in rows] == [True, True, True, False]
    assert len(counted) == 4


def test_points_of_its_own_do_not_stand_in_its_way_but_corrected_ones_do(images: Path, tmp_path: Path) -> None:
    """Of the image at which the machine went down there may be points and no row."""
    out, points, journal = tmp_path / "counts.csv", tmp_path / "points", tmp_path / "counts.unfinished.jsonl"
    interrupted(images, out, points=points)
    lines = journal.read_text().splitlines(keepends=True)
    assert [len(json.loads(line)) for line in lines[1:]] == [2, 4, 2, 4]
    journal.write_text("".join(lines[:-1]))
    (points / "0.csv").write_text("x,y\n1,1\n")  # corrected in the meantime
    rows = count_files(tiny.untrained(), images, out=out, points=points)
    assert [row.before for row in rows] == [True, False, False, False]
    assert len(read_points(points / "0.csv", image_shape=(40, 56))) == 1
    interrupted(images, tmp_path / "more.csv", points=tmp_path / "others")
    (tmp_path / "others" / "3.csv").write_text("x,y\n1,1\n")
    with pytest.raises(OutputError, match=r"3\.csv is there already"):
        count_files(tiny.untrained(), images, out=tmp_path / "more.csv", points=tmp_path / "others")
    os.utime(images / "0.png", ns=(1, 1))
    (tmp_path / "others" / "3.csv").unlink()
    with pytest.raises(OutputError, match=r"0\.csv is there already"):
        count_files(tiny.untrained(), images, out=tmp_path / "more.csv", points=tmp_path / "others")


def test_nothing_is_kept_of_a_batch_without_a_table_or_a_row(images: Path, tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for out in (None, "/dev/null"):
        with pytest.raises(KeyboardInterrupt):
            count_files(tiny.untrained(), images, out=out, report=stop)
    (images / "0.png").write_bytes(b"no image")
    interrupted(images, tmp_path / "counts.csv", after=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["counts.unfinished.csv", "images"]
