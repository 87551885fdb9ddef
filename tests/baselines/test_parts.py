"""The parts that the baselines are made of."""

from __future__ import annotations

import numpy as np
import pytest
from helpers_cells import cells
from hypothesis import given
from hypothesis import strategies as st

from countception.baselines import arteta, fiaschi, lempitsky, proximity, words
from countception.baselines.base import Eye
from countception.baselines.proximity import REACHES, THRESHOLDS, best_peak, spacing_for
from countception.benchmark.method import Setup
from countception.config import ScaleConfig
from countception.data.dataset import Sample
from countception.networks.proximity import Proximity, peaks, proximity_map
from countception.points import Dots


class TestEye:
    def test_sees_the_channel_that_carries_the_signal(self) -> None:
        samples = cells(6, noise=1.0)
        eye = Eye.learn(samples)
        planes = np.concatenate([eye.planes(sample).reshape(len(eye.axes), -1) for sample in samples], 1)
        signal = np.concatenate([sample.image[2].ravel() for sample in samples])
        assert len(eye.axes) == 1
        assert planes[0].mean() == pytest.approx(0, abs=1e-3)
        assert planes[0].std() == pytest.approx(1, abs=1e-2)
        assert np.corrcoef(planes[0], signal)[0, 1] > 0.99

    @pytest.mark.parametrize(("apart", "scale"), [(34, 0.5), (20, 1.0), (14, 1.0), (9, 2.0)])
    def test_halves_or_doubles_until_dots_are_as_far_apart_as_in_vgg(self, apart: int, scale: float) -> None:
        y, x = np.mgrid[:8, :8].reshape(2, -1) * apart
        image = np.random.default_rng(0).integers(0, 255, (1, 8 * apart, 8 * apart), np.uint8)
        sample = Sample(image, Dots(np.stack([y, x], 1).astype(float)), "grid")
        eye = Eye.learn([sample])
        assert eye.scale == scale
        planes = eye.planes(sample)
        assert planes.shape == (1, 8 * apart * scale, 8 * apart * scale)
        assert eye.density(sample, planes.shape[1:], 3.0).sum() == pytest.approx(64, rel=1e-5)


class TestDenseSift:
    image = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)

    def test_descriptors_are_of_unit_length_and_clipped(self) -> None:
        found = words.dense_sift(self.image)
        assert found.shape == (40, 50, 128)
        np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, atol=0.02)
        assert found.min() >= 0

    def test_light_and_contrast_do_not_matter(self) -> None:
        np.testing.assert_allclose(words.dense_sift(3 * self.image + 7), words.dense_sift(self.image), atol=0.01)

    def test_moves_with_the_image(self) -> None:
        whole, part = words.dense_sift(self.image), words.dense_sift(self.image[5:, 3:])
        np.testing.assert_allclose(part[9:-9, 9:-9], whole[5:, 3:][9:-9, 9:-9], atol=1e-4)

    def test_a_flipped_image_has_the_same_descriptors_with_bins_flipped(self) -> None:
        """So descriptors are centred on their pixels: the last row mirrors the first."""
        flipped = words.dense_sift(self.image[::-1])[::-1].reshape(40, 50, 4, 4, 8)
        turned = flipped[:, :, ::-1][..., (-np.arange(8)) % 8]
        np.testing.assert_allclose(turned.reshape(40, 50, 128), words.dense_sift(self.image), atol=1e-4)

    def test_an_edge_is_of_one_orientation(self) -> None:
        ramp = np.tile(np.arange(30, dtype=np.float32), (30, 1))
        found = words.dense_sift(ramp)[15, 15].reshape(16, 8)
        assert found[:, 0].sum() > 0.99 * found.sum()
        assert not words.dense_sift(np.ones((9, 9), np.float32)).any()


class TestFiaschi:
    def test_eigenvalues(self) -> None:
        yy, xx, yx = np.random.default_rng(0).normal(size=(3, 5, 6)).astype(np.float32)
        expected = np.linalg.eigvalsh(np.stack([np.stack([yy, yx], -1), np.stack([yx, xx], -1)], -1))
        larger, smaller = fiaschi.eigenvalues(yy, xx, yx)
        np.testing.assert_allclose(np.stack([smaller, larger], -1), expected, atol=1e-5)

    @pytest.mark.parametrize("step", [1, 2, 3])
    @pytest.mark.parametrize("shape", [(1, 1), (12, 17), (3, 30)])
    def test_patches_cut_from_a_density_average_to_it(self, step: int, shape: tuple[int, int]) -> None:
        density = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
        cut = fiaschi._windows(density, 7)[::step, ::step]
        patches = cut.reshape(*cut.shape[:2], -1)
        found = fiaschi.average(patches.astype(float), shape, fiaschi.Options(step=step, patch=7))
        np.testing.assert_allclose(found, density, rtol=1e-6)

    def test_patches_at_the_border_are_no_emptier_than_others(self) -> None:
        assert (fiaschi._windows(np.full((9, 4), 0.3, np.float32), 7) == np.float32(0.3)).all()

    def test_one_feature_of_each_kind_for_each_plane_and_scale(self) -> None:
        planes = np.random.default_rng(0).normal(size=(2, 9, 11)).astype(np.float32)
        local = fiaschi.features(planes)
        assert local.shape == (9, 11, 2 * 7 * len(fiaschi.SCALES))
        both = fiaschi.features(planes, sift=True)
        np.testing.assert_array_equal(both[..., : local.shape[-1]], local)
        np.testing.assert_array_equal(both[..., local.shape[-1] :], words.dense_sift(planes[0]))


class TestArteta:
    @given(st.integers(1, 13), st.integers(1, 13), st.integers(0, 99))
    def test_cells_hold_every_pixel_once(self, height: int, width: int, seed: int) -> None:
        drawn = np.random.default_rng(seed).integers(0, 5, (height, width))
        counted = arteta.cell_histograms(drawn, 5)
        np.testing.assert_array_equal(counted.sum((0, 1)), np.bincount(drawn.ravel(), minlength=5))
        for k in range(5):
            np.testing.assert_array_equal(counted[..., k], arteta.cell_sums(drawn == k)[..., 0])

    def test_smoothing_keeps_the_sum(self) -> None:
        values = np.random.default_rng(0).uniform(size=(6, 9, 3))
        found = arteta.smoothed(values, 12.0)
        np.testing.assert_allclose(found.sum(0), values.sum((0, 1)))
        assert found.std() < 0.5 * values.std()

    def test_whitened_patches_have_equal_variance(self) -> None:
        samples = cells(4)
        planes = [Eye.learn(samples).planes(sample) for sample in samples]
        whitened = arteta.Whitened.learn(planes, arteta.Options(components=6), seed=0)
        found = np.concatenate([whitened(each).reshape(-1, 6) for each in planes])
        np.testing.assert_allclose(found.mean(0), 0, atol=0.1)
        np.testing.assert_allclose(found.std(0), 1, atol=0.15)


def test_ridge_of_words_is_the_mean_density_shrunk() -> None:
    """Against the general solution of the same least squares."""
    drawn = np.random.default_rng(0).integers(0, 6, (20, 20))
    density = np.random.default_rng(1).uniform(size=(20, 20)).astype(np.float32)
    method = lempitsky.LempitskyRidge(Setup(settings={"strengths": [0.1]}))
    (found,) = method.learn([lempitsky.mesa.Image(drawn, density)], 6, lambda *_: None)
    x = np.eye(6)[drawn.ravel()]
    expected = np.linalg.solve(x.T @ x + 10 * np.eye(6), x.T @ density.ravel())
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class TestProximity:
    def test_cones(self) -> None:
        cone = proximity_map(np.array([[10.0, 12.0]]), (21, 25))
        assert cone[10, 12] == 1
        assert cone[10, 15] == pytest.approx(1 / (1 + 0.8 * 3))
        assert cone[10, 17] > 0
        assert cone[10, 18] == 0
        assert cone[14, 16] == 0  # 5.7 pixels away: cones are round
        assert not proximity_map(np.zeros((0, 2)), (4, 5)).any()

    def test_every_dot_is_a_peak_of_its_map(self) -> None:
        rng = np.random.default_rng(0)
        grid = np.mgrid[0:90:9, 0:80:8].reshape(2, -1).T
        points = grid[rng.permutation(len(grid))[:60]].astype(float)
        found = peaks(proximity_map(points, (90, 80)), 0.4, 2)
        assert {tuple(place) for place in np.argwhere(found)} == {tuple(place) for place in points.astype(int)}

    def test_a_plateau_is_one_peak_and_low_ground_none(self) -> None:
        heights = np.full((12, 12), 0.1, np.float32)
        heights[3:5, 3:6] = 0.9
        assert peaks(heights, 0.5, 2).sum() == 1
        assert peaks(heights, 0.95, 2).sum() == 0

    def test_counts_peaks_in_evaluation_only(self) -> None:
        from countception.config import NetworkConfig

        network = Proximity(NetworkConfig(stride=1, width=0.1))
        raw = network.target(np.array([[4.0, 4.0], [4.0, 9.0], [11.0, 2.0]]), (16, 16))
        import torch

        tensor = torch.from_numpy(raw)[None, None]
        assert network.train().redundant(tensor) is tensor
        assert float(network.eval().redundant(tensor).sum()) / network.redundancy == 3

    @pytest.mark.parametrize("magnified", [1.0, 3.0])
    def test_crowded_objects_are_shown_larger(self, magnified: float) -> None:
        grid = np.stack(np.meshgrid(np.arange(0, 200, 20.0), np.arange(0, 200, 20.0)), -1).reshape(-1, 2) * magnified
        beside = grid[: len(grid) // 4] + 4.0 * magnified
        assert spacing_for([grid, grid]) == spacing_for([beside[:1]]) == ScaleConfig().spacing
        assert spacing_for([np.concatenate([grid, beside])]) == proximity.SPACING

    def test_what_counts_as_a_peak_is_what_counts_best(self) -> None:
        rng = np.random.default_rng(0)
        maps = [rng.random((40, 50)).astype(np.float32) for _ in range(2)]
        for threshold in THRESHOLDS[::25]:
            for reach in REACHES:
                true = [float(peaks(one, threshold, reach).sum()) for one in maps]
                chosen = best_peak(maps, true)
                assert [float(peaks(one, *chosen).sum()) for one in maps] == true

    def test_the_choice_is_made_at_each_evaluation_and_kept_with_its_weights(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chosen = []

        def choose(*_: object) -> tuple[float, int]:
            chosen.append((0.3 + 0.05 * len(chosen), 2))
            return chosen[-1]

        monkeypatch.setattr(proximity, "best_peak", choose)
        samples = cells(4)
        settings = {"steps": 20, "crop": 32, "batch": 1, "width": 0.1}
        method = proximity.ProximityMethod(Setup("vgg", settings))
        fitted = method.fit(samples[:2], samples[2:], seed=0, report=lambda *_: None)
        curve = fitted.facts.curve
        best = min(range(13, 20), key=lambda k: curve[k].valid_mae)  # of the last three tenths
        assert len(chosen) == len(curve) == 20
        assert tuple(fitted.network.peak.tolist()) == chosen[best]
