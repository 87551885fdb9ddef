"""What a batch has counted so far, beside the place of its table: a batch that was interrupted goes on from there.

A file of JSON lines: first what the batch is, by everything that its counts and files depend on; then, of each image, a
line before it is counted and one with its row. It is gone when the table is there. What another batch left there, which
stays until this one has a row, or stands after a damaged line, is passed over, and so is an image whose file has
changed. Nobody names the file, and somebody else may have put it there: a link is not followed, and values of another
kind than a row's are no row.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, get_type_hints

from pydantic import ConfigDict, TypeAdapter

from countception.errors import OutputError
from countception.files import make_way, state, whole_file
from countception.images.planes import Plane
from countception.results.row import Row

if TYPE_CHECKING:
    from countception.regions import RegionCount

FORMAT = "countception batch 1"
DAMAGED = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What comes of reading a file that was not written whole, or not by us."""


class Journal:
    """What is known of the images of a batch.

    Parameters
    ----------
    path
        Of the file; None keeps nothing.
    batch
        What the batch is, in plain values: what another one left there is of no use to it.
    """

    def __init__(self, path: Path | None, batch: Mapping[str, Any]) -> None:
        self.path = path
        self.rows: dict[Plane, Row] = {}
        """Of all that were counted."""
        self.begun: set[Plane] = set()
        """The same, and the one at which the batch was interrupted: files that are named after it may be its own."""
        self._states: dict[Plane, Any] = {}
        self._head = json.loads(json.dumps({"format": FORMAT, **batch}, default=str))
        self._stream: TextIO | None = None
        self._others = False
        """Whether the file is another batch's, which has rows: it stays until this one has some."""
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; one that holds no row is removed."""
        self._close()
        if not self.rows:
            self.remove()

    def row(self, plane: Plane, *read: Path) -> Row | None:
        """What was counted of an image before, if what it was counted from is as it was.

        Parameters
        ----------
        plane
            The image.
        *read
            Further files, such as of its regions.
        """
        return self.rows[plane] if plane in self.rows and self._states[plane] == _states(plane, read) else None

    def begin(self, plane: Plane) -> None:
        """An image is about to be counted.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        self.rows.pop(plane, None)
        if self._others:
            self.begun.add(plane)
        else:
            self._write(plane, {})

    def add(self, plane: Plane, row: Row, *read: Path) -> None:
        """An image was counted, from these files beside its own; one that could not be is not kept.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        if self.path is not None and not row.error:
            self.rows[plane], self._states[plane] = row, _states(plane, read)
            self._others = False
            self._write(plane, self._known(plane))

    def remove(self) -> None:
        """The batch is finished: there is nothing to go on with."""
        self._close()
        if self.path is not None and not self._others:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._stream is not None:
            with suppress(OSError):  # such as of a full disk, which was said
                self._stream.close()
            self._stream = None

    def _known(self, plane: Plane) -> dict[str, Any]:
        if plane not in self.rows:
            return {}
        return {"row": _plain(self.rows[plane]), "states": self._states[plane]}

    def _write(self, plane: Plane, values: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        try:
            self._stream = self._stream or self._begun_anew(self.path)
            self._stream.write(_line({**_name(plane), **values}))
            self._stream.flush()
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from error

    def _begun_anew(self, path: Path) -> TextIO:
        """The file, with what is known from before, open to be added to."""
        make_way(path)
        with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.write(_line(self._head))
            for plane in self.begun:
                stream.write(_line({**_name(plane), **self._known(plane)}))
        return path.open("a", encoding="utf-8")

    def _read(self) -> None:
        if self.path is None or self.path.is_symlink() or not self.path.is_file():  # reading a pipe would never end
            return
        with suppress(*DAMAGED), self.path.open("rb") as lines:  # each by itself, so that a damaged one spoils no other
            if json.loads(next(lines, b"{}")) != self._head:
                self._others = any("row" in json.loads(line) for line in lines)
                return
            for line in lines:
                values = json.loads(line)
                plane = Plane(Path(values["image"]), values["page"])
                if "row" in values:
                    self.rows[plane], self._states[plane] = _row(plane, values["row"]), values["states"]
                self.begun.add(plane)


def _name(plane: Plane) -> dict[str, Any]:
    return {"image": str(plane.path), "page": plane.page}


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, default=lambda value: value.item()) + "\n"  # of numpy


def _states(plane: Plane, read: Sequence[Path]) -> list[list[int] | None]:
    found = [state(file) for file in (plane.path, *read)]
    return [None if each is None else [*each] for each in found]


def _plain(row: Row) -> dict[str, Any]:
    """As JSON has it."""
    picture = None if row.picture is None else base64.b64encode(row.picture).decode()
    return asdict(replace(row, picture=None)) | {"picture": picture}


def _row(plane: Plane, values: Mapping[str, Any]) -> Row:
    """Back again.

    Raises
    ------
    ValueError
        It is none of that image.
    """
    picture, whole = values["picture"], values["whole"]
    back = {
        "picture": None if picture is None else base64.b64decode(picture),
        "whole": None if whole is None else _region(whole),
        "regions": tuple(map(_region, values["regions"])),
        "before": True,
    }
    row = Row(**_checked(Row, {**values, **back}))
    if (row.image, row.page) != (str(plane.path), plane.page) or row.count is None:
        raise ValueError("it is of another image, or of one that was not counted")
    return row


def _region(values: Mapping[str, Any]) -> RegionCount:
    from countception.regions import RegionCount
    from countception.trust.confidence import Interval

    interval = values["interval"]
    back = {"interval": None if interval is None else Interval(*interval)}
    return RegionCount(**_checked(RegionCount, {**values, **back}))


def _checked(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, each of the type that it must have.

    Raises
    ------
    ValueError
        One is not.
    """
    return {name: _types(kind)[name].validate_python(value) for name, value in values.items()}


@functools.cache
def _types(kind: type) -> dict[str, TypeAdapter[Any]]:
    from countception.regions import RegionCount
    from countception.trust.confidence import Interval

    known = {"RegionCount": RegionCount, "Interval": Interval}
    finite = ConfigDict(strict=True, allow_inf_nan=False)
    return {name: TypeAdapter(hint, config=finite) for name, hint in get_type_hints(kind, localns=known).items()}
