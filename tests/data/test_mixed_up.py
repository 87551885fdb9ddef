from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from countception.cli.console import show_inspection
from countception.data.inspection import inspect
from countception.data.mixed_up import why_mixed_up
from countception.data.pairing import Item
from countception.errors import DataWarning
from countception.training import train

XML = """<CellCounter_Marker_File><Image_Properties><Image_Filename>{}</Image_Filename></Image_Properties>
<Marker_Data><Marker_Type><Type>1</Type><Marker><MarkerX>1</MarkerX><MarkerY>2</MarkerY><MarkerZ>1</MarkerZ></Marker>
</Marker_Type></Marker_Data></CellCounter_Marker_File>"""


def said_of(folder: Path, suffix: str, names: tuple[str, str]) -> str | None:
    """Of images a.tif and b.tif with dots of their names that say that they lie on these."""
    items = []
    for stem, name in zip("ab", names, strict=True):
        dots = folder / f"{stem}{suffix}"
        dots.write_text(XML.format(name) if suffix == ".xml" else f"image,x,y\n{name},1,2\n{name},3,4\n")
        items.append(Item(folder / f"{stem}.tif", dots, stem))
    return why_mixed_up(items)


@pytest.mark.parametrize("suffix", [".csv", ".xml"])
@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("b.tif", "a.tif"), "a{} says that its dots lie on b.tif, and they are taken for those of a.tif: rename"),
        (("a.tif", "A/a.jpg"), "b{} says that its dots lie on a.tif, and they are taken for those of b.tif: rename"),
        (("a.tif", "b.jpg"), None),
        (("a", "old.tif"), None),
        (("", ""), None),
    ],
)
def test_dots_that_say_that_they_lie_on_another_image_are_told(
    tmp_path: Path, suffix: str, names: tuple[str, str], said: str | None
) -> None:
    if suffix == ".xml":
        names = (Path(names[0]).name, Path(names[1]).name)
    found = said_of(tmp_path, suffix, names)
    assert found is None if said is None else str(found).startswith(said.format(suffix))


def test_files_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    items = [Item(tmp_path / "a.tif", tmp_path / name, "a") for name in ("a.csv", "a.xml", "a.doc")]
    assert why_mixed_up(items) is None


def test_inspect_and_train_say_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "b.csv").write_text("image,x,y\nc.png,30,22\nc.png,3,4\n")
    found = inspect(folder)
    assert str(found.mixed_up).startswith("b.csv says that its dots lie on c.png")
    show_inspection(found)
    assert f"\n\n{found.mixed_up}\n" in capsys.readouterr().out
    with warnings.catch_warnings(record=True) as said:
        train(folder, changes={"training.steps": 1})
    assert [each.category for each in said if "b.csv says that its dots" in str(each.message)] == [DataWarning]


def test_a_table_of_many_images_and_parts_of_images_are_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("image,x,y\na.tif,1,2\nb.tif,3,4\n")
    assert why_mixed_up([Item(tmp_path / f"{name}.tif", tmp_path / "all.csv", name) for name in "ab"]) is None
    (tmp_path / "a.csv").write_text("image,x,y\nb.tif,1,2\n")
    parts = [Item(tmp_path / "a.tif", tmp_path / "a.csv", f"a {part}", box=((0, 9), (0, 9))) for part in (1, 2)]
    found = why_mixed_up([*parts, Item(tmp_path / "b.tif", tmp_path / "b.csv", "b")])
    assert str(found).endswith("or have it say so")
