"""What is said on the command line, read: settings, pages, levels, data sets, and places of results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from countception.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from countception.data.pairing import Dataset
    from countception.images.projection import Page
    from countception.points import Order

DIGITS = 10
"""A number of a page or an axis has fewer."""
POINTS_AS = ("csv", "geojson", "zip")
A_MODEL, AN_IMAGE = "a model", "an image"
DATA = "a folder of images with dots, or a manifest,"
"""Kinds of what is named on the command line, in words."""
HEADER = 2**20
"""Bytes of a file that say whether it is a model, of which large images have no end."""


def read_settings(pairs: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` pairs; a value is read as JSON where it is that, and as text otherwise.

    Raises
    ------
    ConfigError
        One has no equals sign.
    """
    import json

    changes = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair} sets nothing: write --set KEY=VALUE, such as --set training.batch=8")
        try:
            changes[key.strip()] = json.loads(text)
        except ValueError:
            changes[key.strip()] = text
    return changes


def read_changes(
    pairs: list[str],
    named: Mapping[str, Any],
    *,
    time_budget: str | None,
    scale: str | None,
    channels: str | None = None,
) -> dict[str, Any]:
    """Changes to a recipe, dotted: what options of their own say goes before ``KEY=VALUE`` pairs.

    Parameters
    ----------
    pairs
        As for `read_settings`.
    named
        Settings that have options of their own; None changes nothing.
    time_budget, scale, channels
        Three more, as text.

    Raises
    ------
    ConfigError
        One cannot be read.
    """
    changes = read_settings(pairs) | {key: value for key, value in named.items() if value is not None}
    if time_budget is not None:
        changes["training.seconds"] = read_duration(time_budget)
    if scale is not None:
        changes["scale.factor"] = read_scale(scale)
    if channels is not None:
        changes["channels"] = read_channels(channels)
    return changes


def read_duration(text: str) -> float:
    """``90``, ``90s``, ``10m`` or ``1h30m`` → seconds; in ``1h30`` and ``2m30`` the rest is of the next smaller unit.

    Raises
    ------
    ConfigError
        Anything else, or no time at all.
    """
    import re

    plain = re.sub(r"h([\d.]+)$", r"h\1m", text.strip().lower().replace(" ", ""))
    match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m(?:in)?)?(?:([\d.]+)s?)?", plain)
    try:
        seconds = (
            sum(float(n or 0) * unit for n, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
        )
    except ValueError:
        seconds = 0
    if seconds <= 0:
        raise ConfigError(f"{text!r} is no length of time: write it as 90s, 10m or 1h30m")
    return seconds


def list_settings(values: dict[str, Any]) -> list[str]:
    """Nested values as the ``KEY=VALUE`` pairs that `read_settings` reads, but for those that are not chosen by one."""
    import json

    from countception.config import DECIDED, dotted

    return [f"{key}={json.dumps(value)}" for key, value in dotted(values).items() if key not in DECIDED]


def read_scale(text: str) -> float | None:
    """A number, or None for ``auto``.

    Raises
    ------
    ConfigError
        Anything else.
    """
    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise ConfigError(f"--scale {text} is neither auto nor a number") from None


def read_channels(text: str) -> list[int]:
    """Numbers, from 0, with commas between them.

    Raises
    ------
    ConfigError
        Anything else.
    """
    numbers = [part.strip() for part in text.split(",")]
    if not all(_is_number(part) for part in numbers):
        raise ConfigError(
            f"--channels {text or 'nothing'} names no channels: give their numbers, from 0, such as 0 or 0,2"
        )
    return list(map(int, numbers))


def read_valid(text: str | None) -> str | float | None:
    """A share where `text` is a number and there is no such file, a data set otherwise."""
    try:
        return text if text is None or Path(text).exists() else float(text)
    except (OSError, ValueError):  # whoever reads it says what is wrong
        return text


def read_level(level: float | None) -> float:
    """That of intervals; the default is looked up here, as importing it takes longer than all of the help."""
    from countception.config import LEVEL

    return LEVEL if level is None else level


def read_axis(text: str | None) -> int | str | None:
    """An axis by number or by letter."""
    return int(text) if text is not None and _is_number(text) else text


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < DIGITS


def read_page(text: str | None) -> Page | Literal["all"] | None:
    """A page by number, what is made of all of them, or all.

    Raises
    ------
    ConfigError
        It is none of these.
    """
    if text is None:
        return None
    if text in ("max", "mean", "all"):
        return cast("Literal['max', 'mean', 'all']", text)
    if not _is_number(text):
        raise ConfigError(f"--page {text or 'nothing'} is no page: give its number, from 0, or max, mean or all")
    return int(text)


def read_one_page(text: str | None) -> Page | None:
    """As `read_page`, where each image has one file of dots.

    Raises
    ------
    ConfigError
        As there; or it is all of them.
    """
    page = read_page(text)
    if page == "all":
        raise ConfigError("--page all is for `count` alone: dots belong to one page; give its number, or max or mean")
    return page


def read_points_as(text: str | None, folder: Path | None, *, overwrite: bool) -> str:
    """How points are written: the suffix of their files.

    Raises
    ------
    ConfigError
        None of those that are offered, or no folder for them.
    """
    if text is not None and text not in POINTS_AS:
        raise ConfigError(f"--points-as {text or 'nothing'} is none of {', '.join(POINTS_AS)}")
    if text is not None and folder is None:
        raise ConfigError(f"--points-as {text} needs a folder for the points: name one with --points")
    if overwrite and folder is None:
        raise ConfigError("--overwrite is for points alone, which are written where --points says")
    return text or POINTS_AS[0]


def read_order(text: str | None) -> Order | None:
    """``xy`` or ``yx``.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if text not in (None, "xy", "yx"):
        raise ConfigError(f"--order {text} is no order of columns: say xy or yx")
    return cast("Order | None", text)


@dataclass(frozen=True)
class Reading:
    """How data sets are read, as the options of the commands say it."""

    order: str | None = None
    """Of the columns of tables of dots that have no header."""
    image_suffix: str | None = None
    dots_suffix: str | None = None
    """How the names of images and of dots end, where they follow no convention."""
    ignore_unmatched: bool = False
    """Whether files without a partner are passed over instead of refused."""
    page: str | None = None
    axis: str | None = None
    """What to read of stacks."""
    regions: Path | None = None
    """Rectangles in which all objects have dots."""
    pixel_size: float | None = None
    """In micrometres, where the files do not say it."""

    def find(self, path: Path | str) -> Dataset:
        """The images and dots of a folder or manifest."""
        from countception.data.pairing import read_dataset

        found = read_dataset(
            path,
            order=read_order(self.order),
            image_suffix=self.image_suffix,
            dots_suffix=self.dots_suffix,
            page=read_one_page(self.page),
            axis=read_axis(self.axis),
        )
        found = found.without_unmatched() if self.ignore_unmatched else found
        found = found if self.regions is None else found.within(self.regions)
        return found if self.pixel_size is None else found.with_pixel_size(self.pixel_size)

    def data(self, path: Path | str) -> Path | str | Dataset:
        """A data set as the commands take it, with its files found already where that takes options."""
        return path if self == Reading() else self.find(path)


def check_kind(name: Path | str | float | None, wanted: str, usage: str) -> None:
    """Refuse an image or a model where something else is `wanted`, before it is read as that.

    Raises
    ------
    ConfigError
        Says what the file is, and how the command goes.
    """
    if not isinstance(name, Path | str):
        return
    kind = _kind(Path(name))
    if kind not in (wanted, ""):
        raise ConfigError(f"{name} is {kind}, where {wanted} belongs: the command goes: countception {usage}")


def _kind(path: Path) -> str:
    """What a file is; nothing of one that is neither a model nor an image, or that somebody else finds wrong."""
    from countception.images.find import OTHER_SUFFIXES, SUFFIXES

    try:
        if not path.is_file():
            return ""
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length < path.stat().st_size and b"countception model" in stream.read(min(length, HEADER)):
                return A_MODEL
    except OSError:
        return ""
    return AN_IMAGE if path.suffix.lower() in SUFFIXES | OTHER_SUFFIXES else ""


def check_results(
    *places: Path | None, data: Sequence[Path | str | float | None] = (), read: Sequence[Path | None] = ()
) -> None:
    """Refuse results that would be written over each other, or over what is read, before there are any.

    Parameters
    ----------
    *places
        Files to write; None is no file.
    data
        Data sets that are read; what is none is left out.
    read
        Other files that are; None is no file.

    Raises
    ------
    OutputError
        Says which.
    DatasetError
        A data set cannot be looked into.
    """
    from countception.data.pairing import is_part_of
    from countception.results.outputs import check_places

    known = [file for each in read if each is not None for file in _files_of(each)]
    check_places(known, *places)  # first: what cannot be written may be what cannot be looked at
    sets = [each for each in data if isinstance(each, Path | str)]
    taken = [place for place in places if place is not None and any(is_part_of(each, place) for each in sets)]
    check_places(taken, *places)


def check_pictures(dataset: Dataset, folder: Path, *others: Path | None) -> None:
    """Refuse pictures of dots that would take the place of other files, before there are any.

    Raises
    ------
    OutputError
        Says which.
    """
    from countception.results.dot_pictures import places

    places(dataset, folder, others=[file for each in others if each is not None for file in _files_of(each)])


def _files_of(place: Path) -> list[Path]:
    """A file, or those in a folder; whoever reads it says what is wrong with it."""
    try:
        return sorted(place.iterdir()) if place.is_dir() else [place]
    except OSError:
        return [place]


def read_pair(text: str | None, option: str) -> tuple[int, int] | None:
    """Two whole numbers between which there is ``x`` or ``-``, or one that stands for both.

    Raises
    ------
    ConfigError
        Anything else.
    """
    if text is None:
        return None
    parts = text.lower().replace("x", "-").split("-")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ConfigError(f"{option} {text} is not one whole number or two: write it as 256, 256x300 or 50-200")
    return int(parts[0]), int(parts[-1])
