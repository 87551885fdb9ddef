from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tifffile import TiffFile

import tiny
from countception.batch import count_files, unique_names, write_counts
from countception.confidence import fit_intervals
from countception.counter import Counter
from countception.errors import ConfigError, ImageError, OutputError
from countception.points import read_points


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(3):
        Image.fromarray(tiny.pixels(seed=k)).save(folder / f"{k}.png")
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_image_gets_the_count_that_the_counter_gives_it(images: Path, tmp_path: Path) -> None:
    counter = tiny.untrained()
    out = tmp_path / "counts.csv"
    rows = count_files(counter, images, out=out)
    assert [row.image for row in rows] == [str(images / f"{k}.png") for k in range(3)]
    table = pd.read_csv(out)
    assert list(table.columns) == ["image", "count", "low", "high", "width", "height", "warning", "error"]
    for k, row in enumerate(rows):
        expected = counter.count(images / f"{k}.png").value
        assert row.count == expected
        assert table["count"][k] == pytest.approx(expected, abs=5e-4)
        assert (table.width[k], table.height[k]) == (56, 40)


def test_bad_files_are_named_and_the_good_ones_counted(images: Path, tmp_path: Path) -> None:
    (images / "a.png").write_bytes(b"no image")
    (images / "b.png").write_bytes((images / "0.png").read_bytes()[:200])
    Image.fromarray(tiny.pixels(channels=1)[..., 0]).save(images / "c.png")
    rows = {Path(row.image).name: row for row in count_files(tiny.untrained(), images, out=tmp_path / "counts.csv")}
    assert {name for name, row in rows.items() if row.error} == {"a.png", "b.png", "c.png"}
    assert all(row.count is not None for row in rows.values() if not row.error)
    assert "1 channel" in rows["c.png"].error
    assert "3" in rows["c.png"].error
    written = {Path(row["image"]).name: row for row in read(tmp_path / "counts.csv")}
    assert written["a.png"]["count"] == ""
    assert written["a.png"]["error"] == rows["a.png"].error


@pytest.mark.parametrize(("network", "stride"), [("boxnet", 2), ("count_ception", 1), ("fcrn_a", 1)])
@pytest.mark.parametrize("classes", [1, 2])
def test_the_sum_of_a_map_over_its_redundancy_is_the_count(
    images: Path, tmp_path: Path, network: str, stride: int, classes: int
) -> None:
    counter = tiny.untrained(network=network, stride=stride, classes=classes)
    for row in count_files(counter, images / "0.png", maps=tmp_path / "maps"):
        with TiffFile(row.map) as tiff:
            values, description = tiff.asarray(), json.loads(tiff.pages[0].description)
        assert values.dtype == np.float32
        assert values.ndim == (2 if classes == 1 else 3)
        assert values.sum(dtype=np.float64) / description["redundancy"] == pytest.approx(row.count, rel=1e-6)
        assert description["count"] == row.count
        assert description["window"] == counter.model.network.window


def test_points_are_written_as_dots_are_read(images: Path, tmp_path: Path) -> None:
    counter = tiny.untrained()
    rows = count_files(counter, images, points=tmp_path / "points", out=tmp_path / "counts.csv")
    for row in rows:
        assert row.count is not None
        dots = read_points(row.points, image_shape=(40, 56))
        assert len(dots) == int(row.count + 0.5)
        assert "confidence" in Path(row.points).read_text().splitlines()[0]
    assert [row["points"] for row in read(tmp_path / "counts.csv")] == [row.points for row in rows]


def test_intervals_are_written_where_the_model_can_say(images: Path, tmp_path: Path) -> None:
    counter = tiny.untrained()
    known = fit_intervals([20.0 + k for k in range(12)], [21.0 + 1.1 * k for k in range(12)])
    sure = Counter(replace(counter.model, intervals=known), device="cpu")
    for row in count_files(sure, images):
        assert row.count is not None
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.count <= row.high
    unsure = count_files(counter, images, out=tmp_path / "counts.csv")
    assert all(row.low is None and row.high is None for row in unsure)
    assert all(row["low"] == row["high"] == "" for row in read(tmp_path / "counts.csv"))
    with pytest.raises(ConfigError, match="level"):
        count_files(sure, images, level=1.5)


def test_classes_have_columns_that_add_up(images: Path, tmp_path: Path) -> None:
    count_files(tiny.untrained(classes=2), images, out=tmp_path / "counts.csv")
    table = pd.read_csv(tmp_path / "counts.csv")
    assert list(table.columns[:6]) == ["image", "count", "low", "high", "count_kind0", "count_kind1"]
    assert np.allclose(table["count_kind0"] + table["count_kind1"], table["count"], atol=2e-3)


def test_images_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        Image.fromarray(tiny.pixels()).save(tmp_path / folder / "a.png")
    Image.fromarray(tiny.pixels()).save(tmp_path / "one" / "A.bmp")
    rows = count_files(
        tiny.untrained(), [tmp_path / "one", tmp_path / "two"], overlays=tmp_path / "o", maps=tmp_path / "m"
    )
    for kind in ("overlay", "map"):
        written = [getattr(row, kind) for row in rows]
        assert len({name.lower() for name in written}) == 3
        assert all(Path(name).is_file() for name in written)


def test_names_stay_plain_where_they_can(tmp_path: Path) -> None:
    files = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png", tmp_path / "y" / "b.png", tmp_path / "y" / "a.tif"]
    assert unique_names(files) == ["x_a", "y_a", "b", "y_a_2"]


def test_a_number_does_not_make_a_name_that_is_taken(tmp_path: Path) -> None:
    names = unique_names([tmp_path / "a.png", tmp_path / "a.tif", tmp_path / "a_2.png"])
    assert len(set(names)) == 3
    assert names[2] == "a_2"


def test_an_image_is_never_overwritten(images: Path) -> None:
    before = (images / "0.png").read_bytes()
    with pytest.raises(OutputError, match="one of the images"):
        count_files(tiny.untrained(), images, overlays=images)
    with pytest.raises(OutputError, match="one of the images"):
        count_files(tiny.untrained(), images, out=images / "0.png")
    assert (images / "0.png").read_bytes() == before


@pytest.mark.parametrize("what", ["out", "overlays", "maps"])
def test_an_unwritable_place_is_refused_before_counting(images: Path, tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_text("in the way")
    seen: list[str] = []
    with pytest.raises(OutputError, match="file"):
        count_files(
            tiny.untrained(),
            images,
            report=lambda _done, _all, name: seen.append(name),
            **{what: tmp_path / "file" / "below"},  # type: ignore[arg-type]
        )
    assert seen == []


def test_after_an_interruption_the_rows_so_far_are_written(images: Path, tmp_path: Path) -> None:
    def stop(done: int, _total: int, _name: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_files(tiny.untrained(), images, out=tmp_path / "counts.csv", report=stop)
    assert [Path(row["image"]).name for row in read(tmp_path / "counts.csv")] == ["0.png", "1.png"]


def test_an_interruption_before_the_first_image_leaves_an_older_file(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "counts.csv").write_text("older")
    counter = tiny.untrained()
    monkeypatch.setattr(counter, "count", interrupted)
    with pytest.raises(KeyboardInterrupt):
        count_files(counter, images, out=tmp_path / "counts.csv")
    assert (tmp_path / "counts.csv").read_text() == "older"


def test_a_name_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nothing"):
        count_files(tiny.untrained(), tmp_path / "nothing.png")


def test_hostile_names_survive_the_csv(tmp_path: Path) -> None:
    name = 'a,"b"\n<script>.png'
    Image.fromarray(tiny.pixels()).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / name)
    rows = count_files(tiny.untrained(), tmp_path / name)
    write_counts(tmp_path / "counts.csv", rows)
    assert read(tmp_path / "counts.csv")[0]["image"] == str(tmp_path / name)


def test_pages_are_chosen_and_options_reach_the_counter(tmp_path: Path) -> None:
    import tifffile

    stack = np.stack([tiny.pixels(channels=1, seed=k)[..., 0] for k in range(2)])
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    counter = tiny.untrained(channels=1)
    assert "stack" in count_files(counter, tmp_path / "stack.tif")[0].error
    row = count_files(counter, tmp_path / "stack.tif", page=1, flips=True)[0]
    assert row.count == counter.count(stack[1], flips=True).value
    assert row.count != counter.count(stack[1]).value
