"""Redundant count map → density: undoing the box filter of equation 1.

A count map is ``M = B D Bᵀ``: every cell of the density D is counted in ``k = r / s`` windows along each axis. Two
inverses:

exact
    Differences of M along an axis are ``D[j] - D[j - k]``, so D is a running sum of them with step k: O(1) per cell,
    and exact for a noiseless map. Noise grows along the running sums, so the result is kept only if it is a density.
constrained
    Otherwise the D that best explains M, ``min ‖B D Bᵀ - M‖²``, among those that are nowhere negative and add up to the
    count, ``ΣM / k²``. That set, a simplex, favours few bright cells, as objects are. Solved by ADMM (Boyd et al. 2011,
    section 5), whose linear step is a division in the frequency domain and whose projection is that of Duchi et al.
    2008 with the threshold found by Newton's method. It is stopped early, which keeps noise from being fitted.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from countception.errors import ConfigError
from countception.geometry import Window, round_up

Density = npt.NDArray[np.float64]

TOLERANCE = 0.01
"""Objects, or shares of all, by which what is nowhere negative of the exact inverse may differ from the count."""
DAMPING = 500.0
"""ADMM's penalty at stride 1; it sets what is resolved in the few steps taken: about 2 working pixels."""
STEPS = 10


def density_of_counts(counts: npt.ArrayLike, window: Window) -> Density:
    """The density whose count map is `counts`, or comes nearest to it.

    Parameters
    ----------
    counts
        ``(y, x)`` redundant count map of one class, as `targets.count_map` lays it out.
    window
        Its window and stride, in working pixels; the stride must divide the window.

    Returns
    -------
    float64 ``(y, x)`` objects per cell of `window.stride` working pixels, nowhere negative; cell 0 starts at the
    image's first pixel. Its sum is the map's over the redundancy, or 0 where that is less. Working memory is about 50
    bytes per entry.

    Raises
    ------
    ConfigError
        The stride does not divide the window, or the map is too small to be one.
    """
    values = np.asarray(counts, np.float64)
    if not window.exact:
        raise ConfigError(
            f"objects cannot be located in a map of window {window.size} and stride {window.stride}: "
            "the stride must divide the window"
        )
    k = window.size // window.stride
    if values.ndim != 2 or min(values.shape) <= k:
        raise ConfigError(f"a count map of window {window.size} must have more than {k} rows and columns")
    total = max(0.0, float(values.sum()) / k**2)
    exact = _running_sums(_running_sums(values, k).T, k).T
    kept = np.maximum(exact, 0.0)
    if abs(kept.sum() - total) < TOLERANCE * max(1.0, total):
        return np.asarray(kept * (total / max(float(kept.sum()), np.finfo(np.float64).tiny)))
    return _constrained(values, k, total, DAMPING / window.stride**4)


def _running_sums(values: Density, k: int) -> Density:
    """Undo a box of `k` along the rows' axis: ``(n + k, m)`` → ``(n, m)``."""
    n = len(values) - k
    steps = np.zeros((round_up(n, k), values.shape[1]))
    steps[:n] = np.diff(values[: n + 1], axis=0)
    return np.asarray(steps.reshape(-1, k, values.shape[1]).cumsum(0).reshape(steps.shape)[:n])


def _constrained(values: Density, k: int, total: float, damping: float) -> Density:
    """ADMM for ``min ½ ‖b * D - M‖²`` over the simplex ``D ≥ 0, ΣD = total``."""
    from scipy import fft

    height, width = values.shape[0] - k, values.shape[1] - k
    sides = (_fft_side(values.shape[0], k), _fft_side(values.shape[1], k))
    box = np.multiply.outer(fft.fft(_box(sides[0], k)), fft.rfft(_box(sides[1], k))).astype(np.complex64)
    divisor = 1 / (np.square(box.real) + np.square(box.imag) + np.float32(damping))
    explained = fft.rfft2(values.astype(np.float32), sides, workers=-1) * box.conj() * divisor
    divisor *= np.float32(damping)
    density, dual = np.zeros(sides, np.float32), np.zeros(sides, np.float32)
    threshold = 0.0
    for _ in range(STEPS):
        spectrum = fft.rfft2(density - dual, workers=-1)
        spectrum *= divisor
        spectrum += explained
        dual += fft.irfft2(spectrum, sides, workers=-1, overwrite_x=True)
        inner = dual[:height, :width]
        threshold = _simplex_threshold(inner, total, threshold)
        density[:height, :width] = np.maximum(inner - np.float32(threshold), 0)
        dual -= density
    result = density[:height, :width].astype(np.float64)
    return result * (total / max(float(result.sum()), np.finfo(np.float64).tiny))


def _simplex_threshold(values: npt.NDArray[np.float32], total: float, start: float) -> float:
    """The t ≥ 0 above which `values` add up to `total`, from a guess by Newton steps; 0 where they are less."""
    threshold = start
    for _ in range(3):
        above = values[values > threshold]
        if not above.size:
            return 0.0
        threshold = max(0.0, (float(above.sum(dtype=np.float64)) - total) / above.size)
    return threshold


def _box(side: int, k: int) -> Density:
    """The box along one axis: entry j counts cells ``j - k`` to ``j - 1``."""
    box = np.zeros(side)
    box[1 : k + 1] = 1
    return box


def _fft_side(entries: int, k: int) -> int:
    """Smallest fast length beyond `entries` that shares no factor with `k`: the box then has no zero frequency."""
    from scipy.fft import next_fast_len

    side: int = next_fast_len(entries + 1)
    while math.gcd(side, k) > 1:
        side = next_fast_len(side + 1)
    return side
