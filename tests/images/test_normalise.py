"""What of an image is shown: some of its channels, from arrays and from files that are read piece by piece."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile

from countception.errors import ImageError
from countception.images import pieces
from countception.images.normalise import Channels, Normalisation, learn

IMAGE = np.random.default_rng(0).integers(0, 255, (4, 30, 40)).astype(np.uint16)
REGIONS = [
    (slice(None), slice(3, 9), slice(None)),
    (slice(1, 2), slice(None), slice(5, 40)),
    (slice(2), *[slice(8)] * 2),
]


@pytest.mark.parametrize(("numbers", "region"), list(product([(1,), (3, 0), (0, 1, 2, 3)], REGIONS)))
def test_channels_are_those_of_the_image(numbers: tuple[int, ...], region: tuple[slice, slice, slice]) -> None:
    shown = Channels(IMAGE, numbers)
    assert shown.shape == (len(numbers), 30, 40)
    np.testing.assert_array_equal(shown[region], IMAGE[list(numbers)][region])
    np.testing.assert_array_equal(np.asarray(shown), IMAGE[list(numbers)], strict=True)


def test_channels_of_a_large_file_are_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LARGE", 1)
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, metadata={"axes": "CYX"}, photometric="minisblack")
    with pieces.opened(tmp_path / "a.tif") as image:
        assert isinstance(image, pieces.Pieces)
        shown = Channels(image, (3, 1))
        np.testing.assert_array_equal(shown[:, 5:9, 2:7], IMAGE[[3, 1], 5:9, 2:7])


def test_what_is_learned_is_of_the_channels_that_are_shown() -> None:
    some, alone = learn([IMAGE, IMAGE[:, :9] + 7], (3, 1)), learn([IMAGE[[3, 1]], IMAGE[[3, 1], :9] + 7])
    assert (some.mean, some.deviation, some.channels) == (alone.mean, alone.deviation, 2)
    np.testing.assert_array_equal(some(np.asarray(some.shown(IMAGE))), alone(IMAGE[[3, 1]]))
    assert alone.shown(IMAGE) is IMAGE, "all of them, as they are"


def test_images_may_have_other_channels_beside_those_that_are_shown() -> None:
    some = Normalisation((0.0, 0.0), (1.0, 1.0), (2, 0))
    for channels in (3, 4):
        some.check(IMAGE[:channels])
    with pytest.raises(
        ImageError, match=r"^a\.tif has 2 channels, numbered from 0, but the model is shown channels 2, 0: say"
    ):
        some.check(IMAGE[:2], "a.tif")
    with pytest.raises(ImageError, match=r"has 4 channels but the model was trained on images of 2: say which"):
        Normalisation((0.0, 0.0), (1.0, 1.0)).check(IMAGE)
    with pytest.raises(ImageError, match=r"has 1 channel but the model was trained on images of 2: convert"):
        Normalisation((0.0, 0.0), (1.0, 1.0)).check(IMAGE[:1])
