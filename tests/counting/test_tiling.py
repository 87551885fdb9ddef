import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from countception.counting.tiling import blocks
from countception.geometry import Field


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    tile=st.integers(1, 70),
    field=st.sampled_from([Field(), Field(2, 9, 7, 8), Field(1, 6, 38, 1)]),
)
def test_every_entry_has_exactly_one_owner(height: int, width: int, tile: int, field: Field) -> None:
    owners = np.zeros((height, width), int)
    canvas = (height * field.stride, width * field.stride)
    for block in blocks((height, width), canvas, field, tile):
        owners[slice(*block.rows), slice(*block.columns)] += 1
        assert block.rows[1] - block.rows[0] <= tile
        assert block.inner[0].start * field.stride + block.canvas_rows[0] == block.rows[0] * field.stride
        assert block.canvas_rows[0] >= 0
        assert block.canvas_columns[1] <= canvas[1]
    assert (owners == 1).all()


@given(
    side=st.integers(1, 400),
    tile=st.integers(1, 90),
    field=st.sampled_from([Field(), Field(2, 9, 7, 8), Field(1, 6, 38, 1)]),
)
def test_regions_hold_what_is_needed_and_are_of_one_size(side: int, tile: int, field: Field) -> None:
    canvas = -(-side * field.stride // field.multiple) * field.multiple
    found = list(blocks((side, 1), (canvas, field.multiple), field, tile))
    for block in found:
        first, last = field.reads(*block.rows, canvas)
        assert block.canvas_rows[0] <= first
        assert block.canvas_rows[1] >= last
        assert block.canvas_rows[0] % field.multiple == 0
    assert len({block.canvas_rows[1] - block.canvas_rows[0] for block in found}) == 1
    sizes = [block.rows[1] - block.rows[0] for block in found]
    assert max(sizes) - min(sizes) <= 1
