"""Images are described by numbers: holes are passed over, and large images looked at in parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from countception.images.normalise import Normalisation, learn
from countception.simulation.simulate import look_named, simulate
from countception.trust.features import PART, altered_features, image_features


def test_holes_are_passed_over() -> None:
    """What is left of an image is described as where it is cut out."""
    made = simulate(look_named("stained").changed(size=(128, 128), counts=(20, 76)), seed=30)
    image, count = np.moveaxis(made.image, 2, 0), len(made.points)
    normalisation = learn([image])
    holes = np.zeros(image.shape, bool)
    holes[:, 64:] = True
    seen = image_features(np.ma.masked_array(np.where(holes, 255, image), holes), normalisation, 1.0, count=count)
    cut = image_features(image[:, :64], normalisation, 1.0, count=count)
    assert {name: seen[name] for name in cut} == pytest.approx(cut, abs=0.05)
    nothing = image_features(np.ma.masked_array(image, True), normalisation, 1.0)
    assert nothing == {}


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


def test_mishaps() -> None:
    """Half the size is that of the pixels; a single channel has no order, and an image of one pixel no half."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3, 80, 61), np.uint8)
    normalisation = Normalisation((90.0,) * 3, (50.0,) * 3)
    altered = altered_features(image, normalisation, 0.7)
    halved = image[:, :, :60].reshape(3, 40, 2, 30, 2).mean((2, 4), dtype=np.float32)
    assert altered["smaller"] == pytest.approx(image_features(halved, normalisation, 0.7), abs=1e-4)
    assert altered["reversed"] == image_features(np.ascontiguousarray(image[::-1]), normalisation, 0.7)
    assert set(altered_features(image[:1], Normalisation((90.0,), (50.0,)), 1.0)) == {"smaller"}
    assert set(altered_features(image[:, :1, :1], normalisation, 1.0)) == {"reversed"}
    holes = np.broadcast_to(np.arange(61) > 30, image.shape)
    masked = altered_features(np.ma.masked_array(image, holes), normalisation, 1.0)
    cut = altered_features(image[:, :, :30], normalisation, 1.0)
    assert all(masked["smaller"][name] == pytest.approx(value, abs=0.1) for name, value in cut["smaller"].items())


def test_mishaps_of_channels_that_are_chosen() -> None:
    """Those that are shown change places, and no other comes in."""
    image = np.random.default_rng(0).integers(0, 256, (5, 40, 40), np.uint8)
    chosen = Normalisation((90.0,) * 3, (50.0,) * 3, numbers=(0, 2, 3))
    turned = image_features(image[[3, 2, 0]], Normalisation((90.0,) * 3, (50.0,) * 3), 1.0)
    assert altered_features(image, chosen, 1.0)["reversed"] == turned
    assert "reversed" not in altered_features(image[:3], Normalisation((90.0,), (50.0,), numbers=(1,)), 1.0)
