"""Fixtures that every test can use: small images with dots, and the real data sets where they are at hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# `make test` tries the same cases every time; `make fuzz` tries many new ones
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# shells start background jobs deaf to Ctrl-C, and so would be the commands that tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Points = Sequence[tuple[float, float]]


@pytest.fixture
def write_image() -> Callable[..., Path]:
    """Write an image of noise: `write_image(path, shape=(24, 32), channels=3, seed=0)`."""

    def write(path: Path, shape: tuple[int, int] = (24, 32), channels: int = 3, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (*shape, channels), np.uint8)
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
        return path

    return write


@pytest.fixture
def turn() -> Callable[..., None]:
    """Give a JPEG or PNG file, whose pixels stay as they are, an EXIF orientation: `turn(path, 6)`."""

    def write(path: Path, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        with Image.open(path) as image:
            image.load()
            image.save(path, exif=exif)

    return write


@pytest.fixture
def write_mask() -> Callable[..., Path]:
    """Write a mask with red dots on black: `write_mask(path, [(y, x), ...], shape=(24, 32))`."""

    def write(
        path: Path, points: Points, shape: tuple[int, int] = (24, 32), mode: str = "RGB", **options: object
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((*shape, 3), np.uint8)
        for y, x in points:
            pixels[int(y), int(x), 0] = 255
        image = Image.fromarray(pixels) if mode == "RGB" else Image.fromarray(pixels[..., 0]).convert(mode)
        image.save(path, **options)
        return path

    return write


@pytest.fixture
def write_table() -> Callable[..., Path]:
    """Write a table of dots with columns x and y: `write_table(path, [(y, x), ...])`."""

    def write(path: Path, points: Points) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["x,y", *(f"{x},{y}" for y, x in points)]) + "\n")
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, write_image: Callable[..., Path], write_table: Callable[..., Path]) -> Path:
    """A data set of four images of 24 × 32 pixels, `a.png` to `d.png`, each with a table of 2 to 5 dots."""
    root = tmp_path / "data"
    for k, name in enumerate("abcd"):
        rng = np.random.default_rng(k)
        write_image(root / f"{name}.png", seed=k)
        places = rng.permutation(24 * 32)[: k + 2]
        write_table(root / f"{name}.csv", [(int(place // 32), int(place % 32)) for place in places])
    return root


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Path of a real data set by name (vgg, mbm, adipocyte); skips the test where it is not at hand."""

    def find(name: str) -> Path:
        root = os.environ.get("COUNTCEPTION_DATA")
        if not root or not (Path(root) / name).is_dir():
            pytest.skip(f"the {name} data are not at hand: set COUNTCEPTION_DATA to the folder that holds {name}/")
        return Path(root) / name

    return find
