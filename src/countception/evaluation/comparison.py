"""Two counters on the same images: which is closer to the truth, and whether that may be chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from countception.errors import ConfigError

LEVEL = 0.95
"""Of the interval of a difference."""


@dataclass(frozen=True)
class Comparison:
    """Errors of two counters on images that neither of them learned from or was validated on."""

    images: int
    mae: float
    """Mean absolute error, in objects per image; NaN of no image, as all that follows."""
    other_mae: float
    """Of the counter that the first is compared with."""
    low: float
    high: float
    """Where the mean difference of the absolute errors on such images lies, with a probability of 95 % (Student's t of
    the paired differences); NaN of a single image."""
    closer: int
    """Images of which the first counter's count is closer to the truth."""
    farther: int

    @property
    def difference(self) -> float:
        """How much larger the first counter's MAE is; below 0 it is the better one."""
        return self.mae - self.other_mae

    @property
    def chance(self) -> bool:
        """Whether the images are too few, or the counters too much alike, to say which is better."""
        return not (self.high < 0 or self.low > 0)

    def note(self, other: str) -> str:
        """All that, in a sentence, where the other counter is called so."""
        if not self.images:
            return f"{other}: no image is new to both models, so which is better cannot be told; compare on others"
        between = "" if math.isnan(self.low) else f" (95 %: {self.low:+.2f} to {self.high:+.2f})"
        doubt = "; that may be chance" if self.chance else ""
        where = "1 image" if self.images == 1 else f"the {self.images} images"
        return (
            f"{other}: MAE {self.other_mae:.2f} on {where} new to both models, where this one has {self.mae:.2f}: "
            f"{self.difference:+.2f}{between}, closer to the truth in {self.closer}, farther from it in "
            f"{self.farther}{doubt}"
        )


def compare(true: Sequence[float], counts: Sequence[float], others: Sequence[float]) -> Comparison:
    """Compare the counts of two counters.

    Parameters
    ----------
    true
        Objects of each image.
    counts, others
        What the one and the other counter make of it.

    Raises
    ------
    ConfigError
        They are not of the same number of images.
    """
    if not len(true) == len(counts) == len(others):
        raise ConfigError(f"{len(true)} true counts cannot be compared with {len(counts)} and {len(others)}")
    one, other = (np.abs(np.subtract(each, true)) for each in (counts, others))
    n, more = len(one), one - other
    low = high = math.nan
    if n > 1:
        from scipy.special import stdtrit

        reach = float(stdtrit(n - 1, (1 + LEVEL) / 2) * more.std(ddof=1) / math.sqrt(n))
        low, high = float(more.mean()) - reach, float(more.mean()) + reach
    return Comparison(
        images=n,
        mae=float(one.mean()) if n else math.nan,
        other_mae=float(other.mean()) if n else math.nan,
        low=low,
        high=high,
        closer=int((more < 0).sum()),
        farther=int((more > 0).sum()),
    )
