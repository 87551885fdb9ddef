"""Ctrl-C at a moment that suits: never in the middle of what must be done whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C inside, or SIGTERM served like it, takes effect at the end: what is saved then is not half done."""
    known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in known.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        handlers = {}  # signals reach the main thread only
    held: list[tuple[int, FrameType | None]] = []
    for each in handlers:
        signal.signal(each, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    if held:
        number, frame = held[0]
        handlers[signal.Signals(number)](number, frame)
