from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countception import draw_dots
from countception.data.dataset import read_dataset
from countception.errors import DatasetError, OutputError
from countception.results.dot_pictures import places
from countception.results.marks import TRUE, WRONG


def has(picture: Path, colour: tuple[int, int, int]) -> bool:
    with Image.open(picture) as image:
        return bool((np.asarray(image) == colour).all(-1).any())


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_image_has_a_picture_and_bad_files_are_passed_over(folder: Path, tmp_path: Path) -> None:
    (folder / "a.csv").write_text("x,y\n3,4\n900,4\n")
    (folder / "b.csv").write_text("x,y\n")
    (folder / "c.png").write_text("no image")
    (folder / "d.csv").write_text("nonsense")
    told: list[tuple[float, int, str]] = []
    written = draw_dots(folder, tmp_path / "seen", report=lambda *what: told.append(what))
    assert written == [tmp_path / "seen" / "a.png", tmp_path / "seen" / "b.png"]
    assert sorted((tmp_path / "seen").iterdir()) == written
    assert [(has(each, TRUE.colour), has(each, WRONG.colour)) for each in written] == [(True, True), (False, False)]
    assert told == [(k + 1, 4, name) for k, name in enumerate("abcd")]
    (folder / "d.csv").write_text("1,2\n")
    assert len(draw_dots(folder, tmp_path / "seen", order="xy")) == 3


def test_images_of_one_name_have_pictures_of_their_own(
    tmp_path: Path, write_image: Callable[..., Path], write_table: Callable[..., Path]
) -> None:
    for k in "12":
        write_image(tmp_path / k / "a.png")
        write_table(tmp_path / k / "a.csv", [(1, 1)])
    (tmp_path / "list.csv").write_text("image,dots\n1/a.png,1/a.csv\n2/a.png,2/a.csv\n")
    written = draw_dots(tmp_path / "list.csv", tmp_path / "seen")
    assert [path.name for path in written] == ["1_a.png", "2_a.png"]


def test_rectangles_of_an_image_have_pictures_of_their_own(folder: Path, tmp_path: Path) -> None:
    boxes = [[[x, 0], [x + 10, 0], [x + 10, 20], [x, 20], [x, 0]] for x in (0, 10)]
    shapes = [{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [box]}} for box in boxes]
    (tmp_path / "boxes.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": shapes}))
    (folder / "a.csv").write_text("x,y\n3,4\n")
    written = draw_dots(read_dataset(folder).within(tmp_path / "boxes.geojson"), tmp_path / "seen")
    assert [path.name for path in written] == [f"{name}_part{k}.png" for name in "abcd" for k in (1, 2)]
    assert [has(path, TRUE.colour) for path in written[:2]] == [True, False]


def test_pictures_take_the_place_of_nothing_that_is_read(folder: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    for kind, suffix in (("images", "png"), ("points", "csv")):
        (apart / kind).mkdir(parents=True)
        for file in folder.glob(f"*.{suffix}"):
            shutil.copy(file, apart / kind)
    before = contents(tmp_path)
    for source, places_ in ((folder, [folder]), (apart, [apart / name for name in ("images", "points", "masks")])):
        for place in places_:
            with pytest.raises(OutputError, match="name another folder"):
                draw_dots(source, place)
    with pytest.raises(OutputError, match="is no folder"):
        draw_dots(folder, folder / "a.csv")
    with pytest.raises(OutputError, match=r"a\.png would be overwritten, as another file has that place"):
        places(read_dataset(folder), tmp_path / "seen", others=[tmp_path / "seen" / "a.png"])
    assert contents(tmp_path) == before
    assert not (apart / "masks").exists()
    draw_dots(folder, tmp_path / "seen")
    assert len(draw_dots(folder, tmp_path / "seen")) == 4  # pictures that are there are replaced


def test_no_data_set_has_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such folder"):
        draw_dots(tmp_path / "nowhere", tmp_path / "seen")
