"""How large the pixels of a map are on the ground, by the tags of GeoTIFF.

Only where its coordinates are lengths: not in degrees, and not in Mercator's projection of the world, whose metres are
longer than those on the ground by one over the cosine of the latitude.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

SCALE, MATRIX, DIRECTORY = 33550, 34264, 34735
"""Tags: sides of a pixel, or the matrix from pixels to coordinates; and keys that say what coordinates are."""
MODEL, SYSTEM, UNIT = 1024, 3072, 3076
"""Keys: kind of coordinates, their system (EPSG), and their unit of length."""
PROJECTED = 1
MICROMETRES = {9001: 1e6, 9002: 0.3048e6, 9003: 1e6 * 1200 / 3937}
"""In a metre, a foot, and a foot of the survey of the United States."""
MERCATOR = frozenset({3857, 3785, 3395, 900913})
UTM = (range(32601, 32661), range(32701, 32761), range(25828, 25839))
"""Systems in metres, also in files that leave out the unit: WGS 84 north and south, and ETRS89."""


def ground_sides(tags: Any) -> tuple[float, float] | None:
    """Width and height of a pixel in micrometres, by the tags of a page of ``tifffile``; None where they do not say."""
    keys = _keys(tags[DIRECTORY].value) if DIRECTORY in tags else {}
    one = MICROMETRES.get(keys.get(UNIT, 9001 if _in_utm(keys) else 0))
    if keys.get(MODEL) != PROJECTED or keys.get(SYSTEM) in MERCATOR or one is None:
        return None
    if SCALE in tags:
        width, height = tags[SCALE].value[:2]
    elif MATRIX in tags:
        m = tags[MATRIX].value
        width, height = math.hypot(m[0], m[4]), math.hypot(m[1], m[5])  # of a map that need not point north
    else:
        return None
    return one * float(width), one * float(height)


def _keys(directory: Sequence[int]) -> dict[int, int]:
    """Keys with values of their own; those of others lie in further tags."""
    entries = [directory[k : k + 4] for k in range(4, 4 + 4 * directory[3], 4)]
    return {int(entry[0]): int(entry[3]) for entry in entries if len(entry) == 4 and entry[1] == 0}


def _in_utm(keys: dict[int, int]) -> bool:
    return any(keys.get(SYSTEM, 0) in zone for zone in UTM)
