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
        "the classes Live and LIVE, dead  cell and Dead_Cell differ in capital letters, spaces or zeros of numbers only"
    )
    told = why_alike(["0.1", "10", "0.10", "1", "A1", "B1", "a01", "1.0 µM", "1.000 µM"], "groups")
    assert str(told).startswith("the groups 0.1 and 0.10, A1 and a01, 1.0 µM and 1.000 µM differ")
    assert why_alike(["0.1", "0.01", "1", "10", "100", "1e10", "B1", "B10", "1.1", "1.01"], "groups") is None
    assert why_alike(["CD4+", "CD4-", "live", "dead", "dead"], "classes") is None
