"""What a network predicts, of whatever kind → density: objects per cell of the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from countception.geometry import Window
from countception.locate.inverse import Density, density_of_counts


def density_of_map(
    values: npt.NDArray[np.float32],
    window: int,
    stride: int,
    *,
    redundancy: float,
    pad: int = 0,
    boxed: bool = False,
) -> Density:
    """The density that a predicted map stands for.

    Parameters
    ----------
    values
        ``(classes, y, x)``.
    window
        Side of what an entry counts in, in working pixels; 1 of a map of densities, whatever its stride.
    stride
        Working pixels from one entry to the next.
    redundancy
        The sum of the map over this is the count.
    pad
        Working pixels from the map's first entry to the image's first pixel. What a map of densities has beyond the
        image counts at the nearest cell.
    boxed
        Whether `values` is the density itself, and the map with these windows is still to be made of it.

    Returns
    -------
    float64 ``(classes, y, x)`` objects per cell of `stride` working pixels. Cell 0 starts at the image's first
    pixel; the sum is the count.

    Raises
    ------
    ConfigError
        As `density_of_counts`, of a map of counts.
    """
    if boxed:
        return values.astype(np.float64)
    if window > 1:
        return np.stack([density_of_counts(counts, Window(window, stride)) for counts in values])
    return _folded(values.astype(np.float64) / redundancy, pad // stride)


def _folded(density: Density, margin: int) -> Density:
    """The part of ``(classes, y, x)`` within a margin, whose values are added to the nearest cells."""
    if not margin:
        return density
    for axis in (1, 2):
        before, inner, after = np.split(density, [margin, density.shape[axis] - margin], axis)
        density = inner.copy()
        along = np.moveaxis(density, axis, 0)
        along[0] += before.sum(axis)
        along[-1] += after.sum(axis)
    return density
