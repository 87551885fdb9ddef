"""Progress on the terminal: a bar with the time left, or a plain line now and then where there is no terminal."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from countception.cli.screen import printable
from countception.errors import ConfigError
from countception.wording import images

if TYPE_CHECKING:
    from countception.training import Progress, Record, Report

PLAIN_SECONDS = 10.0
"""How often a line is printed where there is no terminal."""


class Show(Protocol):
    """What `progress_bar` yields."""

    def __call__(self, done: float, text: str) -> None:
        """Show the share that is done, 0 to 1, and what is going on."""


@contextmanager
def progress_bar(title: str, *, fresh: bool = False) -> Iterator[Show]:
    """A progress bar on standard error, so that standard output stays clean for results.

    Parameters
    ----------
    title
        What is being done, in a word or two.
    fresh
        As for `Pace`.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Plain(title, Pace(fresh=fresh))
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
        TextColumn("[dim]{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    with Progress(*columns, console=console, expand=True) as bar:
        task, pace = bar.add_task(title, total=1.0, left="", text=""), Pace(fresh=fresh)

        def show(done: float, text: str) -> None:
            bar.update(task, completed=done, left=pace.left(done), text=_escape(text))

        yield show


class _Plain:
    """Lines on standard error: the first, the last, and one now and then."""

    def __init__(self, title: str, pace: Pace) -> None:
        self.title, self.pace = title, pace
        self.printed_at = float("-inf")

    def __call__(self, done: float, text: str) -> None:
        now, left = time.monotonic(), self.pace.left(done)
        if now - self.printed_at < PLAIN_SECONDS and done < 1:
            return
        self.printed_at = now
        parts = [f"{self.title} {100 * done:.0f} %", *(part for part in (left, text) if part)]
        _say(", ".join(parts))


class Pace:
    """Words for the time that is left, from the pace since the first share of the work was told.

    What a resumed training did before that took none of this time, so the share alone would promise too much.

    Parameters
    ----------
    clock
        Seconds from any start.
    fresh
        Nothing was done before, so that the first share can tell the pace already.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, fresh: bool = False) -> None:
        self._clock, self._started = clock, clock()
        self._first: tuple[float, float] | None = (0.0, self._started) if fresh else None

    def left(self, done: float) -> str:
        """Words for when the share `done` of the work is done; empty while the time left is unknown."""
        now = self._clock()
        if done >= 1:
            return f"took {duration(now - self._started)}"
        if self._first is None:
            self._first = done, now
        before, since = self._first
        gained, elapsed = (done - before) / (1 - before), now - since
        if gained < 0.03 or elapsed < 1:  # the first steps are slow
            return ""
        return f"{duration(elapsed * (1 - gained) / gained)} left"


def duration(seconds: float) -> str:
    """``75`` → ``1 min 15 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


@contextmanager
def training_report(log: str | os.PathLike[str] | None = None) -> Iterator[Report]:
    """How many images are for what, and a progress bar, as `report` for `countception.train`.

    Where a folder for it is named, a TensorBoard log is written, too.

    Raises
    ------
    ConfigError
        TensorBoard is asked for and not installed.
    """
    write = tensorboard(log) if log is not None else None
    with progress_bar("training") as show:
        told = False

        def report(progress: Progress) -> None:
            nonlocal told
            if not told:
                others = images(progress.validated_on) if progress.validated_on else "parts left out in turn"
                _say(f"learning from {images(progress.learned_from)}, validating on {others}")
                told = True
            if progress.interrupted:
                _say("interrupted: saving the best weights so far …")
            show(progress.done, progress.text)
            if write is not None:
                write(progress)

        yield report


def tensorboard(folder: str | os.PathLike[str]) -> Report:
    """A `report` for `countception.train` that writes a TensorBoard log.

    Raises
    ------
    ConfigError
        TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "a TensorBoard log needs the package tensorboard: install it with pip install 'countception[tensorboard]'"
        ) from None
    writer = SummaryWriter(os.fspath(folder))
    seen: list[Record] = []

    def report(progress: Progress) -> None:
        record = progress.record
        if record is None or record in seen[-1:]:
            return
        seen.append(record)
        for name in ("loss", "valid_mae", "valid_bias", "learning_rate"):
            writer.add_scalar(name, getattr(record, name), record.step)
        writer.flush()

    return report


def _say(text: str) -> None:
    """A line on standard error; above the bar, where there is one."""
    import sys

    if sys.stderr is not None:  # in whose place `print` would take standard output, where a table may go
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text, lines=False))


Each = Callable[[float, int, str], None]
"""Called with how many of many files are done, with fractions, how many there are, and the name of the current one."""


@contextmanager
def file_bar(title: str = "counting") -> Iterator[Each]:
    """A progress bar over files."""
    with progress_bar(title, fresh=True) as show:
        yield lambda done, total, name: show(done / total, f"{math.ceil(done)} of {total}: {name}")
