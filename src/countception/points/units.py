"""Coordinates in micrometres where pixels are needed: what gives them away."""

from __future__ import annotations

FILLED = 0.9
"""Share of an image's side within which hardly any has all of its objects."""


def seem_micrometres(farthest: float, size: float) -> bool:
    """Whether coordinates would fill their image, if they were in micrometres.

    Parameters
    ----------
    farthest
        The largest of them, as a share of the image's side in pixels.
    size
        Side of the image's pixels in micrometres.
    """
    return FILLED * size <= farthest <= size
