from __future__ import annotations

import numpy as np
import pytest

from countception.config import AugmentConfig, NetworkConfig, TrainingConfig
from countception.networks import build
from countception.training.augment import Example
from countception.training.batches import Batches

STRENGTHS = {name: 0.5 for name, field in AugmentConfig.model_fields.items() if field.annotation is float}


@pytest.mark.parametrize(("progress", "same"), [(0.4, False), (0.6, True)])
def test_the_last_crops_are_plain_however_much_all_others_are_changed(progress: float, *, same: bool) -> None:
    pixels = np.random.default_rng(0).normal(size=(2, 64, 64)).astype(np.float32)
    example = Example(pixels, np.array([[20.0, 30.0]]), np.zeros(1, np.int64))
    config = TrainingConfig(batch=1, augment=AugmentConfig(**STRENGTHS, flips=False, overhang=0))
    network = build(NetworkConfig(channels=2, width=0.1))
    canvas, target = Batches([example], config, network).at(0, progress)
    assert np.allclose(canvas[0], pixels, atol=1e-5) is same
    assert target.sum() == network.redundancy or not same
