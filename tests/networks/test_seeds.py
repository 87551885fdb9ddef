from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from countception.networks.seeds import seeded


def drawn(seed: int) -> list[float]:
    with seeded(seed):
        return [float(torch.rand(())) for _ in range(200)]


def test_a_seed_gives_its_numbers_and_leaves_the_callers_alone() -> None:
    torch.manual_seed(7)
    expected = float(torch.rand(()))
    torch.manual_seed(7)
    assert drawn(1) == drawn(1) != drawn(2)
    assert float(torch.rand(())) == expected


def test_threads_do_not_draw_each_others() -> None:
    alone = [drawn(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(drawn, range(8))) == alone


def result_of(action: Callable[[], object]) -> list[object]:
    """What an action gives; nothing where it waits for itself."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(action()), daemon=True)
    thread.start()
    thread.join(30)
    return found


def test_one_within_another_has_its_turn_at_once() -> None:
    def nested() -> list[float]:
        with seeded(1):
            return [float(torch.rand(())), *drawn(2), float(torch.rand(()))]

    first, *inner, second = result_of(nested)[0]  # type: ignore[misc]
    assert [first, second] == drawn(1)[:2]
    assert inner == drawn(2)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_process_forked_within_one_has_its_turn_too() -> None:
    def forked() -> int:
        with seeded(1):
            child = os.fork()
            if child == 0:
                os._exit(0 if drawn(2) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert result_of(forked) == [0]
