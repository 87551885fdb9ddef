"""What part of an image is picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from countception.errors import ImageError
from countception.images import pieces
from countception.images.extent import extent_of
from countception.images.pieces import Pieces, opened
from countception.images.tiff_file import NO_DATA


def test_an_image_without_holes_has_no_extent() -> None:
    assert extent_of(np.ones((1, 8, 9)), (4, 5), 2.0) is None
    assert extent_of(np.ma.masked_array(np.ones((1, 8, 9)), False), (4, 5), 2.0) is None


@pytest.mark.parametrize("cell", [1.0, 2.0, 2.7])
def test_cells_are_picture_where_their_middle_is(cell: float) -> None:
    holes = np.random.default_rng(0).random((1300, 31)) < 0.3
    cells = (int(np.ceil(1300 / cell)), int(np.ceil(31 / cell)))
    extent = extent_of(np.ma.masked_array(np.ones((2, 1300, 31)), np.stack([holes, holes])), cells, cell)
    assert extent is not None
    assert extent.area == (~holes).sum()
    y, x = (
        np.minimum(((np.arange(n) + 0.5) * cell).astype(int), side - 1)
        for n, side in zip(cells, holes.shape, strict=True)
    )
    np.testing.assert_array_equal(extent.cells, ~holes[np.ix_(y, x)])
    for rows, columns in (((0, 1300), (0, 31)), ((500, 530), (7, 25)), ((3, 3), (8, 8))):
        np.testing.assert_array_equal(extent.pixels(rows, columns), ~holes[slice(*rows), slice(*columns)])


@pytest.mark.parametrize("transparent", [True, False])
def test_large_images_are_gone_through_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transparent: bool
) -> None:
    monkeypatch.setattr(pieces, "LARGE", 1)
    pixels = np.full((700, 20, 2), 255, np.uint8)
    pixels[:, :, 0] = 9
    pixels[650:, 5:, 1] = 0 if transparent else 90
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]
    )
    with opened(tmp_path / "a.tif") as image:
        assert isinstance(image, Pieces)
        extent = extent_of(image, (700, 20), 1.0)
    if transparent:
        assert extent is not None
        assert extent.area == extent.cells.sum() == 700 * 20 - 50 * 15
        assert not extent.cells[650:, 5:].any()
    else:
        assert extent is None


def test_a_large_image_that_is_all_holes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LARGE", 1)
    tag = (NO_DATA, "s", 0, "0", True)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((70, 20), np.uint8), metadata=None, extratags=[tag])
    with opened(tmp_path / "a.tif") as image, pytest.raises(ImageError, match="the image has no picture"):
        extent_of(image, (70, 20), 1.0)
