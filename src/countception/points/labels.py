"""Label images: black, with every object filled by a number of its own, as segmentation programs save them.

Such as Cellpose, StarDist, CellProfiler, QuPath or Fiji's plug-ins. The dot of an object is the mean place of its
pixels, which for a crescent may lie beside them. An image is taken for one of labels if it has one channel of whole
numbers and nearly every number is in one piece: the values of a photograph, and of masks whose numbers are classes,
are scattered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

PIECES = 1.5
"""Mean number of pieces per label up to which they are labels; segmentation leaves the odd speck."""
SMALLEST = 4
"""Mean pixels per label from which they are labels; a mask of dots has single pixels."""


def centres(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """Mean place of each label, ``(N, 2)``, in the order of their numbers; None if the image is none of labels.

    Parameters
    ----------
    pixels
        ``(channel, height, width)``.
    """
    from scipy import ndimage

    if len(pixels) != 1 or pixels.dtype == bool or not np.equal(np.mod(pixels, 1), 0).all() or pixels.min() < 0:
        return None
    numbers, compact = np.unique(pixels[0], return_inverse=True)
    compact = compact.reshape(pixels.shape[1:]) + int(numbers[0] != 0)
    labels = numbers[numbers != 0]
    one = len(labels) == 1 and labels[0] != 1  # a disc of the brightest value is no label
    if one or not len(labels) or np.count_nonzero(compact) < SMALLEST * len(labels):
        return None
    if _pieces(compact) > PIECES * len(labels):
        return None
    found = ndimage.center_of_mass(compact > 0, compact, np.arange(1, len(labels) + 1))
    return np.array(found, np.float64).reshape(-1, 2)


def _pieces(labels: npt.NDArray[np.int64]) -> int:
    """Connected groups of pixels of one label, by their boxes, so that large images take no longer than small ones."""
    from scipy import ndimage

    whole = np.ones((3, 3))
    boxes = enumerate(ndimage.find_objects(labels), 1)
    return sum(ndimage.label(labels[box] == k, structure=whole)[1] for k, box in boxes if box is not None)
