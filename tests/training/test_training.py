"""Training really trains, repeats itself, survives being killed, and refuses what cannot be trained on."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
import torch
from safetensors.torch import save as serialise

import tiny
from countception.config import recipe, updated
from countception.counting import predict
from countception.counting.counter import Counter
from countception.counting.tensor_file import read_tensors
from countception.data.dataset import Sample
from countception.data.splits import split_off
from countception.errors import ConfigError, CountceptionError, DatasetError, ImageError, ModelFileError, OutputError
from countception.evaluation.evaluation import evaluate
from countception.evaluation.matching import match, pooled
from countception.networks.folded import one_pass_works
from countception.points import Dots
from countception.results.batch import count_files
from countception.training import Progress, checkpoint_path, configure, loop, train
from countception.training.losses import place_loss
from countception.training.prepare import prepare
from countception.training.schedule import Length, evaluations_due, learning_rate
from countception.training.state import identify
from countception.trust.metrics import predict_average_mae
from helpers_blobs import QUICK, blobs, quick

HERE = Path(__file__).parents[1]


def weights(counter: Counter) -> dict[str, torch.Tensor]:
    return counter.model.network.state_dict()


def same(a: Counter, b: Counter) -> bool:
    return all(torch.equal(value, weights(b)[name]) for name, value in weights(a).items())


def mae(counter: Counter, samples: list[Sample]) -> float:
    counts = [counter.count(np.moveaxis(sample.image, 0, -1)).value for sample in samples]
    return float(np.mean([abs(c - len(s.dots)) for c, s in zip(counts, samples, strict=True)]))


def test_the_loss_on_places_compares_the_corners_of_windows() -> None:
    rng = np.random.default_rng(0)
    k, d = 8, 3
    dots = np.zeros((2, 20 + 2 * k, 24 + 2 * k))
    dots[:, k:-k, k:-k] = rng.random((2, 20, 24)) < 0.05
    counts = np.zeros((2, 20 + k, 24 + k))  # entry j counts the k cells before cell j
    corners = np.zeros((2, 20 + k - d, 24 + k - d))
    for y, x in np.ndindex(*counts.shape[1:]):
        counts[:, y, x] = dots[:, y : y + k, x : x + k].sum((1, 2))
    for y, x in np.ndindex(*corners.shape[1:]):
        box = {(i, j): dots[:, y + i : y + i + d, x + j : x + j + d].sum((1, 2)) for i in (0, k) for j in (0, k)}
        corners[:, y, x] = box[0, 0] - box[k, 0] - box[0, k] + box[k, k]
    first, second = torch.from_numpy(counts)[:, None]
    assert float(place_loss(first, second, d)) == pytest.approx(np.square(corners[0] - corners[1]).mean())
    assert float(place_loss(first, first, d)) == 0


@pytest.mark.slow
def test_the_loss_on_places_sharpens_points() -> None:
    data, valid, test = blobs(8), blobs(4, seed=1), blobs(6, seed=2)
    f1 = []
    for weight in (0.0, 2.0):
        changes = {**QUICK, "network.window": 32, "training.steps": 60, "training.places": weight}
        counter = train(data, valid=valid, changes=changes)
        counts = [counter.count(np.moveaxis(sample.image, 0, -1), points=True) for sample in test]
        found = [count.points.points for count in counts if count.points is not None]
        f1.append(pooled(match(s.dots.points, points, 2.0) for s, points in zip(test, found, strict=True)).f1)
    assert f1[1] > f1[0] + 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "steps", "share"),
    [("boxnet", 300, 0.35), ("count_ception", 60, 0.7), ("count_ception_gaussian", 60, 0.7), ("fcrn_a", 120, 0.7)],
)
def test_every_network_learns_to_count(network: str, steps: int, share: float) -> None:
    """Far better than predicting the average, on images it has not seen."""
    changes = {**quick(network), "training.steps": steps, "network.width": 0.5}
    if network.startswith("count_ception"):
        changes["training.augment.crop"] = 32
    counter = train(blobs(12), valid=blobs(6, seed=1), changes=changes)
    test = blobs(20, seed=2)
    average = predict_average_mae([len(s.dots) for s in test], counter.model.trained_on["mean_count"])
    assert mae(counter, test) < share * average


@pytest.mark.parametrize("stride", [6, 9])
def test_strides_that_do_not_divide_the_window_are_learned_with(stride: int) -> None:
    changes = {**quick("count_ception"), "network.stride": stride, "training.steps": 1}
    counter = train(blobs(2), valid=blobs(1, seed=1), changes=changes)
    assert [record.step for record in counter.history] == [1]


@pytest.mark.slow
def test_classes_are_counted_apart() -> None:
    data = blobs(12, channels=2, classes=2)
    changes = {**QUICK, "training.steps": 400, "network.width": 0.5}
    counter = train(data, valid=blobs(6, seed=1, channels=2, classes=2), changes=changes)
    errors, totals = [], []
    for sample in blobs(10, seed=2, channels=2, classes=2):
        count = counter.count(np.moveaxis(sample.image, 0, -1))
        true = np.bincount(sample.dots.labels, minlength=2)
        assert list(count.by_class) == ["kind 0", "kind 1"]
        assert sum(count.by_class.values()) == pytest.approx(count.value)
        errors.append(np.abs(np.array(list(count.by_class.values())) - true).mean())
        totals.append(true)
    assert np.mean(errors) < 0.6 * np.abs(np.array(totals) - np.mean(totals)).mean()


def test_a_seed_decides_everything() -> None:
    first = train(blobs(6), changes=QUICK)
    assert same(first, train(blobs(6), changes=QUICK))
    assert not same(first, train(blobs(6), changes={**QUICK, "training.seed": 1}))


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_result(tmp_path: Path) -> None:
    """`kill -9` in the middle, then resume: weights, curve and calibration are those of an undisturbed training."""
    changes = {**QUICK, "training.steps": 60, "training.evaluations": 12}
    out = tmp_path / "killed.count"
    script = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
from helpers_blobs import blobs
from countception.training import loop, train
loop.CHECKPOINT_SECONDS = 0.0
train(blobs(8), changes={changes!r}, out={str(out)!r})
"""
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
    checkpoint = Path(f"{out}.checkpoint")
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not out.exists()

    steps: list[int] = []
    resumed = train(blobs(8), changes=changes, out=out, resume=True, report=lambda p: steps.append(p.step))
    straight = train(blobs(8), changes=changes)
    assert steps[0] > 1, "it began anew instead of going on"
    assert same(resumed, straight)
    assert resumed.model.calibration == straight.model.calibration
    curves = [[(r.step, r.loss, r.valid_mae) for r in counter.history] for counter in (resumed, straight)]
    assert curves[0] == curves[1]
    assert not checkpoint.exists()


def test_ctrl_c_keeps_the_best_so_far_and_can_be_resumed(tmp_path: Path) -> None:
    out = tmp_path / "model.count"
    changes = {**QUICK, "training.steps": 20}

    def interrupt(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    stopped = train(blobs(6), changes=changes, out=out, report=interrupt)
    assert stopped.interrupted
    assert Counter.load(out).model.trained_on["steps"] == 5
    assert Counter.load(out).model.trained_on["pixel_type"] == "uint8"
    with pytest.raises(ConfigError, match="unfinished training"):
        train(blobs(6), changes=changes, out=out)
    finished = train(blobs(6), changes=changes, out=out, resume=True)
    assert not finished.interrupted
    assert same(finished, train(blobs(6), changes=changes))


@pytest.mark.parametrize("folds", [None, 2])
def test_half_a_training_never_takes_the_place_of_a_finished_model(tmp_path: Path, folds: int | None) -> None:
    out = tmp_path / "model.count"
    train(blobs(6), changes=QUICK, out=out)
    former = out.read_bytes()
    changes = {**QUICK, "training.steps": 20}

    def interrupt(share: float) -> Callable[[Progress], None]:
        def report(progress: Progress) -> None:
            if progress.done >= share:
                raise KeyboardInterrupt

        return report

    for share, resume in ((0.3, False), (0.6, True)):  # the second with folds after the training on all images
        stopped = train(blobs(6), changes=changes, folds=folds, out=out, report=interrupt(share), resume=resume)
        assert stopped.interrupted
        assert out.read_bytes() == former
    finished = train(blobs(6), changes=changes, folds=folds, out=out, resume=True)
    assert not finished.interrupted
    assert Counter.load(out).model.identity == finished.model.identity
    assert [path.name for path in tmp_path.iterdir()] == ["model.count"]


def test_a_model_that_somebody_removes_meanwhile_is_none_to_be_left(tmp_path: Path) -> None:
    out = tmp_path / "model.count"
    train(blobs(6), changes=QUICK, out=out)
    changes = {**QUICK, "training.steps": 20}
    for step, resume in ((6, False), (12, True)):

        def interrupt(progress: Progress, step: int = step) -> None:
            if progress.step == step:
                if step == 6:
                    out.unlink(missing_ok=True)
                raise KeyboardInterrupt

        train(blobs(6), changes=changes, out=out, report=interrupt, resume=resume)
        assert Counter.load(out).model.trained_on["steps_in_all"] == step


def test_ctrl_c_while_the_errors_are_counted_loses_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "model.count"
    with monkeypatch.context() as patched:
        patched.setattr("countception.training.fit.counted", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(blobs(6), changes=QUICK, out=out)
    steps: list[int] = []
    resumed = train(blobs(6), changes=QUICK, out=out, resume=True, report=lambda progress: steps.append(progress.step))
    assert steps == []
    assert same(resumed, train(blobs(6), changes=QUICK))


def test_an_evaluation_in_which_the_time_runs_out_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, lasting = [0.0], iter([0.1, 8.0])
    monkeypatch.setattr("countception.training.loop.time.monotonic", lambda: clock[0])

    def count(*args: Any, **options: Any) -> list[float]:
        clock[0] += next(lasting)
        counts = count_all(*args, **options)
        return [value + 100 * clock[0] for value in counts]  # the first is the best

    count_all = loop.count_all
    monkeypatch.setattr(loop, "count_all", count)

    def step(_: Progress) -> None:
        clock[0] += 1.0

    changes = {**QUICK, "training.steps": None, "training.seconds": 12.0, "training.evaluations": 4, "calibrate": False}
    counter = train(blobs(6), changes=changes, report=step)
    assert len(counter.history) == 2
    assert counter.model.trained_on["steps"] == counter.model.trained_on["steps_in_all"] == counter.history[-1].step


@pytest.mark.parametrize("size", [math.nan, 0.0, -1.0, math.inf])
def test_a_pixel_size_that_cannot_be_is_refused(size: float) -> None:
    samples = blobs(4)
    samples[1] = replace(samples[1], pixel_size=size)
    with pytest.raises(DatasetError, match=f"blobs 1: a pixel size of {size} µm makes no sense: give None where"):
        train(samples, changes=QUICK)


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("report", 1),  # before the first evaluation
        ("report", 5),  # between two evaluations
        ("count_all", 1),  # in the first evaluation
        ("count_all", 3),
        ("count_all", 4),  # in the last
        ("_follow", 5),  # in a step
        ("_keep", 2),  # at the end of an evaluation
    ],
)
def test_an_interrupted_training_resumes_to_the_same_result(
    place: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever Ctrl-C comes: weights and curve, with its losses, are those of an undisturbed training."""
    changes = {**QUICK, "training.keep_from": 0.0, "counting.spread": False}
    straight = train(blobs(4), changes=changes)

    out = tmp_path / "model.count"
    calls = iter(range(1, 1000))

    def disturbed(original: Any) -> Any:
        def function(*given: Any, **named: Any) -> Any:
            if next(calls) == number:
                signal.raise_signal(signal.SIGINT)
            return original(*given, **named)

        return function

    owner = loop if place == "count_all" else loop.Trainer
    with monkeypatch.context() as patch:
        if place != "report":
            patch.setattr(owner, place, disturbed(getattr(owner, place)))
        report = disturbed(lambda _: None) if place == "report" else None
        assert train(blobs(4), changes=changes, out=out, report=report).interrupted
    resumed = train(blobs(4), changes=changes, out=out, resume=True)
    assert same(resumed, straight)
    curves = [[(r.step, r.loss, r.valid_mae, r.valid_bias) for r in each.history] for each in (resumed, straight)]
    assert curves[0] == curves[1]
    assert [step for step, *_ in curves[0]] == [2, 4, 6, 8]


def test_a_finished_training_is_not_trained_anew_in_its_place(tmp_path: Path) -> None:
    out = tmp_path / "model.count"
    train(blobs(4), changes=QUICK, out=out, resume=True)  # nothing there yet: a new training
    before = out.read_bytes()
    with pytest.raises(ConfigError, match=r"no unfinished training to go on with: .*model\.count\.checkpoint"):
        train(blobs(4), changes={**QUICK, "training.seed": 1}, out=out, resume=True)
    assert out.read_bytes() == before


def test_half_a_training_does_not_take_the_place_of_a_finished_model(tmp_path: Path) -> None:
    out = tmp_path / "model.count"
    train(blobs(4), changes=QUICK, out=out)
    before = out.read_bytes()

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    assert train(blobs(4), changes={**QUICK, "training.seed": 1}, out=out, report=interrupt).interrupted
    assert out.read_bytes() == before
    assert not train(blobs(4), changes={**QUICK, "training.seed": 1}, out=out, resume=True).interrupted
    assert out.read_bytes() != before


def test_ctrl_c_before_any_evaluation_still_gives_a_model() -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    assert train(blobs(4), changes=QUICK, report=interrupt).interrupted


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "model.count"

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    train(blobs(4), changes=QUICK, out=out, report=interrupt)
    with pytest.raises(ModelFileError, match="a training with other data: repeat the command"):
        train(blobs(5), changes=QUICK, out=out, resume=True)
    other = {"training.steps": 9, "network.width": 0.5}
    with pytest.raises(ModelFileError) as error:
        train(blobs(4), changes={**QUICK, **other}, out=out, resume=True)
    named = "other options, network.width=0.25 (not 0.5), training.steps=8 (not 9): repeat the command"
    assert named in str(error.value)
    other |= {"training.seed": 1, "training.batch": 2, "training.clip": None, "calibrate": False}
    with pytest.raises(ModelFileError, match=r"training\.clip=5\.0 \(not null\).* and 1 more: repeat"):
        train(blobs(4), changes={**QUICK, **other}, out=out, resume=True)
    Path(f"{out}.checkpoint").write_bytes(b"nonsense")
    with pytest.raises(ModelFileError, match="cannot be resumed from"):
        train(blobs(4), changes=QUICK, out=out, resume=True)


def test_what_the_dots_decide_is_no_option_that_was_asked_for(tmp_path: Path) -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    def wide(number: int) -> list[Sample]:
        rng = np.random.default_rng(0)
        dots = [rng.uniform(0, 95, (number + i, 2)) for i in range(3)]
        return [Sample(np.full((1, 96, 96), i, np.uint8), Dots(each), f"{i}") for i, each in enumerate(dots)]

    out, free = tmp_path / "a.count", {**QUICK, "scale.factor": None, "training.steps": None}
    train(wide(12), changes=free, out=out, report=interrupt)
    with pytest.raises(ModelFileError, match="a training with other data: repeat"):
        train(wide(9), changes=free, out=out, resume=True)


@pytest.mark.parametrize("scale", [{"scale.factor": None, "scale.widest": 0.0}, {"scale.factor": 0.5}])
def test_checkpoints_of_before_images_were_shown_as_they_are_can_be_gone_on_with(scale: dict[str, Any]) -> None:
    config = configure("default", {**QUICK, **scale})
    identity = prepare(blobs(2), blobs(1, seed=1), config).trainer.identity
    before = config.model_dump(mode="json")
    del before["channels"], before["scale"]["widest"]
    assert identity.fingerprint == identify({"folds": None, **before}, [blobs(2), blobs(1, seed=1)]).fingerprint
    known = updated(config, {"scale.widest": 20.0})
    other = prepare(blobs(2), blobs(1, seed=1), known).trainer.identity
    assert (other.fingerprint == identity.fingerprint) == (config.scale.factor is not None)
    assert other.options["scale"]["widest"] == 20.0, "to be told where it differs"


def test_a_checkpoint_of_another_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    out = tmp_path / "a.count"

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    train(blobs(4), changes=QUICK, out=out, report=interrupt)
    path = checkpoint_path(out)
    header, tensors = read_tensors(path)
    state = json.loads(header["state"])
    one = next(name for name in tensors if name.startswith("network/") and name.endswith("weight"))
    wrong = {
        "a new key": ({**header, "state": json.dumps({**state, "new": 1})}, tensors),
        "a new column": ({**header, "state": json.dumps({**state, "history": [{"step": 1}]})}, tensors),
        "no fingerprint": ({key: value for key, value in header.items() if key != "fingerprint"}, tensors),
        "no state": ({**header, "state": "[]"}, tensors),
        "a trap": ({**header, "state": "[" * 100_000}, tensors),
        "a tensor less": (header, {key: value for key, value in tensors.items() if key != one}),
        "no best": (header, {key: value for key, value in tensors.items() if not key.startswith("best/")}),
    }
    for what, (head, rest) in wrong.items():
        path.write_bytes(serialise(rest, head))
        with pytest.raises(ModelFileError, match=r"a\.count\.checkpoint cannot be resumed from"):
            train(blobs(4), changes=QUICK, out=out, resume=True)
        assert path.exists(), what


def test_bfloat16_trains_as_well() -> None:
    """Mixed precision, wherever it is chosen: the loss falls, and weights and counts stay float32."""
    counter = train(blobs(6), changes={**QUICK, "training.steps": 40, "training.precision": "bfloat16"})
    assert counter.history[-1].loss < 0.7 * counter.history[0].loss
    assert all(w.dtype == torch.float32 for w in weights(counter).values() if w.is_floating_point())
    assert counter.count(blobs(1)[0].image[0]).map.dtype == np.float32


@pytest.mark.parametrize("faster", [False, True])
def test_a_resumed_training_goes_on_in_the_precision_that_it_began_in(
    faster: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another machine, or where timing comes out otherwise, `auto` would go on in another."""
    out, changes = tmp_path / "model.count", {**QUICK, "training.precision": "auto"}

    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(predict, "bfloat16_pays", lambda: faster)
    train(blobs(4), changes=changes, out=out, report=interrupt)
    straight = train(blobs(4), changes=changes)
    monkeypatch.setattr(predict, "bfloat16_pays", lambda: not faster)
    resumed = train(blobs(4), changes=changes, out=out, resume=True)
    assert resumed.model.trained_on["precision"] == ("bfloat16" if faster else "float32")
    assert same(resumed, straight)


@pytest.mark.parametrize("problem", [MemoryError(), torch.cuda.OutOfMemoryError()])
def test_want_of_memory_is_a_sentence_that_says_what_to_lower(
    problem: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(_: loop.Trainer) -> None:
        raise problem

    monkeypatch.setattr(loop.Trainer, "_step", too_much)
    with pytest.raises(ConfigError, match=r"not enough memory to train: lower training\.batch, which is"):
        train(blobs(4), changes=QUICK)


def test_a_time_budget_ends_the_training_with_a_low_learning_rate() -> None:
    counter = train(blobs(4), changes={**QUICK, "training.steps": None, "training.seconds": 3.0})
    assert 2.9 <= counter.model.trained_on["seconds"] < 20
    assert counter.history[-1].learning_rate < 0.2 * recipe("default").training.learning_rate
    assert counter.config.training.steps is None


@pytest.mark.parametrize(("keep_from", "late"), [(1.0, 1), (0.7, 3), (0.0, 8)])
def test_kept_are_the_weights_of_the_least_late_validation_error(keep_from: float, late: int) -> None:
    changes = {**QUICK, "training.steps": 24, "training.evaluations": 8, "training.keep_from": keep_from}
    counter = train(blobs(8), changes=changes)
    best = min(counter.history[-late:], key=lambda record: record.valid_mae)
    assert counter.model.trained_on["steps"] == best.step
    assert counter.model.validation["mae"] == pytest.approx(best.valid_mae, rel=1e-5)


def test_patience_ends_early_with_the_least_validation_error_so_far() -> None:
    changes = {**QUICK, "training.steps": 400, "training.evaluations": 100, "training.patience": 2}
    counter = train(blobs(4), changes=changes)
    assert counter.model.trained_on["steps_in_all"] < 400
    assert counter.model.trained_on["steps"] == counter.history[-3].step
    assert counter.history[-3].valid_mae == min(record.valid_mae for record in counter.history)


def test_images_of_more_channels_than_rows_are_trained_on_and_counted(tmp_path: Path) -> None:
    """No guess at where the channels are stands in the way where they are known."""
    data = [Sample(s.image[:, :12], s.dots.select(s.dots.points[:, 0] < 11), s.name) for s in blobs(4, channels=18)]
    counter = train(data, changes=QUICK)
    result = evaluate(counter, data)
    for sample in data:
        tifffile.imwrite(tmp_path / f"{sample.name}.tif", sample.image, metadata={"axes": "CYX"})
    rows = count_files(counter, tmp_path)
    assert [row.count for row in rows] == pytest.approx([row.count for row in result.rows])


def test_the_saved_validation_counts_are_what_the_counter_counts() -> None:
    valid = blobs(3, seed=5)
    counter = train(blobs(4), valid=valid, changes=QUICK)
    counted = [counter.count(np.moveaxis(sample.image, 0, -1)).value for sample in valid]
    assert counted == pytest.approx(counter.model.validation["counts"], rel=1e-4)


def test_a_training_that_diverges_is_ended_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "model.count"
    changes = {**QUICK, "training.steps": 40, "training.learning_rate": 1e9, "training.clip": None}
    seen: list[int] = []
    with pytest.raises(ConfigError, match=r"diverged before step \d+: lower training.learning_rate, which is 1e\+09"):
        train(blobs(6), changes=changes, out=out, report=lambda progress: seen.append(progress.step))
    assert seen[-1] < 40
    assert list(tmp_path.iterdir()) == []


def test_a_training_too_large_for_the_memory_says_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(loop, "run", too_much)
    with pytest.raises(ConfigError, match=r"training\.batch, which is 4, or training\.augment\.crop, which is 48"):
        train(blobs(4), changes=QUICK)


def test_a_network_brings_its_settings_to_a_configuration_as_to_a_recipe() -> None:
    changes = {"network.name": "fcrn_a", "training.steps": 3}
    assert configure(recipe("default"), changes) == configure("default", changes)
    own = recipe("default", network="fcrn_a")
    assert configure(own, {"network.name": "fcrn_a"}) == own


def test_a_share_may_be_any_real_number() -> None:
    trained = train(blobs(4), valid=np.float32(0.5), changes=QUICK)  # type: ignore[arg-type]
    assert trained.model.validation["images"] == 2


def test_epochs_show_each_image_once() -> None:
    changes = {**QUICK, "training.steps": None, "training.epochs": 3, "training.batch": 2}
    counter = train(blobs(6), valid=blobs(1, seed=9), changes=changes)
    assert counter.model.trained_on["steps_in_all"] == 9
    assert counter.history[-1].epoch == 3


def test_the_papers_recipe() -> None:
    """Its network and schedule as published, on a small window so that a test can afford it."""
    changes = {"network.window": 8, "network.width": 0.25, "training.epochs": 2, "training.evaluations": 2}
    counter = train(blobs(3, side=32), config="paper", changes=changes)
    assert counter.config.network.name == "count_ception"
    assert counter.config.training.loss == "l1"
    assert counter.config.training.learning_rate == 0.005
    assert counter.model.calibration.factor == 1.0


@pytest.mark.parametrize(
    ("data", "changes", "kind", "words"),
    [
        (blobs(1), {}, DatasetError, "1 image with dots is too few"),
        ([], {}, DatasetError, "no samples"),
        ([Sample(s.image, Dots(np.zeros((0, 2))), s.name) for s in blobs(3)], {}, DatasetError, "none of the 3 images"),
        ([*blobs(2), *blobs(1, channels=3)], {}, DatasetError, "channels"),
        (blobs(3), {"network.name": "resnet"}, ConfigError, "there is no network 'resnet'"),
        (blobs(3), {"network.window": 18, "network.stride": 4}, ConfigError, "stride"),
        (blobs(3), {"training.learn_rate": 1}, ConfigError, "learn_rate"),
        (blobs(3), {"trainning.seed": 1}, ConfigError, "trainning"),
        (blobs(3), {"training.batch": 0}, ConfigError, "batch"),
        (blobs(3), {"training.batch": True}, ConfigError, "training.batch must be a number, not True"),
        (blobs(3), {"recipe": "paper"}, ConfigError, "recipe cannot be set: choose a recipe by its name"),
        (blobs(3), {"network.channels": 1}, ConfigError, "network.channels cannot be set"),
        (blobs(3), {"network.sigma": 3.0}, ConfigError, "network.sigma cannot be set: boxnet has no use for it"),
        (blobs(3), {"network.name": "fcrn_a", "network.window": 16}, ConfigError, "fcrn_a has no use for it"),
        (
            blobs(3),
            {"network.name": "count_ception", "network.window": 6, "network.stride": 4, "counting.flips": True},
            ConfigError,
            "counting.flips needs a stride that divides the window",
        ),
        (blobs(3), {"training.steps": 3, "training.epochs": 2}, ConfigError, "give one of steps"),
        ([replace(blobs(1)[0], dots=np.zeros((2, 2)))], {}, DatasetError, "its dots are countception.Dots"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(
    data: list[Sample], changes: dict[str, Any], kind: type[CountceptionError], words: str
) -> None:
    with pytest.raises(kind, match=words) as error:
        train(data, changes={**QUICK, **changes})
    assert "\n" not in str(error.value)


def test_validation_must_fit_the_training_images() -> None:
    with pytest.raises(DatasetError, match="3 channels"):
        train(blobs(2), valid=blobs(1, channels=3), changes=QUICK)
    deep = [Sample(s.image.astype(np.uint16) * 257, s.dots, s.name) for s in blobs(1, seed=1)]
    with pytest.raises(DatasetError, match=r"pixels of type uint16 but blobs 0 of uint8: .* one depth"):
        train(blobs(2), valid=deep, changes=QUICK)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        train(blobs(3), valid=1.5, changes=QUICK)
    with pytest.raises(DatasetError, match="classes"):
        train(blobs(2), valid=blobs(1, classes=2), changes=QUICK)


def test_an_image_is_not_both_learned_from_and_validated_on() -> None:
    data = blobs(3)
    with pytest.raises(DatasetError, match="validated on, as would 2 more:"):
        train(data, valid=data, changes=QUICK)
    copy = replace(data[1], name="copy")
    with pytest.raises(DatasetError, match="blobs 1 and copy, which hold the same pixels, would be both"):
        train(data, valid=[copy], changes=QUICK)
    with pytest.raises(DatasetError, match="hold the same pixels"):  # there is nothing else to validate on
        train([data[1], copy], changes=QUICK)


def test_a_class_of_which_all_dots_were_put_aside_is_not_taken_for_learned() -> None:
    data = blobs(8, channels=2, classes=2)
    rare = "blobs 3"
    some = [s if s.name == rare else replace(s, dots=s.dots.select(s.dots.labels == 0)) for s in data]
    put_aside = [seed for seed in range(40) if rare in [s.name for s in split_off(some, 2, seed=seed)[0]]]
    with pytest.raises(DatasetError, match=r"all dots of class kind 1 are on images .* validate on \(blobs 3\)"):
        train(some, changes={**QUICK, "training.seed": put_aside[0]})
    valid = [s for s in some if s.name != rare]
    assert train([data[3]], valid=valid, changes=QUICK).model.class_names == ("kind 0", "kind 1")


@pytest.mark.parametrize("how", [{"counting.flips": True}, {"counting.shifts": 2}])
def test_validation_counts_are_made_as_the_counter_counts(how: dict[str, Any]) -> None:
    valid = blobs(4, seed=3)
    model = (counter := train(blobs(4), valid=valid, changes={**QUICK, **how})).model
    assert model.validation["counts"] == pytest.approx([counter.count_pixels(s.image).value for s in valid], rel=1e-4)
    plain = {"flips": False, "shifts": 0}
    others = [counter.count_pixels(s.image, **plain).value for s in valid]  # type: ignore[arg-type]
    assert model.validation["counts"] != pytest.approx(others, rel=1e-4)


def test_validation_images_need_not_show_every_class() -> None:
    data = blobs(2, channels=2, classes=2)
    only = [
        Sample(s.image, Dots(s.dots.of_class(1), class_names=("kind 1",)), s.name)
        for s in blobs(2, seed=1, channels=2, classes=2)
    ]
    counter = train(data, valid=only, changes=QUICK)
    assert counter.model.class_names == ("kind 0", "kind 1")
    assert counter.model.validation["true"] == [len(sample.dots) for sample in only]
    with pytest.raises(DatasetError, match="has dots of class kind 0, but the classes are kind 1, as in the training"):
        train(only, valid=data, changes=QUICK)


def test_channels_that_are_not_chosen_make_no_difference(tmp_path: Path) -> None:
    data, rng = blobs(5), np.random.default_rng(1)

    def between(sample: Sample, after: int) -> Sample:
        noise = rng.integers(0, 255, (1 + after, *sample.image.shape[1:])).astype(np.uint8)
        return replace(sample, image=np.concatenate([noise[:1], sample.image, noise[1:]]))

    alone = train(data, changes=QUICK)
    chosen = train(
        [between(sample, 1) for sample in data], out=tmp_path / "a.count", changes={**QUICK, "channels": [1]}
    )
    assert same(alone, chosen)
    assert alone.model.familiarity == chosen.model.familiarity
    kept, image = Counter.load(tmp_path / "a.count"), between(data[0], 2)
    count = kept.count_pixels(image.image)
    assert count.value == alone.count_pixels(data[0].image).value
    assert count.warnings == alone.count_pixels(data[0].image).warnings
    np.testing.assert_array_equal(np.asarray(kept.shown(image.image)), data[0].image)
    assert kept.config.channels == (1,)
    assert alone.with_channels([1]).count_pixels(image.image).value == count.value
    swapped = kept.with_channels([0])
    assert swapped.count_pixels(image.image[1:]).value == count.value
    swapped.save(tmp_path / "b.count")
    assert Counter.load(tmp_path / "b.count").count_pixels(image.image[1:]).value == count.value
    with pytest.raises(ConfigError, match=r"channels 0, 1 cannot be counted in: the model is shown 1, so name as many"):
        kept.with_channels([0, 1])
    assert evaluate(kept, [image]).rows[0].count == count.value
    with pytest.raises(ImageError, match="has 1 channel, numbered from 0, but the model is shown channel 1"):
        kept.count_pixels(data[0].image)


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"blobs . has no channel 2: it has 2, numbered from 0; choose among these"):
        train(blobs(3, channels=2), changes={**QUICK, "channels": [0, 2]})


def test_an_unwritable_place_is_found_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        train(blobs(3), changes=QUICK, out=tmp_path / "file" / "model.count")


def test_tiny_images_can_be_trained_on_and_counted() -> None:
    """Smaller than the window, down to a single pixel."""
    counter = train(blobs(3, side=9), changes=QUICK)
    assert np.isfinite(counter.count(np.zeros((1, 1), np.uint8)).value)
    assert np.isfinite(counter.count(np.zeros((3, 200), np.uint8)).value)


def test_evaluations_leave_most_of_a_time_budget_to_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many or large validation images each may take longer than the time until the next would be due."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: clock.now))
    step, counts = loop.Trainer._step, loop.Trainer.validation_counts

    def slow_step(trainer: loop.Trainer) -> None:
        clock.now += 0.5
        step(trainer)

    def slow_counts(trainer: loop.Trainer) -> list[float]:
        clock.now += 4.0
        return counts(trainer)

    monkeypatch.setattr(loop.Trainer, "_step", slow_step)
    monkeypatch.setattr(loop.Trainer, "validation_counts", slow_counts)
    length = {"training.steps": None, "training.seconds": 60.0, "training.evaluations": 20}
    counter = train(blobs(4), changes={**QUICK, **length})
    steps = [record.step for record in counter.history]
    assert len(set(steps)) == len(steps), "none counts the same weights again"
    assert 60 <= steps[-1] <= 100, "at least half of the time"
    assert len(steps) >= 4


def test_schedule_runs_from_warm_up_to_the_end() -> None:
    config = recipe("default").training
    rates = [learning_rate(config, p) for p in np.linspace(0, 1, 201)]
    assert rates[0] == pytest.approx(0.1 * config.learning_rate)
    assert max(rates) == rates[round(200 * config.warmup)] == pytest.approx(config.learning_rate)
    assert rates[-1] == pytest.approx(0.01 * config.learning_rate)
    assert evaluations_due(config, 1.0) == config.evaluations
    assert Length(None, 10.0).progress(5, 2.5) == 0.25
    assert Length(10, None).progress(5, 99.0) == 0.5


def test_a_training_without_a_length_is_as_long_as_its_images_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("STEPS", 2), ("LONG", 3), ("MUCH", 0.014)):  # 3 and 4 images of 64 × 64 lie on either side
        monkeypatch.setattr(f"countception.config.{name}", value)
    changes = {key: value for key, value in QUICK.items() if key not in tiny.LENGTHS} | {"scale.factor": 1.0}
    short, long = (train(blobs(n), valid=blobs(1, seed=1), changes=changes) for n in (3, 4))
    assert (short.history[-1].step, long.history[-1].step) == (2, 3)
    assert (short.model.config.training.steps, long.model.config.training.steps) == (2, 3), "as a model says"
    crossed = train(blobs(4), folds=2, changes=changes)
    assert crossed.model.config.training.steps == 3, "learned from all four"


def test_nested_changes_are_those_under_dotted_keys() -> None:
    nested = configure("default", {"network": {"name": "fcrn_a"}, "training": {"epochs": 3}})
    assert nested == configure("default", {"network.name": "fcrn_a", "training.epochs": 3})
    assert (nested.network.stride, nested.training.loss, nested.training.steps) == (1, "l2", None)
    with pytest.raises(ConfigError, match=r"network\.channels cannot be set"):
        configure("default", {"network": {"channels": 3}})


def test_whoever_trains_keeps_the_random_numbers_that_would_have_come_next() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(blobs(3), changes=QUICK)
    assert torch.equal(torch.rand(3), expected)


def test_trainings_side_by_side_begin_as_each_does_alone() -> None:
    """All threads draw torch's random numbers from one stream."""
    samples = blobs(3)
    config = updated(configure("default", {**QUICK, "network.pretrained": False}), {"network.channels": 1})
    made: list[torch.Tensor] = []

    def begin() -> None:
        network = prepare(samples[:2], samples[2:], config).trainer.network
        made.append(torch.cat([each.flatten() for each in network.parameters()]))

    before = torch.get_rng_state()
    begin()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(usual)
    assert len(made) == 7
    assert all(torch.equal(each, made[0]) for each in made)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "mode",
    [
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
        lambda: torch.device("meta"),
    ],
)
def test_torchs_modes_make_no_difference(mode: Callable[[], AbstractContextManager[object]]) -> None:
    samples = blobs(4)
    usual = train(samples, changes=QUICK)
    count = usual.count(samples[0].image[0], points=True)
    with mode():
        other = train(samples, changes=QUICK)
        again = usual.count(samples[0].image[0], points=True)
        assert again.value == count.value
        assert np.array_equal(again.map, count.map)
    assert same(other, usual)
    assert other.count(samples[0].image[0]).value == count.value


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_whatever_torchs_default_type_is_networks_are_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    samples = blobs(4)
    expected = train(samples, changes=QUICK, out=tmp_path / "model.count").count(samples[0].image[0])
    one_pass_works.cache_clear()
    torch.set_default_dtype(dtype)
    try:
        count = Counter.load(tmp_path / "model.count").count(samples[0].image[0])
        trained = weights(train(samples, changes=QUICK))
    finally:
        torch.set_default_dtype(torch.float32)
    assert (count.value, count.map.dtype) == (expected.value, np.float32)
    assert {value.dtype for value in trained.values()} == {torch.float32, torch.int64}


def test_a_configuration_is_no_dictionary() -> None:
    with pytest.raises(ConfigError, match="a recipe or a Config, and no dict"):
        train(blobs(3), config={"training.steps": 3})  # type: ignore[arg-type]


def test_parts_may_be_any_whole_number_and_nothing_else() -> None:
    counter = train(blobs(4), folds=np.int64(2), changes=QUICK)  # type: ignore[arg-type]
    assert counter.model.validation["folds"] == 2
    for wrong in (2.0, "2", True):
        with pytest.raises(ConfigError, match="folds must be a whole number of at least 2, not"):
            train(blobs(4), folds=wrong, changes=QUICK)  # type: ignore[arg-type]


def test_changing_the_length_replaces_the_old_one() -> None:
    config = configure("default", {"training.seconds": 60})
    assert (config.training.steps, config.training.seconds) == (None, 60)
    assert configure("default", {"network.name": "fcrn_a"}).training.loss == "l2"
