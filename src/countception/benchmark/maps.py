"""Count maps of a test image, small enough to be kept with the results: what the paper's Figure 7 shows.

Rows alone hold no maps. So a run of the first split, without settings, also leaves the true and the predicted map of
its first test image, which is the same image for every method and every N.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from countception.errors import DatasetError
from countception.files import whole_file
from countception.geometry import ceil_div

if TYPE_CHECKING:
    from countception.benchmark.protocol import Cell
    from countception.data.dataset import Sample

Map = npt.NDArray[np.float32]

SIDE = 72
"""Entries that a map is stored with along its longer side, at most."""


@dataclass(frozen=True)
class MapPair:
    """The true and the predicted map of an image, ``(y, x)`` each, all classes together."""

    image: str
    """Name of the image."""
    true_count: float
    count: float
    true_map: Map
    map: Map


@runtime_checkable
class Mapped(Protocol):
    """A fitted method that counts by a map."""

    def map_pair(self, sample: Sample) -> MapPair:
        """The maps of an image; here, for the true one, its dots are looked at."""


def wanted(cell: Cell) -> bool:
    """Whether a run leaves maps."""
    return (cell.seed, cell.split) == (0, 0) and not cell.settings


def save(pair: MapPair, path: Path) -> None:
    """Write maps with means over squares of entries, in 255 steps up to their largest value; 5 to 8 kB.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    arrays: dict[str, npt.NDArray[np.generic]] = {"counts": np.array([pair.true_count, pair.count])}
    for name, values in (("true_map", pair.true_map), ("map", pair.map)):
        small = np.maximum(_coarse(values), 0)
        arrays[f"{name}_peak"] = peak = np.array(max(float(small.max()), 1e-9))
        arrays[name] = np.round(255 * small / peak).astype(np.uint8)
    stream = io.BytesIO()
    np.savez_compressed(stream, image=np.array(pair.image), **arrays)  # type: ignore[arg-type]
    with whole_file(path) as temporary:
        temporary.write_bytes(stream.getvalue())


def load(path: Path) -> MapPair | None:
    """Read maps; None where there is no file.

    Raises
    ------
    DatasetError
        The file is damaged.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as found:
            true_count, count = found["counts"].tolist()
            true_map, predicted = (
                np.asarray(found[name] * (found[f"{name}_peak"] / 255), np.float32) for name in ("true_map", "map")
            )
            return MapPair(str(found["image"]), true_count, count, true_map, predicted)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        raise DatasetError(f"{path} is damaged: delete it, or get it again") from None


def _coarse(values: Map) -> npt.NDArray[np.float64]:
    """Means over squares of entries, so that no side is longer than `SIDE`; at the end of a side over what is left."""
    step = max(1, ceil_div(max(values.shape), SIDE))
    sums, sizes = values.astype(np.float64), np.ones(values.shape)
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], step)
        sums, sizes = (np.add.reduceat(array, starts, axis) for array in (sums, sizes))
    return np.asarray(sums / sizes)
