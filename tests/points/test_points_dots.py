from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from countception.errors import PointsError
from countception.points import Dots

THREE = np.array([[0.0, 1.0], [2.5, 3.0], [4.0, 5.0]])


def test_dots_in_a_pixel_that_has_one_of_their_class_are_repeated() -> None:
    points = np.array([[1.0, 1.0], [1.4, 0.6], [1.0, 1.0], [1.6, 1.0], [0.9, 1.2]])
    dots = Dots(points, np.array([0, 0, 1, 0, 0]), ("a", "b"))
    assert dots.repeated().tolist() == [False, True, False, False, True]
    assert Dots(np.empty((0, 2))).repeated().tolist() == []


def test_dots_without_labels_are_objects() -> None:
    dots = Dots(THREE)
    assert len(dots) == 3
    assert dots.labels.tolist() == [0, 0, 0]
    assert dots.class_names == ("object",)
    assert dots.used_names == {"object"}


def test_no_dots() -> None:
    dots = Dots(np.array([]))
    assert dots.points.shape == (0, 2)
    assert dots.labels.shape == (0,)
    assert dots.used_names == set()


def test_of_class_and_select() -> None:
    dots = Dots(THREE, np.array([1, 0, 1]), ("dead", "live"))
    assert dots.of_class(1).tolist() == [[0, 1], [4, 5]]
    kept = dots.select(np.array([False, True, True]))
    assert kept.points.tolist() == [[2.5, 3], [4, 5]]
    assert kept.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"points": np.zeros((3, 3))}, r"shape \(3, 3\)"),
        ({"points": np.zeros(2)}, r"shape \(2,\)"),
        ({"points": [[np.nan, 0]]}, "NaN or infinite"),
        ({"points": THREE, "labels": [0, 0]}, "3 dots have 2 labels"),
        ({"points": THREE, "labels": [0, 0, 1]}, "labels run from 0 to 1, but there are 1 classes"),
        ({"points": THREE, "labels": [0, 0, -1]}, "labels run from -1"),
        ({"points": THREE, "labels": [0.9, 0, 0]}, "labels such as .*0.9.* are no whole numbers"),
        ({"points": THREE, "labels": [np.nan, 0, 0]}, "no whole numbers"),
        ({"points": THREE, "labels": ["a", "b", "a"]}, "no whole numbers"),
        ({"points": THREE, "class_names": "ab"}, "classes 'ab' make no sense: give a tuple of words"),
        ({"points": THREE, "class_names": (0, 1)}, "give a tuple of words"),
        ({"points": THREE, "class_names": ()}, "there must be at least one"),
        ({"points": THREE, "class_names": ("a", "a")}, "each with its own name"),
    ],
)
def test_fields_that_do_not_fit(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(PointsError, match=sentence):
        Dots(**fields)  # type: ignore[arg-type]


def test_with_classes_renumbers() -> None:
    dots = Dots(THREE, np.array([0, 1, 0]), ("a", "b")).with_classes(["c", "b", "a"])
    assert dots.labels.tolist() == [2, 1, 2]
    assert dots.class_names == ("c", "b", "a")


def test_with_classes_takes_unnamed_dots_for_the_only_class() -> None:
    assert Dots(THREE).with_classes(["cell"]).class_names == ("cell",)
    with pytest.raises(PointsError, match="has dots without a class, but the classes are a, b"):
        Dots(THREE).with_classes(["a", "b"])


def test_a_class_that_is_called_object_is_a_class() -> None:
    named = Dots(THREE, class_names=("object",), named=True)
    with pytest.raises(PointsError, match="has dots of class object, but the classes are cell"):
        named.select(np.ones(3, bool)).with_classes(["cell"])
    assert named.with_classes(["cell", "object"]).labels.tolist() == [1, 1, 1]


def test_with_classes_forgets_unused_classes_only() -> None:
    dots = Dots(THREE, np.array([0, 0, 0]), ("a", "b"))
    assert dots.with_classes(["a"]).class_names == ("a",)
    with pytest.raises(PointsError, match="class a"):
        dots.with_classes(["b"])


@pytest.mark.parametrize("points", [[["a", 2]], [[1, 2], [3]], object()])
def test_what_is_no_numbers_is_refused(points: Any) -> None:
    with pytest.raises(PointsError, match=r"dots are no numbers: they must be \(N, 2\), one \(y, x\) each"):
        Dots(points)
