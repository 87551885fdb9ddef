from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from countception import memory
from countception.errors import ImageError


class Library:
    """What was asked of the C library."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def mallopt(self, name: int, value: int) -> int:
        self.calls.append((name, value))
        return 1


def test_only_the_outermost_changes_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    monkeypatch.setattr(memory, "_glibc", lambda: library)
    with memory.keep_memory():
        entered = list(library.calls)
        with pytest.raises(ValueError, match="inner"), memory.keep_memory():
            raise ValueError("inner")
        assert library.calls == entered
    assert entered == [(memory.MMAP_MAX, 0), (memory.TRIM_THRESHOLD, memory.NEVER)]
    assert library.calls[2:] == [(memory.MMAP_MAX, memory.USUAL_MAPS), (memory.TRIM_THRESHOLD, memory.KEPT)]


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory.keep_memory():
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of the C library on Linux")
def test_the_c_library_takes_the_settings() -> None:
    library = memory._glibc()
    if library is None:
        pytest.skip("the C library is not glibc")
    assert library.mallopt(memory.MMAP_MAX, memory.USUAL_MAPS) == 1
    assert library.mallopt(memory.TRIM_THRESHOLD, memory.KEPT) == 1


def gpu() -> None:
    raise torch.cuda.OutOfMemoryError


@pytest.mark.parametrize("fails", [lambda: torch.empty(2**50), lambda: np.empty(2**50), gpu])
def test_want_of_memory_is_a_sentence(fails: Callable[[], object]) -> None:
    with pytest.raises(ImageError, match="not enough memory to count the image: use smaller"), memory.enough_to_count():
        fails()


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), KeyboardInterrupt(), ImageError("bad")])
def test_other_errors_stay_what_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, memory.enough_to_count():
        raise error
    assert caught.value is error
