"""Whether two files hold the same image."""

from __future__ import annotations

import hashlib
from itertools import product

from countception.images.pieces import Pixels
from countception.images.read import stored

ROWS = 1024
"""Of an image, that are hashed at a time."""


def pixel_hash(image: Pixels) -> str:
    """SHA-256, in hexadecimal, of an image's pixels: tells whether two files hold the same image.

    Some rows are looked at at a time, as what is read in pieces may be larger than the memory.
    """
    channels, height, _ = image.shape
    digest = hashlib.sha256()
    for channel, top in product(range(channels), range(0, height, ROWS)):
        pixels = stored(image[channel : channel + 1, top : top + ROWS, :])
        if channel == top == 0:
            digest.update(f"{pixels.dtype.str} {tuple(image.shape)}\n".encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()
