"""What the benchmark asks of a method; the methods themselves are listed in `countception.benchmark.methods`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

from countception.errors import ConfigError
from countception.validation_errors import in_words

if TYPE_CHECKING:
    from countception.data.dataset import Sample
    from countception.training.state import Record

Options = TypeVar("Options")

Report = Callable[[float, str], None]
"""Called now and then with the share of the fitting that is done, 0 to 1, and a few words."""


@dataclass(frozen=True)
class Setup:
    """What a method is made from."""

    data: str = ""
    """Name of the data set, for methods that were published with other settings for each."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What `--set` says. It decides the result, so it is part of a run's identity."""
    device: str | None = None
    """`cpu`, `cuda`, …; None takes a GPU where there is one."""
    work: Path | None = None
    """Folder, perhaps not there yet, for what a stopped fit goes on from; removed when the run is finished."""
    precision: str = ""
    """What the training steps of a run were computed in that is repeated; empty leaves it to the configuration."""
    n: int | None = None
    """Images to learn from, on which the length of a training may depend; None leaves that open."""

    @property
    def repeated(self) -> dict[str, Any]:
        """Changes to a training's configuration that make it the one that is repeated; none where none is."""
        return {"training.precision": self.precision} if self.precision else {}

    def read(self, kind: type[Options]) -> Options:
        """The settings as an options dataclass of the method, checked against its fields and their types.

        Raises
        ------
        ConfigError
            An unknown name or a value of the wrong type; the sentence names it.
        """
        from pydantic import TypeAdapter, ValidationError

        known = [each.name for each in dataclasses.fields(cast("Any", kind))]
        for name in self.settings:
            if name not in known:
                raise ConfigError(f"{name} is no setting of this method: it has {', '.join(known) or 'none'}")
        try:
            return TypeAdapter(kind).validate_python(dict(self.settings))
        except ValidationError as error:
            raise ConfigError(in_words(error)) from None


@dataclass(frozen=True)
class Facts:
    """What a fit was like, for the run's row; None where it does not apply."""

    epochs: float | None = None
    steps: int | None = None
    seconds: float | None = None
    """Time spent, where that is not the time the call took (a fit that was stopped and resumed)."""
    device: str = "cpu"
    precision: str = ""
    """What training steps were computed in, ``float32`` or ``bfloat16``; empty without a network."""
    curve: Sequence[Record] = ()
    """Training curve."""


class Fitted(Protocol):
    """A method that has learned."""

    @property
    def facts(self) -> Facts:
        """What the fit was like."""

    def count(self, sample: Sample) -> float:
        """Number of objects in an image; the sample's dots must not be looked at."""


@runtime_checkable
class Variants(Protocol):
    """A fitted method that can also count in other ways, each worth a row of its own."""

    def variants(self, sample: Sample) -> Mapping[str, float]:
        """Count by the setting that stands for the way, such as ``test_stride=8``."""


@runtime_checkable
class Batched(Protocol):
    """A fitted method that is much faster on many images at once."""

    def prepare(self, samples: Sequence[Sample]) -> None:
        """Count the images that `count` will be asked for; their dots must not be looked at."""


class Method(Protocol):
    """Something that learns to count from images with dots."""

    @property
    def name(self) -> str:
        """As in `METHODS`."""

    @property
    def configuration(self) -> Mapping[str, Any]:
        """Everything but data and seed that decides the result, as plain JSON values."""

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """Learn from training images, choosing by validation images if there is anything to choose."""
