from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from countception.errors import PointsError
from countception.points import read_points

DOTS = [(0, 0), (3, 30), (3, 31), (12, 7), (23, 31)]


@pytest.mark.parametrize(("suffix", "mode"), [("png", "RGB"), ("png", "1"), ("png", "L"), ("png", "P"), ("bmp", "RGB")])
def test_every_pixel_that_is_not_black_is_a_dot(
    tmp_path: Path, write_mask: Callable[..., Path], suffix: str, mode: str
) -> None:
    path = write_mask(tmp_path / f"dots.{suffix}", DOTS, mode=mode)
    dots = read_points(path, image_shape=(24, 32))
    assert dots.points.tolist() == [list(map(float, dot)) for dot in DOTS]
    assert dots.class_names == ("object",)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float32"])
def test_tiff_of_any_depth(tmp_path: Path, dtype: str) -> None:
    mask = np.zeros((24, 32), dtype)
    mask[5, 6] = 1
    tifffile.imwrite(tmp_path / "dots.tif", mask)
    assert read_points(tmp_path / "dots.tif").points.tolist() == [[5, 6]]


def test_dots_drawn_in_black_on_a_transparent_layer_are_refused(tmp_path: Path) -> None:
    layer = np.zeros((20, 30, 4), np.uint8)
    layer[[5, 9], [7, 20], 3] = 255
    Image.fromarray(layer).save(tmp_path / "a.png")
    with pytest.raises(PointsError, match="has black pixels alone, on a transparent ground; mark each object by one"):
        read_points(tmp_path / "a.png")
    layer[:, 3:, 3] = 255  # an image without objects and with a hole
    Image.fromarray(layer).save(tmp_path / "a.png")
    assert len(read_points(tmp_path / "a.png")) == 0


def test_a_stack_of_masks_has_one_for_each_page(tmp_path: Path) -> None:
    masks = np.zeros((3, 20, 30), np.uint8)
    masks[1, 5, 7] = masks[2, 9, 20] = 255
    tifffile.imwrite(tmp_path / "a.tif", masks, photometric="minisblack")
    assert read_points(tmp_path / "a.tif", page=lambda: 2).points.tolist() == [[9, 20]]
    with pytest.raises(PointsError, match="has no page 3"):
        read_points(tmp_path / "a.tif", page=lambda: 3)
    with pytest.raises(PointsError, match="is a stack of 3 planes"):
        read_points(tmp_path / "a.tif")
    layers = np.zeros((2, 20, 30, 4), np.uint8)
    layers[1, 5, 7, 3] = 255
    tifffile.imwrite(tmp_path / "b.tif", layers, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(PointsError, match="has black pixels alone"):
        read_points(tmp_path / "b.tif", page=lambda: 1)
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(PointsError, match="damaged or cut off"):
        read_points(tmp_path / "c.png", page=lambda: 1)


def test_transparent_layer_with_dots(tmp_path: Path) -> None:
    layer = np.zeros((24, 32, 4), np.uint8)
    layer[..., :3] = 255  # what is transparent has colours too
    layer[4, 5] = (255, 0, 0, 255)
    Image.fromarray(layer).save(tmp_path / "dots.png")
    assert read_points(tmp_path / "dots.png").points.tolist() == [[4, 5]]


@given(st.sets(st.tuples(st.integers(0, 8), st.integers(0, 9)), max_size=30), st.integers(90, 100))
def test_jpeg_smear_is_no_dot(
    tmp_path_factory: pytest.TempPathFactory, places: set[tuple[int, int]], quality: int
) -> None:
    """Dots six pixels apart are told apart whatever the compression did to them."""
    points = sorted((6 * y + 2, 6 * x + 2) for y, x in places)
    mask = np.zeros((60, 64, 3), np.uint8)
    for y, x in points:
        mask[y, x] = (255, 0, 0)
    path = tmp_path_factory.mktemp("jpeg") / "dots.jpg"
    Image.fromarray(mask).save(path, quality=quality, subsampling=0)
    found = read_points(path).points
    assert len(found) == len(points)
    assert sorted(map(tuple, np.rint(found).astype(int).tolist())) == points


@pytest.mark.parametrize(("quality", "subsampling"), [(75, 2), (95, 2), (60, 0)])
def test_jpeg_that_lost_dots_is_refused(
    tmp_path: Path, write_mask: Callable[..., Path], quality: int, subsampling: int
) -> None:
    path = write_mask(tmp_path / "dots.jpg", [(4, 4), (12, 20), (20, 9)], quality=quality, subsampling=subsampling)
    with pytest.raises(PointsError, match=r"dots\.jpg: the JPEG is compressed so strongly .* save the mask as PNG"):
        read_points(path)


def test_bright_jpeg_pixels_that_touch_are_one_dot(tmp_path: Path, write_mask: Callable[..., Path]) -> None:
    path = write_mask(tmp_path / "dots.jpg", [(4, 4), (4, 5), (12, 20)], quality=100, subsampling=0)
    assert read_points(path).points.tolist() == [[4, 4.5], [12, 20]]


def test_mask_without_dots(tmp_path: Path, write_mask: Callable[..., Path]) -> None:
    for name in ("a.png", "a.jpg"):
        assert len(read_points(write_mask(tmp_path / name, []))) == 0


def test_one_pixel(tmp_path: Path, write_mask: Callable[..., Path]) -> None:
    assert read_points(write_mask(tmp_path / "a.png", [(0, 0)], shape=(1, 1))).points.tolist() == [[0, 0]]


class TestBadMasks:
    def test_other_size_than_the_image(self, tmp_path: Path, write_mask: Callable[..., Path]) -> None:
        path = write_mask(tmp_path / "dots.png", DOTS)
        with pytest.raises(PointsError, match=r"dots\.png: the mask is 24 × 32 pixels but its image is 32 × 24"):
            read_points(path, image_shape=(32, 24))

    @pytest.mark.parametrize("suffix", ["png", "jpg"])
    def test_photograph(self, tmp_path: Path, write_image: Callable[..., Path], suffix: str) -> None:
        with pytest.raises(PointsError, match=r"is no mask of dots, as \d+ % of its pixels are not black"):
            read_points(write_image(tmp_path / f"photo.{suffix}"))

    def test_black_on_white(self, tmp_path: Path) -> None:
        mask = np.full((24, 32), 255, np.uint8)
        mask[3, 4] = 0
        Image.fromarray(mask).save(tmp_path / "dots.png")
        with pytest.raises(PointsError, match="100 % of its pixels are not black"):
            read_points(tmp_path / "dots.png")

    def test_discs(self, tmp_path: Path) -> None:
        mask = np.zeros((100, 100), bool)
        mask[10:13, 10:13] = mask[50:53, 60:63] = True
        Image.fromarray(mask).save(tmp_path / "dots.png")
        with pytest.raises(PointsError, match=r"as its 2 marks have 9\.0 pixels each"):
            read_points(tmp_path / "dots.png")

    def test_several_values(self, tmp_path: Path) -> None:
        mask = np.zeros((24, 32), np.uint8)
        mask[3, 4], mask[10, 10] = 1, 2
        Image.fromarray(mask).save(tmp_path / "dots.png")
        with pytest.raises(PointsError, match="its bright pixels have 2 different values"):
            read_points(tmp_path / "dots.png")

    def test_damaged(self, tmp_path: Path, write_mask: Callable[..., Path]) -> None:
        path = write_mask(tmp_path / "dots.png", DOTS)
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(PointsError, match=r"dots\.png: the image cannot be read"):
            read_points(path)


@pytest.mark.parametrize(
    ("name", "pattern", "files", "mean", "sd", "fewest", "most"),
    [
        ("vgg", "*dots.png", 200, 176.0, 61.2, 74, 317),
        ("mbm", "*dots*.png", 44, 126.2, 33.1, 65, 195),
        ("adipocyte", "annotations/*", 200, 155.0, 35.8, 48, 299),
    ],
)
def test_counts_of_the_real_data(
    real_data: Callable[[str], Path],
    name: str,
    pattern: str,
    files: int,
    mean: float,
    sd: float,
    fewest: int,
    most: int,
) -> None:
    counts = [len(read_points(path)) for path in real_data(name).glob(pattern)]
    assert len(counts) == files
    assert (round(np.mean(counts), 1), round(np.std(counts), 1)) == (mean, sd)
    assert (min(counts), max(counts)) == (fewest, most)
