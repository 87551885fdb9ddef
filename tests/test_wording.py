from __future__ import annotations

import pytest

from countception.wording import length, why_alike


@pytest.mark.parametrize(
    ("micrometres", "said"),
    [(0.25, "0.25 µm"), (999.9, "1 mm"), (2000, "2 mm"), (50_000, "5 cm"), (1e6, "1 m"), (1e7, "10 m")],
)
def test_lengths_have_the_unit_that_suits_them(micrometres: float, said: str) -> None:
    assert length(micrometres) == said


def test_one_name_in_several_spellings_is_told() -> None:
    told = why_alike(["Live", "dead", "LIVE", "dead  cell", "Dead_Cell", "dead"], "classes")
    assert str(told).startswith(
        "the classes Live and LIVE, dead  cell and Dead_Cell differ in capital letters or spaces"
    )
    assert why_alike(["CD4+", "CD4-", "live", "dead", "dead"], "classes") is None
