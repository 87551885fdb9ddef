"""Bad dots as settings of any method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from helpers_bench import OneMore

from countception.benchmark import methods
from countception.benchmark.method import Report, Setup
from countception.benchmark.methods import config_hash, make
from countception.data.dataset import Sample
from countception.errors import ConfigError
from countception.points import Dots


class Seen:
    """Keeps what it was given."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.name, self.configuration = setup, "seen", dict(setup.settings)
        self.dots: dict[str, Dots] = {}

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> OneMore:
        del seed, report
        self.dots = {sample.name: sample.dots for sample in [*training, *validation]}
        self.sizes = (len(training), len(validation))
        return OneMore()


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "Seen", Seen, raising=False)
    monkeypatch.setitem(methods.METHODS, "seen", ("countception.benchmark.methods:Seen", "Seen"))


def samples() -> list[Sample]:
    rng = np.random.default_rng(0)
    image = np.zeros((1, 200, 200), np.uint8)
    return [Sample(image, Dots(rng.uniform(20, 180, (40, 2))), f"image {i}") for i in range(5)]


def given(settings: dict[str, Any], seed: int = 0) -> Seen:
    method: Any = make("seen", Setup(settings=settings))
    method.fit(samples()[:3], samples()[3:], seed=seed, report=lambda *_: None)
    found: Seen = method.method
    return found


def test_training_and_validation_images_have_bad_dots() -> None:
    found = given({"dots.jitter": 6, "dots.missing": 0.25, "own": 1})
    assert found.sizes == (3, 2)
    assert found.configuration == {"own": 1}
    for sample in samples():
        moved = found.dots[sample.name].points
        assert len(moved) == 30
        nearest = np.linalg.norm(moved[:, None] - sample.dots.points[None], axis=2).min(1)
        assert 1 < nearest.max() <= 6


def test_the_seed_of_the_split_decides() -> None:
    one, again, other = (given({"dots.jitter": 6}, seed).dots["image 3"].points for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_more_annotators_agree_on_better_dots() -> None:
    def error(number: int) -> float:
        found = given({"annotators.number": number})
        return float(np.mean([abs(len(dots) - 40) for dots in found.dots.values()]))

    assert error(5) < 0.5 * error(1)


def test_they_are_part_of_the_identity() -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"dots.jitter": 8},
        {"dots.jitter": 4},
        {"dots.jitter": 4, "dots.missing": 0.1},
        {"annotators.number": 3},
    ]
    assert len({config_hash(make("predict-average", Setup(settings=each))) for each in settings}) == 5
    assert make("predict-average", Setup(settings={"dots.jitter": 8})).name == "predict-average"


def test_without_them_a_method_is_itself() -> None:
    assert isinstance(make("seen", Setup(settings={"own": 1})), Seen)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dots.jiter": 8}, "jiter is no setting .* it has jitter, missing"),
        ({"dots.jitter": "far"}, "jitter must be a number, not .far."),
        ({"dots.jitter": -1}, "displaced by up to -1 pixels"),
        ({"annotators.number": 0}, "0 annotators place no dots"),
        ({"annotators.misses": 2}, "nobody annotates with"),
    ],
)
def test_nonsense_is_refused_before_anything_is_run(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make("seen", Setup(settings=settings))
