"""Everything a training needs in order to go on: written whole at each evaluation, read without running code."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch import Tensor

from countception.config import Config, dotted
from countception.errors import ModelFileError
from countception.files import whole_file
from countception.tensor_file import DAMAGED, read_tensors

FORMAT = "countception checkpoint 1"
NAMED = 5
"""So many settings that differ are named."""


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
    evaluations: int = 0
    best_mae: float = float("inf")
    best_step: int = 0
    best_is_late: bool = False
    """Whether the best weights come from the part of the training that they are to be kept from."""
    loss_sum: float = 0.0
    """Of the steps since the newest evaluation, as their number is."""
    loss_steps: int = 0
    history: list[Record] = field(default_factory=list)


def save(path: Path, state: State, tensors: dict[str, Tensor], fingerprint: str, config: Config) -> None:
    """Write a checkpoint whole or not at all.

    Parameters
    ----------
    path
        File to write.
    state
        Place in the training.
    tensors
        Weights, averages and optimiser moments by name.
    fingerprint
        Of the configuration and the data, so that another training cannot be resumed from it.
    config
        The configuration, to say what is different in another.
    """
    values = {**asdict(state), "best_mae": state.best_mae if state.history else None}
    header = {"format": FORMAT, "fingerprint": fingerprint, "config": config.model_dump_json()}
    header["state"] = json.dumps(values)
    with whole_file(path) as temporary:
        temporary.write_bytes(
            serialise({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, header)
        )


def load(path: Path, fingerprint: str, config: Config) -> tuple[State, dict[str, Tensor]]:
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
        then: dict[str, Any] | None = json.loads(header.get("config", "null"))
    except DAMAGED as error:
        raise ModelFileError(f"{path} cannot be resumed from ({error}): delete it to start anew") from None
    if header["fingerprint"] != fingerprint:
        raise ModelFileError(
            f"{path} belongs to a training with {_difference(then, config)}: "
            "repeat the command it was started with, or delete it to start anew"
        )
    history = [Record(**row) for row in values.pop("history")]
    best = values.pop("best_mae")
    return State(**values, history=history, best_mae=float("inf") if best is None else best), tensors


def _difference(then: dict[str, Any] | None, now: Config) -> str:
    """What the training of a checkpoint had that this one has not, for people."""
    if then is None:  # an older checkpoint
        return "other options or other data"
    before, after = dotted(then), dotted(now.model_dump(mode="json"))
    changed = [key for key in before | after if before.get(key) != after.get(key)]
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
