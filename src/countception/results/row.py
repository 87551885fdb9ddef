"""What a batch says of one image: a row of the table of counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from countception.images.planes import called
from countception.wording import known_among

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
    known: bool = False
    """Whether it is an image that the counter learned from or was validated on: errors on others are larger. Not looked
    at in slides, which are read piece by piece."""
    error: str = ""
    """Why it was not counted; empty if it was."""
    whole: RegionCount | None = None
    """The whole image as a region, if regions were asked for."""
    regions: tuple[RegionCount, ...] = ()
    """What was counted in its regions."""
    picture: bytes | None = field(default=None, repr=False)
    """JPEG of the overlay, where one was made for a report."""
    model: str = ""
    """The `identity` of the model that counted; empty where none did."""
    page: int | None = None
    """The page, from 0, of a stack of which each page is counted as an image of its own."""
    before: bool = False
    """Whether it was counted before the batch was interrupted, and not again."""
    group: str = ""
    """The group that it is added up with, if groups were named."""

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


def known_note(rows: Sequence[Row]) -> str:
    """What is to be said of images that the counter knows, in one sentence; empty if there are none."""
    which = known_among([row.name for row in rows if row.known], len(rows))
    return which and f"{which}: expect larger errors on new ones"


def told_together(rows: Iterable[Row], say: Callable[[Row], str]) -> list[str]:
    """What there is to say of rows, a line each; one line for all pages of a file of which the same is to be said.

    A line holds the name of its row; that of several has the file's, and the pages at its end.
    """
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        text = say(row)
        alike.setdefault((row.image, text if row.page is None else text.replace(row.name, "", 1)), []).append(row)
    return [_told(say(some[0]), some) for some in alike.values()]


def _told(line: str, rows: Sequence[Row]) -> str:
    """A line about one of some pages of a file, in their order, made one about all of them."""
    pages = [row.page for row in rows if row.page is not None]
    if len(pages) < 2:
        return line
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    named = (f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"{line.replace(rows[0].name, rows[0].image, 1)} (pages {', '.join(named)})"
