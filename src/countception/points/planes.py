"""Which plane of a stack dots say that they lie on: it must be one, and the page that is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from countception.errors import PointsError
from countception.points.format import ReadOptions

COLUMNS = ("slice", "frame", "page", "t", "z")
"""Of tables. Programs number planes from 0 or from 1."""


def refuse_planes(
    path: Path, columns: Mapping[str, Collection[float | str]], options: ReadOptions, *, measured: bool
) -> None:
    """Refuse a table whose dots lie on several planes, or on another than is read.

    Parameters
    ----------
    path, options
        What is read.
    columns
        What there is in each column that says a plane; what is no number only has to be the same everywhere.
    measured
        Whether ImageJ wrote the table, which counts planes from 1.

    Raises
    ------
    PointsError
        Says which.
    """
    for name, found in columns.items():
        if len(found) > 1:
            raise PointsError(f"{path}: its dots lie on {len(found)} planes (column {name}); export those of one")
    if said := _said(columns):
        word, plane = said
        first = _first(word, columns[word], measured=measured)
        refuse_other_page(path, plane, options, word=word, first=first)


def _said(columns: Mapping[str, Collection[float | str]]) -> tuple[str, float] | None:
    """Which column says on which plane all dots lie, and on which; None where none does.

    One that is known to say a page, or else that of the highest number: along axes that a stack does not have it is
    the first.
    """
    numbers = {name: each for name, found in columns.items() for each in found if isinstance(each, float)}
    known = {name: each for name, each in numbers.items() if _says_page(name)} or numbers
    return max(known.items(), key=lambda named: named[1]) if known else None


def _says_page(name: str) -> bool:
    """Whether a column is known to count planes from 0."""
    return name == "page" or name.startswith("axis-")


def _first(name: str, found: Collection[float | str], *, measured: bool) -> tuple[int, ...]:
    """Numbers that the first plane may have in a column."""
    if _says_page(name) or 0 in found:
        return (0,)
    return (1,) if measured else (0, 1)


def plane_of_page(
    path: Path, columns: Mapping[str, Collection[float | str]], options: ReadOptions, *, measured: bool
) -> tuple[str, float] | None:
    """Which column says on which plane dots lie, and what the page that is read is called there.

    None where the dots are of one plane, or only those of one may be there.

    Parameters
    ----------
    path, columns, options, measured
        As for `refuse_planes`.

    Raises
    ------
    PointsError
        There is no telling whether the planes count from 0 or from 1.
    """
    varying = [name for name, found in columns.items() if len(found) > 1]
    page = options.page() if options.listed else None
    if page is None or len(varying) > 1:
        return None
    if not varying:
        return _of_one_plane(path, columns, options.listed, page, measured=measured)
    first = _first(varying[0], columns[varying[0]], measured=measured)
    if len(first) > 1:
        raise _unclear(path, varying[0])
    return varying[0], page + first[0]


def _of_one_plane(
    path: Path, columns: Mapping[str, Collection[float | str]], listed: Collection[int], page: int, *, measured: bool
) -> tuple[str, float] | None:
    """The same of a table whose dots all lie on one of several pages, the others having none."""
    said = _said(columns)
    if said is None or len(listed) < 2:
        return None
    word, plane = said
    fitting = [plane - each for each in listed if plane - each in _first(word, columns[word], measured=measured)]
    if len(fitting) > 1:
        raise _unclear(path, word)
    return (word, page + fitting[0]) if fitting else None


def _unclear(path: Path, name: str) -> PointsError:
    return PointsError(
        f"{path}: does not say whether planes count from 0 or from 1 in its column {name}: call the column page, and "
        "count from 0"
    )


def refuse_other_page(path: Path, plane: float, options: ReadOptions, *, word: str, first: Sequence[int]) -> None:
    """Refuse dots of another plane than the page that is read, on which nothing need lie where they do.

    Parameters
    ----------
    path, options
        What is read.
    plane
        On which all dots lie, and what it is called there (`word`).
    first
        Numbers that the first plane may have.

    Raises
    ------
    PointsError
        Says which plane and page.
    """
    page = options.page()
    if page is not None and plane - page not in first:
        raise PointsError(
            f"{path}: its dots lie on {word} {plane:g} and not on page {page} of the stack, as pages count from 0: "
            "name the page that they were placed on (--page), or give the dots of this one"
        )
