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


def batches(images: int, *, batch: int, full: bool) -> Batches:
    pixels = np.zeros((1, 32, 32), np.float32)
    examples = [Example(pixels, np.zeros((0, 2)), np.zeros(0, np.int64))] * images
    config = TrainingConfig(batch=batch, full_batches=full)
    return Batches(examples, config, build(NetworkConfig(channels=1, width=0.1)))


@pytest.mark.parametrize(("images", "batch"), [(1, 4), (3, 4), (5, 4), (10, 4), (25, 8)])
def test_full_batches_show_all_images_equally_often(images: int, batch: int) -> None:
    made = batches(images, batch=batch, full=True)
    shown = [made.chosen(step) for step in range(images)]
    assert {len(each) for each in shown} == {batch}
    in_turn = np.concatenate(shown).reshape(batch, images)
    assert all(sorted(epoch) == list(range(images)) for epoch in in_turn.tolist())
    assert made.per_epoch == images / batch
    assert len(made.at(0, 0.0)[0]) == batch


def test_otherwise_an_epoch_ends_with_what_is_left() -> None:
    made = batches(5, batch=4, full=False)
    shown = [made.chosen(step) for step in range(6)]
    assert [len(each) for each in shown] == [4, 1] * 3
    assert all(sorted(shown[k] + shown[k + 1]) == list(range(5)) for k in (0, 2, 4))
    assert made.per_epoch == 2


def test_batches_that_divide_the_images_are_the_same_either_way() -> None:
    full, plain = (batches(8, batch=4, full=each) for each in (True, False))
    assert [full.chosen(step) for step in range(9)] == [plain.chosen(step) for step in range(9)]
