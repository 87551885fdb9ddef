"""The model file: weights and everything needed to count with them. Loading it runs no code.

It is a safetensors file. Its metadata hold one JSON document (configuration, scale, normalisation, calibration, what it
was trained on, validation figures, versions) and a SHA-256 over that document and all weights, so that a damaged file
is refused instead of counting wrongly.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch import Tensor

from countception._version import __version__
from countception.config import Config, NetworkConfig, parse
from countception.counting.tensor_file import DAMAGED, read_tensors
from countception.errors import CountceptionError, ModelFileError
from countception.files import whole_file
from countception.images.normalise import Normalisation
from countception.images.pieces import Pixels
from countception.images.same import pixel_hash
from countception.networks import build
from countception.networks.base import Network
from countception.networks.seeds import seeded
from countception.trust.calibration import Calibration
from countception.trust.confidence import IntervalModel
from countception.trust.familiarity import Familiarity

FORMAT = "countception model 1"
SUFFIX = ".count"
"""How names of model files usually end."""
SMALLEST_SCALE = 1e-3
"""Of a sound model; the largest is its inverse."""
MANY = 64
"""Channels or classes from which a network may be large, where it is no wider than usual."""


@dataclass(frozen=True)
class Model:
    """A trained network with what turns its map into counts."""

    network: Network
    config: Config
    scale: float
    """Working pixels per image pixel."""
    normalisation: Normalisation
    calibration: Calibration = field(default_factory=Calibration)
    intervals: IntervalModel = field(default_factory=IntervalModel)
    """How large errors were on the validation images."""
    flipped_intervals: IntervalModel = field(default_factory=IntervalModel)
    """The same of counts averaged over flips; without images where the model knows only `intervals`."""
    familiarity: Familiarity = field(default_factory=Familiarity)
    """What the training and validation images look like."""
    class_names: tuple[str, ...] = ("object",)
    trained_on: dict[str, Any] = field(default_factory=dict)
    """Numbers of images and objects, the SHA-256 of the training data, and what its images are known by."""
    validation: dict[str, Any] = field(default_factory=dict)
    """Error figures and counts of the validation images, and what these are known by."""
    versions: dict[str, str] = field(default_factory=lambda: versions())
    digest: str = ""
    """SHA-256 of what the file holds; empty where it comes from none."""

    @functools.cached_property
    def identity(self) -> str:
        """12 hexadecimal digits that no other model has, the same of a model and of all copies of its file."""
        return (self.digest or _digest(_document(self), _weights(self)))[:12]

    def knows(self, image: Pixels) -> bool:
        """Whether the image is one of those that it learned from or was validated on; not in older models."""
        return known_by(image) in (*self.trained_on.get("pixels", ()), *self.validation.get("pixels", ()))

    def interval_model(self, *, flips: bool) -> IntervalModel:
        """What is known about the errors of counts that were averaged over flips, or not."""
        return self.flipped_intervals if flips and self.flipped_intervals.images else self.intervals


def known_by(image: Pixels) -> str:
    """Enough of the hash of an image's pixels to tell it from others."""
    return pixel_hash(image)[:16]


def versions() -> dict[str, str]:
    """Of this package and of torch."""
    return {"countception": __version__, "torch": str(torch.__version__)}


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model file whole or not at all.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    document = _document(model)
    weights = _weights(model)
    header = {"format": FORMAT, "model": document, "sha256": _digest(document, weights)}
    with whole_file(path) as temporary:
        temporary.write_bytes(serialise(weights, header))


def _weights(model: Model) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in model.network.state_dict().items()}


def _document(model: Model) -> str:
    """All but the weights, as JSON."""
    return json.dumps(
        {
            "config": model.config.model_dump(),
            "scale": model.scale,
            "normalisation": asdict(model.normalisation),
            "calibration": asdict(model.calibration),
            "intervals": model.intervals.model_dump(),
            "flipped_intervals": model.flipped_intervals.model_dump(),
            "familiarity": model.familiarity.model_dump(),
            "class_names": model.class_names,
            "trained_on": model.trained_on,
            "validation": model.validation,
            "versions": model.versions,
        }
    )


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model file; the network is in evaluation mode, on the CPU.

    Raises
    ------
    ModelFileError
        The file is missing, of another kind, cut off, altered, or from a newer version; the sentence says which.
    """
    header, weights = _read(Path(path))
    document = header["model"]
    if _digest(document, weights) != header.get("sha256"):
        raise ModelFileError(f"{path} has been altered or damaged since it was written: copy it anew from its source")
    try:
        model = _rebuild(json.loads(document), weights)
        _check(model)
        return replace(model, digest=header["sha256"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError, CountceptionError) as error:
        raise ModelFileError(
            f"{path} cannot be used by countception {__version__} ({_first_line(error)}): "
            "it may come from a newer version; update countception or train anew"
        ) from None


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        if not path.exists():
            raise ModelFileError(f"there is no model file {path}")
        if path.is_dir():
            raise ModelFileError(f"{path} is a folder, not a model file: name the file that `train -o` wrote")
    except OSError as error:  # such as of a folder that may not be looked into
        raise ModelFileError(
            f"{path} cannot be read ({error.strerror or error}): check its name and who may read it"
        ) from error
    try:
        header, weights = read_tensors(path)
    except DAMAGED as error:
        raise ModelFileError(
            f"{path} is not a whole countception model ({_first_line(error)}): "
            "it is of another kind, cut off or damaged"
        ) from None
    kind = header.get("format", "")
    if kind != FORMAT or "model" not in header:
        raise ModelFileError(f"{path} {_other(kind)}")
    return header, weights


def _other(kind: str) -> str:
    """What a safetensors file is that is no model of this version."""
    if kind.startswith("countception checkpoint"):
        return "is an unfinished training and no model: go on with it (resume, --resume), which writes the model"
    if kind.startswith("countception model") and kind != FORMAT:
        return f"comes from a newer version than countception {__version__}: update countception"
    return "is not a countception model but some other safetensors file"


def _rebuild(values: dict[str, Any], weights: dict[str, Tensor]) -> Model:
    config = parse(values["config"])
    _check_weights(config.network, weights)
    with seeded(0):  # whose numbers are replaced at once
        network = build(config.network)
    network.load_state_dict(weights)
    return Model(
        network=network.eval(),
        config=config,
        scale=float(values["scale"]),
        normalisation=Normalisation(**{key: value and tuple(value) for key, value in values["normalisation"].items()}),
        calibration=Calibration(**values["calibration"]),
        intervals=IntervalModel(**values["intervals"]),
        flipped_intervals=IntervalModel(**values.get("flipped_intervals", {})),  # not in models of older versions
        familiarity=Familiarity(**values["familiarity"]),
        class_names=tuple(values["class_names"]),
        trained_on=dict(values["trained_on"]),
        validation=dict(values["validation"]),
        versions=dict(values["versions"]),
    )


def _check_weights(config: NetworkConfig, weights: dict[str, Tensor]) -> None:
    """Refuse weights of another network, before there is memory for one as large as the file says it is.

    Raises
    ------
    ValueError
        They are.
    """
    if config.width <= 1 and max(config.channels, config.classes) <= MANY:  # the look takes a second
        return
    with torch.device("meta"):
        wanted = {name: tensor.shape for name, tensor in build(config).state_dict().items()}
    if wanted != {name: tensor.shape for name, tensor in weights.items()}:
        raise ValueError("its weights are those of another network than it says")


def _check(model: Model) -> None:
    """Refuse values that would count nonsense, or nothing.

    Raises
    ------
    ValueError
        Says which.
    """
    look, network, trained = model.normalisation, model.config.network, model.trained_on
    sound = {
        f"scale {model.scale}": SMALLEST_SCALE <= model.scale <= 1 / SMALLEST_SCALE,
        f"factor {model.calibration.factor}": 0 < model.calibration.factor < math.inf,
        "normalisation": len(look.mean) == len(look.deviation) == network.channels
        and all(map(math.isfinite, look.mean))
        and all(0 < deviation < math.inf for deviation in look.deviation)
        and (look.numbers is None or len(look.numbers) == network.channels),
        "pixel size": 0 < trained.get("pixel_size", 1.0) < math.inf,
        "spacing of dots": 0 < trained.get("spacing", 1.0) < math.inf,
        f"{len(model.class_names)} classes": len(set(model.class_names)) == network.classes == len(model.class_names)
        and all(isinstance(name, str) for name in model.class_names),
        "calibration": all(isinstance(value, int | float) for value in asdict(model.calibration).values()),
        "list of known images": all(isinstance(each.get("pixels", []), list) for each in (trained, model.validation)),
    }
    for what, possible in sound.items():
        if not possible:
            raise ValueError(f"its {what} cannot be")


def _digest(document: str, weights: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(document.encode())
    for name in sorted(weights):
        tensor = weights[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
