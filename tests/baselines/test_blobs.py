from __future__ import annotations

import numpy as np
import pytest

from countception.baselines.blobs import Blobs
from countception.baselines.peaks import Peaks, tune
from countception.benchmark.method import Setup
from countception.data.dataset import Sample
from countception.evaluation.matching import match, pooled
from countception.points import Dots


def grid(rng: np.random.Generator, side: int = 64, step: int = 16) -> np.ndarray:
    """Points about `step` apart."""
    places = np.mgrid[step / 2 : side : step, step / 2 : side : step].reshape(2, -1).T
    return places + rng.uniform(-2, 2, places.shape)


def bumps(points: np.ndarray, side: int, sigma: float) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * sigma**2)) for a, b in points)


def discs(seed: int, *, sign: int = 1) -> Sample:
    """Discs of radius 4 in the green channel, on noise."""
    rng = np.random.default_rng(seed)
    points = grid(rng)
    image = rng.normal(120, 4, (3, 64, 64))
    image[1] += sign * 60 * np.minimum(bumps(points, 64, 3.0), 1)
    return Sample(np.clip(image, 0, 255).astype(np.uint8), Dots(points), f"{seed}")


class TestPeaks:
    def test_all_are_found_in_a_clean_map(self) -> None:
        points = grid(np.random.default_rng(0))
        found = Peaks(reach=3, threshold=0.5)(bumps(points, 64, 2.0))
        one = match(points, found, 1.0)
        assert one.f1 == 1

    def test_noise_calls_for_smoothing(self) -> None:
        rng = np.random.default_rng(1)
        dots = [grid(rng) for _ in range(3)]
        maps = [bumps(points, 64, 2.0) + rng.normal(0, 0.4, (64, 64)) for points in dots]
        rough, rough_f1 = tune(maps, dots, 3.0)
        smooth, smooth_f1 = tune(maps, dots, 3.0, sigmas=(0.0, 2.0))
        assert smooth.sigma == 2.0
        assert smooth_f1 > rough_f1 > 0.5
        assert smooth_f1 > 0.9
        again = pooled(match(points, smooth(values), 3.0) for points, values in zip(dots, maps, strict=True))
        assert again.f1 == pytest.approx(smooth_f1)
        assert rough.sigma == 0

    def test_nothing_in_an_empty_map(self) -> None:
        assert Peaks()(np.zeros((8, 8))).shape == (0, 2)
        assert tune([np.zeros((8, 8))], [np.array([[2.0, 3.0]])], 1.0)[1] == 0


class TestBlobs:
    @pytest.mark.parametrize("sign", [1, -1])
    def test_discs_of_either_sign_are_found_in_a_new_image(self, sign: int) -> None:
        training = [discs(seed, sign=sign) for seed in range(2)]
        fitted = Blobs(Setup("vgg", {"images": 1})).fit(training, [], seed=0, report=lambda *_: None)
        new = discs(7, sign=sign)
        found = fitted.points(new)
        assert match(new.dots.points, found, 3.0).f1 > 0.97
        assert fitted.count(new) == len(found)

    def test_a_setting_that_is_none(self) -> None:
        from countception.errors import ConfigError

        with pytest.raises(ConfigError, match="colour"):
            Blobs(Setup("vgg", {"colour": 1}))
