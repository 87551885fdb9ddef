"""Dots that say that they lie on another image of the data set than the one whose name their file has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from countception.data.pairing import Item
from countception.errors import PointsError
from countception.points import image_of
from countception.points.whose import bare, names_of


def why_mixed_up(items: Sequence[Item]) -> str | None:
    """What to do where files of dots name another image than that of their own name, which is there, too.

    None where they do not: a name that no image has may well be an older one of the same.
    """
    called = {name: item for item in items for name in names_of(item.image.name)}
    found: list[tuple[Item, str]] = []
    for item in {item.dots: item for item in items}.values():  # not each part of an image
        with suppress(PointsError):  # which whoever reads the dots says
            name = image_of(item.dots)
            other = called.get(name) or called.get(bare(name)) or item
            if other.image != item.image and bare(name) not in names_of(item.image.name):
                found.append((item, other.image.name))
    if not found:
        return None
    item, name = found[0]
    more = f"; the like holds of {len(found) - 1} more" if len(found) > 1 else ""
    return (
        f"{item.dots.name} says that its dots lie on {name}, and they are taken for those of {item.image.name}: rename "
        f"the file, or have it say so{more}"
    )
