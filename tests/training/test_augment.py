import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countception.config import AugmentConfig
from countception.geometry import inside
from countception.training.augment import Example, augment

STILL = AugmentConfig(overhang=0, flips=False, zoom=0.0, intensity=0.0, noise=0.0)


def spots(height: int, width: int, seed: int = 0) -> Example:
    """Dark image with a bright 3 × 3 spot at each dot, spots well apart."""
    rng = np.random.default_rng(seed)
    grid = np.argwhere(np.ones((height // 12, width // 12))) * 12.0 + 6
    points = grid[rng.random(len(grid)) < 0.7] + rng.integers(-2, 3, 2)
    image = np.zeros((2, height, width), np.float32)
    for y, x in points.astype(int):
        image[:, y - 1 : y + 2, x - 1 : x + 2] = 1
    return Example(image, points, np.arange(len(points)) % 2)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    zoom=st.sampled_from([0.0, 0.3]),
    shape=st.sampled_from([(96, 96), (130, 60), (48, 200)]),
)
def test_dots_stay_on_their_objects(seed: int, zoom: float, shape: tuple[int, int]) -> None:
    example = spots(*shape, seed=seed)
    crop = augment(example, AugmentConfig(zoom=zoom, intensity=0.0), 64, np.random.default_rng(seed))
    assert crop.image.shape == (2, 64, 64)
    for y, x in crop.points:
        if 2 <= y < 62 and 2 <= x < 62:
            assert crop.image[0, round(y), round(x)] > 0.6
    bright = np.argwhere(crop.image[0] > 0.9)
    for y, x in bright[(bright > 3).all(1) & (bright < 60).all(1)]:
        assert np.abs(crop.points - [y, x]).max(1).min() < 3.5


def test_a_small_image_is_shown_whole() -> None:
    example = spots(40, 50)
    crop = augment(example, AugmentConfig(zoom=0.0, intensity=0.0), 96, np.random.default_rng(3))
    assert len(crop.points) == len(example.points)
    assert crop.image.sum() == pytest.approx(example.image.sum(), rel=1e-4)
    assert len(crop.labels) == len(crop.points)


def test_labels_go_with_their_dots() -> None:
    example = spots(96, 96)
    image = np.zeros((2, 96, 96), np.float32)
    for (y, x), label in zip(example.points.astype(int), example.labels, strict=True):
        image[label, y, x] = 1
    painted = Example(image, example.points, example.labels)
    crop = augment(painted, AugmentConfig(zoom=0.0, intensity=0.0), 64, np.random.default_rng(1))
    assert len(crop.points) > 3
    for (y, x), label in zip(crop.points, crop.labels, strict=True):
        assert crop.image[label, round(y), round(x)] == 1


def test_dots_on_the_edges_of_pixels_are_in_one_crop_and_turning_loses_none() -> None:
    """As of programs that place dots at the corners of pixels."""
    side, n = 8, 3
    grid = np.stack(np.meshgrid(*[np.arange(side * n) - 0.5] * 2, indexing="ij"), -1).reshape(-1, 2)
    example = Example(np.zeros((1, side * n, side * n), np.float32), grid, np.zeros(len(grid), np.int64))
    for seed in range(30):
        crop = augment(example, AugmentConfig(overhang=0, zoom=0.0, intensity=0.0), side, np.random.default_rng(seed))
        assert len(crop.points) == side**2
        assert inside(crop.points, (side, side)).all()


def test_no_change_asked_for_is_none_made() -> None:
    example = spots(64, 64)
    crop = augment(example, STILL, 64, np.random.default_rng(0))
    np.testing.assert_allclose(crop.image, example.image, atol=1e-6)
    np.testing.assert_allclose(crop.points, example.points)


def test_light_changes_contrast_and_brightness_of_each_channel() -> None:
    example = spots(64, 64)
    crop = augment(example, STILL.model_copy(update={"intensity": 0.3}), 64, np.random.default_rng(0))
    lines = [np.polyfit(old.ravel(), new.ravel(), 1) for old, new in zip(example.image, crop.image, strict=True)]
    for (contrast, brightness), old, new in zip(lines, example.image, crop.image, strict=True):
        np.testing.assert_allclose(new, contrast * old + brightness, atol=1e-5)
        assert abs(contrast - 1) > 0.01
        assert abs(brightness) > 0.01
    assert np.abs(lines[0] - lines[1]).min() > 0.01
    np.testing.assert_allclose(crop.points, example.points)


def test_noise_is_of_the_image_only_and_no_stronger_than_asked_for() -> None:
    example = spots(64, 64)
    config, rng = STILL.model_copy(update={"noise": 0.3}), np.random.default_rng(0)
    crops = [augment(example, config, 64, rng) for _ in range(30)]
    deviations = [float((crop.image - example.image).std()) for crop in crops]
    assert 0.2 < max(deviations) < 0.32
    assert min(deviations) < 0.1
    np.testing.assert_allclose(crops[0].points, example.points)


@pytest.mark.parametrize("overhang", [0, 8])
def test_crops_reach_so_far_beyond_the_image_and_see_zeros_there(overhang: int) -> None:
    example = Example(np.ones((1, 64, 64), np.float32), np.zeros((0, 2)), np.zeros(0, np.int64))
    config, rng = STILL.model_copy(update={"overhang": overhang}), np.random.default_rng(0)
    crops = [augment(example, config, 32, rng).image[0] for _ in range(200)]
    assert max(int((crop == 0).all(axis).sum()) for crop in crops for axis in (0, 1)) == overhang
