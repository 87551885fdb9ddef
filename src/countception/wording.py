"""Numbers as people read them, the same on the screen, in pages and in notes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

NAMED = 3
"""So many of several files are named."""
NONE = "–"
"""Where there is no number."""
WHOLE = "whole image"
"""What the region of all pixels is called."""


def rounded(count: float) -> int:
    """A count for display: the nearest whole number, halves rounded up, never negative."""
    return max(0, math.floor(count + 0.5))


def whole(count: float | None) -> str:
    """The same as text; a dash where there is none."""
    return NONE if count is None else str(rounded(count))


def one_line(text: str) -> str:
    """A name without line breaks, and without what no file can hold, such as half of an emoji."""
    return re.sub(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+", " ", text.encode("utf-8", "replace").decode())


def images(number: int) -> str:
    """So many images."""
    return "1 image" if number == 1 else f"{number} images"


def why_alike(names: Iterable[str], kinds: str) -> str | None:
    """What to do about names of classes or groups that are one name in several spellings; None where there are none."""
    spelled: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        spelled.setdefault(_spelled_out(name), []).append(name)
    found = [" and ".join(some) for some in spelled.values() if len(some) > 1]
    if not found:
        return None
    return (
        f"the {kinds} {', '.join(found)} differ in capital letters, spaces or zeros of numbers only, and are kept "
        "apart: write them alike if they are one"
    )


def _spelled_out(name: str) -> str:
    """The same for all spellings of a name, such as 0.1 µM, 0.10 µM and 0.10 µm."""
    words = " ".join(name.casefold().replace("_", " ").split())
    return re.sub(r"([0-9]+)(\.[0-9]+)?", lambda number: _plain(number[1], number[2] or ""), words)


def _plain(whole: str, decimals: str) -> str:
    """A number without zeros that say nothing."""
    return (whole.lstrip("0") or "0") + decimals.rstrip("0").rstrip(".")


def count_of(paths: Sequence[Path], noun: str) -> str:
    """Say how many files there are, and name the first few."""
    if not paths:
        return f"no {noun}s"
    return f"{len(paths)} {noun}{'s' if len(paths) > 1 else ''} ({some_of([path.name for path in paths])})"


def some_of(names: Sequence[str], most: int = NAMED) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def known_among(names: Sequence[str], of: int) -> str:
    """Which of so many images a counter knows, as the beginning of a sentence; empty if it knows none."""
    if not names:
        return ""
    those = "those that the counter learned from or was validated on"
    if len(names) == of:
        return f"all images are {those}"
    return f"{len(names)} of {of} images are among {those} ({some_of(names)})"


def length(micrometres: float) -> str:
    """A length in the unit that suits it, from a cell's to a tree's."""
    units = (("m", 1e6), ("cm", 1e4), ("mm", 1e3))
    unit, one = next(((unit, one) for unit, one in units if micrometres >= 0.9995 * one), ("µm", 1.0))
    return f"{micrometres / one:.3g} {unit}"


def signed(value: float) -> str:
    """A difference with one decimal and its sign; no sign where nothing is left of it."""
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0 else text


def percent(share: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return NONE if share is None or math.isnan(share) else f"{100 * share:.3g} %"


def sentence(text: str) -> str:
    """A phrase with a capital and a full stop; nothing stays nothing."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
