"""What is wrong with a setting is said in words that need no knowledge of the program."""

from __future__ import annotations

import pytest

from countception.config import Config, recipe, updated
from countception.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("training.step", "training.steps"),
        ("training.learn_rate", "training.learning_rate"),
        ("trainning.seed", "training.seed"),
        ("traning.augment.zoom", "training.augment.zoom"),
        ("training.crop", "training.augment.crop"),
        ("flip", "counting.flips"),
        ("counting.flip", "counting.flips"),
        ("steps", "training.steps"),
        ("calibrated", "calibrate"),
    ],
)
def test_an_unknown_setting_names_the_one_that_was_meant(key: str, meant: str) -> None:
    with pytest.raises(ConfigError) as error:
        updated(recipe("default"), {key: 30})
    assert str(error.value) == f"there is no setting {key}: did you mean {meant}?"


def test_a_setting_like_no_other_says_where_they_are_listed() -> None:
    with pytest.raises(ConfigError, match="there is no setting xyzzy: countception settings lists all"):
        updated(recipe("default"), {"xyzzy": 30})


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("training.batch", "abc", "training.batch must be a whole number, not 'abc'"),
        ("training.batch", 1.5, "training.batch must be a whole number, not 1.5"),
        ("training.batch", None, "training.batch must be a whole number, not None"),
        ("training.steps", 0, "training.steps must be at least 1, not 0"),
        ("training.average", 1, "training.average must be below 1, not 1"),
        ("training.augment.zoom", 2, "training.augment.zoom must be at most 1, not 2"),
        ("scale.factor", 0, "scale.factor must be above 0, not 0"),
        ("scale.factor", "big", "scale.factor must be a number, not 'big'"),
        ("network.width", float("inf"), "network.width must be a finite number, not inf"),
        ("network.name", 3, "network.name must be a word, not 3"),
        ("calibrate", "perhaps", "calibrate must be true or false, not 'perhaps'"),
        ("training.loss", "l3", "training.loss must be 'l1', 'smooth_l1' or 'l2', not 'l3'"),
        ("channels", [], "channels must be a list of at least 1, not []"),
        ("channels", 0, "channels must be a list, not 0"),
        ("channels", [-1], "channels must be at least 0, not -1"),
        ("channels", [1, 0, 1], "channels: one of them is there twice (got [1, 0, 1])"),
        ("training", 3, "training must be a group of settings, not 3"),
        ("training", {"steps": 3, "epochs": 3}, "training: give one of steps, epochs and seconds"),
    ],
)
def test_a_wrong_value_is_said_plainly(key: str, value: object, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        updated(Config(), {key: value})
    assert str(error.value) == sentence


def test_nested_changes_leave_the_rest_of_their_group() -> None:
    paper = recipe("paper")
    changed = updated(paper, {"training": {"epochs": 3, "augment": {"zoom": 0.5}}, "network.width": 0.5})
    flat = updated(paper, {"training.epochs": 3, "training.augment.zoom": 0.5, "network.width": 0.5})
    assert changed == flat
    assert (changed.training.loss, changed.network.name) == ("l1", "count_ception")


def test_a_training_without_a_length_has_one_that_more_to_see_makes_longer() -> None:
    training = Config().training
    assert [training.lasting(n).steps for n in (0.1, 1.1, 1.2, 500)] == [1000, 1000, 3400, 3400]
    assert Config().lasting(2).training == training.lasting(2)
    assert training.lasting(2).lasting(1).steps == 3400, "it is decided once"
    assert [training.lasting(n, 1.5).steps for n in (0.1, 2)] == [1500, 5100], "a crop holds fewer objects"
    assert Config().lasting(2, 1.5).training == training.lasting(2, 1.5)


@pytest.mark.parametrize("length", [{"steps": 7}, {"epochs": 7}, {"seconds": 7.0}])
def test_a_length_that_is_given_stays(length: dict[str, float]) -> None:
    given = updated(Config(), {f"training.{key}": value for key, value in length.items()}).training
    assert given.lasting(500) == given
