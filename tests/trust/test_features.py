"""Images are described by numbers: holes are passed over, and large images looked at in parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from countception.images.normalise import Normalisation, learn
from countception.simulation.simulate import look_named, simulate
from countception.trust.features import PART, image_features


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
