"""What is said on the command line, read."""

from __future__ import annotations

import pytest

from countception.cli.parse import read_channels, read_duration
from countception.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("10min", 600), ("1h30m", 5400), ("1.5h", 5400), (" 2H 5S ", 7205)],
)
def test_lengths_of_time_are_read(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("1h30", 5400), ("2m30", 150), ("1h30m15", 5415), ("1 h 5", 3900)])
def test_a_rest_without_a_unit_is_of_the_next_smaller_one(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "soon", "-5m", "5 parsecs", "m", "1.2.3s", "30m1h", "nan"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="10m"):
        read_duration(text)


def test_channels_are_numbers_with_commas() -> None:
    assert read_channels("0, 2") == [0, 2]
    for text in ("", "a", "1,", "-1", "1.5"):
        with pytest.raises(ConfigError, match=r"such as 0 or 0,2"):
            read_channels(text)
