from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from countception.results.marks import CLASSES, DOTS, POINTS, TRUE, WRONG, Mark, Shape, draw, marks
from countception.results.pictures import _font


def drawn(shape: Shape, radius: float = 6.0) -> np.ndarray:
    """Where a mark is white, in a picture of 41 × 41 with its place in the middle."""
    picture = Image.new("RGB", (41, 41))
    draw(picture, np.array([[20.0, 20.0]]), Mark(shape, (255, 255, 255)), radius, 2)
    return np.asarray(picture)[..., 0] == 255


@pytest.mark.parametrize("shapes", [POINTS, DOTS, (TRUE.shape, WRONG.shape)], ids=["points", "dots", "wrong"])
def test_classes_are_told_apart_without_their_colours(shapes: tuple[Shape, ...]) -> None:
    for one, other in combinations(shapes, 2):
        first, second = drawn(one), drawn(other)
        assert (first & second).sum() < 0.75 * (first | second).sum(), (one.sign, other.sign)
    assert len({shape.sign for shape in shapes}) == len(shapes)


@pytest.mark.parametrize("shape", [*POINTS, *DOTS, WRONG.shape], ids=lambda shape: shape.sign)
def test_marks_stand_at_their_place_and_their_signs_can_be_written(shape: Shape) -> None:
    rows, columns = np.nonzero(drawn(shape))
    assert (rows.min() + rows.max()) / 2 == pytest.approx(20, abs=2)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(20, abs=1)
    font = _font(30.0)
    assert bytes(font.getmask(shape.sign)) != bytes(font.getmask("\uffff"))


def test_what_true_dots_surround_stays_in_sight() -> None:
    assert not any(drawn(shape)[19:22, 19:22].any() for shape in DOTS)


def test_many_classes_have_a_mark_each() -> None:
    found = marks(POINTS, 8)
    assert len(found) == 8
    assert len(set(found)) == len(CLASSES)
