import sys

import pytest

from countception import memory


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
