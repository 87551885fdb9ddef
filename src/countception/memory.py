"""Keeping freed memory for the next tensor, and saying what to do where there is not enough.

The C library on Linux gives blocks above 32 MB back to the system as soon as they are freed, and the system hands out
and clears every page anew at the next tensor. With maps of a hundred megabytes that takes a fifth of the time.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from countception.errors import CountceptionError, ImageError

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # names of malloc.h
NEVER, KEPT, USUAL_MAPS = 2**31 - 1, 512 * 2**20, 65536
SHORTAGE = ("out of memory", "allocate memory", "not enough memory", "ALLOC_FAILED")
"""What is in the RuntimeErrors that torch raises for want of memory, but for a class of their own on a GPU."""

_lock = threading.Lock()
_users = 0


@contextmanager
def keep_memory() -> Iterator[None]:
    """Within it, freed memory stays with the process; afterwards no more than `KEPT` bytes, for the next image.

    Does nothing where the C library is not glibc.
    """
    _enter(1)
    try:
        yield
    finally:
        _enter(-1)


@contextmanager
def short_of(error: CountceptionError) -> Iterator[None]:
    """Raises `error` where memory is wanting within, of the computer or of a GPU."""
    try:
        yield
    except (MemoryError, RuntimeError) as problem:
        known = isinstance(problem, MemoryError | torch.cuda.OutOfMemoryError)
        if not known and not any(words in str(problem) for words in SHORTAGE):
            raise
        raise error from None


@contextmanager
def enough_to_count() -> Iterator[None]:
    """Want of memory is said of the image that is counted within.

    Raises
    ------
    ImageError
        There is not enough.
    """
    advice = "use smaller tiles (--tile 256, tile=256), or fewer results (overlays, maps, points), or cut it into parts"
    with short_of(ImageError(f"there is not enough memory to count the image: {advice}")):
        yield


def _enter(step: int) -> None:
    global _users
    with _lock:
        before, _users = _users, _users + step
        library = _glibc()
        if library is None or (before > 0) == (_users > 0):
            return
        library.mallopt(MMAP_MAX, 0 if _users else USUAL_MAPS)
        library.mallopt(TRIM_THRESHOLD, NEVER if _users else KEPT)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        known: list[Callable[..., int]] = [library.gnu_get_libc_version, library.mallopt]
    except (OSError, TypeError, AttributeError):  # Windows, macOS, musl
        return None
    return library if all(known) else None
