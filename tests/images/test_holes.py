"""Holes: what is transparent, without data or outside a file's mask, whichever way a file says it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from countception.errors import ImageError
from countception.images import pieces
from countception.images.holes import both, holes_of, pierced, without_alpha
from countception.images.pieces import Pieces, opened
from countception.images.planes import planes
from countception.images.png import without_colour
from countception.images.read import as_channels_first, checked, read_image, read_numbers
from countception.images.tiff_file import NO_DATA

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(1, 255, (40, 50, 3), np.uint8)
HOLES = np.zeros((40, 50), bool)
HOLES[30:, 40:] = HOLES[:3, :7] = True
ALPHA = np.where(HOLES, 0, 255).astype(np.uint8)


def with_alpha(path: Path, kind: str = "unassalpha", **options: Any) -> None:
    tifffile.imwrite(path, np.dstack([COLOUR, ALPHA]), photometric="rgb", extrasamples=[kind], **options)


def with_number(path: Path, number: float, dtype: str) -> None:
    pixels = COLOUR.astype(dtype)
    pixels[HOLES] = number
    tag = (NO_DATA, "s", 0, str(number), True)
    tifffile.imwrite(path, pixels, photometric="rgb", metadata=None, extratags=[tag])


def with_mask(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(COLOUR, photometric="rgb", metadata=None)
        writer.write(COLOUR[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
        writer.write(~HOLES, photometric="mask", subfiletype=4, metadata=None)


def with_both(path: Path) -> None:
    """Alpha, and a number of no data that pixels have where alpha is 0: GDAL writes both with ``-dstalpha``."""
    pixels = np.dstack([np.where(HOLES[..., None], 0, COLOUR), ALPHA])
    tag = (NO_DATA, "s", 0, "0", True)
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"], metadata=None, extratags=[tag])


WAYS = {
    "alpha": with_alpha,
    "premultiplied": lambda path: with_alpha(path, "assocalpha"),
    "tiles": lambda path: with_alpha(path, tile=(16, 16), compression="deflate"),
    "strips": lambda path: with_alpha(path, rowsperstrip=8, compression="deflate"),
    "mask": with_mask,
    "alpha and number": with_both,
    "white": lambda path: with_number(path, 255, "uint8"),
    "negative": lambda path: with_number(path, -9999, "int16"),
    "real": lambda path: with_number(path, -3.4028234663852886e38, "float32"),
    "nan": lambda path: with_number(path, float("nan"), "float32"),
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_say_it_makes_the_same_holes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, large: bool
) -> None:
    if large:
        monkeypatch.setattr(pieces, "LARGE", 1)
    path = tmp_path / "a.tif"
    WAYS[way](path)
    with opened(path) as image:
        assert isinstance(image, Pieces) == large
        whole = image[:, :, :]
        part = image[1:, 20:35, 30:45]
    np.testing.assert_array_equal(holes_of(whole), HOLES)
    np.testing.assert_array_equal(np.ma.getdata(whole), np.where(HOLES, 0, np.moveaxis(COLOUR, 2, 0)))
    np.testing.assert_array_equal(holes_of(part), HOLES[20:35, 30:45])
    np.testing.assert_array_equal(read_numbers(path), np.ma.getdata(whole))
    assert type(read_numbers(path)) is np.ndarray, "labels have no holes"


def test_png_and_pillow(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([COLOUR, ALPHA])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(holes_of(read_image(tmp_path / "a.png")), HOLES)


@pytest.mark.parametrize("kind", ["grey", "colour", "deep", "deep colour"])
def test_the_transparent_colour_of_a_png(tmp_path: Path, kind: str) -> None:
    pixels = np.where(HOLES[..., None], 0, COLOUR).astype(np.uint16 if "deep" in kind else np.uint8)
    pixels[5, 5, 0] = 0  # of colours all channels must have it
    png = imagecodecs.png_encode(pixels if "colour" in kind else pixels[..., 1].copy())
    transparent = bytes(6 if "colour" in kind else 2)
    chunk = b"tRNS" + transparent
    chunk = struct.pack(">I", len(transparent)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    where = png.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(png[:where] + chunk + png[where:])
    np.testing.assert_array_equal(holes_of(read_image(tmp_path / "a.png")), HOLES)


@pytest.mark.parametrize("transparent", [0, 1])
def test_the_transparent_one_of_black_and_white(tmp_path: Path, transparent: int) -> None:
    Image.fromarray(bool(transparent) == HOLES).save(tmp_path / "a.png", transparency=transparent)
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(holes_of(image), HOLES)
    assert (np.ma.getdata(image)[:, ~HOLES] == 255 * (1 - transparent)).all()


def test_what_shines_through_is_no_hole() -> None:
    pixels = np.full((2, 3, 3), 100, np.uint8)
    pixels[1] = [[255, 128, 1]] * 3
    image = without_alpha(pixels)
    assert image.tolist() == [[[100, 50, 0]] * 3]
    assert holes_of(image) is None
    pixels[1] = 0
    assert holes_of(without_alpha(pixels)) is None, "alpha that is the same everywhere says nothing"


def test_the_transparent_one_of_few_greys() -> None:
    few = np.array([[[0, 85, 170, 255]]], np.uint8)  # of 2 bits, as Pillow spreads them
    assert np.ma.getmaskarray(without_colour(few, 2, 2)).tolist() == [[[False, False, True, False]]]
    assert holes_of(without_colour(few[:, :, :1], 0, 2)) is None, "of one colour throughout"


def test_a_palette_with_alpha_in_a_tiff(tmp_path: Path) -> None:
    few = Image.fromarray(COLOUR).quantize(16)
    shown = np.moveaxis(np.asarray(few.convert("RGB")), 2, 0)
    both = few.convert("PA")
    both.putalpha(Image.fromarray(ALPHA))
    both.save(tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(holes_of(image), HOLES)
    np.testing.assert_array_equal(np.ma.getdata(image), np.where(HOLES, 0, np.rint(shown * (ALPHA / 255))))


def test_grey_whose_zeros_are_white_with_alpha(tmp_path: Path) -> None:
    pixels = np.dstack([255 - COLOUR[..., 0], ALPHA])
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="miniswhite",
        planarconfig="contig",
        extrasamples=["unassalpha"],
        metadata=None,
    )
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(holes_of(image), HOLES)
    np.testing.assert_array_equal(np.ma.getdata(image)[0], np.where(HOLES, 0, COLOUR[..., 0]))


@pytest.mark.parametrize("number", ["0", "255", "no number"])
def test_numbers_that_no_pixel_has_make_none(tmp_path: Path, number: str) -> None:
    tag = (NO_DATA, "s", 0, number, True)
    tifffile.imwrite(tmp_path / "a.tif", COLOUR, photometric="rgb", metadata=None, extratags=[tag])
    assert type(read_image(tmp_path / "a.tif")) is np.ndarray


def test_one_channel_of_colours_may_have_the_number(tmp_path: Path) -> None:
    pixels = COLOUR.copy()
    pixels[5, 5, 0] = 255
    tag = (NO_DATA, "s", 0, "255", True)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", metadata=None, extratags=[tag])
    assert holes_of(read_image(tmp_path / "a.tif")) is None


@pytest.mark.parametrize("page", ["max", "mean"])
def test_what_is_made_of_a_stack_has_the_holes_of_all_planes(tmp_path: Path, page: Any) -> None:
    stack = np.full((2, 6, 7), 4, np.float32)
    stack[0, 1, 2] = stack[1, 3, 4] = -9999
    tag = (NO_DATA, "s", 0, "-9999", True)
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"axes": "ZYX"}, extratags=[tag])
    image = read_image(tmp_path / "a.tif", page=page)
    holes = holes_of(image)
    assert holes is not None
    assert np.argwhere(holes).tolist() == [[1, 2], [3, 4]]
    assert image[0, 0, 0] == 4


def test_masked_arrays_are_images_with_holes() -> None:
    masked = np.ma.masked_invalid(np.where(HOLES, np.nan, 3.0))
    for image in (as_channels_first(masked), checked(masked[None], "it")):
        assert image.dtype == np.float32
        np.testing.assert_array_equal(holes_of(image), HOLES)
    one = np.ma.masked_array(COLOUR, np.dstack([HOLES, HOLES & False, HOLES & False]))
    image = as_channels_first(one)
    assert np.ma.getmaskarray(image)[2, 35, 45], "what is masked in one channel is so in all"
    assert type(as_channels_first(np.ma.masked_array(COLOUR, False))) is np.ndarray


def test_an_image_that_is_all_holes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="the image has no picture: all of it is transparent or stands for no data"):
        as_channels_first(np.ma.masked_array(COLOUR, True))
    tag = (NO_DATA, "s", 0, "7", True)
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 9), 7, np.uint8), metadata=None, extratags=[tag])
    with pytest.raises(ImageError, match=r"a\.tif has no picture"):
        read_image(tmp_path / "a.tif")


def test_labels_may_all_be_no_data(tmp_path: Path) -> None:
    """An image without objects or regions; 0 is what GDAL calls no data there."""
    tag = (NO_DATA, "s", 0, "0", True)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), metadata=None, extratags=[tag])
    assert read_numbers(tmp_path / "a.tif").tolist() == np.zeros((1, 8, 9)).tolist()


@pytest.mark.parametrize("beside", [True, False])
def test_each_plane_of_a_stack_has_its_own_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool) -> None:
    grey = COLOUR[..., 0]
    masks = [~HOLES, HOLES, ~HOLES]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for mask in masks:
            writer.write(grey, photometric="minisblack", metadata=None)
            if beside:
                writer.write(mask, photometric="mask", subfiletype=4, metadata=None)
        for mask in () if beside else masks:
            writer.write(mask, photometric="mask", subfiletype=4, metadata=None)
    monkeypatch.setattr(pieces, "LARGE", 1)
    for page, mask in enumerate(masks):
        with opened(tmp_path / "a.tif", page=page) as image:
            np.testing.assert_array_equal(holes_of(image[:, :, :]), ~mask)
        np.testing.assert_array_equal(holes_of(read_image(tmp_path / "a.tif", page=page)), ~mask)
    assert len(planes([tmp_path / "a.tif"], "all", None)) == 3


def test_holes_add_up() -> None:
    left, right = np.zeros((2, 4, 4), bool)
    left[0], right[3] = True, True
    image = pierced(pierced(np.ones((2, 4, 4), np.uint8), left), right)
    np.testing.assert_array_equal(holes_of(image), left | right)
    assert both(None, None) is None
    assert both(left, None) is both(None, left) is left
    plain = np.ones((1, 4, 4))
    assert pierced(plain, None) is pierced(plain, left & False) is plain
