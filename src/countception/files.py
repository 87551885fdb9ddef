"""Writing files whole or not at all.

Everything this package writes goes through `whole_file`: into a temporary file beside the target, flushed to the disk,
then moved into place in one step. A full disk, a crash or Ctrl-C leaves the old file, or none, never half of one.
A symbolic link stays, and the file that it leads to is replaced; a device or pipe, such as ``/dev/stdout``, is written
to, even where it leads to a file.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
import sys
import tempfile
import unicodedata
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from countception.errors import OutputError

WINDOWS = os.name == "nt"
"""Where a file that a program has open cannot be replaced by another."""


@contextmanager
def whole_file(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it becomes `target`, otherwise it is removed.

    Missing parent folders are made. The temporary file keeps the target's suffix, so that writers which choose a format
    by suffix do so.

    Raises
    ------
    OutputError
        The folder cannot be written to, or the disk is full; `target` is left as it was.
    """
    path = Path(target)
    temporary: Path | None = None
    try:
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
        place = None if is_device(path) else _place(path)
        folder = Path(tempfile.gettempdir()) if place is None else place.parent
        folder.mkdir(parents=True, exist_ok=True)
        temporary = _new_file(folder, path, mode=0o600 if place is None else 0o666)
        yield temporary
        if place is None:
            _copy(temporary, path)
        else:
            _flush(temporary)
            temporary.replace(place)
            temporary = None
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}{_open(error)}; nothing was changed there"
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


class CSVLines:
    """What `csv` writes to: its lines, ended by a line feed.

    Told to end them so itself, it leaves carriage returns within cells unquoted.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, line: str) -> int:
        """Pass a line on."""
        return self.stream.write(line.removesuffix("\r\n") + "\n")


def check_writable(target: str | os.PathLike[str]) -> None:
    """Fail now, rather than after hours of work, if `target` could not be written.

    Raises
    ------
    OutputError
        As `whole_file` would.
    """
    path = Path(target)
    existed, parents = True, []
    try:
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
        if is_device(path):
            if not os.access(path, os.W_OK):  # opening a pipe would wait for its reader
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        place = _place(path)
        existed = place.exists()
        parents = [parent for parent in place.parents if not parent.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".write-test-", dir=place.parent)
        os.close(handle)
        Path(name).unlink()
        if existed:
            place.replace(place)  # changes nothing, and fails on Windows where Excel has it open
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}{_open(error)}; choose another place"
        ) from error
    finally:
        if not existed:
            for parent in parents:  # innermost first: leave no empty folders behind a mere test
                with suppress(OSError):
                    parent.rmdir()


def _open(error: OSError) -> str:
    """What may be the reason, on Windows."""
    return " (is it open in another program, such as Excel?)" if isinstance(error, PermissionError) and WINDOWS else ""


def check_empty(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder that holds something already, which what is written there might replace.

    Raises
    ------
    OutputError
        It does, or it cannot be looked into.
    """
    try:
        with os.scandir(folder) as entries:
            empty = next(entries, None) is None
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    if not empty:
        raise OutputError(f"{folder} is not empty, and what is in it might be replaced: name a new folder")


def is_device(path: Path) -> bool:
    """Whether `path` is no place for a file: a device, a pipe, or a stream by its name, wherever that leads."""
    return _stream(path) is not None or (path.exists() and not path.is_file())


def _stream(path: Path) -> int | None:
    """The number of the open stream that a path stands for."""
    found = re.fullmatch(r"/dev/(?:(stdin)|(stdout)|(stderr))|/(?:dev|proc/self)/fd/(\d+)", str(path))
    if found is None:
        return None
    return int(found[4]) if found[4] else (found.lastindex or 1) - 1


def _place(path: Path) -> Path:
    """Where `path` leads: the end of its symbolic links, which need not exist."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def make_way(path: Path) -> None:
    """Remove a link or pipe at a place that no user named: what it leads to is not ours to write to.

    Raises
    ------
    OutputError
        It cannot be removed.
    """
    try:
        if path.is_symlink() or path.is_fifo():
            path.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; remove what is there") from error


def _copy(source: Path, device: Path) -> None:
    stream = _stream(device)
    if stream is not None:
        sys.stdout.flush()  # what was said before comes before
    with source.open("rb") as read, device.open("wb") if stream is None else os.fdopen(os.dup(stream), "wb") as write:
        shutil.copyfileobj(read, write)


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _new_file(folder: Path, path: Path, mode: int) -> Path:
    """An empty file of a name of its own, with the permissions that the system gives a new file.

    To ask for the umask is to change it for a moment, in which files of other threads would be open to everybody.
    """
    while True:
        name = folder / f".{path.stem[:40]}-{secrets.token_hex(4)}{path.suffix}"
        with suppress(FileExistsError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
            return name


def state(path: Path) -> tuple[int, int] | None:
    """Tells whether a file has changed: its size in bytes, and when it was written last; None where there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_size, found.st_mtime_ns
    return None


def defined(values: dict[str, Any]) -> dict[str, Any]:
    """The same for JSON, which has no NaN: None in its place, such as of the correlation over a single image."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}


def write_json(path: str | os.PathLike[str], values: dict[str, Any]) -> None:
    """Write plain values as JSON, whole or not at all.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def same_name(name: str) -> str:
    """A name as it is compared: letters with accents in one piece, which macOS writes in two."""
    return unicodedata.normalize("NFC", name)


OME = ".ome"
"""Before the suffix of an OME-TIFF file."""


def _drive_or_name(part: str) -> str:
    """A part of a path as a part of a name: a drive's letter or a share without what is in no name."""
    return re.sub(r"[:\\/]+", "_", part).strip("_")


def unique_names(files: Sequence[Path]) -> list[str]:
    """A name without suffix for each file: its stem, or, where files share one, the folders that differ before it.

    A number goes after what is still the same. Names that differ in case alone count as the same, as they do on some
    file systems. The folders are those that a file is named in, wherever it leads as a link.
    """
    times = Tally(file.stem.lower() for file in files)
    folders = {file: Path(os.path.abspath(file.parent)) for file in files if times[file.stem.lower()] > 1}  # noqa: PTH100 - Path.absolute keeps ..
    try:
        common = os.path.commonpath(folders.values()) if folders else ""
    except ValueError:  # on several drives of Windows
        common = ""
    taken = {stem for stem, number in times.items() if number == 1}
    names = []
    for file in files:
        name = file.stem
        if times[name.lower()] > 1:
            beyond = folders[file].relative_to(common).parts if common else map(_drive_or_name, folders[file].parts)
            wanted = "_".join([*filter(None, beyond), file.stem])
            name, number = wanted, 1
            while name.lower() in taken:
                number += 1
                name = f"{wanted}_{number}"
            taken.add(name.lower())
        names.append(name)
    return names
