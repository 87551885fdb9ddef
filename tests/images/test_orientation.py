from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tifffile import imwrite

from countception.images.orientation import read_orientation, why_turned
from countception.images.read import read_image

GREY = np.arange(600, dtype=np.uint8).reshape(20, 30)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_the_orientation_is_read(tmp_path: Path, turn: Callable[..., None], orientation: int, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(GREY).save(path)
    turn(path, orientation)
    assert read_orientation(path) == orientation


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_it_may_stand_after_the_pixels_of_a_png(tmp_path: Path) -> None:
    path, exif = tmp_path / "a.png", Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(path)
    end = chunk(b"IEND", b"")
    assert path.read_bytes().endswith(end)
    path.write_bytes(path.read_bytes()[: -len(end)] + chunk(b"eXIf", exif.tobytes()[6:]) + end)
    assert read_image(path).shape == (1, 30, 20)
    assert read_orientation(path) == 6


def test_it_may_stand_in_the_text_of_a_png(tmp_path: Path) -> None:
    path, text = tmp_path / "a.png", PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="8"/>')
    Image.fromarray(GREY).save(path, pnginfo=text)
    assert read_image(path).shape == (1, 30, 20)
    assert read_orientation(path) == 8


def test_no_pixels_are_looked_at(tmp_path: Path, turn: Callable[..., None]) -> None:
    for suffix in ("jpg", "png"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300), np.uint8)).save(path)
        turn(path, 6)
        path.write_bytes(path.read_bytes()[:2000])  # so that they could not be
        assert read_orientation(path) == 6


def test_other_files_are_upright(tmp_path: Path, turn: Callable[..., None]) -> None:
    imwrite(tmp_path / "a.tif", GREY, extratags=[(0x0112, 3, 1, 6, True)])
    Image.fromarray(GREY).save(tmp_path / "a.bmp")
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(GREY).save(tmp_path / "odd.jpg")
    turn(tmp_path / "odd.jpg", 77)
    for name in ("a.tif", "a.bmp", "a.png", "text.png", "odd.jpg", "missing.jpg"):
        assert read_orientation(tmp_path / name) == 1


def test_what_to_do_about_turned_images() -> None:
    assert why_turned(0, 4) is None
    assert str(why_turned(1, 4)).startswith("1 image of 4 is turned by EXIF orientation")
    assert str(why_turned(3, 4)).startswith("3 images of 4 are turned by EXIF orientation")
