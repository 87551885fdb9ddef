"""Label images: black, with every object filled by a number of its own, as segmentation programs save them.

Such as Cellpose, StarDist, CellProfiler, QuPath or Fiji's plug-ins. The dot of an object is the mean place of its
pixels, which for a crescent may lie beside them. An image is taken for one of labels if it has one channel of whole
numbers, black between them, and nearly every number is in one piece: those of a photograph are scattered, and so are
classes where there are several objects of each. What cannot be told from labels: a few classes of which each is in one
piece.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

PIECES = 1.5
"""Mean number of pieces per label up to which they are labels; segmentation leaves the odd speck."""
SMALLEST = 4
"""Mean pixels per label from which they are labels; a mask of dots has single pixels."""
APART = 0.1
"""Share of the labels that touch black from which they are labels; in tissue many lie among others."""


def centres(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """Mean place of each label, ``(N, 2)``, in the order of their numbers; None if the image is none of labels.

    Parameters
    ----------
    pixels
        ``(channel, height, width)``.
    """
    if len(pixels) != 1 or pixels.dtype == bool:
        return None
    image = pixels[0]
    filled = image[image != 0]
    if not len(filled) or len(filled) == image.size or _fractional(filled):
        return None
    labels, areas = np.unique(filled, return_counts=True)
    if _disc(labels) or areas.mean() < SMALLEST or _shades(image, len(labels)) or _pieces(image) > PIECES * len(labels):
        return None
    places = np.argwhere(image != 0)
    which = np.searchsorted(labels, filled)
    sums = [np.bincount(which, axis, len(labels)) for axis in places.T]
    return np.stack(sums, 1) / areas[:, None]


def _fractional(values: npt.NDArray[Any]) -> bool:
    return bool((values < 0).any()) or (values.dtype.kind == "f" and bool(np.mod(values, 1).any()))


def _disc(labels: npt.NDArray[Any]) -> bool:
    """Whether there is no number but the brightest, as in masks of filled cells."""
    return len(labels) == 1 and (labels.dtype.kind == "f" or labels[0] == np.iinfo(labels.dtype).max)


def _shades(image: npt.NDArray[Any], labels: int) -> bool:
    """Whether next to none of the labels touch black, as brightness along a slope does not."""
    pairs = [(image[:, :-1], image[:, 1:]), (image[:-1], image[1:])]
    beside = [np.maximum(one, other)[(one == 0) != (other == 0)] for one, other in pairs]
    return len(np.unique(np.concatenate(beside))) < APART * labels


def _pieces(image: npt.NDArray[Any]) -> int:
    """Connected groups of pixels of one number, which touch at a side."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    filled = image != 0
    number = int(filled.sum())
    places = np.zeros(image.shape, np.int64)
    places[filled] = np.arange(number)
    edges = []
    for near, there in (((slice(None), slice(-1)), (slice(None), slice(1, None))), ((slice(-1),), (slice(1, None),))):
        same = filled[near] & (image[near] == image[there])
        edges.append((places[near][same], places[there][same]))
    start, end = (np.concatenate(each) for each in zip(*edges, strict=True))
    graph = coo_array((np.ones(len(start), bool), (start, end)), shape=(number, number))
    return int(connected_components(graph, directed=False, return_labels=False))
