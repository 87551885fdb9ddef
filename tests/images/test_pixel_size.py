from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from countception.images.pixel_size import read_pixel_size

PIXELS = np.zeros((8, 9), np.uint8)


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m"])
def test_imagej_says_the_size_in_its_unit(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, imagej=True, resolution=(4, 4), metadata={"unit": unit})
    assert read_pixel_size(path) == pytest.approx(0.25)


def test_ome_says_the_size_and_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, PIXELS, metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 2.0})
    assert read_pixel_size(path) == pytest.approx(1.0)  # the square of the same area
    metadata = {"axes": "YX"} | {f"PhysicalSize{axis}": 650.0 for axis in "XY"}
    metadata |= {f"PhysicalSize{axis}Unit": "nm" for axis in "XY"}
    tifffile.imwrite(path, PIXELS, metadata=metadata)
    assert read_pixel_size(path) == pytest.approx(0.65)
    tifffile.imwrite(path, PIXELS, metadata=metadata | {"PhysicalSizeXUnit": "pixel"})
    assert read_pixel_size(path) is None


def test_pixels_per_centimetre_are_believed_and_per_inch_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    assert read_pixel_size(path) == pytest.approx(0.5)
    tifffile.imwrite(path, PIXELS, resolution=(300, 300), resolutionunit="INCH")
    assert read_pixel_size(path) is None
    for converted in (28.35, 37.8, 118.11, 10):  # 72, 96 and 300 per inch, and what some programs write by themselves
        tifffile.imwrite(path, PIXELS, resolution=(converted, converted), resolutionunit="CENTIMETER")
        assert read_pixel_size(path) is None


def test_a_slide_says_its_micrometres_per_pixel(tmp_path: Path) -> None:
    for text, side in (("|AppMag = 20|MPP = 0.4990", 0.499), ("|AppMag = 20", None)):
        tifffile.imwrite(tmp_path / "a.svs", PIXELS, description=f"Aperio Image\n9x8{text}", metadata=None)
        assert read_pixel_size(tmp_path / "a.svs") == side


def geotiff(path: Path, *, keys: dict[int, int], scale: float | None = 0.05, matrix: list[float] | None = None) -> Path:
    """A map, with keys of its coordinates as GDAL writes them."""
    directory = [1, 1, 0, len(keys), *(value for key, code in keys.items() for value in (key, 0, 1, code))]
    tags = [(34735, "H", len(directory), directory, True), (33922, "d", 6, (0, 0, 0, 5e5, 4.6e6, 0), True)]
    tags += [] if scale is None else [(33550, "d", 3, (scale, scale, 0.0), True)]
    tags += [] if matrix is None else [(34264, "d", 16, matrix, True)]
    tifffile.imwrite(path, PIXELS, metadata=None, extratags=tags)
    return path


def test_a_map_says_the_size_on_the_ground(tmp_path: Path) -> None:
    path, metres = tmp_path / "a.tif", {1024: 1, 3072: 32767, 3076: 9001}
    assert read_pixel_size(geotiff(path, keys=metres)) == pytest.approx(50_000)
    assert read_pixel_size(geotiff(path, keys=metres | {3076: 9002})) == pytest.approx(15_240)
    assert read_pixel_size(geotiff(path, keys={1024: 1, 3072: 32733})) == pytest.approx(50_000)  # UTM has no other unit
    turned = [0.03, -0.04, 0, 5e5, -0.04, -0.03, 0, 4.6e6, 0, 0, 0, 0, 0, 0, 0, 1]
    assert read_pixel_size(geotiff(path, keys=metres, scale=None, matrix=turned)) == pytest.approx(50_000)


@pytest.mark.parametrize(
    "keys",
    [{1024: 2, 2048: 4326}, {1024: 1, 3072: 3857, 3076: 9001}, {1024: 1, 3072: 2225}, {1024: 1, 3076: 9999}],
    ids=["degrees", "web-mercator", "no-unit", "other-unit"],
)
def test_a_map_in_no_lengths_on_the_ground_says_nothing(tmp_path: Path, keys: dict[int, int]) -> None:
    assert read_pixel_size(geotiff(tmp_path / "a.tif", keys=keys)) is None


def test_what_says_nothing_is_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", PIXELS)
    tifffile.imwrite(tmp_path / "none.tif", PIXELS, imagej=True)
    tifffile.imwrite(tmp_path / "zero.tif", PIXELS, resolution=(0, 0), resolutionunit="CENTIMETER")
    Image.fromarray(PIXELS).save(tmp_path / "a.png", dpi=(300, 300))
    (tmp_path / "cut.tif").write_bytes(b"II*\0")
    for name in ("plain.tif", "none.tif", "zero.tif", "a.png", "cut.tif", "missing.tif"):
        assert read_pixel_size(tmp_path / name) is None, name
