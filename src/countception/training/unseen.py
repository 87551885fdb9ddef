"""What is counted in images that were not learned from: calibration and intervals rest on nothing else.

Either on images put aside for validation, or by cross-validation: each image is counted by a training that left its
part of the images out, so that all of a few images are learned from and say how far off counts are (the
cross-conformal prediction of Vovk 2015, with the network of all images in place of those of the parts).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from countception.config import Config, updated
from countception.counting.counter import Counter
from countception.counting.model_file import Model
from countception.data.dataset import Sample
from countception.data.splits import fold_samples
from countception.errors import DatasetError
from countception.files import whole_file
from countception.training.loop import Progress, Report
from countception.training.prepare import Prepared, prepare

LAST = {"training.keep_from": 1.0}
"""The weights of the last evaluation are kept: where no images are put aside there is nothing to choose by."""
EVALUATIONS = 5
"""Of the training without a part, whose last one counts."""


@dataclass
class Unseen:
    """Images by name, their true counts, and what networks that did not learn from them count."""

    names: list[str] = field(default_factory=list)
    true: list[float] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)
    flipped: list[tuple[float, float]] = field(default_factory=list)
    """Means over flips and their spreads; empty where they were not asked for."""
    parts: list[int] = field(default_factory=list)
    """Of each image, which part it is in; empty if they were put aside for validation."""
    groups: list[str] = field(default_factory=list)
    """Of each image, the name of its group, or its own where it is in none; empty if none is in any."""
    folds: int = 0
    """Into how many parts the images were divided; 0 if they were put aside for validation."""

    def add(self, other: Unseen) -> None:
        """The images of another part, too; their groups are for all parts together to say."""
        self.names += other.names
        self.true += other.true
        self.counts += other.counts
        self.flipped += other.flipped
        self.parts += other.parts

    def times(self, factor: float) -> Unseen:
        """The same, with counts and their spreads calibrated."""
        flipped = [(factor * count, factor * spread) for count, spread in self.flipped]
        return replace(self, counts=[factor * count for count in self.counts], flipped=flipped)


def group_names(samples: Sequence[Sample]) -> list[str]:
    """As `Unseen.groups`."""
    grouped = any(sample.group for sample in samples)
    return [f"group {s.group}" if s.group else f"image {s.name}" for s in samples] if grouped else []


def counted(prepared: Prepared, samples: Sequence[Sample]) -> Unseen:
    """What the kept weights of a training count in its validation images; its network is then in evaluation mode."""
    trainer = prepared.trainer
    trainer.network.load_state_dict(trainer.best)
    found = Unseen([sample.name for sample in samples], list(trainer.validation.true), list(trainer.best_counts))
    found.groups = group_names(samples)
    config = trainer.config
    averaged = config.counting.flips or config.counting.shifts > 0
    spread = config.counting.spread and config.network.flips
    if averaged or spread:
        counter = _uncalibrated(prepared, samples[0].dots.class_names)
    if averaged:  # the training itself counts images as they are
        found.counts = [counter.count_pixels(sample.image).value for sample in samples]
    if spread:
        counts = [counter.count_pixels(sample.image, flips=True) for sample in samples]
        found.flipped = [(count.value, count.spread or 0.0) for count in counts]
    return found


def _uncalibrated(prepared: Prepared, class_names: tuple[str, ...]) -> Counter:
    trainer = prepared.trainer
    model = Model(
        trainer.network.eval(),
        trainer.config,
        prepared.scale,
        normalisation=prepared.normalisation,
        class_names=class_names,
    )
    return Counter(model, device=str(trainer.device))


def parts_of(samples: Sequence[Sample], number: int, *, seed: int) -> list[list[Sample]]:
    """The parts that a cross-validation leaves out in turn.

    Raises
    ------
    DatasetError
        There are too few samples, or all dots are in one part.
    """
    parts = fold_samples(samples, number, seed=seed)
    dotted = [part for part in parts if any(len(sample.dots) for sample in part)]
    if len(dotted) < 2:
        raise DatasetError(
            f"all dots are in one of {number} parts of the images ({dotted[0][0].name}): annotate more images, "
            "or train without folds"
        )
    return parts


@dataclass(frozen=True)
class Folds:
    """A cross-validation.

    Parameters
    ----------
    samples
        All that are learned from.
    parts
        The same, divided as `parts_of` does; one at a time is not learned from.
    config
        Of the training on all of them.
    out
        Model file; beside it is kept what an interrupted cross-validation goes on from. None keeps nothing.
    device
        As for `prepare`.
    """

    samples: Sequence[Sample]
    parts: Sequence[Sequence[Sample]]
    config: Config
    out: str | os.PathLike[str] | None = None
    device: str | None = None

    @property
    def number(self) -> int:
        """Of parts."""
        return len(self.parts)

    def run(self, report: Report | None, *, resume: bool) -> tuple[Unseen, bool]:
        """Train on all but each part and count that; what was counted, and whether Ctrl-C ended it early."""
        found, interrupted = Unseen(folds=self.number), False
        known = self._known() if resume else {}
        try:
            for k in range(self.number):
                part = self._without(k, known, resume=resume, report=report and self.shared(report, k + 1))
                found.add(replace(part, parts=[k] * len(part.true)))
        except KeyboardInterrupt:
            interrupted = True
        groups = group_names([sample for part in self.parts for sample in part])  # of all: a part may have none
        found.groups = groups[: len(found.true)]
        return found, interrupted

    def shared(self, report: Report, done: int) -> Report:
        """Reports the next of all trainings as a part of the whole, of which the first is that on all samples.

        Its evaluations alone are told.
        """

        def partly(progress: Progress) -> None:
            share = (done + progress.done) / (self.number + 1)
            record = None if done else progress.record
            told = replace(progress, done=share, record=record, learned_from=len(self.samples), validated_on=0)
            report(replace(told, training=(done + 1, self.number + 1)))

        return partly

    def _without(self, k: int, known: dict[str, Unseen], *, resume: bool, report: Report | None) -> Unseen:
        """What a training without part `k` counts in it, from `known` if it is there, which it is added to if not.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C; the checkpoint stays.
        """
        left_out = {id(sample) for sample in self.parts[k]}
        rest = [sample for sample in self.samples if id(sample) not in left_out]
        fewer = min(EVALUATIONS, self.config.training.evaluations)
        config = updated(self.config, {"training.evaluations": fewer})
        checkpoint = None if self.out is None else _beside(self.out, f"fold{k + 1}.checkpoint")
        prepared = prepare(rest, self.parts[k], config, checkpoint=checkpoint, device=self.device)
        trainer = prepared.trainer
        if trainer.identity.fingerprint not in known:
            if resume and checkpoint is not None and checkpoint.exists():
                trainer.resume()
            if trainer.run(report):
                raise KeyboardInterrupt
            known[trainer.identity.fingerprint] = counted(prepared, self.parts[k])
            self._keep(known)
        return known[trainer.identity.fingerprint]

    def _known(self) -> dict[str, Unseen]:
        """Parts that were counted before an interruption, by the fingerprints of their trainings."""
        if self.out is None or not _beside(self.out, "folds.json").exists():
            return {}
        try:
            kept: dict[str, dict[str, Any]] = json.loads(_beside(self.out, "folds.json").read_text(encoding="utf-8"))
            found = {key: Unseen(**values) for key, values in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # damaged: these parts are done anew
        for each in found.values():
            each.flipped = [(value, spread) for value, spread in each.flipped]
        return found

    def _keep(self, known: dict[str, Unseen]) -> None:
        if self.out is not None:
            with whole_file(_beside(self.out, "folds.json")) as temporary:
                values = {key: vars(each) for key, each in known.items()}
                temporary.write_text(json.dumps(values), encoding="utf-8")


def forget(out: str | os.PathLike[str]) -> None:
    """Remove what a cross-validation kept to go on from, however many folds it had."""
    _beside(out, "folds.json").unlink(missing_ok=True)
    own = re.compile(re.escape(Path(out).name) + r"\.fold\d+\.checkpoint")
    for file in Path(out).parent.glob("*.checkpoint"):
        if own.fullmatch(file.name):
            file.unlink()


def _beside(out: str | os.PathLike[str], name: str) -> Path:
    return Path(f"{os.fspath(out)}.{name}")
