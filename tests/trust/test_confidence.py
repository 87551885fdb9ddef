"""Intervals: ranks by hand, coverage in simulation, sums, and what few images do not support."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from countception.errors import ConfigError
from countception.trust import calibration
from countception.trust.confidence import IntervalModel
from countception.trust.fitting import fit_intervals

LEVELS = (0.8, 0.9, 0.95)


def simulated(
    rng: np.random.Generator, n: int, power: float = 0.7, difficulty: float = 0.4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True counts, counts and spreads: errors grow as a power of the count and with an image's difficulty."""
    true = rng.integers(40, 320, n).astype(np.float64)
    scale = 0.04 * 170 * (true / 170) ** power * np.exp(rng.normal(0, difficulty, n))
    counts = true + scale * rng.normal(size=n)
    return true, counts, 0.3 * scale * np.exp(rng.normal(0, 0.3, n))


def half_width(model: IntervalModel, count: float, spread: float | None, level: float) -> float:
    interval = model.interval(count, spread, level)
    assert interval is not None
    return interval.high - count


@pytest.mark.parametrize(("level", "half"), [(0.9, 9.0), (0.8, 8.0), (0.85, 8.48528), (0.5, 5.0), (0.01, 1.0)])
def test_equal_images_get_the_ranked_error(level: float, half: float) -> None:
    errors = np.array([3, -7, 1, 9, -5, 2, -8, 4, 6])
    equal = fit_intervals(100.0 + errors, np.full(9, 100.0))
    assert half_width(equal, 100, None, level) == pytest.approx(half, rel=1e-4)


def test_coverage_is_nominal_on_average_and_in_thirds_of_the_count() -> None:
    held = {level: np.zeros(3) for level in LEVELS}
    repeats, images = 100, 90
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        model = fit_intervals(*simulated(rng, 40))
        true, counts, spreads = simulated(rng, images)
        third = np.argsort(np.argsort(counts)) * 3 // images
        for level in LEVELS:
            for t, c, u, k in zip(true, counts, spreads, third, strict=True):
                low, high = model.interval(c, u, level) or (math.nan, math.nan)
                held[level][k] += low <= t <= high
    for level, hits in held.items():
        assert hits.sum() / (repeats * images) == pytest.approx(level, abs=0.015)
        assert hits * 3 / (repeats * images) == pytest.approx(level, abs=0.02)


@pytest.mark.parametrize("images", [5, 10, 20])
def test_coverage_is_nominal_with_few_images(images: int) -> None:
    hits: dict[float, list[bool]] = {level: [] for level in LEVELS}
    for seed in range(300):
        rng = np.random.default_rng([seed, images])
        model = fit_intervals(*simulated(rng, images))
        for t, c, u in zip(*simulated(rng, 20), strict=True):
            for level in LEVELS:
                interval = model.interval(c, u, level)
                if interval:
                    hits[level].append(interval.low <= t <= interval.high)
    for level, held in hits.items():
        assert not held or np.mean(held) == pytest.approx(level, abs=0.025)
    assert bool(hits[0.95]) == (images >= 19)
    assert bool(hits[0.9]) == (images >= 9)


def heavy_tailed(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The more crowded an image, the likelier is an error six times as large as the others, which do not grow."""
    true = rng.integers(40, 320, n).astype(np.float64)
    large = rng.random(n) < 0.3 * ((true - 40) / 280) ** 2
    return true, true + np.where(large, 30, 5) * rng.normal(size=n)


def test_intervals_hold_among_crowded_images_whose_errors_have_another_shape() -> None:
    held, alike, number = np.zeros(3), np.zeros(3), np.zeros(3)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        model = fit_intervals(*heavy_tailed(rng, 50))
        uniform = model.model_copy(update={"features": ()})
        true, counts = heavy_tailed(rng, 50)
        third = np.digitize(true, (133, 227))
        for each, hits in ((model, held), (uniform, alike)):
            inside = [abs(t - c) <= half_width(each, c, None, 0.95) for t, c in zip(true, counts, strict=True)]
            hits += np.bincount(third, inside, 3)
        number += np.bincount(third, minlength=3)
    assert held / number == pytest.approx(0.95, abs=0.02)
    assert held.sum() / number.sum() == pytest.approx(0.95, abs=0.005)
    assert alike[2] / number[2] < 0.92, "what a quantile of all images at once gives"


def test_a_model_without_places_takes_all_images_for_alike() -> None:
    model = fit_intervals(*simulated(np.random.default_rng(0), 30))
    old = IntervalModel.model_validate({**model.model_dump(), "features": ()})
    feature = np.log1p(150) - model.centre[0]
    errors = np.exp(np.array(model.log_scores) + np.array(model.exponents)[:, 0] * feature)
    assert half_width(old, 150, None, 0.9) == pytest.approx(np.exp(np.quantile(np.log(errors), 0.9, method="weibull")))


def test_intervals_are_narrower_than_those_of_constant_width() -> None:
    ratios = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        true, counts, spreads = simulated(rng, 40)
        model = fit_intervals(true, counts, spreads)
        _, new, uncertain = simulated(rng, 100)
        widths = [half_width(model, c, u, 0.9) for c, u in zip(new, uncertain, strict=True)]
        constant = np.quantile(np.abs(true - counts), 0.9, method="weibull")  # rank 0.9 (n + 1)
        ratios.append(np.mean(widths) / constant)
    assert np.mean(ratios) < 0.97


def test_hard_images_get_wide_intervals() -> None:
    model = fit_intervals(*simulated(np.random.default_rng(0), 60))
    assert half_width(model, 200, 9.0, 0.9) > 1.5 * half_width(model, 200, 1.0, 0.9)
    assert half_width(model, 300, 3.0, 0.9) > half_width(model, 60, 1.5, 0.9)
    assert half_width(model, 200, 0.0, 0.9) == half_width(model, 200, 1e-9, 0.9) > 0


def test_a_spread_that_says_nothing_is_ignored() -> None:
    true, counts, _ = simulated(np.random.default_rng(1), 30, difficulty=0)
    without, zeros = fit_intervals(true, counts), fit_intervals(true, counts, np.zeros(30))
    assert without == zeros
    assert without.interval(200, 3.0, 0.9) == without.interval(200, 99.0, 0.9) == without.interval(200, None, 0.9)


@given(
    st.lists(st.tuples(*[st.floats(0, 1e4)] * 3), min_size=4, max_size=30),
    st.floats(-5, 1e4),
    st.one_of(st.none(), st.floats(0, 1e3)),
)
@example(images=[(0, 0, 1e-23), (0, 0, 0), (0, 2e-311, 0), (1, 0, 1)], count=0, spread=None)
def test_a_higher_level_gives_a_wider_interval(
    images: list[tuple[float, float, float]], count: float, spread: float | None
) -> None:
    model = fit_intervals(*zip(*images, strict=True))
    found = [model.interval(count, spread, level) for level in (0.3, 0.5, 0.8, 0.9, 0.95)]
    intervals = [interval for interval in found if interval is not None]
    assert intervals
    for inner, outer in pairwise(intervals):
        rounding = 1e-12 * inner.high
        assert 0 <= outer.low <= inner.low + rounding
        assert inner.low <= max(0, count) <= inner.high
        assert inner.high <= outer.high + rounding < math.inf


@pytest.mark.parametrize(("level", "needed"), [(0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_too_few_images_give_no_interval_and_say_so(level: float, needed: int) -> None:
    def model(n: int) -> IntervalModel:
        return fit_intervals(*simulated(np.random.default_rng(n), n))

    enough, few = model(needed), model(needed - 1)
    assert enough.supports(level)
    assert enough.interval(100, None, level) is not None
    assert not few.supports(level)
    assert few.interval(100, None, level) is None
    assert few.total([100, 200], None, level) is None
    assert f"no {100 * level:g} % intervals: they need at least {needed} validation images" in few.note(level)


def test_a_weak_guarantee_is_put_in_words() -> None:
    few, many = (fit_intervals(*simulated(np.random.default_rng(0), n)) for n in (5, 100))
    assert few.note(0.8) == (
        "the 80 % intervals rest on only 5 validation images: in one such case in ten they hold for fewer than 58 % of "
        "new images"
    )
    assert many.note(0.9) == ""
    assert "there are fewer than 3;" in IntervalModel().note(0.9)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_images_support_nothing(n: int) -> None:
    model = fit_intervals(np.full(n, 5.0), np.full(n, 6.0))
    assert model.images == 0
    assert model.interval(5, None, 0.1) is None


def test_the_total_of_one_image_is_its_own() -> None:
    model = fit_intervals(*simulated(np.random.default_rng(0), 30))
    assert model.total([120.0], [2.0], 0.9) == model.interval(120.0, 2.0, 0.9)
    biased = fit_intervals(np.full(9, 110.0), np.full(9, 100.0))
    assert half_width(biased, 100, None, 0.9) == pytest.approx(10)


@given(st.floats(0, 30), st.integers(0, 5), st.floats(0.001, 1))
def test_an_interval_holds_a_whole_number(count: float, seed: int, share: float) -> None:
    """As each true count is one, however small errors of larger counts were."""
    rng = np.random.default_rng(seed)
    true = rng.integers(50, 300, 20).astype(float)
    model = fit_intervals(true, true + 0.01 * np.sqrt(true) * rng.normal(size=20))
    total = model.total([count] * 100, None, 0.9)
    assert total is not None
    assert total.high - total.low >= 2 * 10 * abs(count - round(count)) - 1e-9, "what each lacks adds up in quadrature"
    for interval in (model.interval(count, None, 0.9), model.part(share * count, count, None, 0.9)):
        assert interval is not None
        assert math.floor(interval.high + 1e-9) >= interval.low - 1e-9


@pytest.mark.parametrize("deviation", [0.01, 4.0])
@pytest.mark.parametrize("noise", [-0.49, -0.3, 0.3, 0.49])
def test_what_is_counted_in_empty_images_may_add_up_either_way(noise: float, deviation: float) -> None:
    true = np.random.default_rng(0).integers(50, 300, 20).astype(float)
    model = fit_intervals(true, true + np.random.default_rng(1).normal(0, deviation, 20))
    total = model.total([100.0, *[noise] * 100], None, 0.9)
    assert total is not None
    assert total.low < 100 < total.high


def test_the_total_lies_between_quadrature_and_the_sum_of_intervals() -> None:
    model = fit_intervals(*simulated(np.random.default_rng(0), 30))
    median = math.expm1(model.centre[0])
    halves = {n: np.array([half_width(model, median, 2.0, 0.9)] * n) for n in (4, 40, 4000)}
    for n, each in halves.items():
        total = model.total([median] * n, [2.0] * n, 0.9)
        assert total is not None
        assert np.sqrt(np.square(each).sum()) < (total.high - total.low) / 2 < each.sum()
    assert (total.high - total.low) / 2 / (median * 4000) == pytest.approx(1.70 * model.bias, rel=0.05), "t(29) at 90 %"


def fitted(power: float, n: int = 60) -> tuple[IntervalModel, float]:
    """A model, and the largest count that it knows."""
    true, counts, spreads = simulated(np.random.default_rng(3), n, power)
    return fit_intervals(true, counts, spreads, calibrated=True), float(counts.max())


@given(st.sampled_from([0.0, 0.5, 1.2]), st.integers(2, 5000), st.sampled_from(LEVELS))
def test_a_huge_image_is_no_surer_than_the_images_it_could_be_cut_into(power: float, pieces: int, level: float) -> None:
    model, most = fitted(power)
    whole = half_width(model, pieces * most, None, level)
    cut = model.total([most] * pieces, None, level)
    assert cut is not None
    assert whole >= (cut.high - cut.low) / 2 * (1 - 1e-9)
    assert whole >= 0.99 * model.bias * pieces * most  # what the calibration is off by does not average out


def test_counts_that_are_known_have_the_intervals_of_the_power_law() -> None:
    model, most = fitted(0.5)
    free = model.model_copy(update={"most": None})
    for count in np.linspace(0, most, 7):
        assert model.interval(count, 3.0, 0.9) == free.interval(count, 3.0, 0.9)
    assert half_width(model, 500 * most, None, 0.9) > half_width(free, 500 * most, None, 0.9)


def test_a_region_of_a_huge_image_that_is_all_of_it_has_its_interval() -> None:
    model, most = fitted(0.5)
    count = 300.5 * most
    assert model.part(count, count, 90.0, 0.9) == pytest.approx(model.interval(count, 90.0, 0.9))


def test_totals_of_calibrated_counts_hold_as_often_as_they_say() -> None:
    sizes = (1, 8, 80)
    hits = {(m, level): [] for m in sizes for level in LEVELS}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        true, counts, spreads = simulated(rng, 32)
        new_true, new, uncertain = simulated(rng, 80)
        factor = calibration.fit(0.97 * counts, true, 0.02).factor * 0.97
        model = fit_intervals(true, factor * counts, spreads, calibrated=True)
        for m, level in hits:
            low, high = model.total(factor * new[:m], uncertain[:m], level) or (math.nan, math.nan)
            hits[m, level].append(low <= new_true[:m].sum() <= high)
    for (m, level), held in hits.items():
        assert level - 0.03 < np.mean(held) < level + 0.06, (m, level)


def test_totals_after_a_cross_validation_hold_as_often_as_they_say_though_each_part_had_a_network_of_its_own() -> None:
    """The biases of the parts' networks cancel in the sum of errors; that of the network that counts does not."""
    held: dict[bool, list[bool]] = {True: [], False: []}
    parts = np.repeat(np.arange(5), 2)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        true, new_true = rng.uniform(100, 300, 10), rng.uniform(100, 300, 80)
        biases = 1 + 0.04 * rng.normal(size=6)
        counts = true * biases[parts] * (1 + 0.03 * rng.normal(size=10))
        new = new_true * biases[5] * (1 + 0.03 * rng.normal(size=80))
        for known in held:
            model = fit_intervals(true, counts, calibrated=True, parts=parts.tolist() if known else ())
            low, high = model.total(new, None, 0.8) or (math.nan, math.nan)
            held[known].append(low <= new_true.sum() <= high)
    assert np.mean(held[True]) >= 0.8
    assert np.mean(held[False]) < 0.7, "as if one network had counted them all"


def test_models_of_before_networks_were_counted_are_of_one() -> None:
    values = fit_intervals([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).model_dump()
    del values["networks"]
    assert IntervalModel.model_validate(values).networks == 1


def test_there_must_be_a_part_for_each_count() -> None:
    with pytest.raises(ConfigError, match="3 counts have 2 numbers of parts"):
        fit_intervals([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], parts=[0, 1])


@given(st.floats(0, 500), st.floats(0, 1), st.sampled_from([None, 3.0]), st.sampled_from([0.8, 0.9]))
def test_a_region_has_a_narrower_interval_the_smaller_it_is(
    count: float, share: float, spread: float | None, level: float
) -> None:
    model = fit_intervals(*simulated(np.random.default_rng(4), 20))
    whole = model.interval(count, spread, level)
    assert model.part(count, count, spread, level) == pytest.approx(whole)
    assert whole is not None
    part = model.part(share * count, count, spread, level)
    assert part is not None
    assert part.low <= share * count < part.high
    smaller = model.part(share * count / 2, count, spread, level)
    assert smaller is not None
    to_whole = abs(share * count / 2 - round(share * count / 2))
    assert smaller.high - share * count / 2 <= max(part.high - share * count, to_whole) + 1e-9


def test_regions_hold_as_often_as_they_say_after_a_cross_validation() -> None:
    held: dict[float, list[bool]] = {0.8: [], 0.9: []}
    parts = np.arange(30) % 3
    for seed in range(200):
        rng = np.random.default_rng(seed)
        true = rng.poisson(rng.lognormal(4, 0.5, 30)).astype(float)
        biases = 1 + 0.05 * rng.normal(size=4)
        counts = true * biases[parts] + rng.normal(size=30) * np.sqrt(true)
        model = fit_intervals(true, counts, calibrated=True, parts=parts.tolist())
        widths = []
        for level, hits in held.items():
            inside, rest = rng.poisson(6, 5), rng.poisson(54, 5)
            found = inside * biases[3] + rng.normal(size=5) * np.sqrt(inside)
            for true_part, part in zip(inside, found, strict=True):
                low, high = model.part(part, part + float(rest[0]) * biases[3], None, level) or (math.nan, math.nan)
                hits.append(bool(low <= true_part <= high))
            there = model.part(6.0, 60.0, None, level)
            assert there is not None
            widths.append(there.high)
        assert widths[0] <= widths[1] * 1.05
    for level, hits in held.items():
        assert level - 0.03 < np.mean(hits) < level + 0.08


def test_the_errors_of_regions_add_up_in_quadrature_and_what_is_shared_adds_up() -> None:
    true, counts, _ = simulated(np.random.default_rng(4), 20)
    model = fit_intervals(true, counts)
    half = half_width(model, 199, None, 0.9)
    for bias, quarters in ((0.0, half / 2), (100.0, half / 4)):  # independent errors, errors shared by all
        shared = model.model_copy(update={"bias": bias, "slope": (0.0, 0.0)})
        quarter = shared.part(49, 199, None, 0.9)
        assert quarter is not None
        assert quarter.high - 49 == pytest.approx(quarters)
    assert fit_intervals(true[:5], counts[:5]).part(9, 99, None, 0.9) is None


def test_fitting_a_factor_on_the_same_images_widens_the_intervals() -> None:
    true, counts, spreads = simulated(np.random.default_rng(2), 6)
    plain = fit_intervals(true, counts, spreads)
    careful = fit_intervals(true, counts, spreads, calibrated=True)
    ratio = half_width(careful, 150, 2.0, 0.8) / half_width(plain, 150, 2.0, 0.8)
    assert 1.05 < ratio < 1.6  # about 1 / (1 - 1 / n)


def test_a_model_survives_json_and_nothing_else_is_taken_for_one() -> None:
    model = fit_intervals(*simulated(np.random.default_rng(0), 12))
    assert IntervalModel.model_validate_json(model.model_dump_json()) == model
    values = model.model_dump()
    for wrong in (
        *({key: values[key][1:]} for key in ("log_scores", "exponents", "features")),
        {"bias": -1.0},
        {"bias": math.inf},
        {"other": 1},
    ):
        with pytest.raises(ValidationError):
            IntervalModel.model_validate({**values, **wrong})


def test_what_makes_no_sense_is_refused() -> None:
    model = fit_intervals(*simulated(np.random.default_rng(0), 12))
    for level in (0, 1, 1.5, math.nan):
        with pytest.raises(ConfigError, match="choose one between 0 and 1"):
            model.interval(5, None, level)
    with pytest.raises(ConfigError, match="finite"):
        model.interval(math.nan, None, 0.9)
    with pytest.raises(ConfigError, match="spreads not negative"):
        model.interval(5, -1, 0.9)
    with pytest.raises(ConfigError, match="one per count"):
        fit_intervals([1, 2, 3], [1, 2])
    with pytest.raises(ConfigError, match="one per count"):
        fit_intervals([1, 2], [1, 2], [1])


def totals_held(make: Callable[[np.random.Generator], tuple[IntervalModel, np.ndarray, np.ndarray]]) -> float:
    """Share of 90 % intervals of totals that hold, over 300 draws of a model, true counts and counts."""
    held = []
    for seed in range(300):
        model, true, counts = make(np.random.default_rng(seed))
        low, high = model.total(counts.tolist(), None, 0.9) or (math.nan, math.nan)
        held.append(low <= true.sum() <= high)
    return float(np.mean(held))


def test_totals_of_images_alike_in_count_hold_where_the_bias_grows_with_the_count() -> None:
    def make(rng: np.random.Generator) -> tuple[IntervalModel, np.ndarray, np.ndarray]:
        def drawn(n: int, high: float) -> tuple[np.ndarray, np.ndarray]:
            true = rng.uniform(50, high, n)
            return true, true * (1 + slope * np.log(true / 130)) * (1 + 0.05 * rng.normal(size=n))

        slope = 0.1 * rng.normal()
        true, counts = drawn(50, 300)
        return fit_intervals(true, counts * true.sum() / counts.sum(), calibrated=True), *drawn(30, 90)

    assert totals_held(make) > 0.84


def test_totals_of_errors_with_heavy_tails_hold() -> None:
    def make(rng: np.random.Generator) -> tuple[IntervalModel, np.ndarray, np.ndarray]:
        def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
            true = rng.uniform(50, 300, n)
            return true, true * (1 + 0.03 * rng.normal(size=n) * np.where(rng.random(n) < 0.1, 8, 1))

        true, counts = drawn(50)
        return fit_intervals(true, counts, calibrated=True), *drawn(10)

    assert totals_held(make) > 0.86


@pytest.mark.parametrize(("parts", "images", "apart"), [(2, 50, 0.05), (3, 20, 0.05), (5, 10, 0.02), (5, 20, 0.05)])
def test_totals_after_a_cross_validation_of_many_images_hold(parts: int, images: int, apart: float) -> None:
    def make(rng: np.random.Generator) -> tuple[IntervalModel, np.ndarray, np.ndarray]:
        biases, member = 1 + apart * rng.normal(size=parts + 1), np.repeat(np.arange(parts), images)
        true, new = rng.uniform(50, 200, parts * images), rng.uniform(50, 200, 100)
        counts = true * biases[member] * (1 + 0.05 * rng.normal(size=len(true)))
        factor = true.sum() / counts.sum()
        model = fit_intervals(true, factor * counts, calibrated=True, parts=member.tolist())
        return model, new, factor * new * biases[parts] * (1 + 0.05 * rng.normal(size=100))

    assert 0.85 < totals_held(make) < 0.97


def test_groups_whose_images_err_alike_are_counted_as_groups() -> None:
    def make(rng: np.random.Generator, *, told: bool) -> tuple[IntervalModel, np.ndarray, np.ndarray]:
        group = np.repeat(np.arange(8), 6)
        true, new = rng.uniform(50, 200, 48), rng.uniform(50, 200, 60)
        counts = true * (1 + 0.06 * rng.normal(size=8)[group] + 0.03 * rng.normal(size=48))
        factor = true.sum() / counts.sum()
        model = fit_intervals(true, factor * counts, calibrated=True, groups=list(map(str, group)) if told else ())
        errors = 0.06 * np.repeat(rng.normal(size=10), 6) + 0.03 * rng.normal(size=60)
        return model, new, factor * new * (1 + errors)

    told, untold = totals_held(partial(make, told=True)), totals_held(partial(make, told=False))
    assert told > untold + 0.05
    assert told > 0.8
    model, _, _ = make(np.random.default_rng(0), told=True)
    assert "rest on only 8 groups of validation images" in model.note(0.9)
    with pytest.raises(ConfigError, match="3 counts have 2 groups"):
        fit_intervals([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], groups=["a", "b"])
