from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from countception.errors import ImageError
from countception.images import decoders
from countception.images.find import closed_to, find_images, linked, natural_key, unread_by
from countception.images.pieces import opened
from countception.images.read import as_channels_first, check_finite, read_image

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 30), np.uint8)
COLOUR = RNG.integers(0, 256, (20, 30, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (20, 30), np.uint16)


def first(pixels: np.ndarray) -> np.ndarray:
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)


def png(width: int, height: int, depth: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    """A PNG file with any header and any data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


class TestPillowFormats:
    @pytest.mark.parametrize("suffix", ["png", "bmp"])
    @pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
    def test_lossless_files_keep_every_pixel(self, tmp_path: Path, suffix: str, pixels: np.ndarray) -> None:
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(pixels).save(path)
        image = read_image(path)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, first(pixels))

    def test_jpeg(self, tmp_path: Path) -> None:
        smooth = np.add.outer(np.arange(20), np.arange(30)).astype(np.uint8)
        Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
        assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth).max() <= 3

    def test_cmyk_jpeg_becomes_rgb(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "a.jpg")
        assert read_image(tmp_path / "a.jpg").shape == (3, 20, 30)

    def test_16_bit_grey_png_keeps_16_bits(self, tmp_path: Path) -> None:
        Image.fromarray(DEEP).save(tmp_path / "a.png")
        image = read_image(tmp_path / "a.png")
        assert image.dtype == np.uint16
        np.testing.assert_array_equal(image, DEEP[None])

    def test_16_bit_colour_png_keeps_16_bits(self, tmp_path: Path) -> None:
        pixels = RNG.integers(0, 65536, (20, 30, 3), np.uint16)
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
        image = read_image(tmp_path / "a.png")
        assert image.dtype == np.uint16
        np.testing.assert_array_equal(image, first(pixels))

    def test_16_bit_png_with_alpha_is_composited_on_black(self, tmp_path: Path) -> None:
        pixels = np.full((2, 2, 2), 60000, np.uint16)
        pixels[..., 1] = [[65535, 65535], [0, 65535]]
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
        assert np.ma.getdata(read_image(tmp_path / "a.png")).tolist() == [[[60000, 60000], [0, 60000]]]

    def test_1_bit_becomes_0_and_255(self, tmp_path: Path) -> None:
        Image.fromarray(GREY > 100).save(tmp_path / "a.png")
        image = read_image(tmp_path / "a.png")
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, np.where(GREY > 100, 255, 0)[None])

    def test_palette_becomes_rgb(self, tmp_path: Path) -> None:
        palette = Image.fromarray(COLOUR).quantize(16)
        palette.save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), first(np.asarray(palette.convert("RGB"))))

    @pytest.mark.parametrize("alpha", [0, 128, 255])
    def test_constant_alpha_is_dropped(self, tmp_path: Path, alpha: int) -> None:
        Image.fromarray(np.dstack([COLOUR, np.full_like(GREY, alpha)])).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), first(COLOUR))

    def test_transparent_pixels_become_black(self, tmp_path: Path) -> None:
        alpha = np.where(np.arange(30) < 10, 0, 255).astype(np.uint8) * np.ones_like(GREY)
        Image.fromarray(np.dstack([GREY, alpha])).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), (GREY * (alpha > 0))[None])

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    def test_exif_orientation_is_applied(self, tmp_path: Path, orientation: int, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(COLOUR).save(path, exif=exif)
        with Image.open(path) as image:
            upright = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(read_image(path), first(upright))

    def test_contents_decide_and_not_the_suffix(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR).save(tmp_path / "a.png")
        (tmp_path / "a.png").rename(tmp_path / "a.tif")
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), first(COLOUR))

    def test_large_images_are_legitimate(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 600 pixels would be an error to Pillow
        Image.fromarray(COLOUR).save(tmp_path / "a.png")
        assert read_image(tmp_path / "a.png").shape == (3, 20, 30)
        assert Image.MAX_IMAGE_PIXELS == 100

    @pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
    def test_reading_never_touches_the_limit_of_the_process(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        """Other threads open images at the same time."""
        Image.fromarray(COLOUR).save(tmp_path / f"a.{suffix}")
        limits = []
        real = decoders._mode

        def seen(image: Image.Image) -> str:
            limits.append(Image.MAX_IMAGE_PIXELS)
            return real(image)

        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        monkeypatch.setattr(decoders, "_mode", seen)
        read_image(tmp_path / f"a.{suffix}")
        assert limits == [1000]

    @pytest.mark.parametrize(("shape", "dtype"), [((64, 64), np.uint8), ((64, 64, 3), np.uint16)])
    def test_half_of_a_png_that_is_still_being_copied_is_refused(
        self, tmp_path: Path, shape: tuple[int, ...], dtype: type
    ) -> None:
        """Its end is zeros until it is there, and zeros unpack to pixels."""
        noise = np.random.default_rng(0).integers(100, 140, shape).astype(dtype)
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(noise))
        whole = (tmp_path / "a.png").read_bytes()
        half = len(whole) // 2
        (tmp_path / "a.png").write_bytes(whole[:half] + bytes(len(whole) - half))
        with pytest.raises(ImageError, match="may be damaged or cut off"):
            read_image(tmp_path / "a.png")
        (tmp_path / "a.png").write_bytes(whole)
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), first(np.atleast_3d(noise)))

    @pytest.mark.parametrize("depth", [8, 16])
    def test_a_bomb_does_not_go_off(self, tmp_path: Path, depth: int) -> None:
        (tmp_path / "a.png").write_bytes(png(100_000, 100_000, depth))
        with pytest.raises(ImageError, match=r"a\.png: the file says it unpacks to .* GiB"):
            read_image(tmp_path / "a.png")

    def test_more_pixels_than_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decoders, "_memory", lambda: 1000)
        Image.fromarray(COLOUR).save(tmp_path / "a.png")
        with pytest.raises(ImageError, match=r"a\.png: .* more than this computer's memory; cut it"):
            read_image(tmp_path / "a.png")

    def test_large_black_mask_is_no_bomb(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        Image.new("1", (17_000, 17_000)).save(path)
        assert decoders.BOMB_BYTES < 17_000**2
        decoders._check_size(path, (17_000, 17_000), 1)

    def test_page_of_a_png_is_refused(self, tmp_path: Path) -> None:
        Image.fromarray(GREY).save(tmp_path / "a.png")
        with pytest.raises(ImageError, match="only a TIFF has pages"):
            read_image(tmp_path / "a.png", page=1)


class TestTiff:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
    def test_depth_is_kept(self, tmp_path: Path, dtype: str, compression: str | None) -> None:
        pixels = DEEP.astype(dtype)
        tifffile.imwrite(tmp_path / "a.tif", pixels, compression=compression)
        image = read_image(tmp_path / "a.tif")
        assert image.dtype == dtype
        np.testing.assert_array_equal(image, pixels[None])

    @pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "float16", "float64"])
    def test_other_numbers_become_float32(self, tmp_path: Path, dtype: str) -> None:
        pixels = (DEEP // 64).astype(dtype)
        tifffile.imwrite(tmp_path / "a.tif", pixels)
        image = read_image(tmp_path / "a.tif")
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image, pixels[None])

    def test_byte_order_is_the_machines(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", DEEP, byteorder=">")
        assert read_image(tmp_path / "a.tif").dtype.isnative
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), DEEP[None])

    def test_1_bit_becomes_0_and_255(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", GREY > 100)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.where(GREY > 100, 255, 0)[None])

    @pytest.mark.parametrize("channels", [2, 3, 5])
    def test_interleaved_channels(self, tmp_path: Path, channels: int) -> None:
        pixels = RNG.integers(0, 256, (20, 30, channels), np.uint8)
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig")
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), first(pixels))

    @pytest.mark.parametrize("kind", [{"imagej": True}, {"ome": True}])
    def test_channel_axis_that_the_file_names(self, tmp_path: Path, kind: dict[str, bool]) -> None:
        pixels = RNG.integers(0, 256, (4, 20, 30), np.uint8)
        tifffile.imwrite(tmp_path / "a.tif", pixels, metadata={"axes": "CYX"}, **kind)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), pixels)

    def test_four_planes_that_tifffile_takes_for_rgba(self, tmp_path: Path) -> None:
        pixels = RNG.integers(0, 256, (4, 20, 30), np.uint8)
        tifffile.imwrite(
            tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"]
        )
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), pixels)

    def test_palette_of_imagej_is_for_display(self, tmp_path: Path) -> None:
        colours = RNG.integers(0, 65536, (3, 256), np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, colormap=colours)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), GREY[None])

    def test_alpha_is_dropped(self, tmp_path: Path) -> None:
        pixels = np.dstack([COLOUR, np.full_like(GREY, 255)])
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), first(COLOUR))

    @pytest.mark.parametrize(("kind", "shown"), [("assocalpha", 50), ("unassalpha", 25)])
    def test_premultiplied_colours_are_not_multiplied_again(self, tmp_path: Path, kind: str, shown: int) -> None:
        pixels = np.full((20, 30, 2), (50, 255), np.uint8)
        pixels[:10, :, 1] = 128
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig", extrasamples=kind)
        image = read_image(tmp_path / "a.tif")
        assert (image[0, :10] == shown).all()
        assert (image[0, 10:] == 50).all()

    def test_palette_becomes_rgb(self, tmp_path: Path) -> None:
        colours = RNG.integers(0, 256, (3, 256), np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=colours * 257)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), colours[:, GREY])

    def test_each_page_has_its_own_palette(self, tmp_path: Path) -> None:
        pages = [Image.fromarray(COLOUR + np.uint8(k)).quantize(16) for k in (0, 50)]
        pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
        shown = [first(np.asarray(page.convert("RGB"))) for page in pages]
        for k in range(2):
            np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=k), shown[k])
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page="max"), np.maximum(*shown))

    def test_palettes_of_one_of_several_images_or_channels(self, tmp_path: Path) -> None:
        palette = RNG.integers(0, 256, (3, 256), np.uint16)
        options: dict[str, Any] = {"photometric": "palette", "colormap": palette * 257}
        with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
            for pixels in (GREY, GREY[:10]):
                writer.write(pixels, metadata=None, **options)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=1), palette[:, GREY[:10]])
        two = np.stack([GREY, GREY[::-1]])
        tifffile.imwrite(tmp_path / "b.ome.tif", two, metadata={"axes": "CYX"}, **options)
        np.testing.assert_array_equal(read_image(tmp_path / "b.ome.tif"), palette[:, GREY])

    def test_a_palette_of_two_colours_or_of_8_bits(self, tmp_path: Path) -> None:
        colours = np.array([[10, 250], [20, 0], [30, 7]], np.uint16)
        for name, palette in (("a", colours * 257), ("b", colours)):
            tags = [(320, "H", 6, palette.ravel().tolist(), True)]
            path = tmp_path / f"{name}.tif"
            tifffile.imwrite(path, GREY > 99, photometric="minisblack", metadata=None, extratags=tags)
            with tifffile.TiffFile(path, mode="r+") as tiff:
                tiff.pages[0].tags["PhotometricInterpretation"].overwrite(3)
            np.testing.assert_array_equal(read_image(path), colours[:, (GREY > 99).astype(int)])

    @pytest.mark.parametrize("options", [{}, {"ome": True}, {"metadata": None}])
    def test_black_and_white_of_tifffile_is_as_it_was(self, tmp_path: Path, options: dict[str, Any]) -> None:
        tifffile.imwrite(tmp_path / "a.tif", GREY > 99, **options)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[0], np.where(GREY > 99, 255, 0))

    def test_one_channel_of_one_of_several_images_is_no_page(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
            for _ in range(2):
                writer.write(np.stack([GREY] * 3), photometric="minisblack", metadata={"axes": "CYX"})
        with pytest.raises(
            ImageError, match="holds 2 images, of which page 4 is one channel: save each image as a file"
        ):
            read_image(tmp_path / "a.ome.tif", page=4)

    def test_of_a_stack_along_several_axes_no_picture_is_offered(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 3, 20, 30), np.uint8), imagej=True, metadata={"axes": "TZYX"})
        with pytest.raises(ImageError, match="is a stack of 6 planes") as caught:
            read_image(tmp_path / "a.tif")
        assert "brightest" not in str(caught.value)

    def test_inverted_grey_is_shown_upright(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite", metadata=None)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), 255 - GREY[None])

    @pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 4), (np.uint16, 12)])
    def test_inverted_grey_of_fewer_bits_than_its_type(self, tmp_path: Path, dtype: type, bits: int) -> None:
        pixels = RNG.integers(0, 2**bits, (20, 30)).astype(dtype)
        try:
            tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite", bitspersample=bits, metadata=None)
        except NotImplementedError:
            pytest.skip("this imagecodecs can read such files but not write them")
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), 2**bits - 1 - pixels[None])

    def test_alpha_in_a_plane_of_its_own_is_dropped(self, tmp_path: Path) -> None:
        pixels = np.concatenate([first(COLOUR), np.full_like(GREY, 255)[None]])
        options: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["unassalpha"]}
        tifffile.imwrite(tmp_path / "a.tif", pixels, metadata=None, **options)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), first(COLOUR))

    def test_colours_that_nobody_makes_rgb_are_refused(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", COLOUR, photometric="ycbcr", subsampling=(1, 1), metadata=None)
        with pytest.raises(ImageError, match="stored as YCBCR; save it as grey or RGB"):
            read_image(tmp_path / "a.tif")

    @pytest.mark.parametrize("name", ["a.dng", "a.NEF", "a.cr2", "a.arw", "a.tif"])
    @pytest.mark.parametrize("page", [None, 0])
    def test_previews_of_raw_files_are_not_taken_for_pictures(
        self, tmp_path: Path, name: str, page: int | None
    ) -> None:
        version = [(50706, 1, 4, (1, 4, 0, 0), True)] if name == "a.tif" else []
        with tifffile.TiffWriter(tmp_path / name) as writer:
            writer.write(np.zeros((4, 6, 3), np.uint8), photometric="rgb", metadata=None, extratags=version)
            writer.write(np.zeros((40, 60), np.uint16), metadata=None)
        with pytest.raises(ImageError, match=r"is a camera's raw file, which is no picture yet; develop it"):
            read_image(tmp_path / name, page=page)
        with pytest.raises(ImageError, match="raw file"), opened(tmp_path / name, page=page):
            pass

    def test_cmyk_is_refused(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", np.dstack([COLOUR, GREY]), photometric="separated")
        with pytest.raises(ImageError, match="stored as SEPARATED; save it as grey or RGB"):
            read_image(tmp_path / "a.tif")

    def test_stack_is_refused_until_a_page_or_axis_is_named(self, tmp_path: Path) -> None:
        stack = RNG.integers(0, 256, (4, 20, 30), np.uint8)
        tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"axes": "ZYX"}, photometric="minisblack")
        with pytest.raises(ImageError, match=r"is a stack of 4 planes \(axes ZYX\); name the page") as caught:
            read_image(tmp_path / "a.tif")
        for words in ("(--page, or page of", "(--axis, axis)", "(--page max, mean)"):
            assert words in str(caught.value)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=2), stack[2:3])
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", axis="z"), stack)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", axis=0), stack)
        with pytest.raises(ImageError, match="has no page 4; its pages are 0 to 3"):
            read_image(tmp_path / "a.tif", page=4)
        with pytest.raises(ImageError, match="has no axis 'T'; its axes are ZYX"):
            read_image(tmp_path / "a.tif", axis="T")

    def test_channels_of_each_plane_stay_together(self, tmp_path: Path) -> None:
        stack = RNG.integers(0, 256, (3, 2, 20, 30), np.uint8)
        tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=1), stack[1])
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=1, axis="Z"), stack[:, 1])
        with pytest.raises(ImageError, match=r"planes \(axes ZCYX\); name the page to read, from 0 along C "):
            read_image(tmp_path / "a.tif", axis="Z")

    def test_last_axis_of_a_bare_array_can_hold_the_channels(self, tmp_path: Path) -> None:
        pixels = RNG.integers(0, 256, (20, 30, 5), np.uint8)
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", axis=2), first(pixels))

    def test_images_of_different_shapes_in_one_file(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            tiff.write(GREY, metadata=None)
            tiff.write(DEEP[:5], metadata=None)
        with pytest.raises(ImageError, match=r"holds 2 images .*; name the page .*--page"):
            read_image(tmp_path / "a.tif")
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=1), DEEP[None, :5])
        with pytest.raises(ImageError, match="has no axis 'Q'"):
            read_image(tmp_path / "a.tif", page=1, axis="Q")

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_pixels_that_are_no_numbers(self, tmp_path: Path, bad: float) -> None:
        pixels = GREY.astype(np.float32)
        pixels[3, 4] = bad
        tifffile.imwrite(tmp_path / "a.tif", pixels)
        with pytest.raises(ImageError, match=r"a\.tif: 1 of 600 pixel values are NaN or infinite"):
            read_image(tmp_path / "a.tif")

    def test_complex_pixels(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.complex64))
        with pytest.raises(ImageError, match="pixels of type complex64"):
            read_image(tmp_path / "a.tif")

    def test_a_bomb_does_not_go_off(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, GREY)
        with tifffile.TiffFile(path, mode="r+") as tiff:
            tiff.pages[0].tags["ImageWidth"].overwrite(1_000_000)
            tiff.pages[0].tags["ImageLength"].overwrite(1_000_000)
        with pytest.raises(ImageError, match=r"unpacks to .* GiB"):
            read_image(path)


STACKS: dict[str, tuple[tuple[int, ...], str, dict[str, Any]]] = {
    "pages": ((4, 20, 30), "ZYX", {"metadata": None}),
    "in one run": ((4, 20, 30), "ZYX", {}),
    "big-endian": ((4, 20, 30), "ZYX", {"byteorder": ">"}),
    "compressed": ((4, 20, 30), "ZYX", {"compression": "deflate"}),
    "two axes": ((2, 3, 20, 30), "TZYX", {"compression": "deflate"}),
    "channels in pages": ((3, 2, 20, 30), "CZYX", {"compression": "deflate"}),
    "channels in one run": ((3, 2, 20, 30), "CZYX", {}),
    "OME": ((2, 3, 20, 30), "ZCYX", {"compression": "lzw", "ome": True}),
    "ImageJ": ((4, 3, 20, 30), "ZCYX", {"imagej": True}),
    "colour": ((4, 20, 30, 3), "ZYXS", {"photometric": "rgb", "compression": "deflate"}),
    "colour in planes": ((4, 3, 20, 30), "ZSYX", {"photometric": "rgb", "planarconfig": "separate"}),
    "tiled volume": ((4, 32, 32), "ZYX", {"tile": (2, 16, 16), "volumetric": True, "compression": "deflate"}),
}


def write_stack(path: Path, kind: str) -> list[np.ndarray]:
    """A file, and its planes ``(channel, y, x)``."""
    shape, axes, options = STACKS[kind]
    pixels = RNG.integers(0, 65536, shape, np.uint16)
    tifffile.imwrite(path, pixels, **{"photometric": "minisblack", "metadata": {"axes": axes}, **options})
    channels = [axes.index(name) for name in "CS" if name in axes]
    frames = [i for i, name in enumerate(axes) if name not in "CSYX"]
    pixels = pixels.transpose([*frames, *channels, axes.index("Y"), axes.index("X")])
    planes = pixels.reshape(-1, *pixels.shape[len(frames) :])
    return list(planes if channels else planes[:, None])


class TestPlanesOfStacks:
    @pytest.mark.parametrize("kind", STACKS)
    def test_each_page_is_its_plane(self, tmp_path: Path, kind: str) -> None:
        for page, plane in enumerate(write_stack(tmp_path / "a.tif", kind)):
            image = read_image(tmp_path / "a.tif", page=page)
            assert image.dtype.isnative
            np.testing.assert_array_equal(image, plane)

    @pytest.mark.parametrize("kind", [kind for kind in STACKS if kind != "tiled volume"])
    def test_a_stack_may_be_larger_than_the_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        planes = write_stack(tmp_path / "a.tif", kind)
        monkeypatch.setattr(decoders, "_memory", lambda: planes[1].nbytes)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=1), planes[1])
        monkeypatch.setattr(decoders, "_memory", lambda: planes[1].nbytes - 1)
        with pytest.raises(ImageError, match="more than this computer's memory"):
            read_image(tmp_path / "a.tif", page=1)

    def test_other_pages_are_not_decoded(self, tmp_path: Path) -> None:
        planes = write_stack(tmp_path / "a.tif", "two axes")
        with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
            starts = [page.dataoffsets[0] for page in tiff.pages]
        with (tmp_path / "a.tif").open("r+b") as stream:
            for start in starts[:3] + starts[4:]:
                stream.seek(start)
                stream.write(b"\xff" * 16)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=3), planes[3])
        with pytest.raises(ImageError, match="may be damaged"):
            read_image(tmp_path / "a.tif", page=2)

    @pytest.mark.parametrize("kind", ["in one run", "ImageJ", "channels in one run"])
    def test_an_uncompressed_stack_is_not_read_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        planes = write_stack(tmp_path / "a.tif", kind)
        monkeypatch.setattr(tifffile.TiffFile, "asarray", None)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=1), planes[1])


class TestBadFiles:
    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif"])
    @pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
    def test_cut_off(self, tmp_path: Path, name: str, share: float) -> None:
        path = tmp_path / name
        (tifffile.imwrite if name == "a.tif" else lambda p, a: Image.fromarray(a).save(p))(path, COLOUR)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ImageError, match=rf"{name}: .*;"):
            read_image(path)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
    def test_deep_png_cut_off(self, tmp_path: Path, share: float) -> None:
        data = imagecodecs.png_encode(RNG.integers(0, 65536, (20, 30, 3), np.uint16))
        (tmp_path / "a.png").write_bytes(data[: int(share * len(data))])
        with pytest.raises(ImageError, match=r"a\.png: "):
            read_image(tmp_path / "a.png")

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_text("these are my notes about the cells")
        with pytest.raises(ImageError, match=r"a\.png: the file is no TIFF, PNG, JPEG or BMP image"):
            read_image(tmp_path / "a.png")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        with pytest.raises(ImageError, match=r"a\.png: the file is empty"):
            read_image(tmp_path / "a.png")

    def test_no_pixels(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png(0, 0))
        with pytest.raises(ImageError, match=r"a\.png"):
            read_image(tmp_path / "a.png")

    def test_missing_and_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"a\.png: there is no such file"):
            read_image(tmp_path / "a.png")
        with pytest.raises(ImageError, match="cannot be read"):
            read_image(tmp_path)

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path: Path) -> None:
        Image.fromarray(GREY).save(tmp_path / "a.png")
        (tmp_path / "a.png").chmod(0)
        with pytest.raises(ImageError, match=r"a\.png: cannot be read: Permission denied"):
            read_image(tmp_path / "a.png")

    @given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"]))
    def test_any_bytes_give_an_image_or_one_sentence(
        self, tmp_path_factory: pytest.TempPathFactory, body: bytes, magic: bytes
    ) -> None:
        path = tmp_path_factory.mktemp("bytes") / "a.png"
        path.write_bytes(magic + body)
        sentence = str(path)
        try:
            image = read_image(path)
        except ImageError as error:
            sentence = str(error)
        else:
            assert image.ndim == 3
        assert str(path) in sentence
        assert "\n" not in sentence

    def test_one_pixel_is_an_image(self, tmp_path: Path) -> None:
        Image.fromarray(GREY[:1, :1]).save(tmp_path / "a.png")
        assert read_image(tmp_path / "a.png").shape == (1, 1, 1)


class TestArrays:
    @given(hnp.arrays(st.sampled_from([np.uint8, np.uint16]), hnp.array_shapes(min_dims=2, max_dims=2)))
    def test_grey(self, array: np.ndarray) -> None:
        image = as_channels_first(array)
        assert image.dtype == array.dtype
        np.testing.assert_array_equal(image, array[None])

    def test_channels_go_first(self) -> None:
        np.testing.assert_array_equal(as_channels_first(COLOUR), first(COLOUR))
        assert as_channels_first(np.zeros((1, 1, 3))).shape == (3, 1, 1)

    def test_dtypes(self) -> None:
        assert as_channels_first(GREY > 0).dtype == np.uint8
        assert as_channels_first([[1, 2]]).dtype == np.float32
        assert as_channels_first(GREY.astype(np.float64)).dtype == np.float32

    @pytest.mark.parametrize(
        ("array", "sentence"),
        [
            (np.zeros(5), r"has shape \(5,\): it must be \(y, x\) or \(y, x, channel\)"),
            (np.zeros((2, 5, 5, 3)), "it must be"),
            (np.zeros((3, 64, 64)), "channels seem to come first"),
            (np.zeros((0, 5)), "has no pixels"),
            (np.zeros((5, 5, 0)), "has no pixels"),
            (np.full((2, 2), np.nan), "4 of 4 pixel values are NaN"),
            (np.full((2, 2), 1e300), "4 of 4 pixel values are NaN or infinite"),
            (np.array([[0, 1], [2, -3.4e38]]), r"1 of 4 pixel values are .*stand for missing ones"),
            (np.array([["a", "b"]]), "pixels of type <U1"),
            (torch.zeros((4, 4), requires_grad=True), "cannot be made a numpy array"),
            (torch.zeros((4, 4), dtype=torch.bfloat16), "cannot be made a numpy array"),
        ],
    )
    def test_what_is_no_image(self, array: np.ndarray, sentence: str) -> None:
        with pytest.raises(ImageError, match=sentence):
            as_channels_first(array)

    @pytest.mark.parametrize("mode", ["P", "PA", "CMYK", "YCbCr", "LAB", "HSV"])
    def test_images_of_pillow_whose_numbers_are_no_brightness(self, mode: str) -> None:
        """Places in a palette would be counted as grey."""
        with pytest.raises(ImageError, match=f"the image is one of Pillow in mode {mode}, .*: convert it first"):
            as_channels_first(Image.new(mode, (4, 4)))  # type: ignore[arg-type]

    @pytest.mark.parametrize("mode", ["1", "L", "I;16", "I", "F", "RGB", "RGBA"])
    def test_images_of_pillow(self, mode: str) -> None:
        assert as_channels_first(Image.new(mode, (5, 4))).shape[1:] == (4, 5)  # type: ignore[arg-type]

    def test_an_image_of_pillow_that_is_cut_off(self) -> None:
        stream = io.BytesIO()
        Image.effect_noise((64, 64), 50).save(stream, "png")
        with pytest.raises(ImageError, match="the image cannot be read, it may be damaged or cut off"):
            as_channels_first(Image.open(io.BytesIO(stream.getvalue()[:900])))  # type: ignore[arg-type]

    @pytest.mark.parametrize("thing", [None, b"\x89PNG", io.BytesIO(), object(), 3])
    def test_what_is_no_array_is_called_what_it_is(self, thing: Any) -> None:
        with pytest.raises(ImageError, match=f"the image is no array of pixels, but of type {type(thing).__name__}"):
            as_channels_first(thing)

    def test_a_mask_that_hides_nothing_is_none(self) -> None:
        assert (as_channels_first(np.ma.masked_array(GREY)) == GREY).all()

    def test_check_finite_knows_whole_numbers(self) -> None:
        check_finite(GREY, "grey")
        with pytest.raises(ImageError, match="grey: 2 of 3"):
            check_finite(np.array([np.nan, 1, -np.inf]), "grey")


class TestFindImages:
    @pytest.fixture
    def plate(self, tmp_path: Path, write_image: Callable[..., Path]) -> Path:
        for name in ("10.png", "9.PNG", "1.jpg", ".hidden.png", "m.curve.png", "sub/7.bmp", "sub/deep/8.bmp"):
            write_image(tmp_path / name)
        (tmp_path / "notes.txt").write_text("notes")
        return tmp_path

    def test_folder_is_sorted_as_people_count(self, plate: Path) -> None:
        assert [path.name for path in find_images(plate)] == ["1.jpg", "9.PNG", "10.png"]

    def test_each_file_once_in_the_order_named(self, plate: Path) -> None:
        found = find_images([plate / "10.png", plate, plate / "sub" / ".." / "1.jpg", str(plate / "*.png")])
        assert [path.name for path in found] == ["10.png", "1.jpg", "9.PNG"]

    def test_patterns(self, plate: Path) -> None:
        assert [path.name for path in find_images(str(plate / "1*"))] == ["1.jpg", "10.png"]
        assert [path.name for path in find_images(str(plate / "**" / "*.bmp"))] == ["7.bmp", "8.bmp"]
        assert [path.name for path in find_images(str(plate / "*"))] == ["1.jpg", "9.PNG", "10.png"]

    def test_name_that_looks_like_a_pattern(self, plate: Path, write_image: Callable[..., Path]) -> None:
        write_image(plate / "well[1].png")
        assert [path.name for path in find_images(plate / "well[1].png")] == ["well[1].png"]

    def test_a_pattern_in_a_folder_whose_name_looks_like_one(
        self, tmp_path: Path, write_image: Callable[..., Path]
    ) -> None:
        (tmp_path / "w [1]").mkdir()
        write_image(tmp_path / "w [1]" / "a.png")
        assert [path.name for path in find_images(tmp_path / "w [1]" / "*.png")] == ["a.png"]

    @pytest.mark.parametrize("pattern", ["run[1]/*/*.png", "run[1]/**/*.png", "./run[1]/*/a.png", "run[1]/s?/a.png"])
    def test_a_folder_is_never_taken_for_another_that_its_name_fits(
        self, tmp_path: Path, write_image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, pattern: str
    ) -> None:
        for run in ("run[1]", "run1"):
            (tmp_path / run / "s1").mkdir(parents=True)
            write_image(tmp_path / run / "s1" / "a.png")
        monkeypatch.chdir(tmp_path)
        assert find_images(pattern) == [Path("run[1]/s1/a.png")]
        assert find_images(tmp_path / pattern) == [tmp_path / "run[1]/s1/a.png"]
        assert find_images("run[12]/*/*.png") == [Path("run1/s1/a.png")]

    def test_a_link_to_nothing_is_an_image_that_cannot_be_read(self, tmp_path: Path) -> None:
        """It would be missing from tables and totals without a word."""
        link = tmp_path / "a.png"
        link.symlink_to(tmp_path / "gone.png")
        (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
        for place in (tmp_path, link, tmp_path / "*.png"):
            assert find_images(place) == [link]
        with pytest.raises(ImageError, match=r"a\.png: there is no such file: it is a link to .*gone\.png"):
            read_image(link)

    def test_links_to_others_are_known(self, plate: Path) -> None:
        (plate / "sub" / "1.jpg").symlink_to(plate / "1.jpg")
        (plate / "again").symlink_to(plate / "sub")
        names = [plate, plate / "sub" / ".." / "1.jpg", plate / "sub", plate / "again" / "*.bmp"]
        assert [path.name for path in find_images(names)] == ["1.jpg", "9.PNG", "10.png", "7.bmp"]
        assert linked(names) == {
            plate / "sub" / "1.jpg": plate / "1.jpg",
            plate / "again" / "7.bmp": plate / "sub" / "7.bmp",
        }

    def test_folders_that_a_pattern_cannot_look_into_are_known(
        self, plate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = plate / "sub" / "deep"
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
        for pattern in ("*/*/*.bmp", "sub/*/8.bmp", "**/*.bmp", "sub/deep/*.bmp"):
            assert closed_to(plate / pattern) == [closed]
        assert closed_to(plate / "*" / "*.bmp") == closed_to(plate / "sub") == []
        with pytest.raises(ImageError, match=r"matches the pattern; 1 folder \(deep\) may not be looked into"):
            find_images(plate / "sub" / "deep" / "*.png")

    def test_jpeg_by_its_rarer_suffixes(self, tmp_path: Path, write_image: Callable[..., Path]) -> None:
        for name in ("a.jfif", "b.JPE"):
            write_image(tmp_path / "x.jpg").rename(tmp_path / name)
        assert [read_image(path).shape for path in find_images(tmp_path)] == [(3, 24, 32)] * 2

    def test_images_that_are_not_read_are_named(self, tmp_path: Path, write_image: Callable[..., Path]) -> None:
        others = ["b.heif", "c.HIF", "d.cr2", "e.cr3", "f.nef", "g.arw", "h.dng", "i.heic"]
        for name in (*others, "notes.txt"):
            (tmp_path / name).touch()
        for place in (tmp_path, tmp_path / "*.*", str(tmp_path / "*")):
            with pytest.raises(ImageError, match=r"8 images \(b\.heif, c\.HIF, d\.cr2 and 5 more\) are of a kind"):
                find_images(place)
        write_image(tmp_path / "a.png")
        for place in (tmp_path, tmp_path / "*.*", str(tmp_path / "*")):
            assert [path.name for path in unread_by(place)] == others
            assert [path.name for path in find_images(place)] == ["a.png"]
        assert unread_by(tmp_path / "i.heic") == unread_by(tmp_path / "nowhere") == []

    def test_named_file_of_any_suffix(self, plate: Path) -> None:
        assert find_images(plate / "notes.txt") == [plate / "notes.txt"]

    @pytest.mark.parametrize("name", ["missing.png", "*.gif", "*.txt", "empty"])
    def test_names_that_match_nothing(self, plate: Path, name: str) -> None:
        (plate / "empty").mkdir()
        with pytest.raises(ImageError, match=name.replace("*", r"\*")):
            find_images([plate / "1.jpg", plate / name])

    def test_endings_in_capitals_are_found_out(self, tmp_path: Path, write_image: Callable[..., Path]) -> None:
        (tmp_path / "P1 [a]").mkdir()
        write_image(tmp_path / "P1 [a]" / "e_B03_w1.bmp").rename(tmp_path / "P1 [a]" / "e_B03_W1.BMP")
        for place in (tmp_path / "P1 [a]", tmp_path / "*", tmp_path / "**"):
            with pytest.raises(ImageError, match=r"matches the pattern; upper and lower .* there is e_B03_W1\.BMP"):
                find_images(place / "*_w1.bmp")
        with pytest.raises(ImageError, match=r"such as '.*/\*/\*\.BMP'"):
            find_images(tmp_path)

    def test_nothing_named(self) -> None:
        with pytest.raises(ImageError, match="no images are named"):
            find_images([])

    @given(st.lists(st.integers(0, 1000), max_size=8))
    def test_numbers_in_names_sort_as_numbers(self, numbers: list[int]) -> None:
        names = [f"well {number}.png" for number in numbers]
        assert sorted(names, key=natural_key) == [f"well {number}.png" for number in sorted(numbers)]

    @given(st.sets(st.text(max_size=8)))
    def test_any_names_have_one_order(self, names: set[str]) -> None:
        keys = sorted(natural_key(name) for name in names)
        assert all(one < other for one, other in pairwise(keys))


def test_a_missing_package_is_not_called_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "PIL.PngImagePlugin", None)
    with pytest.raises(ImageError, match=r"needs the package PIL.* is not installed") as caught:
        read_image(tmp_path / "a.png")
    assert "damaged" not in str(caught.value)
