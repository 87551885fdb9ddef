"""Torch's random numbers, of which all threads of a process draw from one stream."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_turn = threading.RLock()  # what one makes may ask for one itself
if sys.platform != "win32":  # a process forked while another thread has its turn would wait for it forever
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it torch draws the numbers of a seed; whoever calls keeps those that would have come next.

    One thread at a time, as networks made side by side would draw each other's.
    """
    with _turn, torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
