import numpy as np
import pytest

from countception.trust.calibration import fit


def test_a_certain_bias_is_removed() -> None:
    true = np.linspace(50, 300, 100)
    predicted = 0.96 * true + np.random.default_rng(0).normal(0, 1, 100)
    fitted = fit(predicted, true, 0.04)
    assert fitted.factor == pytest.approx(1 / 0.96, rel=0.003)
    assert fitted.images == 100


def test_an_uncertain_bias_is_shrunk() -> None:
    fitted = fit([80, 130, 95], [100, 100, 100], 0.04)
    assert 0 < abs(fitted.factor - 1) < abs(fitted.ratio - 1)
    assert fitted.standard_error > 0.05


def test_the_prior_says_how_far_few_images_are_believed() -> None:
    strict, usual, trusting = (fit([90, 85, 97], [100, 100, 100], prior) for prior in (0.01, 0.04, 10.0))
    assert 1 < strict.factor < usual.factor < trusting.factor
    assert trusting.factor == pytest.approx(trusting.ratio, rel=1e-3)


@pytest.mark.parametrize(("predicted", "true"), [([5.0], [9.0]), ([0.0, 0.0], [3.0, 4.0]), ([1.0, 2.0], [0.0, 0.0])])
def test_nothing_to_go_by_leaves_counts_alone(predicted: list[float], true: list[float]) -> None:
    assert fit(predicted, true, 0.04).factor == 1.0
