"""Dots in memory, as every reader gives them and every writer takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from countception.errors import PointsError
from countception.geometry import pixel_of

DEFAULT_CLASSES = ("object",)
"""What objects are called where a file does not say."""


def _unlabelled() -> npt.NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _whole(labels: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Labels as they are: names are no numbers, and 0.9 is not 0."""
    found = np.asarray(labels)
    if found.dtype.kind not in "buif" or not np.array_equal(found, np.trunc(found)):
        raise PointsError(
            f"labels such as {found.flat[0]!r} are no whole numbers: give each dot's place in class_names"
        )
    return found.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Dots:
    """One dot per object.

    Parameters
    ----------
    points
        ``(N, 2)`` float64, ``(y, x)`` in image pixels; a whole number is a pixel's centre.
    labels
        ``(N,)`` int64, the index of each dot's class in `class_names`; left out, every dot is of the first class.
    class_names
        At least one name, each a word.
    named
        Whether the dots say that this is their class; None, if the names are not `DEFAULT_CLASSES`. A file may well
        call its dots that.

    Raises
    ------
    PointsError
        Shapes, labels or names that do not fit together, or a coordinate that is NaN or infinite.
    """

    points: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64] = field(default_factory=_unlabelled)
    class_names: tuple[str, ...] = DEFAULT_CLASSES
    named: bool | None = None

    def __post_init__(self) -> None:
        try:
            points = np.asarray(self.points, np.float64)
        except (TypeError, ValueError):
            raise PointsError("dots are no numbers: they must be (N, 2), one (y, x) each") from None
        points = points.reshape(0, 2) if points.size == 0 else points
        labels = np.zeros(len(points), np.int64) if np.size(self.labels) == 0 else _whole(self.labels)
        names = tuple(self.class_names)
        if isinstance(self.class_names, str) or not all(isinstance(name, str) for name in names):
            raise PointsError(f"classes {self.class_names!r} make no sense: give a tuple of words")
        if points.ndim != 2 or points.shape[1] != 2:
            raise PointsError(f"dots have shape {points.shape}: they must be (N, 2), one (y, x) each")
        if not np.isfinite(points).all():
            raise PointsError("dots have NaN or infinite coordinates: remove those dots")
        if labels.shape != (len(points),):
            raise PointsError(f"{len(points)} dots have {labels.size} labels: there must be one label per dot")
        if not names or len(set(names)) != len(names):
            raise PointsError(f"classes {names} make no sense: there must be at least one, each with its own name")
        if labels.size and not (labels.min() >= 0 and labels.max() < len(names)):
            raise PointsError(f"labels run from {labels.min()} to {labels.max()}, but there are {len(names)} classes")
        named = names != DEFAULT_CLASSES if self.named is None else self.named
        for name, value in (("points", points), ("labels", labels), ("class_names", names), ("named", named)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.points)

    def of_class(self, k: int) -> npt.NDArray[np.float64]:
        """Points of class number `k`, ``(M, 2)``."""
        points: npt.NDArray[np.float64] = self.points[self.labels == k]
        return points

    def select(self, keep: npt.NDArray[np.bool_]) -> Dots:
        """Only the dots where `keep`, ``(N,)`` bool, is true."""
        return Dots(self.points[keep], self.labels[keep], self.class_names, self.named)

    @property
    def used_names(self) -> set[str]:
        """Names of the classes that at least one dot has."""
        return {self.class_names[k] for k in np.unique(self.labels)}

    def repeated(self) -> npt.NDArray[np.bool_]:
        """Which dots lie in a pixel where a dot of the same class came before, ``(N,)`` bool."""
        _, first = np.unique(np.column_stack([pixel_of(self.points), self.labels]), axis=0, return_index=True)
        repeated = np.ones(len(self), bool)
        repeated[first] = False
        return repeated

    def with_classes(self, names: Sequence[str]) -> Dots:
        """Renumber the classes to the order of `names`.

        Dots whose file names no class become the only class, if there is only one.

        Raises
        ------
        PointsError
            A dot of a class that is not among `names`.
        """
        names = tuple(names)
        if not self.named and len(names) == 1:
            return Dots(self.points, self.labels, names)
        missing = sorted(self.used_names - set(names))
        if missing:
            kind = f"of class {', '.join(missing)}" if self.named else "without a class"
            raise PointsError(f"has dots {kind}, but the classes are {', '.join(names)}")
        index = np.array([names.index(name) if name in names else -1 for name in self.class_names], np.int64)
        return Dots(self.points, index[self.labels], names, self.named)
