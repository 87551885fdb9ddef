"""Why a data set cannot be learned from, in words: `train` refuses it with these, and `inspect` says them before."""

from __future__ import annotations

from collections.abc import Sequence

from countception.wording import NAMED


def why_no_dot(counts: Sequence[int]) -> str | None:
    """Of images with so many dots each: that none has any."""
    if any(counts):
        return None
    return (
        f"none of the {len(counts)} images to train on has a dot: there is nothing to learn to count; "
        "check that the dot files belong to these images"
    )


def why_too_few(number: int) -> str | None:
    """Of so many images: that one is too few."""
    if number > 1:
        return None
    return (
        f"{number} image with dots is too few: training needs at least one to learn from and another to validate on; "
        "annotate more, crop the image in two, or validate on others (valid, --valid)"
    )


def why_all_the_same(number: int, different: int) -> str | None:
    """Of so many images: that they hold the same pixels, so that one would be both learned from and validated on."""
    if different != 1 or number < 2:
        return None
    return (
        f"all {number} images hold the same pixels, and one that is learned from cannot be validated on: annotate "
        "others, or validate on others (valid, --valid)"
    )


def why_unusable(names: Sequence[str]) -> str | None:
    """Of images that cannot be read, or whose dots cannot: that they must be mended."""
    if not names:
        return None
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    are = "image or its dots" if len(names) == 1 else "images or their dots"
    return f"{len(names)} {are} cannot be used ({', '.join(names[:NAMED])}{more}): mend these files, or remove them"


def and_others(sentences: Sequence[str]) -> str | None:
    """The first of several sentences that say the same of one file each."""
    if not sentences:
        return None
    return sentences[0] + (f"; the like holds of {len(sentences) - 1} more" if len(sentences) > 1 else "")
