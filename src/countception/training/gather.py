"""Samples to learn from and to validate on, gathered from what people name, and checked to be fit for it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from numbers import Real

from countception.data.as_found import why_as_found
from countception.data.dataset import Dataset, Sample, load_dataset, read_dataset, with_classes
from countception.data.mixed_up import why_mixed_up
from countception.data.mixture import why_magnified
from countception.data.places import places, why_cornered
from countception.data.refusals import why_no_dot, why_too_few
from countception.data.splits import split_off
from countception.errors import ConfigError, DatasetError, DataWarning
from countception.images.orientation import UPRIGHT, read_orientation, why_turned
from countception.images.same import pixel_hash
from countception.training.unseen import parts_of
from countception.wording import some_of

Data = str | os.PathLike[str] | Dataset | Sequence[Sample]

VALID_SHARE = 0.25


def gather(
    data: Data, valid: Data | float | None, folds: int | None, seed: int
) -> tuple[list[Sample], list[Sample], list[list[Sample]] | None]:
    """Samples to learn from and to validate on, checked to be fit for it; with folds the same twice, and its parts."""
    if folds is not None and valid is not None:
        raise ConfigError("folds learn from all images: give either folds or what to validate on (valid), not both")
    samples = _load(data)
    if why := why_no_dot([len(sample.dots) for sample in samples]):
        raise DatasetError(why)
    if folds is not None:
        return samples, samples, parts_of(samples, folds, seed=seed)
    if valid is None or isinstance(valid, (int, float, Real)):
        training, validation = _split_off(samples, VALID_SHARE if valid is None else float(valid), seed)
    else:
        training, validation = samples, _load(valid)
    first = training[0]
    for sample in validation:
        if sample.image.shape[0] != first.image.shape[0]:
            raise DatasetError(
                f"{sample.name} has {sample.image.shape[0]} channels but {first.name} has {first.image.shape[0]}: "
                "training and validation images must have the same channels"
            )
        if sample.image.dtype != first.image.dtype:
            raise DatasetError(
                f"{sample.name} has pixels of type {sample.image.dtype} but {first.name} of {first.image.dtype}: "
                "training and validation images must have one depth"
            )
    _refuse_overlap(training, validation)
    return training, with_classes(validation, first.dots.class_names, whose="the training data"), None


def _load(data: Data) -> list[Sample]:
    """Samples of a data set, with a warning of what is doubtful in it."""
    if isinstance(data, str | os.PathLike):
        data = read_dataset(data)
    if isinstance(data, Dataset):  # before dots are refused that lie outside for that
        turned = [item for item in data.items if read_orientation(item.image) != UPRIGHT]
        _warn(data, why_turned(len(turned), len(data.items)))
        _warn(data, why_mixed_up(data.items))
        _warn(data, why_as_found(data.items))
        _warn(data, data.alike)
    samples = load_dataset(data)
    if isinstance(data, Dataset):
        sizes = [sample.pixel_size for sample in samples]
        _warn(data, why_cornered(places(data.items, samples), sizes))
        _warn(data, why_magnified(sizes))
    return samples


def _warn(data: Dataset, doubt: str | None) -> None:
    if doubt is not None:
        warnings.warn(f"{data.root}: {doubt}", DataWarning, stacklevel=5)  # where `train` is called


def _refuse_overlap(training: Sequence[Sample], validation: Sequence[Sample]) -> None:
    """An image that is learned from says nothing about errors on new ones."""
    learned = {pixel_hash(sample.image): sample.name for sample in training}
    both = [(learned[key], s.name) for s in validation if (key := pixel_hash(s.image)) in learned]
    if both:
        first, other = both[0]
        which = first if first == other else f"{first} and {other}, which hold the same pixels,"
        more = f", as would {len(both) - 1} more" if len(both) > 1 else ""
        raise DatasetError(
            f"{which} would be both learned from and validated on{more}: validate on other images, or on a part of "
            "these (a share, or folds)"
        )


def _split_off(samples: list[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    if not 0 < share < 1:
        raise ConfigError(f"a share of {share:g} cannot be split off for validation: give a number between 0 and 1")
    if why := why_too_few(len(samples)):
        raise DatasetError(why)
    number = min(len(samples) - 1, max(1, round(share * len(samples))))
    validation, training = split_off(samples, number, seed=seed)
    if not any(len(sample.dots) for sample in training):  # the few images with dots are for learning
        training, validation = validation, training
    _refuse_unlearned(training, validation)
    return training, validation


def _refuse_unlearned(training: Sequence[Sample], validation: Sequence[Sample]) -> None:
    """A class of which all dots were put aside would have counts, and never have been seen."""
    learned = {int(label) for sample in training for label in sample.dots.labels}
    for label, name in enumerate(training[0].dots.class_names):
        aside = [sample.name for sample in validation if label in sample.dots.labels]
        if aside and label not in learned:
            raise DatasetError(
                f"all dots of class {name} are on images that were put aside to validate on ({some_of(aside)}), and "
                "none is learned from: learn from all images (folds, --folds), put others aside (seed, --seed), name "
                "those to validate on (valid, --valid), or mark the class on more images"
            )
