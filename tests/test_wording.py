from __future__ import annotations

import pytest

from countception.wording import length


@pytest.mark.parametrize(
    ("micrometres", "said"),
    [(0.25, "0.25 µm"), (999.9, "1 mm"), (2000, "2 mm"), (50_000, "5 cm"), (1e6, "1 m"), (1e7, "10 m")],
)
def test_lengths_have_the_unit_that_suits_them(micrometres: float, said: str) -> None:
    assert length(micrometres) == said
