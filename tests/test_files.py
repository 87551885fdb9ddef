import errno
import os
from pathlib import Path

import pytest

from countception.errors import OutputError
from countception.files import check_writable, whole_file


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with whole_file(target) as temporary:
        temporary.write_text("all of it")
        assert not target.exists()
        assert temporary.suffix == ".txt"
    assert target.read_text() == "all of it"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write_half() -> None:
        with whole_file(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(OutputError, match=r"a\.txt.*No space left"), whole_file(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_a_place_under_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for attempt in (check_writable, lambda path: whole_file(path).__enter__()):
        with pytest.raises(OutputError, match="cannot write"):
            attempt(tmp_path / "file" / "model.count")
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)


def test_a_place_that_cannot_even_be_looked_at_is_one_sentence(tmp_path: Path) -> None:
    for name in ("a" * 300, "b" * 300 + "/c.csv"):
        for attempt in (check_writable, lambda path: whole_file(path).__enter__()):
            with pytest.raises(OutputError, match=r"cannot write .*: File name too long"):
                attempt(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "c.csv")
    assert list(tmp_path.iterdir()) == []


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a") as temporary:
        temporary.write_text("x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
