"""Images of one data set are of one kind: channels, classes and depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from countception.data.sample import Opened, Sample
from countception.errors import DatasetError
from countception.images.pixel_size import magnified
from countception.wording import length

Kind = tuple[int, tuple[str, ...], str]
"""Number of channels, names of the classes, and type of the pixels."""


def kind_of(one: Sample | Opened) -> Kind:
    """What all images of a data set must have in common."""
    return one.image.shape[0], one.dots.class_names, str(one.image[:1, :1, :1].dtype)


def refuse_mixture(first: Kind, other: Kind, first_name: str, other_name: str) -> None:
    """Compare two images of a data set.

    Raises
    ------
    DatasetError
        They differ in channels, classes or depth.
    """
    if other[0] != first[0]:
        raise DatasetError(
            f"{other_name} has {other[0]} channels but {first_name} has {first[0]}; "
            "all images of a data set must have the same channels"
        )
    if other[1] != first[1]:
        raise DatasetError(
            f"{other_name} has classes {', '.join(other[1])} but {first_name} has "
            f"{', '.join(first[1])}; all dots of a data set must have the same classes"
        )
    if other[2] != first[2]:
        raise DatasetError(
            f"{other_name} has pixels of type {other[2]} but {first_name} of {first[2]}, whose values seldom mean the "
            "same; all images of a data set must have one depth: convert them to one"
        )


def why_magnified(sizes: Iterable[float | None]) -> str | None:
    """What to do where images have pixels of several sizes; None where they do not, or do not say.

    Parameters
    ----------
    sizes
        Of each image the side of its pixels in micrometres; None where that is not known.
    """
    known = [size for size in sizes if size is not None]
    if not known or not magnified(known):
        return None
    return (
        f"pixels are of {length(min(known))} in some images and of {length(max(known))} in others: objects of like "
        "size are counted best, so bring images of several magnifications to one, or train a model for each"
    )


@dataclass
class Mixture:
    """Whether images that are added one after the other are of one kind, as those of a data set must be."""

    why: str | None = None
    """What is wrong with the first that is of another kind."""
    first: tuple[Kind, str] | None = None
    """The kind and the name of the image that the others are compared with."""

    def add(self, sample: Sample, name: str) -> None:
        """Compare one more."""
        self.first = self.first or (kind_of(sample), name)
        try:
            refuse_mixture(self.first[0], kind_of(sample), self.first[1], name)
        except DatasetError as error:
            self.why = self.why or str(error)
