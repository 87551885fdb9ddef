from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from countception.training.interrupts import undisturbed


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def asked(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that ends the program as Ctrl-C does."""
    before = signal.signal(request.param, signal.default_int_handler)
    yield request.param
    signal.signal(request.param, before)


def test_what_must_be_done_whole_is_done_before_the_end(asked: signal.Signals) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), undisturbed():  # noqa: PT012 - what follows the signal is what is tested
        signal.raise_signal(asked)
        done.append("whole")
    assert done == ["whole"]
    assert signal.getsignal(asked) is signal.default_int_handler


def test_a_signal_that_is_not_served_stays_so() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with undisturbed():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    signal.signal(signal.SIGTERM, before)
