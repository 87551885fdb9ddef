"""Everything a training needs in order to go on: written whole now and then, read without running code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch import Tensor

from countception.config import DECIDED, dotted
from countception.counting.tensor_file import DAMAGED, read_tensors
from countception.data.dataset import Sample, content_hash
from countception.errors import ModelFileError
from countception.files import whole_file

FORMAT = "countception checkpoint 1"
NAMED = 5
"""So many settings that differ are named."""


def checkpoint_path(out: str | os.PathLike[str]) -> Path:
    """Where a training is kept that is not finished, beside its model."""
    return Path(f"{os.fspath(out)}.checkpoint")


@dataclass(frozen=True)
class Record:
    """One evaluation: a row of the training curve."""

    step: int
    epoch: float
    seconds: float
    learning_rate: float
    loss: float
    valid_mae: float
    """Mean absolute count error on the validation images, calibrated if the configuration says so."""
    valid_bias: float
    """Mean count error on the validation images before calibration."""


@dataclass
class State:
    """A training's place and memory."""

    step: int = 0
    elapsed: float = 0.0
    precision: str = ""
    """What steps are computed in, ``float32`` or ``bfloat16``; empty in checkpoints of before it was kept."""
    evaluations: int = 0
    best_mae: float = float("inf")
    best_step: int = 0
    best_is_late: bool = False
    """Whether the best weights come from the part of the training that they are to be kept from."""
    loss_sum: float = 0.0
    """Of the steps since the newest evaluation, as their number is."""
    loss_steps: int = 0
    history: list[Record] = field(default_factory=list)
    replaces: bool = False
    """Whether a model was there when it began, which only the finished one is to replace."""


@dataclass(frozen=True)
class Identity:
    """What tells one training from another, which cannot be resumed from its checkpoint."""

    options: dict[str, Any] = field(default_factory=dict)
    """The configuration that was asked for, as JSON has it, and what else was; to say what is different."""
    fingerprint: str = ""
    """Of the options, with those that follow from the data, and the data."""


def identify(options: dict[str, Any], data: Iterable[Iterable[Sample]]) -> Identity:
    """The identity of a training on these samples."""
    parts = [json.dumps(options), *map(content_hash, data)]
    return Identity(options, hashlib.sha256(" ".join(parts).encode()).hexdigest())


def save(path: Path, state: State, tensors: dict[str, Tensor], identity: Identity) -> None:
    """Write a checkpoint whole or not at all.

    Parameters
    ----------
    path
        File to write.
    state
        Place in the training.
    tensors
        Weights, averages and optimiser moments by name.
    identity
        Of the training, so that no other is resumed from it.
    """
    values = {**asdict(state), "best_mae": state.best_mae if state.history else None}
    header = {"format": FORMAT, "fingerprint": identity.fingerprint, "options": json.dumps(identity.options)}
    header["state"] = json.dumps(values)
    with whole_file(path) as temporary:
        temporary.write_bytes(
            serialise({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, header)
        )


def load(path: Path, identity: Identity) -> tuple[State, dict[str, Tensor]]:
    """Read a checkpoint.

    Raises
    ------
    ModelFileError
        The file is no checkpoint, is damaged, or belongs to another configuration or other data; the
        sentence names what differs.
    """
    try:
        header, tensors = read_tensors(path)
        if header.get("format") != FORMAT:
            raise ModelFileError(f"{path} is not a checkpoint of a training: delete it to start anew")
        values: dict[str, Any] = json.loads(header["state"])
        then: dict[str, Any] | None = json.loads(header.get("options", "null"))
        fingerprint = header["fingerprint"]
    except DAMAGED as error:
        raise _unusable(path, error) from None
    if fingerprint != identity.fingerprint:
        raise ModelFileError(
            f"{path} belongs to a training with {_difference(then, identity.options)}: "
            "repeat the command it was started with, or delete it to start anew"
        )
    with usable(path):
        history = [Record(**row) for row in values.pop("history")]
        best = values.pop("best_mae")
        return State(**values, history=history, best_mae=float("inf") if best is None else best), tensors


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Make what goes wrong with the contents of a checkpoint, such as that of another version, a `ModelFileError`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: Exception) -> ModelFileError:
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return ModelFileError(
        f"{path} cannot be resumed from ({reason}): go on with the version that wrote it, or delete it to start anew"
    )


def _difference(then: dict[str, Any] | None, now: dict[str, Any]) -> str:
    """What the training of a checkpoint had that this one has not, for people."""
    if then is None:  # an older checkpoint
        return "other options or other data"
    before, after = dotted(then), dotted(now)
    changed = [key for key in before | after if before.get(key) != after.get(key) and key not in DECIDED]
    if not changed:
        return "other data"
    pairs = [f"{key}={json.dumps(before.get(key))} (not {json.dumps(after.get(key))})" for key in changed[:NAMED]]
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return f"other options, {', '.join(pairs)}{more}"


def moments(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's memory as named tensors."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value) for index, slots in state.items() for name, value in slots.items()
    }


def restore_moments(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `moments` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, slot = name.split(".", 1)
        state.setdefault(int(index), {})[slot] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
