"""Bad dots to learn from, as settings of any method: ``dots.…`` of one annotator, ``annotators.…`` of several.

>>> method = make("boxnet", Setup(settings={"dots.jitter": 8, "dots.missing": 0.1}))          # doctest: +SKIP

They spoil the dots of the training and of the validation images: whoever has bad dots has no better ones to validate
with. The images that errors are measured on keep their true dots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from countception.benchmark.annotators import Annotator, annotate_all, combine_all
from countception.benchmark.method import Fitted, Method, Report, Setup
from countception.benchmark.noisy_dots import noisy
from countception.errors import ConfigError

if TYPE_CHECKING:
    from countception.data.dataset import Sample


class Spoiler(Protocol):
    """Makes bad dots of true ones."""

    def spoil(self, samples: Sequence[Sample], seed: int) -> list[Sample]:
        """The samples with bad dots, in the same order; the images are shared."""


@dataclass(frozen=True)
class BadDots:
    """Dots that lie beside their objects, or are not there (section 3.6).

    Raises
    ------
    ConfigError
        A negative distance or a share that is none.
    """

    jitter: float = 0.0
    """Largest displacement in image pixels; places are drawn evenly from the disc of that radius."""
    missing: float = 0.0
    """Share of each image's dots that is left out, 0 to 1."""

    def __post_init__(self) -> None:
        noisy([], distance=self.jitter, missing=self.missing)

    def spoil(self, samples: Sequence[Sample], seed: int) -> list[Sample]:
        """As `countception.benchmark.noisy_dots.noisy`."""
        return noisy(samples, distance=self.jitter, missing=self.missing, seed=seed)


@dataclass(frozen=True)
class Crowd(Annotator):
    """Several annotators alike whose dots are combined (Arteta et al. 2016); of one, the dots are taken as they are.

    Raises
    ------
    ConfigError
        No annotator at all, or one that nobody is like.
    """

    number: int = 1
    reach: float = 9.0
    """Farthest that a dot lies from the mean of the others of its object, in image pixels."""

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ConfigError(f"{self.number} annotators place no dots: there must be at least 1")
        super().__post_init__()

    def spoil(self, samples: Sequence[Sample], seed: int) -> list[Sample]:
        """The dots that half of the annotators or more agree on."""
        annotated = annotate_all(samples, [self] * self.number, seed=seed)
        return annotated[0] if self.number == 1 else combine_all(annotated, reach=self.reach)


KINDS: dict[str, type] = {"dots": BadDots, "annotators": Crowd}
"""First part of a setting's name → what it is a setting of."""


def take(settings: Mapping[str, Any]) -> tuple[dict[str, Spoiler], dict[str, Any]]:
    """What spoils the dots by these settings, by kind, and the settings that are the method's own.

    Raises
    ------
    ConfigError
        An unknown name or a value that makes no sense.
    """
    own = dict(settings)
    given: dict[str, dict[str, Any]] = {}
    for name in settings:
        kind, _, rest = name.partition(".")
        if kind in KINDS:
            given.setdefault(kind, {})[rest] = own.pop(name)
    return {kind: Setup(settings=values).read(KINDS[kind]) for kind, values in sorted(given.items())}, own


class WithBadDots:
    """A method that learns from spoiled dots.

    Parameters
    ----------
    method
        The method.
    spoilers
        As `take` gives them.
    """

    def __init__(self, method: Method, spoilers: Mapping[str, Any]) -> None:
        self.method, self.spoilers, self.name = method, spoilers, method.name

    @property
    def configuration(self) -> dict[str, Any]:
        """The method's, and what spoils its dots."""
        return {**self.method.configuration, **{kind: asdict(each) for kind, each in self.spoilers.items()}}

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int, report: Report) -> Fitted:
        """As the method does, from other dots."""
        samples = [*training, *validation]
        for spoiler in self.spoilers.values():
            samples = spoiler.spoil(samples, seed)
        number = len(training)
        return self.method.fit(samples[:number], samples[number:], seed=seed, report=report)
