"""Images unlike the training images are flagged, with reasons; images like them are not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from countception.images.normalise import Normalisation, learn
from countception.images.resample import resample
from countception.simulation.simulate import look_named, simulate
from countception.trust.familiarity import MISHAPS, TOGETHER, WORDS, Familiarity, fit_familiarity
from countception.trust.features import altered_features, image_features

LOOKS = ("fluorescence", "stained")
Image = np.ndarray


@cache
def images(look: str, first: int, last: int) -> tuple[tuple[Image, int], ...]:
    """Simulated images ``(channel, y, x)`` and their counts."""
    made = [simulate(look_named(look).changed(size=(128, 128), counts=(20, 76)), seed=i) for i in range(first, last)]
    return tuple((np.moveaxis(np.atleast_3d(one.image), 2, 0), len(one.points)) for one in made)


@cache
def trained(look: str) -> tuple[Familiarity, Normalisation]:
    training = images(look, 0, 20)
    normalisation = learn([image for image, _ in training])
    features = [image_features(image, normalisation, 1.0, count=count) for image, count in training]
    altered = {i: altered_features(image, normalisation, 1.0) for i, (image, _) in enumerate(training)}
    return fit_familiarity(features, altered=altered), normalisation


def reasons(look: str, image: Image, count: int) -> list[str]:
    familiarity, normalisation = trained(look)
    features = image_features(image, normalisation, 1.0, count=count)
    found = familiarity.unfamiliar(features)
    assert (familiarity.score(features) > 1) == bool(found)
    return found


def clipped(image: Image) -> Image:
    return np.clip(image, 0, 255).astype(np.uint8)


CORRUPTIONS: dict[str, Callable[[Image], Image]] = {
    "blurred": lambda image: ndimage.gaussian_filter(image, (0, 5, 5)),
    "noisy": lambda image: clipped(image + np.random.default_rng(0).normal(0, 50, image.shape)),
    "inverted": lambda image: 255 - image,
    "channels swapped": lambda image: np.roll(image, 1, axis=0),
    "underexposed": lambda image: clipped(image * 0.3),
}
EXPECTED = {
    "blurred": "less",
    "noisy": "more fine detail",
    "inverted": "than the training images",
    "channels swapped": "than the training images",
    "underexposed": "than the training images",
}


@pytest.mark.parametrize("look", LOOKS)
def test_clean_images_are_familiar(look: str) -> None:
    flagged = [bool(reasons(look, *each)) for each in images(look, 100, 120)]
    assert np.mean(flagged) <= 0.05


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_corrupted_images_are_flagged_with_the_reason(look: str, corruption: str) -> None:
    for image, count in images(look, 100, 104):
        found = reasons(look, CORRUPTIONS[corruption](image), count)
        assert any(EXPECTED[corruption] in reason for reason in found)


@pytest.mark.parametrize("look", LOOKS)
def test_images_of_another_kind_are_flagged(look: str) -> None:
    for other in {*LOOKS, "membranes"} - {look}:
        for image, count in images(other, 100, 103):
            assert reasons(look, image, count)


@pytest.mark.parametrize("factor", [0.5, 0.7])
def test_a_lower_magnification_is_the_reason_given(factor: float) -> None:
    """By the looks alone, where nothing is known of the number of objects; half-way there, too."""
    familiarity, normalisation = trained("fluorescence")
    for image, _ in images("fluorescence", 100, 106):
        said = familiarity.unfamiliar(image_features(resample(image, factor), normalisation, 1.0))
        assert said == [MISHAPS["smaller"][1]]


def test_channels_in_the_reverse_order_are_the_reason_given() -> None:
    familiarity, normalisation = trained("stained")
    for image, count in images("stained", 100, 106):
        said = familiarity.unfamiliar(image_features(image[::-1], normalisation, 1.0, count=count))
        assert said[0] == MISHAPS["reversed"][1]


def test_what_does_not_go_together_is_flagged() -> None:
    """Each by itself is in the range of the training images."""
    rng = np.random.default_rng(0)
    both = rng.normal(size=60)
    known = [{"level 50 %, channel 0": x, "density": x + 0.1 * rng.normal()} for x in both]
    model = fit_familiarity(known)
    assert model.unfamiliar({"level 50 %, channel 0": 1.5, "density": 1.5}) == []
    said = model.unfamiliar({"level 50 %, channel 0": 1.5, "density": -1.5})
    assert said
    assert set(said) <= set(TOGETHER.values())


@pytest.mark.parametrize("n", [3, 8, 150])
def test_an_image_has_a_reason_if_its_score_is_above_one(n: int) -> None:
    """Whatever the image; 150 are more than are left out one at a time."""
    rng = np.random.default_rng(n)
    names = [f"detail {2 ** (k + 1)} px, channel {c}" for k in range(4) for c in range(2)]
    names += ["level 50 %, channel 0", "contrast channel 0", "colour 0 and 1, means", "density"]
    base, mixed = rng.normal(size=len(names)), rng.normal(size=(len(names), len(names)))
    known = [dict(zip(names, base + mixed @ rng.normal(size=len(names)), strict=True)) for _ in range(n)]
    moved = dict(zip(names[:-1], rng.normal(size=len(names) - 1), strict=True))
    altered = {i: {"smaller": {name: known[i][name] + shift for name, shift in moved.items()}} for i in range(0, n, 2)}
    model = fit_familiarity(known, altered=altered)
    seen = set()
    for size in np.geomspace(0.1, 50, 60):
        image = dict(zip(names, base + mixed @ (size * rng.normal(size=len(names))), strict=True))
        shown = {name: value for name, value in image.items() if rng.random() < 0.8}
        flagged = model.score(shown) > 1
        assert bool(model.unfamiliar(shown)) == flagged
        seen.add(flagged)
    assert seen == {True, False}
    assert model.score({}) == 0


def test_another_magnification_is_flagged() -> None:
    for image, count in images("stained", 100, 104):
        assert reasons("stained", ndimage.zoom(image, (1, 2.5, 2.5), order=1), count)


def test_a_density_out_of_range_is_the_reason_given() -> None:
    image, _ = images("stained", 100, 101)[0]
    assert reasons("stained", image, 3000) == ["more objects per area than the training images"]
    assert reasons("stained", image, 0) == ["fewer objects per area than the training images"]


def test_reasons_come_worst_first_and_once() -> None:
    model = Familiarity(
        names=("level 2 %, channel 0", "level 50 %, channel 0", "density"),
        centre=(0.0, 0.0, 0.0),
        deviation=(1.0, 1.0, 1.0),
        threshold=2.0,
        images=9,
    )
    far = {"level 2 %, channel 0": 3.0, "level 50 %, channel 0": 4.0, "density": -7.0, "detail of another": 99.0}
    assert model.unfamiliar(far) == [
        "fewer objects per area than the training images",
        "brighter than the training images",
    ]
    assert model.score(far) == 3.5
    assert model.unfamiliar({"density": 1.9}) == []


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_images_make_everything_familiar(n: int) -> None:
    model = fit_familiarity([{"density": float(i)} for i in range(n)])
    assert model.unfamiliar({"density": 1e9}) == []


def test_frames_of_a_film_may_differ_by_next_to_nothing() -> None:
    names = ("level 50 %, channel 0", "contrast channel 0", "detail 2 px, channel 0", "density")
    rng = np.random.default_rng(0)
    frames = [dict(zip(names, rng.normal(0, 1e-3, 4), strict=True)) for _ in range(8)]
    model = fit_familiarity(frames)
    assert model.unfamiliar({**frames[0], names[0]: 0.03}) == [], "one grey level of 255"
    assert model.unfamiliar({**frames[0], names[0]: 0.5}) == ["brighter than the training images"]


def test_false_alarms_are_few_whatever_the_number_of_training_images() -> None:
    for n in (5, 10, 30, 100):
        flagged = []
        for seed in range(60):
            rng = np.random.default_rng([seed, n])
            values = rng.normal(size=(n + 5, 20)) * np.exp(rng.normal(size=20)) + 0.7 * rng.normal(size=(n + 5, 1))
            features = [{f"level {i}": value for i, value in enumerate(row)} for row in values]
            model = fit_familiarity(features[:n])
            flagged += [bool(model.unfamiliar(each)) for each in features[n:]]
        assert np.mean(flagged) < 0.06, n


def test_a_model_survives_json_and_nothing_else_is_taken_for_one() -> None:
    model, _ = trained("stained")
    assert Familiarity.model_validate_json(model.model_dump_json()) == model
    values = model.model_dump()
    for wrong in ({"names": ("taste",) * len(model.names)}, {"centre": ()}, {"threshold": 0}, {"other": 1}):
        with pytest.raises(ValidationError):
            Familiarity.model_validate({**values, **wrong})


def test_correlations_are_whole_and_possible() -> None:
    sound = {
        "names": ("level a", "level b", "density"),
        "centre": (0.0,) * 3,
        "deviation": (1.0,) * 3,
        "correlation": ((), (0.9,), (0.9, 0.9)),
        "mishaps": {"smaller": {"shift": (0.0, 1.0, 0.0), "deviation": 0.1}},
        "threshold": 1.0,
    }
    assert Familiarity.model_validate(sound).score({"density": 1.0}) > 0
    for wrong in (
        {"correlation": ((), (0.9,), (0.9, -0.9))},
        {"correlation": ((), (0.9,))},
        {"correlation": ((), (), (0.9, 0.9))},
        {"mishaps": {"smaller": {"shift": (), "deviation": 0.1}}},
        {"mishaps": {"smaller": {"shift": (0.0, 1.0, 0.0), "deviation": 0.0}}},
        {"mishaps": {"eaten": {"shift": (0.0, 1.0, 0.0), "deviation": 0.1}}},
        {"correlation": ()},
    ):
        with pytest.raises(ValidationError):
            Familiarity.model_validate({**sound, **wrong})


def test_images_of_new_groups_are_not_unfamiliar_only_because_siblings_were_learned_from() -> None:
    rng = np.random.default_rng(0)
    names = [f"level {k}" for k in range(20)]

    def drawn(groups: int) -> list[dict[str, float]]:
        return [
            dict(zip(names, shared + 0.3 * rng.normal(size=20), strict=True))
            for shared in rng.normal(size=(groups, 20))
            for _ in range(6)
        ]

    flagged = {True: 0, False: 0}
    for _ in range(30):
        known, new = drawn(8), drawn(5)
        for told in flagged:
            model = fit_familiarity(known, [f"{k // 6}" for k in range(48)] if told else ())
            flagged[told] += sum(model.score(each) > 1 for each in new)
    assert flagged[True] < 0.07 * 900 < 0.3 * 900 < flagged[False]


def test_with_fewer_than_three_groups_each_image_stands_for_itself() -> None:
    rng = np.random.default_rng(0)
    known = [{"level 0": float(rng.normal())} for _ in range(10)]
    assert fit_familiarity(known, ["a", "b"] * 5) == fit_familiarity(known)


@pytest.mark.parametrize("value", [0, 255])
def test_an_image_without_anything_in_it_is_not_said_to_have_detail(value: int) -> None:
    look = look_named("fluorescence")
    images = [
        np.atleast_3d(simulate(look.changed(size=(96, 96), counts=(10, 30)), seed=k).image).transpose(2, 0, 1)
        for k in range(5)
    ]
    normal = learn(images)
    model = fit_familiarity([image_features(image, normal, 1.0) for image in images])
    said = model.unfamiliar(image_features(np.full_like(images[0], value), normal, 1.0))
    assert WORDS["contrast"][0] in said
    assert not set(WORDS["detail"]) & set(said)
