"""Writing files whole or not at all.

Everything this package writes goes through `whole_file`: into a temporary file beside the target, flushed to the disk,
then moved into place in one step. A full disk, a crash or Ctrl-C leaves the old file, or none, never half of one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from countception.errors import OutputError


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
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; nothing was changed there") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


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
        existed = path.exists()
        parents = [parent for parent in path.parents if not parent.exists()]
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".write-test-", dir=path.parent)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
    finally:
        if not existed:
            for parent in parents:  # innermost first: leave no empty folders behind a mere test
                with suppress(OSError):
                    parent.rmdir()


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
