"""Simulated bad dots: of one annotator, and of several combined."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countception.benchmark.annotators import Annotator, annotate_all, combine, combine_all
from countception.benchmark.noisy_dots import displaced, noisy
from countception.errors import ConfigError
from countception.geometry import inside
from countception.points import Dots

sys.path.insert(0, str(Path(__file__).parents[1] / "baselines"))
from helpers_cells import cells


class TestNoisyDots:
    @given(st.floats(0, 40), st.integers(0, 99))
    def test_dots_stay_near_and_on_the_image(self, distance: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        points = rng.uniform(0, 19, (30, 2))
        moved = displaced(points, (20, 24), distance, rng)
        assert inside(moved, (20, 24)).all()
        assert np.linalg.norm(moved - points, axis=1).max() <= distance + 1e-9

    def test_places_fill_the_disc_evenly(self) -> None:
        points = np.full((20_000, 2), 500.0)
        away = displaced(points, (1000, 1000), 10.0, np.random.default_rng(0)) - points
        radius = np.linalg.norm(away, axis=1)
        assert (radius < 5).mean() == pytest.approx(0.25, abs=0.02)
        np.testing.assert_allclose(away.mean(0), 0, atol=0.2)

    @pytest.mark.parametrize("missing", [0.0, 0.1, 0.2, 1.0])
    def test_the_share_is_missing(self, missing: float) -> None:
        samples = cells(5)
        for before, after in zip(samples, noisy(samples, missing=missing), strict=True):
            assert len(after.dots) == len(before.dots) - round(missing * len(before.dots))
            assert {tuple(p) for p in after.dots.points} <= {tuple(p) for p in before.dots.points}
            assert after.image is before.image

    def test_the_seed_decides_and_larger_shares_contain_smaller_ones(self) -> None:
        samples = cells(4)
        one, again = noisy(samples, distance=4, seed=1), noisy(samples, distance=4, seed=1)
        other = noisy(samples, distance=4, seed=2)
        for a, b, c in zip(one, again, other, strict=True):
            np.testing.assert_array_equal(a.dots.points, b.dots.points)
            assert not np.array_equal(a.dots.points, c.dots.points)
        fewer, more = noisy(samples, missing=0.3), noisy(samples, missing=0.1)
        for a, b in zip(fewer, more, strict=True):
            assert {tuple(p) for p in a.dots.points} <= {tuple(p) for p in b.dots.points}

    @pytest.mark.parametrize("change", [{"distance": -1.0}, {"missing": 1.2}, {"missing": -0.1}])
    def test_nonsense_is_refused(self, change: dict[str, float]) -> None:
        with pytest.raises(ConfigError):
            noisy(cells(1), **change)  # type: ignore[arg-type]


class TestAnnotators:
    def test_misses_and_doubles_come_at_their_rates(self) -> None:
        dots = Dots(np.random.default_rng(0).uniform(0, 999, (10_000, 2)))
        rng = np.random.default_rng(1)
        assert len(Annotator(0, 0.2, 0).annotate(dots, (1000, 1000), rng)) == pytest.approx(8000, abs=150)
        assert len(Annotator(0, 0, 0.1).annotate(dots, (1000, 1000), rng)) == pytest.approx(11_000, abs=150)
        jittered = Annotator(3.0, 0, 0).annotate(dots, (1000, 1000), rng)
        assert (jittered.points - dots.points).std() == pytest.approx(3, abs=0.1)
        assert inside(jittered.points, (1000, 1000)).all()

    def test_combining_restores_what_single_annotators_spoil(self) -> None:
        samples = cells(6, side=160)
        annotated = annotate_all(samples, [Annotator(1.0, 0.2, 0.1)] * 5, seed=0)
        combined = combine_all(annotated, reach=6.0)

        def error(versions: list) -> float:
            pairs = zip(versions, samples, strict=True)
            return float(np.mean([abs(len(v.dots) - len(s.dots)) / len(s.dots) for v, s in pairs]))

        assert error(combined) < 0.5 * min(error(versions) for versions in annotated)
        assert [version.name for version in combined] == [sample.name for sample in samples]

    def test_annotators_differ_and_the_seed_decides(self) -> None:
        samples = cells(2)
        first, second = annotate_all(samples, [Annotator()] * 2, seed=3)
        again, _ = annotate_all(samples, [Annotator()] * 2, seed=3)
        assert not np.array_equal(first[0].dots.points, second[0].dots.points)
        np.testing.assert_array_equal(first[0].dots.points, again[0].dots.points)

    def test_votes_decide(self) -> None:
        a = Dots(np.array([[10.0, 10.0], [30.0, 30.0]]))
        b = Dots(np.array([[11.0, 10.0], [50.0, 50.0]]))
        c = Dots(np.array([[12.0, 10.0], [12.5, 10.0], [50.0, 52.0]]))
        majority = combine([a, b, c], reach=4)
        np.testing.assert_allclose(majority.points[np.argsort(majority.points[:, 0])], [[11, 10], [50, 51]])
        assert len(combine([a, b, c], reach=4, votes=1)) == 4  # what one marked twice is two objects
        assert len(combine([a, b, c], reach=4, votes=3)) == 1

    def test_one_annotator_marking_twice_is_one_vote(self) -> None:
        twice, none = Dots(np.array([[5.0, 5.0], [6.0, 5.0]])), Dots(np.zeros((0, 2)))
        assert len(combine([twice, none, none], reach=4)) == 0
        assert len(combine([none, none], reach=4)) == 0

    def test_objects_closer_than_the_reach_stay_apart(self) -> None:
        """Two overlapping cells that three annotators marked, in any order."""
        truth = np.array([[20.0, 20.0], [23.0, 20.0]])
        marked = [Dots((truth + shift)[::step]) for shift, step in ((0.5, 1), (-0.5, -1), (0.0, 1))]
        places = combine(marked, reach=6).points
        np.testing.assert_allclose(places[np.argsort(places[:, 0])], truth)

    def test_classes_are_kept_apart(self) -> None:
        points, names = np.array([[5.0, 5.0], [6.0, 5.0]]), ("red", "blue")
        both = combine([Dots(points, np.array([0, 1]), names)] * 2, reach=4)
        assert both.class_names == names
        np.testing.assert_array_equal(both.labels, [0, 1])
        np.testing.assert_allclose(both.points, points)

    @pytest.mark.parametrize("change", [{"jitter": -1.0}, {"misses": 2.0}, {"doubles": -0.5}])
    def test_nobody_annotates_like_that(self, change: dict[str, float]) -> None:
        with pytest.raises(ConfigError):
            Annotator(**change)
