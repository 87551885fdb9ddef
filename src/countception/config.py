"""Every default, in one place: frozen, validated, and saved with each model. An unknown key is an error.

A `Config` is what is written into a model file. `recipe(name)` makes the two that ship: ``default`` (ours) and
``paper`` (Cohen et al. 2017, section 5.1).
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from countception.errors import ConfigError
from countception.validation_errors import in_words

Channel = Annotated[int, Field(ge=0)]
STEPS, LONG, MUCH = 1000, 3400, 1.2
"""Length of a training for which none is given, the length where there is much to learn from, and how much that is, in
millions of working pixels: from less, a longer training learned nothing more that could be shown, from more it leaves
less error (benchmarks/EXPERIMENTS.md)."""
LEVEL = 0.9
"""Probability with which an interval holds the true count, where no other is asked for."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation is not bool:
            raise PydanticKnownError("float_type")
        return value


class NetworkConfig(_Frozen):
    """Which network, and the map it predicts."""

    name: str = "boxnet"
    """A name from `countception.networks.names()`."""
    channels: int = Field(3, ge=1)
    """Channels of the images."""
    classes: int = Field(1, ge=1)
    """Kinds of object, one output map and one target map each; the paper counts one."""
    window: int = Field(32, ge=4)
    """Side r of the counting window in working pixels."""
    stride: int = Field(2, ge=1)
    """Step s between windows in working pixels; (r / s)² is the redundancy."""
    sigma: float = Field(2.0, gt=0)
    """Standard deviation, in working pixels, of the Gaussian that stands for an object in a density map. Xie et al.
    (2016) use about 2 for cells of VGG size."""
    width: float = Field(1.0, gt=0)
    """Multiplies the filters of every layer; 1 is the network as published or shipped."""
    pretrained: bool = True
    """Start from the weights that ship for this network, where there are any, instead of random ones."""
    start_at_mean: bool = False
    """Of `count_ception` and its Gaussian variant: untrained, they predict the mean of the training images' map, not 0
    as in the paper. A short training otherwise spends its steps on climbing there."""

    @property
    def flips(self) -> bool:
        """Whether maps of flipped images lie on the grid of the others, so that they can be averaged."""
        return self.window % self.stride == 0

    @model_validator(mode="after")
    def _stride_fits(self) -> NetworkConfig:
        if self.stride > self.window:
            raise ValueError(f"stride {self.stride} is larger than the window {self.window}: objects would be skipped")
        return self


class ScaleConfig(_Frozen):
    """How large objects are shown to the network."""

    factor: float | None = Field(None, gt=0)
    """Working pixels per image pixel; None finds it from the spacing of the dots."""
    spacing: float = Field(22.0, gt=0)
    """Median distance, in working pixels, from a dot to its third neighbour to which `factor=None` magnifies images
    whose dots are closer."""
    widest: float = Field(48.0, ge=0)
    """The same distance, to which it shrinks images whose dots are farther apart; 0, or any less than `spacing`: the
    latter. Images between the two are shown as they are, which keeps their details."""
    smallest: float = Field(0.125, gt=0)
    largest: float = Field(3.0, gt=0)
    """Bounds of the factor that is found."""


class AugmentConfig(_Frozen):
    """Random changes to the training images; dots move with them."""

    crop: int | None = Field(256, ge=32)
    """Side of the square crops trained on, in working pixels; None takes whole images."""
    overhang: int = Field(16, ge=0)
    """How far, in working pixels, a crop may reach beyond the image, where it sees the zeros of a canvas."""
    flips: bool = True
    """Flips and transposition (the eight symmetries of the square)."""
    zoom: float = Field(0.1, ge=0, le=1)
    """Largest absolute log of a random magnification."""
    intensity: float = Field(0.2, ge=0, le=1)
    """Strength of random brightness and contrast, per channel and overall, in units of the normalised image."""
    noise: float = Field(0.0, ge=0, le=1)
    """Largest standard deviation of added noise, in units of the normalised image."""
    plain: float = Field(0.3, ge=0, le=1)
    """Last share of the training in which crops are only shifted and flipped: what zoom and light do to the pixels
    (interpolation smooths them) shifts the counts of unchanged images by several per cent."""

    def plainly(self) -> AugmentConfig:
        """Without what changes pixels: all but where crops lie and how they are turned is a strength, and 0."""
        strengths = type(self).model_fields.keys() - {"crop", "overhang", "flips", "plain"}
        return self.model_copy(update=dict.fromkeys(strengths, 0.0))


class TrainingConfig(_Frozen):
    """The optimiser, its schedule and when to stop."""

    loss: Literal["l1", "smooth_l1", "l2"] = "smooth_l1"
    """Error of the map's entries. The paper uses `l1` (equation 2)."""
    beta: float = Field(3.0, gt=0)
    """Error, in objects per window, below which `smooth_l1` is quadratic and so learns the mean, not the median."""
    places: float = Field(0.5, ge=0)
    """Weight of a second loss, on where in its windows an object lies (`losses.place_loss`): for points. Counts
    hardly need it, as an object may lie anywhere in a window to be counted, and lose a little by much of it. 0 leaves
    it out."""
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0)
    """Peak learning rate."""
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    warmup: float = Field(0.15, ge=0, le=1)
    """Share of the training spent raising the learning rate (one_cycle)."""
    weight_decay: float = Field(0.01, ge=0)
    clip: float | None = Field(5.0, gt=0)
    """Largest norm of the gradient; None does not clip."""
    batch: int = Field(4, ge=1)
    """Crops per step."""
    steps: int | None = Field(None, ge=1)
    """Length in optimiser steps; where neither these nor epochs nor seconds are given, `lasting` says how many."""
    epochs: int | None = Field(None, ge=1)
    """Length in passes over the training images, instead of steps."""
    seconds: float | None = Field(None, gt=0)
    """Length in seconds, instead of steps; the schedule then follows the clock."""
    average: float = Field(0.99, ge=0, lt=1)
    """Decay of the exponential moving average of the weights that is evaluated and saved; 0 uses the weights
    themselves."""
    settle_norm: bool = True
    """Before each evaluation, estimate the statistics of batch normalisation anew: those gathered while the weights
    changed drift from what the averaged weights need, and the counts with them."""
    evaluations: int = Field(20, ge=1)
    """How often, in all, the validation images are counted."""
    keep_from: float = Field(1.0, ge=0, le=1)
    """Share of the training from which on the weights with the least validation error are kept: 1 keeps the last ones,
    as others win only by luck on few validation images, which then say less of other images, too. Earlier ones are kept
    where the training ends early, by `patience` or interrupted."""
    patience: int | None = Field(None, ge=1)
    """Evaluations without a better validation error before stopping early; None never stops early."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the training steps: `auto` takes bfloat16 on a GPU and on a CPU with AMX or AVX512-bf16 that is faster at it,
    and float32 elsewhere. Counting is always done in float32, so that tiles and machines agree."""
    seed: int = Field(0, ge=0, lt=2**63)
    augment: AugmentConfig = AugmentConfig()

    @model_validator(mode="after")
    def _one_length(self) -> TrainingConfig:
        if sum(value is not None for value in (self.steps, self.epochs, self.seconds)) > 1:
            raise ValueError("give one of steps, epochs and seconds")
        return self

    def lasting(self, megapixels: float, enlargement: float = 1.0) -> TrainingConfig:
        """With a length: where none is given, the steps for training images of so many million working pixels.

        As many times more of them as objects are shown larger than usual (`points.scale.enlargement`).
        """
        if self.steps or self.epochs or self.seconds:
            return self
        steps = LONG if megapixels >= MUCH else STEPS
        return self.model_copy(update={"steps": round(steps * enlargement)})


class CountingConfig(_Frozen):
    """How images are counted."""

    tile: int = Field(1024, ge=1)
    """Largest side, in map entries, computed in one piece; larger images are counted tile by tile."""
    flips: bool = False
    """Average the maps of the eight flips and transpositions."""
    spread: bool = True
    """After training, count the validation images in all flips, too, so that counts with flips have intervals of their
    own, scaled by the spread."""
    shifts: int = Field(0, ge=0, le=11)
    """Average over this many further shifts of the image, each by whole strides of the map."""


class CountOptions(TypedDict, total=False):
    """What of it may be chosen anew for each image, as in `countception.Counter.count`; None is as trained.

    To rescale is no part of a model.
    """

    tile: int | None
    flips: bool | None
    shifts: int | None
    rescale: bool


class Config(_Frozen):
    """Everything that decides what a trained model does."""

    recipe: str = "default"
    channels: tuple[Channel, ...] | None = Field(None, min_length=1)
    """Which channels of the images, from 0, the network learns from, and counts in unless told others; None: all."""
    network: NetworkConfig = NetworkConfig()
    scale: ScaleConfig = ScaleConfig()
    training: TrainingConfig = TrainingConfig()
    counting: CountingConfig = CountingConfig()
    calibrate: bool = True
    """Fit one factor on the validation images that removes the low bias a robust map loss leaves."""
    calibration_prior: float = Field(0.02, gt=0)
    """How far from 1 that factor is expected to lie: few validation images are believed only so far."""

    def lasting(self, megapixels: float, enlargement: float = 1.0) -> Config:
        """With a length of the training, as `TrainingConfig.lasting`."""
        return self.model_copy(update={"training": self.training.lasting(megapixels, enlargement)})

    @field_validator("channels")
    @classmethod
    def _channels_differ(cls, channels: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if channels is not None and len(set(channels)) < len(channels):
            raise ValueError("one of them is there twice")
        return channels

    @model_validator(mode="after")
    def _flips_fit(self) -> Config:
        if self.counting.flips and not self.network.flips:
            raise ValueError(
                f"counting.flips needs a stride that divides the window, which is {self.network.window}: "
                f"{self.network.stride} does not"
            )
        return self


RECIPES: dict[str, Config] = {
    "default": Config(),
    "paper": Config(
        recipe="paper",
        network=NetworkConfig(name="count_ception", window=32, stride=1, pretrained=False),
        scale=ScaleConfig(factor=1.0),
        training=TrainingConfig(
            loss="l1",
            places=0.0,
            optimiser="adam",
            learning_rate=0.005,
            schedule="constant",
            weight_decay=0.0,
            clip=None,
            steps=None,
            epochs=1000,
            average=0.0,
            settle_norm=False,
            evaluations=1000,
            keep_from=0.0,
            augment=AugmentConfig(crop=None, overhang=0, flips=False, zoom=0.0, intensity=0.0),
        ),
        counting=CountingConfig(spread=False),
        calibrate=False,
    ),
}


NETWORK_SETTINGS: dict[str, dict[str, Any]] = {
    "count_ception": {"network.stride": 1, "training.places": 0.0},
    "count_ception_gaussian": {"network.stride": 1, "training.places": 0.0},
    "fcrn_a": {"network.stride": 1, "training.loss": "l2", "training.places": 0.0, "calibrate": False},
    "fcrn_b": {"network.stride": 1, "training.loss": "l2", "training.places": 0.0, "calibrate": False},
}
"""What a network needs beside its name where a recipe is used with it instead of the recipe's own; `boxnet` nothing."""


_WINDOWS = {"network.window", "network.stride", "network.start_at_mean"}
IDLE: dict[str, set[str]] = {
    "boxnet": {"network.sigma", "network.start_at_mean"},
    "count_ception": {"network.sigma"},
    "fcrn_a": _WINDOWS,
    "fcrn_b": _WINDOWS,
}
"""What a network has no use for, such as the window of one that learns a density map: nobody is to wonder why it
changes nothing."""


DECIDED = {
    "recipe": "choose a recipe by its name (config, --recipe)",
    "network.channels": "images have as many as they have; channels chooses some",
    "network.classes": "there are as many as the dots have names",
}
"""What nobody chooses by a setting, and why."""


def recipe(name: str, *, network: str | None = None) -> Config:
    """A shipped configuration by name, for its own network or another.

    Raises
    ------
    ConfigError
        No recipe of that name.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}: the recipes are {', '.join(sorted(RECIPES))}")
    config = RECIPES[name]
    return config if network is None or network == config.network.name else with_network(config, network)


def with_network(config: Config, network: str) -> Config:
    """The same with another network, and what that needs beside its name."""
    return updated(config, {"network.name": network, **NETWORK_SETTINGS.get(network, {})})


def parse(values: dict[str, Any]) -> Config:
    """A configuration from plain values, as read from JSON.

    Raises
    ------
    ConfigError
        An unknown key or a value out of range; the sentence names it.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(in_words(error, whole="the configuration", hint=_hint)) from None


def _hint(name: str) -> str:
    near = _nearest(name)
    return f"did you mean {near}?" if near else "countception settings lists all there are"


def _nearest(name: str) -> str | None:
    """The setting that was probably meant: the same in another group, or one of a like name."""
    known = list(dotted(Config().model_dump()))
    ends = {each.rpartition(".")[2]: each for each in known}
    last = name.rpartition(".")[2]
    same = [each for each in known if each.rpartition(".")[2] == last]
    near = get_close_matches(name, same, 1, cutoff=0) or get_close_matches(name, known, 1)
    near = near or [ends[end] for end in get_close_matches(last, ends, 1)]
    return near[0] if near else None


def dotted(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted keys, as `updated` takes them."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def updated(config: Config, changes: dict[str, Any]) -> Config:
    """`config` with changes, validated again: under dotted keys, such as ``{"training.seed": 3}``, or nested.

    Raises
    ------
    ConfigError
        An unknown key or a value out of range.
    """
    values = config.model_dump()
    for key, value in dotted(changes).items():
        *path, last = key.split(".")
        place = values
        for part in path:
            place = place.setdefault(part, {})  # an unknown part is refused with the rest
            if not isinstance(place, dict):
                raise ConfigError(f"{key}: {part} is a single value, it has no {last}")
        place[last] = value
    return parse(values)
