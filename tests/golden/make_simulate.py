"""Make `simulate.json`: what small simulated images are like, so that a change of the simulator does not go unseen.

Run ``python tests/golden/make_simulate.py`` after a change that is meant, and say in the commit what changed. The
figures are compared with a tolerance, since the libraries' floating-point sums differ a little between machines.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from countception.simulation.simulate import LOOKS, look_named, simulate

FILE = Path(__file__).with_name("simulate.json")


def summary(name: str) -> dict[str, Any]:
    """Means of the 8 × 8 blocks of a 64 × 64 image, per channel, and the dots."""
    made = simulate(look_named(name, size=(64, 64), counts=(12, 12)), seed=20_070_711)
    blocks = made.image.reshape(8, 8, 8, 8, -1).mean((1, 3))
    points = made.points[np.lexsort(made.points.T)]
    return {"blocks": blocks.round(2).tolist(), "points": points.round(2).tolist()}


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps({name: summary(name) for name in LOOKS}, indent=None) + "\n")


if __name__ == "__main__":
    main()
