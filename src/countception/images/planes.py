"""What is counted, one after the other: image files, or each page of stacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from countception.errors import ImageError
from countception.images import decoders
from countception.images.projection import Page
from countception.images.read import decoding, first_bytes
from countception.images.tiff_file import open_tiff

EVERY: Final = "all"
"""In place of the number of a page: each of them, as an image of its own."""


class Plane(NamedTuple):
    """One image to count."""

    path: Path
    page: int | None = None
    """Of a stack of which each page is counted, from 0; None where the file is counted as one image."""
    part: int | None = None
    """Of an image whose rectangles are looked at one by one, from 1; None where the image is looked at as a whole."""

    @property
    def name(self) -> str:
        """Of the file, and the page if there is one."""
        return called(self.path.name, self.page)

    @property
    def alias(self) -> Path:
        """The path that stands for it where files are named after images."""
        numbers = {"page": self.page, "part": self.part}
        ending = "".join(f"_{kind}{number}" for kind, number in numbers.items() if number is not None)
        return self.path.with_stem(f"{self.path.stem}{ending}") if ending else self.path


def called(image: str, page: int | None) -> str:
    """What people call a page of an image, or the image."""
    return image if page is None else f"{image}, page {page}"


def planes(files: Sequence[Path], page: Page | Literal["all"] | None, axis: int | str | None) -> list[Plane]:
    """What there is to count in image files.

    Parameters
    ----------
    files
        Of images.
    page
        `EVERY` takes stacks apart; with anything else each file is one image.
    axis
        The axis of stacks that holds channels, as for `countception.images.read.read_image`.
    """
    return [plane for file in files for plane in _planes(file, axis)] if page == EVERY else [*map(Plane, files)]


def _planes(file: Path, axis: int | str | None) -> Iterator[Plane]:
    """A file that is no stack, or damaged, which is said when it is counted, is one image."""
    try:
        number = _pages(file, axis)
    except ImageError:
        number = 1
    if 1 < number <= file.stat().st_size:  # a damaged file may claim any number
        yield from (Plane(file, page) for page in range(number))
    else:
        yield Plane(file)


def is_stack(file: Path) -> bool:
    """Whether there are several planes in a file."""
    return len(planes([file], EVERY, None)) > 1


def along_one_axis(file: Path, axis: int | str | None) -> bool:
    """Whether a file is a stack along one axis and without channels, whose planes all programs number alike."""
    if not decoders.is_tiff(first_bytes(file)):
        return False
    with decoding(file), open_tiff(file) as tiff:
        series = tiff.series[0]
        names = decoders.name_axes(file, series.axes, series.shape, axis)
        longer = [name for name, size in zip(names, series.shape, strict=True) if size > 1 and name not in "SYX"]
        return (len(tiff.series) == 1 or decoders.alone(tiff)) and len(longer) == 1 and longer[0] != "C"


def _pages(file: Path, axis: int | str | None) -> int:
    if not decoders.is_tiff(first_bytes(file)):
        return 1
    with decoding(file), open_tiff(file) as tiff:
        return decoders.pages_of(file, tiff, axis)
