import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from countception import files
from countception.errors import OutputError
from countception.files import check_empty, check_writable, whole_file


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


def test_a_file_that_is_open_in_excel_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, where such a file cannot be replaced; testing that changes nothing elsewhere."""
    place = tmp_path / "counts.csv"
    place.write_text("old")
    check_writable(place)
    assert place.read_text() == "old"

    def refuse(*_: Path) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(files, "WINDOWS", True)
    excel = r"is it open in another program, such as Excel\?"
    with pytest.raises(OutputError, match=excel):
        check_writable(place)
    with pytest.raises(OutputError, match=excel), whole_file(place):
        pass
    check_writable(tmp_path / "new.csv")


def test_a_place_that_cannot_even_be_looked_at_is_one_sentence(tmp_path: Path) -> None:
    for name in ("a" * 300, "b" * 300 + "/c.csv"):
        for attempt in (check_writable, lambda path: whole_file(path).__enter__()):
            with pytest.raises(OutputError, match=r"cannot write .*: File name too long"):
                attempt(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_leads_to_what_was_written(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link.csv").symlink_to(Path("far") / "table")
    if exists:
        (tmp_path / "far" / "table").write_text("old")
    check_writable(tmp_path / "link.csv")
    with whole_file(tmp_path / "link.csv") as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".csv"
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "far" / "table").read_text() == "new"
    assert len(list(tmp_path.rglob("*"))) == 3


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    check_writable(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole_file(pipe) as temporary:
        temporary.write_text("all of it")
        assert temporary.suffix == ".csv"
    assert os.read(reader, 100) == b"all of it"
    os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    assert not temporary.exists()


def test_standard_output_is_a_place_to_write_to() -> None:
    script = """
from countception.files import check_empty, check_writable, whole_file
check_writable("/proc/self/fd/1")  # where /dev/stdout leads
with whole_file("/proc/self/fd/1") as temporary:
    temporary.write_text("all of it")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("all of it", "")


@pytest.mark.parametrize(("name", "mode"), [("/dev/stdout", "a"), ("/dev/fd/1", "w"), ("/proc/self/fd/1", "w")])
def test_standard_output_that_leads_to_a_file_is_added_to(tmp_path: Path, name: str, mode: str) -> None:
    file = tmp_path / "all.txt"
    file.write_text("earlier\n")
    script = f"""
from countception.files import check_writable, whole_file
print("before")
check_writable({name!r})
with whole_file({name!r}) as temporary:
    temporary.write_text("all of it\\n")
print("after")
"""
    with file.open(mode) as stream:
        subprocess.run([sys.executable, "-c", script], stdout=stream, check=True)
    kept = "earlier\n" if mode == "a" else ""
    assert file.read_text() == kept + "before\nall of it\nafter\n"
    assert list(tmp_path.iterdir()) == [file]


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "c.csv")
    assert list(tmp_path.iterdir()) == []


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a") as temporary:
        temporary.write_text("x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_the_umask_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of all threads: while it is 0, their new files are open to everybody."""

    def changed(_: int) -> int:
        raise AssertionError("the umask was changed")

    monkeypatch.setattr(os, "umask", changed)
    with whole_file(tmp_path / "a") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "a").read_text() == "x"


def test_what_is_written_into_a_folder_replaces_nothing(tmp_path: Path) -> None:
    check_empty(tmp_path)
    check_empty(tmp_path / "new")
    (tmp_path / "a.txt").touch()
    with pytest.raises(OutputError, match="is not empty"):
        check_empty(tmp_path)
    with pytest.raises(OutputError, match=r"a\.txt: Not a directory"):
        check_empty(tmp_path / "a.txt")
    with pytest.raises(OutputError, match="File name too long"):
        check_empty(tmp_path / ("n" * 300))
