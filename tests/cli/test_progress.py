from __future__ import annotations

import pytest

from countception.cli.progress import Pace, duration, file_bar, progress_bar, training_report
from countception.training import Progress, Record


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.4, "7 s"), (75, "1 min 15 s"), (3599.9, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_lengths_of_time_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def told(*reports: tuple[float, float]) -> list[str]:
    """What is said of (seconds, share done)."""
    times = iter([0.0, *(seconds for seconds, _ in reports)])
    pace = Pace(lambda: next(times))
    return [pace.left(done) for _, done in reports]


def test_the_time_left_follows_from_the_pace() -> None:
    assert told((0, 0.0), (10, 0.25), (20, 0.5), (40, 1.0)) == ["", "30 s left", "20 s left", "took 40 s"]


def test_what_was_done_before_a_training_was_resumed_took_none_of_this_time() -> None:
    assert told((5, 0.5), (15, 0.6), (55, 1.0)) == ["", "40 s left", "took 55 s"]


def test_the_first_of_two_files_tells_the_pace() -> None:
    times = iter([0.0, 60.0])
    assert Pace(lambda: next(times), fresh=True).left(0.5) == "1 min 00 s left"


def test_the_first_few_percent_tell_nothing() -> None:
    assert told((0, 0.0), (10, 0.02), (20, 0.04)) == ["", "", "8 min 00 s left"]


def test_without_a_terminal_a_line_is_printed_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("counting") as show:
        for k in range(1, 101):
            show(k / 100, f"image {k}")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0] == "counting 1 %, image 1"
    assert lines[1].startswith("counting 100 %, took ")


def test_files_are_numbered(capsys: pytest.CaptureFixture[str]) -> None:
    with file_bar() as each:
        each(3, 3, "c.png")
    assert "3 of 3: c.png" in capsys.readouterr().err


def test_training_shows_step_and_newest_error(capsys: pytest.CaptureFixture[str]) -> None:
    record = Record(step=4, epoch=1.0, seconds=1.0, learning_rate=0.1, loss=0.5, valid_mae=2.5, valid_bias=0.0)
    with training_report() as report:
        for done in (0.5, 1.0):
            report(Progress(done, step=5, elapsed=2.0, record=record, learned_from=3, validated_on=1))
    err = capsys.readouterr().err
    assert "step 5, validation error 2.50 objects per image" in err
    assert err.count("learning from 3 images, validating on 1 image\n") == 1


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("counting") as show:
        show(0.5, "a [bold]name[/bold] like markup")
        show(1.0, "b.png")
    err = capsys.readouterr().err
    assert "100%" in err
    assert "b.png" in err
