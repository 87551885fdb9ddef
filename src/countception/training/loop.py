"""The training loop: one for every network and recipe."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from countception import targets
from countception.config import Config, TrainingConfig
from countception.counting.canvas import Canvas
from countception.counting.predict import autocast_dtype, leave_out_holes, raw_map, run
from countception.errors import ConfigError
from countception.memory import keep_memory
from countception.networks.base import Network
from countception.training import state as checkpoints
from countception.training.augment import Example
from countception.training.batches import Batches
from countception.training.interrupts import undisturbed
from countception.training.losses import map_loss, place_loss
from countception.training.schedule import Length, evaluations_due, learning_rate
from countception.training.state import Identity, Record, State
from countception.trust import calibration

CHECKPOINT_SECONDS = 20.0
SETTLE_BATCHES = 12
REST = 3
"""So many times as long as an evaluation took are only steps, where a training lasts so many seconds."""
CORNER = 8
"""Side, in working pixels, of the corners of windows that `place_loss` looks at: about half the spacing of objects."""


@dataclass(frozen=True)
class Progress:
    """What a progress bar shows."""

    done: float
    """Share of the training, 0 to 1."""
    step: int
    elapsed: float
    """Seconds spent."""
    record: Record | None
    """The newest evaluation."""
    learned_from: int = 0
    """Training images."""
    validated_on: int = 0
    """Validation images; 0 where none are put aside, and errors are those of the training images."""
    interrupted: bool = False
    """Ctrl-C was pressed: what there is is being saved."""
    training: tuple[int, int] = (1, 1)
    """Which training it is, of how many."""

    @property
    def text(self) -> str:
        """The step and the newest validation error, or that of the training images where none are put aside."""
        number, of = self.training
        text = (f"training {number} of {of}, " if of > 1 else "") + f"step {self.step}"
        if self.record is not None:
            which = "validation error" if self.validated_on else "error on the training images"
            text += f", {which} {self.record.valid_mae:.2f} objects per image"
        return text


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Validation:
    """The validation images as they are counted, and their true counts, of all classes together."""

    canvases: Sequence[Canvas]
    true: Sequence[float]
    learned_from: bool = False
    """Whether these are the training images, as none are put aside."""


def make_optimiser(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam or AdamW; norms and biases are not decayed."""
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return kinds[config.optimiser](groups, lr=config.learning_rate)


def count_all(network: Network, canvases: Sequence[Canvas], *, tile: int) -> list[float]:
    """Raw counts of images, all classes together; in float32, as the counter counts."""
    network.eval()
    counts = []
    for canvas in canvases:
        raw = raw_map(network, canvas, tile=tile)
        leave_out_holes(raw, network, canvas.image, canvas.scale)
        counts.append(targets.count(network.redundant(raw[None])[0].numpy(), network.redundancy))
    return counts


class Trainer:
    """A training in progress.

    Parameters
    ----------
    network
        Untrained, on its device.
    examples
        Normalised working images with their dots.
    validation
        Counted at each evaluation; which weights are kept follows from `training.keep_from`.
    config
        Of the whole model.
    checkpoint
        File to resume from and to save to; None saves nothing.
    identity
        Of the training, for the checkpoint.
    """

    def __init__(
        self,
        network: Network,
        examples: Sequence[Example],
        validation: Validation,
        config: Config,
        *,
        checkpoint: Path | None = None,
        identity: Identity | None = None,
    ) -> None:
        self.network = network
        self.validation = validation
        self.config = config
        self.checkpoint, self.identity = checkpoint, identity or Identity()
        self.batches = Batches(examples, config.training, network)
        self.length = Length.of(config.training, len(examples))
        self.average = copy.deepcopy(network)
        self.optimiser = make_optimiser(network, config.training)
        self.device = next(network.parameters()).device
        self.corner = max(1, CORNER // network.layout.field.stride)
        self.state = State()
        self._compute_in(config.training.precision)
        self.best: dict[str, Tensor] = {}
        self.best_counts: list[float] = []
        self._loss_sum = torch.zeros((), dtype=torch.float32, device=self.device)
        self._saved_at = float("-inf")
        self._started: float | None = None
        """When it would have, had it never been interrupted."""
        self._rested = 0.0
        """Seconds of the training before which there is no further evaluation, if it is the clock that ends it."""

    @property
    def precision(self) -> str:
        """What the convolutions of steps are computed in, ``float32`` or ``bfloat16``."""
        return self.state.precision

    def _compute_in(self, precision: str) -> None:
        self.dtype = autocast_dtype(precision, self.device)
        self.state.precision = "float32" if self.dtype is None else str(self.dtype).removeprefix("torch.")

    def run(self, report: Report | None = None) -> bool:
        """Train to the end, or until Ctrl-C; True if it was interrupted. The weights to keep are in `best`."""
        with keep_memory():
            return self._run(report)

    def _run(self, report: Report | None) -> bool:
        self._started = time.monotonic() - self.state.elapsed
        try:
            while not self._finished():
                if not self._evaluation_due():  # it is at once where the training was interrupted in an evaluation
                    with undisturbed():
                        self._step()
                    self._look_at_the_clock()
                if self._evaluation_due():
                    begun = self.state.elapsed
                    self.evaluate()
                    self._rested = self.state.elapsed + REST * (self.state.elapsed - begun)
                    self._save()
                if report:
                    report(self._told())
        except KeyboardInterrupt:
            self.save()
            with suppress(KeyboardInterrupt):  # which `report` may raise itself to end a training
                if report:
                    report(replace(self._told(), interrupted=True))
            if not self.best:  # not saved: an uninterrupted training has no evaluation here
                self.evaluate()
            return True
        self.save()  # Ctrl-C may come in what follows, too
        return False

    def _look_at_the_clock(self) -> None:
        if self._started is not None:
            self.state.elapsed = time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """Share of the training that is done."""
        return self.length.progress(self.state.step, self.state.elapsed)

    def _told(self) -> Progress:
        newest = self.state.history[-1] if self.state.history else None
        images = len(self.batches.examples), 0 if self.validation.learned_from else len(self.validation.true)
        return Progress(self.progress, self.state.step, self.state.elapsed, newest, *images)

    def _evaluation_due(self) -> bool:
        due = evaluations_due(self.config.training, self.progress) > self.state.evaluations
        resting = self.length.seconds is not None and self.progress < 1 and self.state.elapsed < self._rested
        return due and not resting

    def _finished(self) -> bool:
        patience = self.config.training.patience
        evaluated = bool(self.state.history) and self.state.loss_steps == 0
        if self.progress >= 1 and (evaluated or not self._evaluation_due()):
            return True
        late = sum(record.step > self.state.best_step for record in self.state.history)
        return patience is not None and late >= patience

    def _step(self) -> None:
        training = self.config.training
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(training, self.progress)
        self.network.train()
        canvas, target = (tensor.to(self.device) for tensor in self.batches.at(self.state.step, self.progress))
        raw = run(self.network, canvas, self.dtype)
        height, width = self.network.layout.map_shape((self.batches.side, self.batches.side))
        predicted = self.network.redundant(raw[..., :height, :width])  # canvases of whole strides may give more
        loss = self.loss(predicted, target)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if training.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), training.clip)
        self.optimiser.step()
        self.state.step += 1
        self._loss_sum += loss.detach()
        self.state.loss_steps += 1
        self._follow()

    def loss(self, predicted: Tensor, target: Tensor) -> Tensor:
        """What a step lowers, of redundant maps ``(B, classes, y, x)``."""
        training = self.config.training
        loss = map_loss(training, predicted, target)
        return loss + training.places * place_loss(predicted, target, self.corner) if training.places else loss

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running average towards the weights; at first it reaches back over about a tenth of the steps."""
        decay = min(self.config.training.average, self.state.step / (self.state.step + 9))
        for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for kept, newest in zip(self.average.buffers(), self.network.buffers(), strict=True):
            kept.copy_(newest)

    def evaluate(self) -> Record:
        """Count the validation images with the averaged weights, and keep these where they are to be kept."""
        training = self.config.training
        if training.settle_norm:
            settle(self.average, self.batches, self.progress, self.dtype)
        counts = self.validation_counts()
        errors = np.subtract(counts, self.validation.true)
        factor = 1.0
        if self.config.calibrate:
            factor = calibration.fit(counts, self.validation.true, self.config.calibration_prior).factor
        record = Record(
            step=self.state.step,
            epoch=self.state.step / self.batches.per_epoch,
            seconds=round(self.state.elapsed, 3),
            learning_rate=learning_rate(training, self.progress),
            loss=float(self._loss_sum) / max(1, self.state.loss_steps),
            valid_mae=float(np.abs(np.multiply(counts, factor) - self.validation.true).mean()),
            valid_bias=float(errors.mean()),
        )
        if not (math.isfinite(record.loss) and math.isfinite(record.valid_mae)):
            self._diverged(record)
        with undisturbed():
            self._look_at_the_clock()  # of a training of so many seconds this may have been the last
            self._keep(record, counts)
        return record

    def _diverged(self, record: Record) -> NoReturn:
        """End a training whose weights are no numbers any more; going on with it would not mend them."""
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)
        raise ConfigError(
            f"the training diverged before step {record.step}: lower training.learning_rate, which is "
            f"{self.config.training.learning_rate:g}"
        )

    def validation_counts(self) -> list[float]:
        """Raw counts of the validation images by the averaged weights."""
        return count_all(self.average, self.validation.canvases, tile=self.config.counting.tile)

    def _keep(self, record: Record, counts: list[float]) -> None:
        training = self.config.training
        self._loss_sum.zero_()
        self.state.loss_steps = 0
        self.state.history.append(record)
        self.state.evaluations = evaluations_due(training, self.progress)
        late = self.progress >= training.keep_from
        if (late, -record.valid_mae) > (self.state.best_is_late, -self.state.best_mae):
            self.state.best_mae, self.state.best_step, self.state.best_is_late = record.valid_mae, record.step, late
            self.best = {name: tensor.clone() for name, tensor in self.average.state_dict().items()}
            self.best_counts = counts

    def _save(self) -> None:
        if self.state.elapsed - self._saved_at >= CHECKPOINT_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the checkpoint, if there is a place for it."""
        if self.checkpoint is None:
            return
        groups = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "best": {**self.best, "counts": torch.tensor(self.best_counts, dtype=torch.float64)},
            "optimiser": checkpoints.moments(self.optimiser),
        }
        self.state.loss_sum = float(self._loss_sum)
        tensors = {f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()}
        checkpoints.save(self.checkpoint, self.state, tensors, self.identity)
        self._saved_at = self.state.elapsed

    def resume(self) -> None:
        """Go on from the checkpoint.

        Raises
        ------
        ModelFileError
            It is damaged, or of another training.
        """
        assert self.checkpoint is not None
        self.state, tensors = checkpoints.load(self.checkpoint, self.identity)
        self._compute_in(self.state.precision or self.config.training.precision)  # as it began, on whatever machine
        with checkpoints.usable(self.checkpoint):
            self._restore(tensors)

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        groups: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            group, rest = name.split("/", 1)
            groups.setdefault(group, {})[rest] = tensor.to(self.device)
        self.network.load_state_dict(groups["network"])
        self.average.load_state_dict(groups["average"])
        checkpoints.restore_moments(self.optimiser, groups["optimiser"])
        self._loss_sum.fill_(self.state.loss_sum)
        self.best_counts = groups["best"].pop("counts").tolist()
        self.best = groups["best"]


@torch.no_grad()
def settle(network: Network, batches: Batches, progress: float, dtype: torch.dtype | None) -> None:
    """Estimate batch normalisation's statistics anew, as the plain mean over `SETTLE_BATCHES` training batches.

    The field calls it precise BatchNorm. A network without any is left alone.

    They must be batches like those that the weights were trained with: statistics of single or of unaugmented images
    differ enough to bias the counts by several per cent.
    """
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    network.eval()
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean
        layer.train()
    device = next(network.parameters()).device
    for step in range(SETTLE_BATCHES):
        run(network, batches.at(step, progress)[0].to(device), dtype)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    network.eval()
