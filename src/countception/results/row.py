"""What a batch says of one image: a row of the table of counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from countception.images.planes import called

if TYPE_CHECKING:
    from countception.regions import RegionCount


@dataclass(frozen=True)
class Row:
    """What became of one image."""

    image: str
    """The file, as it was named."""
    count: float | None = None
    """Fractional; None where it could not be counted."""
    low: float | None = None
    high: float | None = None
    """Interval that holds the true count with the level asked for; None where the model cannot say."""
    spread: float | None = None
    """Standard deviation of the count over flips and shifts, where these were averaged over."""
    by_class: dict[str, float] = field(default_factory=dict)
    """The count of each class, where there are several."""
    width: int | None = None
    """In pixels."""
    height: int | None = None
    area_mm2: float | None = None
    """Of what is picture in the image, if the size of its pixels is known."""
    overlay: str = ""
    """The picture written for it, if any."""
    map: str = ""
    """The count map written for it, if any."""
    points: str = ""
    """The file of points written for it, if any."""
    missing: int | None = None
    """Its rounded count less its points, if these were asked for; see `countception.Count.missing`."""
    missing_by_class: dict[str, int] = field(default_factory=dict)
    """The same of each class, where there are several and points were asked for."""
    warning: str = ""
    """In what the image is unlike the training images, worst first; empty if it is like them."""
    error: str = ""
    """Why it was not counted; empty if it was."""
    whole: RegionCount | None = None
    """The whole image as a region, if regions were asked for."""
    regions: tuple[RegionCount, ...] = ()
    """What was counted in its regions."""
    picture: bytes | None = field(default=None, repr=False)
    """JPEG of the overlay, where one was made for a report."""
    page: int | None = None
    """The page, from 0, of a stack of which each page is counted as an image of its own."""

    @property
    def name(self) -> str:
        """What people call it: the file, and the page if there is one."""
        return called(self.image, self.page)

    @property
    def faint(self) -> int:
        """Objects that have no point, as what was counted is too faint to put one on; 0 without points."""
        return sum(self.missing_by_class.values()) if self.missing_by_class else self.missing or 0

    @property
    def per_mm2(self) -> float | None:
        """Objects per mm² of the image, if the size of its pixels is known."""
        return None if self.count is None or not self.area_mm2 else self.count / self.area_mm2


class _Classed(Protocol):
    @property
    def by_class(self) -> dict[str, float]: ...


def class_names(counted: Iterable[_Classed]) -> list[str]:
    """The classes that rows, or totals of them, tell apart, as they first come; none where there is one."""
    return list(dict.fromkeys(name for each in counted for name in each.by_class))
