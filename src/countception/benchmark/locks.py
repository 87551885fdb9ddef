"""Locks between processes, kept by the operating system: a process that ends, however it ends, holds none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from countception.errors import OutputError

if sys.platform == "win32":
    import msvcrt

    def _acquire(handle: int, *, wait: bool) -> bool:
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:  # LK_LOCK gives up after ten seconds
                if not wait:
                    return False
            else:
                return True

else:
    import fcntl

    def _acquire(handle: int, *, wait: bool) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock by the name of a file, which stays when the lock is let go.

    Parameters
    ----------
    path
        The lock's file.
    wait
        Whether to wait for another process that holds it.

    Yields
    ------
    Whether it is held; always true if `wait`.

    Raises
    ------
    OutputError
        The file cannot be made, or its file system has no locks.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
    try:
        try:
            held = _acquire(handle, wait=wait)
        except OSError as error:
            raise OutputError(f"cannot lock {path}: {error.strerror or error}; choose another file system") from error
        yield held
    finally:
        os.close(handle)  # lets go of the lock
