"""Images unlike the training images are flagged, with reasons; images like them are not."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from countception.images.normalise import Normalisation, learn
from countception.simulation.simulate import look_named, simulate
from countception.trust.familiarity import WORDS, Familiarity, fit_familiarity
from countception.trust.features import PART, image_features

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
    return fit_familiarity(features), normalisation


def reasons(look: str, image: Image, count: int) -> list[str]:
    familiarity, normalisation = trained(look)
    features = image_features(image, normalisation, 1.0, count=count)
    found = familiarity.unfamiliar(features)
    assert (familiarity.score(features) > 1) == bool(found)
    return found


def test_holes_are_passed_over() -> None:
    """What is left of an image is described as where it is cut out."""
    image, count = images("stained", 30, 31)[0]
    _, normalisation = trained("stained")
    holes = np.zeros(image.shape, bool)
    holes[:, 64:] = True
    seen = image_features(np.ma.masked_array(np.where(holes, 255, image), holes), normalisation, 1.0, count=count)
    cut = image_features(image[:, :64], normalisation, 1.0, count=count)
    assert {name: seen[name] for name in cut} == pytest.approx(cut, abs=0.05)
    nothing = image_features(np.ma.masked_array(image, True), normalisation, 1.0)
    assert nothing == {}


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
    "channels swapped": "other colours",
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


def test_features_are_finite_for_images_of_any_size() -> None:
    normalisation = Normalisation((0.0, 0.0), (1.0, 1.0))
    small = image_features(np.zeros((2, 1, 1), np.uint8), normalisation, 1.0, count=0)
    flat = image_features(np.zeros((2, 64, 40), np.uint8), normalisation, 0.5)
    assert all(math.isfinite(value) for value in (*small.values(), *flat.values()))
    assert not any(name.startswith("detail") for name in small)
    assert "density" not in flat


def test_large_images_are_described_by_parts_spread_over_them() -> None:
    rng = np.random.default_rng(0)
    normalisation = Normalisation((0.0,), (1.0,))
    large = rng.normal(size=(1, 1800, 1700)).astype(np.float32)
    large[:, :, -PART:] += 10  # seen in a third of the parts
    described = image_features(large, normalisation, 1.0, count=5)
    assert described["level 98 %, channel 0"] > 10
    assert abs(described["level 50 %, channel 0"]) < 1
    assert described["density"] == pytest.approx(math.log(6 / (1800 * 1700)))
    even = image_features(large[:, :, :-PART], normalisation, 1.0)
    whole = image_features(large[:, :1000, :1000], normalisation, 1.0)
    assert all(even[name] == pytest.approx(value, abs=0.05) for name, value in whole.items())


def test_a_model_survives_json_and_nothing_else_is_taken_for_one() -> None:
    model, _ = trained("stained")
    assert Familiarity.model_validate_json(model.model_dump_json()) == model
    values = model.model_dump()
    for wrong in ({"names": ("taste",) * len(model.names)}, {"centre": ()}, {"threshold": 0}, {"other": 1}):
        with pytest.raises(ValidationError):
            Familiarity.model_validate({**values, **wrong})


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
