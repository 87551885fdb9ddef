"""What is counted in images that were not learned from: calibration and intervals rest on nothing else.

Either on images put aside for validation, or by cross-validation: each image is counted by a training that left its
part of the images out, so that all of a few images are learned from and say how far off counts are (the
cross-conformal prediction of Vovk 2015, with the network of all images in place of those of the parts).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from countception.config import Config, updated
from countception.counter import Counter
from countception.dataset import Sample, fold_samples
from countception.errors import DatasetError
from countception.files import whole_file
from countception.model_file import Model
from countception.training.loop import Progress, Report
from countception.training.prepare import Prepared, prepare

LAST = {"training.keep_from": 1.0}
"""The weights of the last evaluation are kept: where no images are put aside there is nothing to choose by."""
EVALUATIONS = 5
"""Of the training without a part, whose last one counts; the others are points to resume from."""


@dataclass
class Unseen:
    """Images by name, their true counts, and what networks that did not learn from them count."""

    names: list[str] = field(default_factory=list)
    true: list[float] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)
    flipped: list[tuple[float, float]] = field(default_factory=list)
    """Means over flips and their spreads; empty where they were not asked for."""
    folds: int = 0
    """Into how many parts the images were divided; 0 if they were put aside for validation."""

    def add(self, other: Unseen) -> None:
        """The images of another part, too."""
        self.names += other.names
        self.true += other.true
        self.counts += other.counts
        self.flipped += other.flipped

    def times(self, factor: float) -> Unseen:
        """The same, with counts and their spreads calibrated."""
        flipped = [(factor * count, factor * spread) for count, spread in self.flipped]
        return replace(self, counts=[factor * count for count in self.counts], flipped=flipped)


def counted(prepared: Prepared, samples: Sequence[Sample], device: str | None) -> Unseen:
    """What the best weights of a training count in its validation images; its network is then in evaluation mode."""
    trainer = prepared.trainer
    trainer.network.load_state_dict(trainer.best)
    found = Unseen([sample.name for sample in samples], list(trainer.validation.true), list(trainer.best_counts))
    config = trainer.config
    if config.counting.spread and config.network.window % config.network.stride == 0:
        names = samples[0].dots.class_names
        model = Model(
            trainer.network.eval(), config, prepared.scale, normalisation=prepared.normalisation, class_names=names
        )
        counter = Counter(model, device=device)
        counts = [counter.count_pixels(sample.image, flips=True) for sample in samples]
        found.flipped = [(count.value, count.spread or 0.0) for count in counts]
    return found


@dataclass(frozen=True)
class Folds:
    """A cross-validation.

    Parameters
    ----------
    samples
        All that are learned from.
    number
        Parts to divide them into; groups stay whole.
    config
        Of the training on all of them.
    out
        Model file; beside it is kept what an interrupted cross-validation goes on from. None keeps nothing.
    device
        As for `prepare`.
    """

    samples: Sequence[Sample]
    number: int
    config: Config
    out: str | os.PathLike[str] | None = None
    device: str | None = None

    def run(self, report: Report | None, *, resume: bool) -> tuple[Unseen, bool]:
        """Train on all but each part and count that; what was counted, and whether Ctrl-C ended it early.

        Raises
        ------
        DatasetError
            All dots are in one part.
        """
        found = Unseen(folds=self.number)
        fewer = min(EVALUATIONS, self.config.training.evaluations)
        config = updated(self.config, {"training.evaluations": fewer})
        known = self._known() if resume else {}
        parts = fold_samples(self.samples, self.number, seed=self.config.training.seed)
        for k, part in enumerate(parts):
            left_out = {id(sample) for sample in part}
            rest = [sample for sample in self.samples if id(sample) not in left_out]
            if not any(len(sample.dots) for sample in rest):
                raise DatasetError(
                    f"all dots are in one of {self.number} parts of the images ({part[0].name}): annotate more images, "
                    "or train without folds"
                )
            checkpoint = None if self.out is None else self._beside(f"fold{k + 1}.checkpoint")
            prepared = prepare(rest, part, config, checkpoint=checkpoint, device=self.device)
            trainer = prepared.trainer
            if trainer.fingerprint not in known:
                if resume and checkpoint is not None and checkpoint.exists():
                    trainer.resume()
                if trainer.run(report and shared(report, k + 1, self.number + 1, told=False)):
                    return found, True
                known[trainer.fingerprint] = counted(prepared, part, self.device)
                self._keep(known)
            found.add(known[trainer.fingerprint])
        return found, False

    def forget(self) -> None:
        """Remove what was kept to go on from."""
        if self.out is not None:
            for name in ("folds.json", *(f"fold{k + 1}.checkpoint" for k in range(self.number))):
                self._beside(name).unlink(missing_ok=True)

    def _beside(self, name: str) -> Path:
        assert self.out is not None
        return Path(f"{os.fspath(self.out)}.{name}")

    def _known(self) -> dict[str, Unseen]:
        """Parts that were counted before an interruption, by the fingerprints of their trainings."""
        if self.out is None or not self._beside("folds.json").exists():
            return {}
        try:
            kept: dict[str, dict[str, Any]] = json.loads(self._beside("folds.json").read_text(encoding="utf-8"))
            found = {key: Unseen(**values) for key, values in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # damaged: these parts are done anew
        for each in found.values():
            each.flipped = [(value, spread) for value, spread in each.flipped]
        return found

    def _keep(self, known: dict[str, Unseen]) -> None:
        if self.out is not None:
            with whole_file(self._beside("folds.json")) as temporary:
                values = {key: vars(each) for key, each in known.items()}
                temporary.write_text(json.dumps(values), encoding="utf-8")


def shared(report: Report, done: int, parts: int, *, told: bool) -> Report:
    """Reports one of several trainings as a part of the whole; its evaluations are told, too, only if `told`."""

    def partly(progress: Progress) -> None:
        record = progress.record if told else None
        report(replace(progress, done=(done + progress.done) / parts, record=record))

    return partly
