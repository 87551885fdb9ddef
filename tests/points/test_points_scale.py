from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countception.config import ScaleConfig
from countception.points import find_scale, spacing
from countception.points.scale import enlargement

GRID = np.stack(np.meshgrid(np.arange(0, 50, 5.0), np.arange(0, 50, 5.0)), -1).reshape(-1, 2)


def test_spacing_of_a_grid_is_its_step() -> None:
    assert spacing([GRID]) == 5
    assert spacing([GRID], neighbour=1) == 5


@given(st.floats(0.1, 10))
def test_spacing_grows_with_the_image(factor: float) -> None:
    assert spacing([factor * GRID]) == pytest.approx(5 * factor)


def test_images_are_not_neighbours() -> None:
    assert spacing([GRID, GRID + 1]) == 5


def test_dots_set_twice_count_once() -> None:
    assert spacing([np.concatenate([GRID, GRID])], neighbour=1) == 5


@pytest.mark.parametrize("points", [[], [np.empty((0, 2))], [GRID[:3]], [GRID[:1], GRID[:2]], [np.zeros((9, 2))]])
def test_too_few_dots_to_tell(points: list[np.ndarray]) -> None:
    assert spacing(points) is None
    assert find_scale(points, ScaleConfig()) == 1.0


def test_images_with_few_dots_are_left_out() -> None:
    assert spacing([GRID, GRID[:2], np.empty((0, 2))]) == 5


def test_scale_brings_the_spacing_to_the_one_configured() -> None:
    config = ScaleConfig(spacing=10.0, widest=0)
    assert find_scale([GRID * 10], config) == 0.2
    scale = find_scale([GRID], config)
    assert scale == 2
    assert spacing([scale * GRID]) == config.spacing


@pytest.mark.parametrize(
    ("apart", "factor", "times"),
    [(5.0, None, 1.0), (20.0, None, 2.0), (60.0, None, 3.0), (5.0, 4.0, 2.0), (60.0, 0.1, 1.0), (60.0, 1.0, 3.0)],
)
def test_enlargement_is_that_of_objects_as_they_are_shown(apart: float, factor: float | None, times: float) -> None:
    assert enlargement(apart, ScaleConfig(factor=factor, spacing=10.0, widest=30.0)) == times


def test_enlargement_is_none_where_nothing_is_known_or_wanted() -> None:
    assert enlargement(None, ScaleConfig()) == 1.0
    assert enlargement(60.0, ScaleConfig(spacing=10.0, widest=0)) == 1.0


@pytest.mark.parametrize(
    ("factor", "scale"),
    [(1.0, 2.0), (2.0, 1.0), (3.0, 1.0), (6.0, 1.0), (12.0, 0.5)],
    ids=["magnified", "just as it is", "as it is", "the widest as it is", "shrunk"],
)
def test_images_are_shown_as_they_are_unless_dots_are_too_close_or_too_far_apart(factor: float, scale: float) -> None:
    assert find_scale([GRID * factor], ScaleConfig(spacing=10.0, widest=30.0)) == scale


def test_scale_is_bounded() -> None:
    config = ScaleConfig()
    assert find_scale([GRID * 1000], config) == config.smallest
    assert find_scale([GRID / 1000], config) == config.largest


def test_scale_that_is_given() -> None:
    assert find_scale([GRID], ScaleConfig(factor=0.3)) == 0.3
