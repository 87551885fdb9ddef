"""Data sets divided at random, by seed; what belongs to one group stays together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from countception.data.dataset import Sample
from countception.errors import DatasetError
from countception.images.same import pixel_hash
from countception.wording import images


def split(
    n: int, *, parts: Sequence[int], seed: int, groups: Sequence[str] | None = None
) -> tuple[npt.NDArray[np.int64], ...]:
    """Draw disjoint parts of a data set at random.

    Parameters
    ----------
    n
        Number of images.
    parts
        Size of each part; together at most `n`.
    seed
        The same seed draws the same parts.
    groups
        One name per image. Images of one group end up in one part or in none: each part takes whole groups until it
        has its size or more, and leaves one group at least for each part after it. So a part can be larger than asked,
        and a later one smaller; cut off what is too much where sizes must be exact.

    Returns
    -------
    tuple of numpy.ndarray
        For each part the indices of its images, int64, in random order.

    Raises
    ------
    DatasetError
        The parts do not fit.
    """
    if any(part < 0 for part in parts) or sum(parts) > n:
        raise DatasetError(f"{n} images cannot be split into parts of {' + '.join(map(str, parts))}; ask for fewer")
    if groups is None:
        ends = np.cumsum([0, *parts])
        shuffled = np.random.default_rng(seed).permutation(n)
        return tuple(shuffled[a:b] for a, b in pairwise(ends))
    if len(groups) != n:
        raise DatasetError(f"{len(groups)} groups are named for {n} images; name one for each")
    queue = _shuffled(groups, seed)
    if len(queue) < sum(part > 0 for part in parts):
        raise DatasetError(
            f"{len(queue)} groups cannot be split into {len(parts)} parts, as a group stays together; "
            "add images of other groups"
        )
    return tuple(_deal(queue, part, sum(later > 0 for later in parts[k + 1 :])) for k, part in enumerate(parts))


def split_off(samples: Sequence[Sample], size: int, *, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Put about `size` samples aside at random, and whole groups only; return these, and the others.

    Samples of equal pixels are of one group. A group that would bring their number no nearer to `size` is passed over.
    One group at least is put aside, and one is left; where all samples are of one group, it is parted. Both parts are
    in the order of `samples`.
    """
    queue = _whole_groups(samples, seed)
    if len(queue) < 2:
        queue = _shuffled([(s.name, i) for i, s in enumerate(samples)], seed)
    taken: list[list[int]] = []
    number = 0
    for group in queue:
        if len(taken) < len(queue) - 1 and abs(number + len(group) - size) < abs(number - size):
            taken.append(group)
            number += len(group)
    chosen = {i for group in taken or [min(queue, key=len)] for i in group}
    return [s for i, s in enumerate(samples) if i in chosen], [s for i, s in enumerate(samples) if i not in chosen]


def fold_samples(samples: Sequence[Sample], number: int, *, seed: int) -> list[list[Sample]]:
    """Divide samples at random into parts of about equal size; whole groups only. Parts keep the order of `samples`.

    Samples of equal pixels are of one group.

    Raises
    ------
    DatasetError
        There are fewer groups than parts, or fewer than two parts are asked for.
    """
    queue = _whole_groups(samples, seed)
    if not 2 <= number <= len(queue):
        alone = len(queue) == len(samples)
        found = images(len(queue)) if alone else f"{len(queue)} different groups of {images(len(samples))}"
        which = "images" if alone else "groups"
        hint = f"ask for 2 to {len(queue)}" if len(queue) > 1 else f"it takes two {which} or more"
        raise DatasetError(f"{found} cannot be divided into {number} folds: {hint}")
    parts: list[set[int]] = [set() for _ in range(number)]
    for group in sorted(queue, key=len, reverse=True):  # the largest first keeps parts about equal; ties stay random
        min(parts, key=len).update(group)
    return [[sample for i, sample in enumerate(samples) if i in part] for part in parts]


def _whole_groups(samples: Sequence[Sample], seed: int) -> list[list[int]]:
    """Which samples are in each group, in random order; a sample without one is in that of its pixels."""
    from scipy.cluster.hierarchy import DisjointSet

    names = [(s.group or s.name, -1 if s.group else i) for i, s in enumerate(samples)]
    groups = DisjointSet(names)
    first: dict[str, tuple[str, int]] = {}
    for sample, name in zip(samples, names, strict=True):
        groups.merge(first.setdefault(pixel_hash(sample.image), name), name)
    return _shuffled([groups[name] for name in names], seed)


def _shuffled(groups: Sequence[Any], seed: int) -> list[list[int]]:
    """Which images are in each group; the groups in random order."""
    members: dict[Any, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    names = sorted(members)
    return [members[names[k]] for k in np.random.default_rng(seed).permutation(len(names))]


def _deal(queue: list[list[int]], size: int, leave: int) -> npt.NDArray[np.int64]:
    """Take whole groups off the queue until there are `size` images, but leave some groups."""
    taken: list[int] = []
    while len(taken) < size and len(queue) > leave:
        taken += queue.pop(0)
    return np.array(taken, np.int64)
