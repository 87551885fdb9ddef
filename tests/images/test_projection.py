from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from countception.data.dataset import load_dataset
from countception.errors import ImageError
from countception.images import pieces
from countception.images.pieces import Pieces, opened
from countception.images.projection import projected
from countception.images.read import read_image
from countception.results.batch import count_files
from tiny import untrained

STACK = np.random.default_rng(0).integers(0, 60000, (5, 30, 40), np.uint16)


def written(path: Path, stack: npt.NDArray[Any] = STACK, **options: Any) -> Path:
    tifffile.imwrite(path, stack, photometric="minisblack", **options)
    return path


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"imagej": True, "metadata": {"axes": "ZYX"}}, {"metadata": {"axes": "ZYX"}}],
)
def test_brightest_and_mean_of_all_planes(tmp_path: Path, options: dict[str, Any]) -> None:
    path = written(tmp_path / "a.tif", **options)
    brightest, mean = read_image(path, page="max"), read_image(path, page="mean")
    np.testing.assert_array_equal(brightest[0], STACK.max(0))
    assert brightest.dtype == np.uint16
    np.testing.assert_allclose(mean[0], STACK.mean(0), rtol=1e-6)
    assert mean.dtype == np.float32


@pytest.mark.parametrize("page", ["max", "mean"])
@pytest.mark.parametrize("channels", [1, 2])
def test_read_in_pieces_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, channels: int
) -> None:
    stack = np.random.default_rng(1).integers(0, 255, (4, channels, 30, 40), np.uint8)
    axes = "ZCYX" if channels > 1 else "ZYX"
    path = written(tmp_path / "a.tif", stack if channels > 1 else stack[:, 0], imagej=True, metadata={"axes": axes})
    whole = read_image(path, page=page)  # type: ignore[arg-type]
    monkeypatch.setattr(pieces, "LARGE", 100)
    with opened(path, page=page) as image:  # type: ignore[arg-type]
        assert isinstance(image, Pieces)
        np.testing.assert_array_equal(image[:, 3:17, 5:30], whole[:, 3:17, 5:30])


def test_a_picture_that_is_no_stack_is_itself(tmp_path: Path) -> None:
    written(tmp_path / "a.tif", STACK[0])
    Image.fromarray((STACK[0] >> 8).astype(np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page="max")[0], STACK[0])
    assert read_image(tmp_path / "a.png", page="max").shape == (1, 30, 40)


def test_the_stack_itself_is_not_changed() -> None:
    planes = [STACK[k] for k in range(5)]
    before = STACK.copy()
    projected("max", planes)
    projected("mean", planes)
    np.testing.assert_array_equal(STACK, before)


@pytest.mark.parametrize("page", ["max", "mean"])
def test_stacks_of_black_and_white_are_as_bright_as_their_pages(tmp_path: Path, page: str) -> None:
    stack = np.zeros((2, 8, 8), bool)
    stack[:, 2] = True
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=page), read_image(tmp_path / "a.tif", page=0))  # type: ignore[arg-type]


def test_a_film_of_stacks_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", STACK.reshape(1, 5, 30, 40).repeat(2, 0), metadata={"axes": "TZYX"})
    with pytest.raises(ImageError, match=r"a\.tif: is a stack along several axes \(TZYX\), of which no one picture"):
        read_image(path, page="max")


def test_other_words_are_no_pages(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.tif: 'median' is no page; give its number, from 0, or max or mean"):
        read_image(written(tmp_path / "a.tif"), page="median")  # type: ignore[arg-type]


def test_data_sets_and_batches_take_them(tmp_path: Path) -> None:
    stack = np.stack([np.full((48, 48, 3), value, np.uint8) for value in (10, 90)])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="rgb")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (sample,) = load_dataset(tmp_path, page="max")
    assert (sample.image == 90).all()
    (row,) = count_files(untrained(), tmp_path / "a.tif", page="mean")
    assert not row.error
    assert row.count == pytest.approx(untrained().count(np.full((48, 48, 3), 50.0, np.float32)).value)
