from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tifffile import TiffFile, imwrite

import tiny
from countception import files as names_of_files
from countception.counting.counter import Counter
from countception.counting.model_file import known_by
from countception.errors import ConfigError, ImageError, OutputError, PointsError, RegionsError
from countception.files import unique_names
from countception.images.read import read_image
from countception.points import read_points
from countception.results import batch
from countception.results.batch import count_files
from countception.results.count_report import write_count_report
from countception.results.row import known_note
from countception.results.tables import write_counts
from countception.trust.fitting import fit_intervals

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9]]]}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tiny.images(tmp_path / "images", 3)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_image_gets_the_count_that_the_counter_gives_it(images: Path, tmp_path: Path) -> None:
    counter = tiny.untrained()
    out = tmp_path / "counts.csv"
    rows = count_files(counter, images, out=out)
    assert [row.image for row in rows] == [str(images / f"{k}.png") for k in range(3)]
    table = pd.read_csv(out)
    assert list(table.columns) == ["image", "count", "low", "high", "width", "height", "warning", "error", "model"]
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


@pytest.mark.parametrize("classes", [1, 2])
def test_objects_without_a_point_have_a_column(tmp_path: Path, classes: int) -> None:
    Image.fromarray(tiny.pixels((400, 400))).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    (row, _) = count_files(
        tiny.hazy(classes=classes), tmp_path, points=tmp_path / "points", out=tmp_path / "counts.csv"
    )
    first, second = read(tmp_path / "counts.csv")
    names = [f"points_missing_kind{k}" for k in range(classes)] if classes > 1 else []
    assert [name for name in first if "missing" in name] == ["points_missing", *names]
    assert [first[name] for name in ("points_missing", *names)] == [str(3 * classes), *(["3"] * len(names))]
    assert second["points_missing"] == ""
    assert (row.missing, row.faint) == (3 * classes, 3 * classes)
    assert len(read_points(row.points)) == 0
    (plain,) = count_files(tiny.hazy(), tmp_path / "a.png", out=tmp_path / "counts.csv")
    assert plain.missing is None
    assert "points_missing" not in read(tmp_path / "counts.csv")[0]


@pytest.mark.parametrize("kind", ["geojson", "zip"])
def test_points_can_be_corrected_in_other_programs(images: Path, tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        pytest.importorskip("roifile", reason="roifile is not installed: it is the extra countception[roi]")
    tables = count_files(tiny.untrained(), images, points=tmp_path / "tables")
    rows = count_files(tiny.untrained(), images, points=tmp_path / kind, points_as=kind)
    for row, table in zip(rows, tables, strict=True):
        assert Path(row.points).suffix == f".{kind}"
        np.testing.assert_allclose(read_points(row.points).points, read_points(table.points).points, atol=1e-3)


def test_points_are_not_written_in_a_form_that_none_reads(images: Path, tmp_path: Path) -> None:
    with pytest.raises(PointsError, match=r"cannot be written as \.pdf; use \.csv or"):
        count_files(tiny.untrained(), images, points=tmp_path / "points", points_as="pdf")
    assert not (tmp_path / "points").exists()


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


def test_an_image_with_a_warning_has_no_interval(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = tiny.untrained()
    known = fit_intervals([20.0 + k for k in range(12)], [21.0 + 1.1 * k for k in range(12)])
    sure = Counter(replace(counter.model, intervals=known), device="cpu")
    real = sure.count_pixels
    monkeypatch.setattr(
        sure, "count_pixels", lambda image, **options: replace(real(image, **options), warnings=("dim",))
    )
    regions = {"regions": halves(tmp_path / "halves.geojson"), "regions_out": tmp_path / "regions.csv"}
    rows = count_files(sure, images, **regions)  # type: ignore[arg-type]
    assert [(row.warning, row.low, row.high) for row in rows] == [("dim", None, None)] * 3
    table = read(tmp_path / "regions.csv")
    assert [(row["low"], row["warning"]) for row in table] == [("", "dim")] * 9, "regions say why they have none, too"


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


def test_links_are_named_after_the_folders_that_they_lie_in(tmp_path: Path) -> None:
    """As pipelines stage their inputs: the files themselves lie elsewhere, under other names."""
    for number, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").symlink_to(tmp_path / f"{number}.png")
    files = [tmp_path / "two" / ".." / "one" / "a.png", tmp_path / "two" / "a.png"]
    assert unique_names(files) == ["one_a", "two_a"]


def test_folders_on_several_drives(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_common(_paths: object) -> str:
        raise ValueError("Paths don't have the same drive")

    monkeypatch.setattr("os.path.commonpath", no_common)
    assert unique_names([Path("/c/a.png"), Path("/d/a.png")]) == ["c_a", "d_a"]
    drives = [PureWindowsPath(drive).parts[0] for drive in ("C:\\x", "\\\\server\\share\\x")]
    assert [names_of_files._drive_or_name(each) for each in drives] == ["C", "server_share"]


def test_a_number_does_not_make_a_name_that_is_taken(tmp_path: Path) -> None:
    names = unique_names([tmp_path / "a.png", tmp_path / "a.tif", tmp_path / "a_2.png"])
    assert len(set(names)) == 3
    assert names[2] == "a_2"


def test_an_image_is_never_overwritten(images: Path) -> None:
    before = (images / "0.png").read_bytes()
    with pytest.raises(OutputError, match="one of the images"):
        count_files(tiny.untrained(), images, overlays=images)
    with pytest.raises(OutputError, match="one of the files to read"):
        count_files(tiny.untrained(), images, out=images / "0.png")
    assert (images / "0.png").read_bytes() == before


@pytest.mark.parametrize("kind", ["overlays", "maps"])
def test_what_looks_like_an_image_is_not_written_among_the_images(images: Path, tmp_path: Path, kind: str) -> None:
    Image.fromarray(tiny.pixels()).save(images / "a.bmp")
    (tmp_path / "link.bmp").symlink_to(images / "a.bmp")
    for file in (images / "a.bmp", tmp_path / "link.bmp"):
        with pytest.raises(OutputError, match=rf"images are read from.*{kind} in it would be counted.*another folder"):
            count_files(tiny.untrained(), file, **{kind: f"{images}/../images"})  # type: ignore[arg-type]
    assert len(list(images.iterdir())) == 4
    count_files(tiny.untrained(), images / "a.bmp", points=images, **{kind: images / kind})  # type: ignore[arg-type]
    assert (images / "a.csv").exists()


def test_one_folder_may_hold_pictures_maps_and_points(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    count_files(tiny.untrained(), images, overlays=out, maps=out, points=f"{out}/../out")
    assert {"0.png", "0.tif", "0.csv"} <= {path.name for path in out.iterdir()}


def test_counts_and_points_do_not_replace_each_other(images: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"0\.csv would be overwritten, as another file has that place"):
        count_files(tiny.untrained(), images, out=tmp_path / "0.csv", points=tmp_path)
    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize("kind", ["overlays", "maps", "points"])
def test_files_of_each_image_are_not_written_over_other_results(images: Path, tmp_path: Path, kind: str) -> None:
    suffix = {"overlays": "png", "maps": "tif", "points": "csv"}[kind]
    taken, regions = tmp_path / f"1.{suffix}", tmp_path / "field.json"
    regions.write_text(json.dumps(SQUARE))
    for options in ({"out": taken}, {"regions_out": taken, "regions": regions}, {"others": [taken]}):
        with pytest.raises(OutputError, match=rf"1\.{suffix} would be overwritten"):
            count_files(tiny.untrained(), images, overwrite=True, **{kind: tmp_path}, **options)  # type: ignore[arg-type]
    assert not taken.exists()


def test_points_never_replace_regions_that_are_read(images: Path, tmp_path: Path) -> None:
    (tmp_path / "1.geojson").write_text(json.dumps(SQUARE))
    count = partial(count_files, tiny.untrained(), images, points=tmp_path, points_as="geojson", overwrite=True)
    for regions in (tmp_path, tmp_path / "1.geojson"):
        with pytest.raises(OutputError, match=r"1\.geojson would be overwritten"):
            count(regions=regions)
    assert json.loads((tmp_path / "1.geojson").read_text()) == SQUARE


def test_a_file_is_no_folder(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file is no folder: name another"):
        count_files(tiny.untrained(), images, overlays=tmp_path / "file")


def test_pixels_that_no_file_can_have_are_not_known(images: Path) -> None:
    imwrite(images / "odd.tif", tiny.pixels(), resolution=((1, 2**32 - 1), (1, 2**32 - 1)), resolutionunit="CENTIMETER")
    rows = count_files(tiny.untrained(), images)
    assert [row.error for row in rows] == [""] * len(rows)
    assert rows[-1].area_mm2 is None


def test_a_folder_that_cannot_be_written_to_is_named(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write \S*file/overlays: "):
        count_files(tiny.untrained(), images, overlays=tmp_path / "file" / "overlays")


def test_a_folder_may_hold_one_called_file(images: Path, tmp_path: Path) -> None:
    (tmp_path / "overlays" / "file").mkdir(parents=True)
    rows = count_files(tiny.untrained(), images, overlays=tmp_path / "overlays")
    assert all(Path(row.overlay).is_file() for row in rows)


@pytest.mark.parametrize(("kind", "suffix"), [("points", "geojson"), ("overlays", "png"), ("maps", "tif")])
def test_a_name_too_long_for_what_is_written_is_refused_before_counting(
    images: Path, tmp_path: Path, kind: str, suffix: str
) -> None:
    named = "L" * 251 if kind == "points" else f"{'a' * 120}/{'b' * 120}/twice_the_same"
    for folder in ("one", "two") if kind != "points" else ("one",):
        place = images / folder / f"{named}.png"
        place.parent.mkdir(parents=True)
        shutil.copy(images / "0.png", place)
    done: list[float] = []
    options: dict[str, Any] = {kind: tmp_path / "new" / "folder"}
    with pytest.raises(OutputError, match=rf"\.{suffix} has too long a name for a file: rename .*, or the folders"):
        count_files(
            tiny.untrained(),
            sorted(images.rglob("*.png")),
            points_as="geojson",
            report=lambda k, *_: done.append(k),
            **options,
        )
    assert not done


def test_points_that_came_while_images_are_counted_are_not_replaced(images: Path, tmp_path: Path) -> None:
    """Such as those of images of the same names, by another program that writes into the same folder."""
    table = tmp_path / "points" / "1.csv"

    def meanwhile(done: float, *_: object) -> None:
        if done == 1:
            table.write_text("x,y\n1,2\n")

    out = tmp_path / "counts.csv"
    with pytest.raises(OutputError, match=r"1\.csv is there already"):
        count_files(tiny.untrained(), images, points=table.parent, out=out, report=meanwhile)
    assert table.read_text() == "x,y\n1,2\n"
    assert len(read(tmp_path / "counts.unfinished.csv")) == 1


def test_an_image_that_is_written_while_it_is_counted_is_refused(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that is still being copied; one that is deleted meanwhile was whole."""
    counter = tiny.untrained()
    count, left = counter.count_pixels, iter("012")

    def meanwhile(*args: object, **options: object) -> object:
        name = next(left)
        if name == "0":
            (images / "0.png").open("ab").write(b"more")
        if name == "1":
            (images / "1.png").unlink()
        return count(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(counter, "count_pixels", meanwhile)
    rows = count_files(counter, images)
    assert "0.png: has changed while it was read; count it again" in rows[0].error
    assert rows[0].count is None
    assert [row.error for row in rows[1:]] == ["", ""]


def test_points_that_may_have_been_corrected_are_replaced_only_when_asked(images: Path, tmp_path: Path) -> None:
    counter = tiny.untrained()
    count_files(counter, images, points=tmp_path)
    table = tmp_path / "0.csv"
    table.write_text("x,y\n1,2\n")
    with pytest.raises(OutputError, match=r"0\.csv is there already.*--overwrite"):
        count_files(counter, images, points=tmp_path)
    assert table.read_text() == "x,y\n1,2\n"
    count_files(counter, images, points=tmp_path, overwrite=True)
    assert "confidence" in table.read_text()


def test_an_image_with_pixels_out_of_all_range_is_an_error_and_the_others_are_counted(images: Path) -> None:
    pixels = np.full((24, 24, 3), 100, np.float32)
    for name, value in (("missing", -3.4e38), ("huge", 1e14)):
        pixels[3, 4] = value
        imwrite(images / f"{name}.tif", pixels, photometric="rgb")
    rows = {Path(row.image).name: row for row in count_files(tiny.untrained(), images, points=images / "points")}
    assert "stand for missing ones" in rows["missing.tif"].error
    assert rows["huge.tif"].error.startswith(f"{images / 'huge.tif'}: a count of")
    assert "impossible" in rows["huge.tif"].error
    assert rows["0.png"].error == ""


def too_much(_: object, *_more: object, **_options: object) -> None:
    raise torch.cuda.OutOfMemoryError


@pytest.mark.parametrize("step", ["counting.counter.raw_map", "counting.counter.locate", "results.pictures.overlay"])
def test_an_image_too_large_for_the_memory_is_an_error_and_the_others_are_counted(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    seen: list[str] = []

    def report(_done: float, _all: int, name: str) -> None:
        if name == "0.png" and not seen:
            monkeypatch.undo()
        seen.append(name)

    monkeypatch.setattr(f"countception.{step}", too_much)
    first, *others = count_files(
        tiny.untrained(), images, points=tmp_path / "points", overlays=tmp_path / "overlays", report=report
    )
    assert first.error.startswith(f"{images / '0.png'}: there is not enough memory to count the image")
    assert "--tile" in first.error
    assert all(row.count is not None for row in others)
    assert sorted(path.name for path in (tmp_path / "overlays").iterdir()) == ["1.png", "2.png"]


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


def test_unknown_options_are_refused(images: Path) -> None:
    counter = Counter.load(tiny.model_file(), device="cpu")
    with pytest.raises(TypeError, match="no option flip, overlay"):
        count_files(counter, images, overlay="x", flip=True)  # type: ignore[call-arg]


def test_after_an_interruption_the_rows_so_far_are_written(images: Path, tmp_path: Path) -> None:
    def stop(done: int, _total: int, _name: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_files(tiny.untrained(), images, out=tmp_path / "counts.csv", report=stop)
    assert [Path(row["image"]).name for row in read(tmp_path / "counts.unfinished.csv")] == ["0.png", "1.png"]
    assert not (tmp_path / "counts.csv").exists()


def test_rows_are_written_now_and_then(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, part, seen = tmp_path / "counts.csv", tmp_path / "counts.unfinished.csv", []

    def look(done: float, *_: object) -> None:
        if done in (1, 2):
            seen.append(len(pd.read_csv(part)) if part.exists() else 0)
            assert not out.exists()

    for seconds in (60.0, 0.0):
        monkeypatch.setattr(batch, "SAVED_EVERY", seconds)
        count_files(tiny.untrained(), [images / "0.png", images / "1.png"], out=out, report=look)
        assert not part.exists()
        out.unlink()
    assert seen == [0, 0, 1, 2]


def test_an_interruption_before_the_first_image_leaves_an_older_file(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "counts.csv").write_text("older")
    counter = tiny.untrained()
    monkeypatch.setattr(counter, "count_pixels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        count_files(counter, images, out=tmp_path / "counts.csv")
    assert (tmp_path / "counts.csv").read_text() == "older"


def test_half_a_batch_does_not_take_the_place_of_a_finished_one(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as of a command that was repeated, with more images or by mistake, and then interrupted."""
    out, regions, part = tmp_path / "counts.csv", tmp_path / "regions.csv", tmp_path / "counts.unfinished.csv"
    monkeypatch.setattr(batch, "SAVED_EVERY", 0.0)
    Image.fromarray(np.ones((40, 56), np.uint8)).save(tmp_path / "all.png")

    def counted(stop: float) -> None:
        def report(done: float, *_: object) -> None:
            if done == stop:
                raise KeyboardInterrupt

        options = {"regions": tmp_path / "all.png", "regions_out": regions}
        count_files(tiny.untrained(), images, out=out, report=report, **options)  # type: ignore[arg-type]

    counted(stop=0)
    whole = out.read_text(), regions.read_text()
    with pytest.raises(KeyboardInterrupt):
        counted(stop=2)
    assert (out.read_text(), regions.read_text()) == whole
    assert len(read(part)) == 2
    assert len(pd.read_csv(tmp_path / "regions.unfinished.csv")) == 4
    counted(stop=0)
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["counts.csv", "regions.csv"]


@pytest.mark.parametrize("closes", [True, False])
def test_a_table_that_is_open_in_excel_costs_no_counts(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    """Windows lets nobody replace it then, neither what is there so far nor the whole one."""
    out, part = tmp_path / "counts.csv", tmp_path / "counts.unfinished.csv"
    out.write_text("as it was\n")
    replace, opened, parts = Path.replace, False, []

    def replace_unless_open(self: Path, target: Path) -> Path:
        if opened and (target == out or (target == part and part.exists())):
            raise PermissionError(13, "Permission denied")
        return replace(self, target)

    def look(done: float, *_: object) -> None:
        nonlocal opened
        parts.append(part.exists() and len(read(part)))
        opened = not closes or done < 2

    monkeypatch.setattr(Path, "replace", replace_unless_open)
    monkeypatch.setattr(batch, "WINDOWS", True)
    monkeypatch.setattr(batch, "SAVED_EVERY", 0.0)
    if closes:
        count_files(tiny.untrained(), images, out=out, report=look)
        assert parts == [1, 1, 3]
        assert len(read(out)) == 3
        assert not part.exists()
    else:
        part.unlink(missing_ok=True)
        monkeypatch.setattr(batch, "SAVED_EVERY", 60.0)
        with pytest.raises(OutputError, match=r"counts\.csv: .*denied.*; what was counted is in .*unfinished\.csv"):
            count_files(tiny.untrained(), images, out=out, report=look)
        assert len(read(part)) == 3
        assert out.read_text() == "as it was\n"


def test_a_name_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nothing"):
        count_files(tiny.untrained(), tmp_path / "nothing.png")


@pytest.mark.parametrize("name", ['a,"b"\n<script>.png', "a\rb.png"])
def test_hostile_names_survive_the_csv(name: str, tmp_path: Path) -> None:
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


def test_each_page_of_a_stack_is_counted_as_an_image(images: Path, tmp_path: Path) -> None:
    stack = np.stack([tiny.pixels(seed=k) for k in range(3)])
    imwrite(images / "0.tif", stack, photometric="rgb")
    (images / "0_page1.png").write_bytes((images / "1.png").read_bytes())
    counter = tiny.untrained()
    made = {kind: tmp_path / kind for kind in ("overlays", "maps", "points")}
    rows = count_files(counter, images, page="all", out=tmp_path / "counts.csv", **made)
    paged = [row for row in rows if row.page is not None]
    assert [row.name for row in paged] == [f"{images / '0.tif'}, page {k}" for k in range(3)]
    assert [row.count for row in paged] == [counter.count(page).value for page in stack]
    for kind in ("overlay", "map", "points"):
        assert len({getattr(row, kind) for row in rows}) == len(rows)  # one is called 0_page1 already
    assert [Path(row.overlay).stem for row in paged] == ["0_page0", "0_page1", "0_page2"]
    written = read(tmp_path / "counts.csv")
    assert list(written[0])[:3] == ["image", "page", "count"]
    assert [row["page"] for row in written] == ["", "0", "1", "2", "", "", ""]
    assert read_points(paged[2].points, image_shape=(40, 56)).points.shape[1] == 2


def test_the_regions_of_a_stack_are_those_of_its_pages(tmp_path: Path) -> None:
    stack = np.stack([tiny.pixels(seed=k) for k in range(2)])
    imwrite(tmp_path / "stack.tif", stack, photometric="rgb")
    halves(tmp_path / "rois" / "stack.geojson")
    rows = count_files(
        tiny.untrained(),
        tmp_path / "stack.tif",
        page="all",
        regions=tmp_path / "rois",
        regions_out=tmp_path / "regions.csv",
    )
    for row in rows:
        assert row.count == pytest.approx(sum(one.count for one in row.regions), rel=1e-6)
    written = read(tmp_path / "regions.csv")
    assert [(row["page"], row["region"]) for row in written[:4]] == [
        ("0", "whole image"),
        ("0", "left"),
        ("0", "right"),
        ("1", "whole image"),
    ]


def test_bad_pages_are_named_and_the_good_ones_counted(tmp_path: Path) -> None:
    stack = np.stack([tiny.pixels(channels=1, seed=k)[..., 0] for k in range(3)]).astype(np.float32)
    stack[1, 0, 0] = np.nan
    imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    rows = count_files(tiny.untrained(channels=1), tmp_path / "stack.tif", page="all", out=tmp_path / "counts.csv")
    assert [row.count is None for row in rows] == [False, True, False]
    assert "stack.tif, page 1: 1 of" in rows[1].error
    assert [row["page"] for row in read(tmp_path / "counts.csv")] == ["0", "1", "2"]


def halves(path: Path, *, width: int = 56, height: int = 40) -> Path:
    """GeoJSON of the left and the right half of an image."""
    middle = width / 2
    boxes = {"left": (0, middle), "right": (middle, width)}
    features = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": [[[a, 0], [b, 0], [b, height], [a, height]]]},
        }
        for name, (a, b) in boxes.items()
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_regions_have_rows_of_their_own_that_add_up(images: Path, tmp_path: Path) -> None:
    known = fit_intervals([20.0 + k for k in range(12)], [21.0 + 1.1 * k for k in range(12)])
    counter = Counter(replace(tiny.untrained().model, intervals=known), device="cpu")
    (images / "bad.png").write_text("no image")
    rows = count_files(
        counter,
        images,
        regions=halves(tmp_path / "halves.geojson"),
        regions_out=tmp_path / "regions.csv",
        out=tmp_path / "counts.csv",
        overlays=tmp_path / "overlays",
        pixel_size=10.0,
    )
    table = pd.read_csv(tmp_path / "regions.csv")
    columns = ["image", "region", "count", "low", "high", "area_px", "area_mm2", "per_mm2", "warning"]
    assert list(table.columns) == columns
    assert table["region"].tolist() == ["whole image", "left", "right"] * 3
    for row, (_, some) in zip(rows, table.groupby("image", sort=False), strict=False):
        whole, left, right = some["count"]
        assert whole == pytest.approx(row.count, abs=1e-3)
        assert left + right == pytest.approx(whole, abs=2e-3)
        assert some["area_px"].tolist() == [56 * 40, 28 * 40, 28 * 40]
        assert some["area_mm2"].tolist() == pytest.approx([0.224, 0.112, 0.112])
        assert some["per_mm2"].tolist() == pytest.approx([whole / 0.224, left / 0.112, right / 0.112], rel=1e-3)
        assert (some["low"] <= some["count"]).all()
        assert some["high"].iloc[0] == pytest.approx(row.high, abs=1e-3)
    counts = pd.read_csv(tmp_path / "counts.csv")
    assert counts["per_mm2"][0] == pytest.approx(rows[0].count / 0.224, rel=1e-4)
    plain = count_files(counter, images / "0.png", overlays=tmp_path / "plain")
    assert Path(plain[0].overlay).read_bytes() != Path(rows[0].overlay).read_bytes(), "regions are drawn"


def test_a_folder_of_regions_is_matched_by_name(images: Path, tmp_path: Path) -> None:
    halves(tmp_path / "rois" / "0.geojson")
    halves(tmp_path / "rois" / "1.png_regions.json")
    halves(tmp_path / "rois" / "other.json")
    rows = count_files(tiny.untrained(), images, regions=tmp_path / "rois", regions_out=tmp_path / "regions.csv")
    assert [[region.name for region in row.regions] for row in rows] == [["left", "right"], ["left", "right"], []]
    assert len(pd.read_csv(tmp_path / "regions.csv")) == 7, "the third has a row of the whole image"
    (tmp_path / "rois" / "2.json").write_text("broken")
    broken = count_files(tiny.untrained(), images, regions=tmp_path / "rois")[2]
    assert "2.json: cannot be read as JSON" in broken.error
    (tmp_path / "rois" / "2.json").write_text('{"type": "FeatureCollection", "features": []}')
    assert count_files(tiny.untrained(), images, regions=tmp_path / "rois")[2].count == rows[2].count
    (tmp_path / "rois" / "2.json").write_text('{"type": "Polygon", "coordinates": [[]]}')
    assert "2.json: region 1 is no" in count_files(tiny.untrained(), images, regions=tmp_path / "rois")[2].error
    halves(tmp_path / "rois" / "0_rois.json")
    with pytest.raises(RegionsError, match=r"both regions of .*0\.png"):
        count_files(tiny.untrained(), images, regions=tmp_path / "rois")


def test_regions_of_no_image_are_refused_before_counting(images: Path, tmp_path: Path) -> None:
    halves(tmp_path / "rois" / "x.json")
    with pytest.raises(RegionsError, match=r"no regions of any of the images.*0\.roi"):
        count_files(tiny.untrained(), images, regions=tmp_path / "rois")
    with pytest.raises(RegionsError, match="no such file"):
        count_files(tiny.untrained(), images, regions=tmp_path / "missing.roi")
    with pytest.raises(ConfigError, match="pixel size"):
        count_files(tiny.untrained(), images, pixel_size=0.0)


def test_a_label_image_of_another_size_is_the_error_of_its_image(images: Path, tmp_path: Path) -> None:
    Image.fromarray(np.ones((9, 9), np.uint8)).save(tmp_path / "labels.png")
    rows = count_files(tiny.untrained(), images, regions=tmp_path / "labels.png")
    assert all("must be of one size" in row.error for row in rows)
    assert all(row.error.startswith(row.image) for row in rows)


def test_the_pixel_size_comes_from_the_file(tmp_path: Path) -> None:
    import tifffile

    pixels = tiny.pixels(channels=1)[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, resolution=(0.1, 0.1), metadata={"unit": "um"})
    tifffile.imwrite(tmp_path / "b.tif", pixels, photometric="minisblack")
    regions = halves(tmp_path / "halves.json")
    counter, files = tiny.untrained(channels=1), [tmp_path / "a.tif", tmp_path / "b.tif"]
    known, unknown = count_files(counter, files, regions=regions)
    assert known.regions[0].area_mm2 == pytest.approx(28 * 40 * 1e-4)
    assert known.whole is not None
    assert known.area_mm2 == known.whole.area_mm2 == pytest.approx(56 * 40 * 1e-4)
    assert unknown.regions[0].area_mm2 is unknown.area_mm2 is None
    plain = count_files(counter, files, out=tmp_path / "counts.csv")
    assert plain[0].area_mm2 == known.area_mm2
    table = pd.read_csv(tmp_path / "counts.csv")
    assert table["per_mm2"][0] == pytest.approx(known.count / 0.224, rel=1e-4)
    assert pd.isna(table["per_mm2"][1])
    assert count_files(counter, files[0], pixel_size=1.0)[0].area_mm2 == pytest.approx(56 * 40 * 1e-6)


def test_a_region_that_no_pixel_lies_in_is_the_error_of_its_image(images: Path, tmp_path: Path) -> None:
    far = {"type": "Polygon", "coordinates": [[[900, 0], [990, 0], [990, 90]]]}
    (tmp_path / "regions.geojson").write_text(json.dumps([SQUARE, far]))
    rows = count_files(tiny.untrained(), images / "0.png", regions=tmp_path / "regions.geojson")
    assert [row.count for row in rows] == [None]
    assert rows[0].error.endswith(
        f"0.png: the region region 2 of {tmp_path / 'regions.geojson'} lies outside the image of 40 × 56 pixels "
        "(height × width): was it drawn on another image, or at another magnification?"
    )


@pytest.mark.parametrize(
    ("place", "unit", "why"),
    [
        ((500_000, 4_649_000), 0.05, "lies outside the image of .*: they seem to be coordinates of a map, in metres"),
        ((15.0, 30.0), 1e-7, "is smaller than a pixel in the image of .*: they seem to be coordinates of a map, in"),
        ((10, -20), -1.0, "lies outside the image of .*: y counts down from 0 there, as in QGIS"),
    ],
)
def test_regions_in_coordinates_of_a_map_are_no_count_of_0(
    images: Path, tmp_path: Path, place: tuple[float, float], unit: float, why: str
) -> None:
    ring = [[place[0] + dx, place[1] + unit * dy] for dx, dy in ((0, 0), (abs(unit) * 10, 0), (0, 10))]
    (tmp_path / "regions.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    (row,) = count_files(tiny.untrained(), images / "0.png", regions=tmp_path / "regions.geojson")
    assert re.search(why, row.error)


def test_another_magnification_is_flagged(tmp_path: Path) -> None:
    model = tiny.untrained()
    counter = Counter(replace(model.model, trained_on={"pixel_size": 0.5}))
    for name, side in (("same", 0.45), ("other", 0.25)):
        options = {"resolution": (1e4 / side, 1e4 / side), "resolutionunit": "CENTIMETER", "photometric": "rgb"}
        imwrite(tmp_path / f"{name}.tif", tiny.pixels(), **options)
    imwrite(tmp_path / "unknown.tif", tiny.pixels(), photometric="rgb")
    rows = {Path(row.image).stem: row.warning for row in count_files(counter, tmp_path)}
    said = "pixels of 0.25 µm, where those of the training images are of 0.5 µm (--rescale mends that)"
    assert rows == {"same": "", "other": said, "unknown": ""}
    assert counter.count(tmp_path / "other.tif").warnings == (said,)
    (row,) = count_files(counter, tmp_path / "unknown.tif", pixel_size=1.0)
    assert row.warning.startswith("pixels of 1 µm")
    for size in (1e200, 1e-160):
        with pytest.raises(ConfigError, match="µm makes no sense: it must be from 1e-06 to 1e"):
            count_files(counter, tmp_path / "unknown.tif", pixel_size=size)
    with pytest.raises(ConfigError, match="a pixel size of 0 µm makes no sense"):
        counter.count_pixels(np.zeros((3, 9, 9), np.uint8), pixel_size=0)


def test_another_magnification_is_brought_to_that_of_the_training_images(tmp_path: Path) -> None:
    model = tiny.untrained().model
    counter = Counter(replace(model, trained_on={"pixel_size": 0.5}))
    pixels = tiny.pixels()
    for name, image, side in (("same", pixels, 0.5), ("twice", pixels.repeat(2, 0).repeat(2, 1), 0.25)):
        options = {"resolution": (1e4 / side, 1e4 / side), "resolutionunit": "CENTIMETER", "photometric": "rgb"}
        imwrite(tmp_path / f"{name}.tif", image, **options)
    imwrite(tmp_path / "unknown.tif", pixels, photometric="rgb")
    rows = {Path(row.image).stem: row for row in count_files(counter, tmp_path, rescale=True)}
    assert rows["twice"].count == pytest.approx(rows["same"].count, rel=0.05)
    assert rows["twice"].warning == ""
    assert (rows["twice"].width, rows["twice"].area_mm2) == (2 * pixels.shape[1], rows["same"].area_mm2)
    assert "the image cannot be rescaled, as the size of its pixels is not known: say it" in rows["unknown"].error
    (row,) = count_files(counter, tmp_path / "unknown.tif", rescale=True, pixel_size=0.5)
    assert row.count == rows["same"].count == counter.count(tmp_path / "same.tif").value
    (row,) = count_files(counter, tmp_path / "unknown.tif", rescale=True, pixel_size=40)
    assert "pixels are of 40 µm and those of the training images of 0.5 µm, too far" in row.error
    with pytest.raises(ConfigError, match="does not know the size of its training images' pixels: train it with"):
        count_files(tiny.untrained(), tmp_path, rescale=True)


def test_another_depth_is_flagged(tmp_path: Path) -> None:
    """A copy of 8 bits of images of 16 is dim throughout, and next to nothing is counted in it."""
    model = tiny.untrained(channels=1).model
    pixels = tiny.pixels(channels=1)[..., 0]
    deep = Counter(replace(model, trained_on={"pixel_type": "uint16"}))
    deep_copy, real = pixels.astype(np.uint16) * 200, pixels.astype(np.float32) * 200
    copies = {"same": deep_copy, "8bit": pixels, "real": real, "share": pixels / 255}
    for name, copy in copies.items():
        imwrite(tmp_path / f"{name}.tif", copy)
    rows = {Path(row.image).stem: row.warning for row in count_files(deep, tmp_path)}
    where = "where those of the training images are of type uint16"
    said = f"pixels of type uint8, {where}"
    assert rows == {"same": "", "8bit": said, "real": "", "share": f"pixels of at most 1, {where}"}
    assert deep.with_channels([0]).count(tmp_path / "8bit.tif").warnings == (said,)
    shallow = Counter(replace(model, trained_on={"pixel_type": "uint8"}))
    assert shallow.count(copies["same"]).warnings == (
        "pixels of type uint16, where those of the training images are of type uint8",
    )
    assert Counter(model).count(pixels).warnings == (), "of a model that does not know"


def test_classes_are_counted_in_regions(images: Path, tmp_path: Path) -> None:
    count_files(
        tiny.untrained(classes=2),
        images,
        regions=halves(tmp_path / "halves.json"),
        regions_out=tmp_path / "regions.csv",
    )
    table = pd.read_csv(tmp_path / "regions.csv")
    assert np.allclose(table["count_kind0"] + table["count_kind1"], table["count"], atol=2e-3)


def test_pictures_are_made_of_a_sample_and_of_what_is_strange(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(3, 9):
        Image.fromarray(tiny.pixels(seed=k)).save(images / f"{k}.png")
    counter = tiny.untrained()
    assert all(row.picture is None for row in count_files(counter, images))
    pictured = [row.picture for row in count_files(counter, images, pictures=3)]
    assert [k for k, picture in enumerate(pictured) if picture] == [1, 4, 7]
    assert all(picture[:3] == b"\xff\xd8\xff" for picture in pictured if picture)
    assert sum(row.picture is not None for row in count_files(counter, images, pictures=99)) == 9
    real = counter.count_pixels
    monkeypatch.setattr(
        counter, "count_pixels", lambda image, **options: replace(real(image, **options), warnings=("dim",))
    )
    strange = count_files(counter, images, pictures=2)
    assert [k for k, row in enumerate(strange) if row.picture] == [0, 1, 2, 6]


def test_large_images_are_reported_tile_by_tile(images: Path) -> None:
    seen: list[tuple[float, int, str]] = []
    paths = [images / "0.png", images / "1.png"]
    count_files(tiny.untrained(), paths, tile=16, report=lambda done, all_, name: seen.append((done, all_, name)))
    shares = [done for done, _, _ in seen]
    assert shares == sorted(set(shares))
    assert shares[-1] == 2
    assert {1.0, 2.0} < set(shares)
    assert {name for done, _, name in seen if done <= 1} == {"0.png"}
    assert {name for done, _, name in seen if done > 1} == {"1.png"}
    assert {all_ for _, all_, _ in seen} == {2}


def test_flips_share_the_report_of_an_image() -> None:
    shares: list[float] = []
    tiny.untrained().count(tiny.pixels(), flips=True, report=shares.append)
    assert shares == pytest.approx([k / 8 for k in range(1, 9)])


def test_images_that_the_counter_knows_are_said_to_be_so(images: Path, tmp_path: Path) -> None:
    counter = tiny.untrained()
    learned, validated = (known_by(read_image(images / name)) for name in ("0.png", "2.png"))
    model = replace(counter.model, trained_on={"pixels": [learned]}, validation={"pixels": [validated]})
    out = tmp_path / "counts.csv"
    rows = count_files(Counter(model), images, out=out)
    assert [row.known for row in rows] == [True, False, True]
    assert [row["known"] for row in read(out)] == ["yes", "", "yes"]
    assert known_note(rows).startswith(
        "2 of 3 images are among those that the counter learned from or was validated on"
    )
    assert known_note(rows[:1]).startswith("all images are those")
    assert known_note(rows[1:2]) == ""
    write_count_report(tmp_path / "counts.html", rows, counter)
    assert "2 of 3 images are among those" in (tmp_path / "counts.html").read_text()
