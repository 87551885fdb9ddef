"""Cross-validation: every image is learned from, and counted once by a network that did not learn from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from countception.counting import model_file
from countception.counting.counter import Counter
from countception.data.dataset import Sample
from countception.data.splits import fold_samples
from countception.errors import ConfigError, DatasetError, ModelFileError
from countception.points import Dots
from countception.results.facts import facts
from countception.training import Progress, train
from countception.trust.metrics import predict_average_mae
from helpers_blobs import QUICK, blobs

FEW = {**QUICK, "training.steps": 8, "training.evaluations": 2, "network.width": 0.25}


def without_dots(samples: list[Sample]) -> list[Sample]:
    empty = Dots(np.empty((0, 2)), class_names=samples[0].dots.class_names)
    return [samples[0], *(replace(sample, dots=empty) for sample in samples[1:])]


@pytest.mark.parametrize("number", [2, 3, 7])
def test_parts_are_of_about_equal_size_and_each_image_is_in_one(number: int) -> None:
    samples = blobs(7)
    parts = fold_samples(samples, number, seed=4)
    assert sorted(id(s) for part in parts for s in part) == sorted(map(id, samples))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert [[s.name for s in part] for part in fold_samples(samples, number, seed=4)] == [
        [s.name for s in part] for part in parts
    ]
    assert number == 7 or fold_samples(samples, number, seed=5) != parts


def test_groups_stay_whole() -> None:
    samples = [replace(sample, group="ab"[i % 2] if i < 6 else f"{i}") for i, sample in enumerate(blobs(9))]
    parts = fold_samples(samples, 3, seed=0)
    assert sorted(map(len, parts)) == [3, 3, 3]
    for part in parts:
        assert {s.group for s in part}.isdisjoint(s.group for other in parts if other is not part for s in other)


@pytest.mark.parametrize("number", [-1, 0, 1, 5])
def test_impossible_numbers_of_parts_are_refused(number: int) -> None:
    with pytest.raises(DatasetError, match=r"1 image cannot be divided into 2 folds: it takes two images or more"):
        fold_samples(blobs(1), 2, seed=0)
    with pytest.raises(DatasetError, match=f"4 images cannot be divided into {number} folds: ask for 2 to 4"):
        train(blobs(4), folds=number, changes=FEW)


def test_all_images_are_learned_from_and_each_is_counted_without_itself(tmp_path: Path) -> None:
    samples = blobs(5)
    counter = train(samples, folds=5, changes=FEW, out=tmp_path / "a.count")
    model = counter.model
    assert model.trained_on["images"] == model.validation["images"] == model.intervals.images == 5
    assert sorted(model.validation["names"]) == sorted(sample.name for sample in samples)
    assert model.validation["folds"] == 5
    assert model.flipped_intervals.images == 5
    assert model.intervals.networks == model.flipped_intervals.networks == 5, "totals know that networks differed"
    assert sorted(model.validation["parts"]) == [0, 1, 2, 3, 4]
    assert model.calibration.images == 5
    assert [path.name for path in tmp_path.iterdir()] == ["a.count"]
    alone = train(
        [s for s in samples if s.name != model.validation["names"][2]],
        valid=[s for s in samples if s.name == model.validation["names"][2]],
        changes={**FEW, "training.keep_from": 1.0, "calibrate": False},
    )
    assert model.validation["counts"][2] == pytest.approx(
        alone.model.validation["counts"][0] * model.calibration.factor
    )
    loaded = dict(facts(model_file.load(tmp_path / "a.count")))
    assert "5 images, each counted after learning without its part of 5: MAE" in loaded["validated on"]


def test_what_is_learned_is_what_all_images_teach() -> None:
    samples = blobs(4)
    whole = train(samples, valid=blobs(1, seed=9), changes={**FEW, "training.keep_from": 1.0})
    crossed = train(samples, folds=2, changes=FEW)
    for name, value in whole.model.network.state_dict().items():
        assert torch.equal(value, crossed.model.network.state_dict()[name]), name


def test_neither_a_validation_set_nor_dots_in_one_part_alone() -> None:
    with pytest.raises(ConfigError, match="either folds or what to validate on"):
        train(blobs(4), valid=0.5, folds=2, changes=FEW)
    told: list[Progress] = []
    with pytest.raises(DatasetError, match="all dots are in one of 2 parts"):
        train(without_dots(blobs(4)), folds=2, changes=FEW, report=told.append)
    assert not told, "said before anything is learned"


@pytest.mark.parametrize("folds", [2, 3])
def test_only_some_images_are_in_a_group(folds: int, tmp_path: Path) -> None:
    samples = [replace(sample, group="plate" if i < 2 else None) for i, sample in enumerate(blobs(4))]
    counter = train(samples, folds=folds, changes=FEW, out=tmp_path / "a.count")
    assert counter.model.intervals.images == counter.model.flipped_intervals.images == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.count"]


def test_left_out_images_do_not_choose_the_weights() -> None:
    with pytest.raises(ConfigError, match=r"training.patience ends .* and folds put none aside: leave out either"):
        train(blobs(4), folds=2, changes={**FEW, "training.patience": 3})


def test_a_length_in_seconds_is_shared() -> None:
    changes = {**FEW, "training.seconds": 0.9, "training.steps": None}
    assert train(blobs(4), folds=2, changes=changes).config.training.seconds == pytest.approx(0.3)


def test_progress_goes_from_0_to_1_once() -> None:
    told: list[Progress] = []
    train(blobs(4), folds=3, changes=FEW, report=told.append)
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert done[-1] == 1
    assert {(progress.learned_from, progress.validated_on) for progress in told} == {(4, 0)}


def stopped(at: float, samples: list[Sample], out: Path, *, resume: bool = False) -> Counter:
    def stop(progress: Progress) -> None:
        if progress.done >= at and not progress.interrupted:
            raise KeyboardInterrupt

    return train(samples, folds=3, changes=FEW, out=out, resume=resume, report=stop)


@pytest.mark.parametrize("moments", [(0.1,), (0.3,), (0.6,), (0.9,), (0.1, 0.4, 0.55, 0.99)])
def test_stopped_anywhere_it_goes_on_to_the_same_result(moments: tuple[float, ...], tmp_path: Path) -> None:
    samples = blobs(6)
    expected = train(samples, folds=3, changes=FEW)
    out = tmp_path / "a.count"
    for k, moment in enumerate(moments):
        counter = stopped(moment, samples, out, resume=k > 0)
        assert counter.interrupted
        assert counter.model.validation.get("images", 0) == (2 * int(4 * moment - 1) if moment > 0.5 else 0)
        assert Counter.load(out).count(np.moveaxis(samples[0].image, 0, -1)).value >= 0, "usable as it is"
    kept = tmp_path / "a.count.folds.json"
    if kept.exists():  # as it was before parts were kept
        known = json.loads(kept.read_text())
        for each in known.values():
            each.pop("parts", None)
        kept.write_text(json.dumps(known))
    resumed = train(samples, folds=3, changes=FEW, out=out, resume=True)
    assert not resumed.interrupted
    assert resumed.model.validation == expected.model.validation
    assert resumed.model.intervals == expected.model.intervals
    assert resumed.model.flipped_intervals == expected.model.flipped_intervals
    assert [path.name for path in tmp_path.iterdir()] == ["a.count"]


def test_what_another_training_left_is_not_gone_on_with(tmp_path: Path) -> None:
    samples = blobs(6)
    out = tmp_path / "a.count"
    stopped(0.6, samples, out)
    (tmp_path / "a.count.checkpoint").unlink()
    stopped(0.1, samples[::-1], out)
    resumed = train(samples[::-1], folds=3, changes=FEW, out=out, resume=True)
    assert resumed.model.validation == train(samples[::-1], folds=3, changes=FEW).model.validation


def test_nothing_stays_of_folds_that_were_given_up(tmp_path: Path) -> None:
    out = tmp_path / "a.count"
    stopped(0.99, blobs(6), out)
    assert len(list(tmp_path.glob("a.count.fold*"))) == 4
    (tmp_path / "a.count.checkpoint").unlink()
    (tmp_path / "b.count.fold1.checkpoint").write_text("of another model")
    train(blobs(6), changes=FEW, out=out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.count", "b.count.fold1.checkpoint"]


@pytest.mark.parametrize("at", [0.1, 0.6])
def test_going_on_with_other_folds_is_refused(at: float, tmp_path: Path) -> None:
    out = tmp_path / "a.count"
    stopped(at, blobs(6), out)
    with pytest.raises(ModelFileError, match=r"other options, folds=3 \(not 2\)"):
        train(blobs(6), folds=2, changes=FEW, out=out, resume=True)
    with pytest.raises(ModelFileError, match=r"other options, folds=3 \(not null\)"):
        train(blobs(6), changes=FEW, out=out, resume=True)


def test_the_model_is_there_whatever_happens_in_the_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("disk full")

    out = tmp_path / "a.count"
    with monkeypatch.context() as patch:
        patch.setattr("countception.training.unseen.counted", fails)
        with pytest.raises(OSError, match="disk full"):
            train(blobs(4), folds=2, changes=FEW, out=out)
    assert Counter.load(out).model.trained_on["images"] == 4
    assert train(blobs(4), folds=2, changes=FEW, out=out, resume=True).model.validation["images"] == 4


def test_damaged_notes_of_an_interruption_are_made_anew(tmp_path: Path) -> None:
    samples = blobs(6)
    out = tmp_path / "a.count"
    stopped(0.6, samples, out)
    (tmp_path / "a.count.folds.json").write_text("[1]")
    assert train(samples, folds=3, changes=FEW, out=out, resume=True).model.validation["images"] == 6


@pytest.mark.slow
def test_the_error_it_tells_is_that_of_new_images() -> None:
    told: list[float] = []
    new: list[float] = []
    for seed in (0, 100):
        counter = train(blobs(8, seed=seed), folds=4, changes={**QUICK, "training.steps": 120, "network.width": 0.5})
        told.append(counter.model.validation["mae"])
        new += [abs(counter.count_pixels(s.image).value - len(s.dots)) for s in blobs(20, seed=seed + 1)]
    average = predict_average_mae([len(s.dots) for s in blobs(20, seed=1)], 20.0)
    assert np.mean(new) < average
    assert 0.5 < np.mean(told) / np.mean(new) < 2.5


def test_what_is_shown_says_which_training_it_is() -> None:
    told: dict[tuple[int, int], str] = {}
    train(blobs(4), folds=2, changes=FEW, report=lambda progress: told.setdefault(progress.training, progress.text))
    assert list(told) == [(1, 3), (2, 3), (3, 3)]
    assert told[2, 3].startswith("training 2 of 3, step ")
    assert not Progress(0.1, 3, 1.0, None).text.startswith("training")
