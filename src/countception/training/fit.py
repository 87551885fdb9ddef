"""From data to a counter: what is learned from and validated on, the training, and the model that comes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from countception.config import DECIDED, IDLE, Config, TrainingConfig, dotted, recipe, updated, with_network
from countception.counting.counter import Counter
from countception.counting.model_file import Model, known_by
from countception.counting.predict import usual_modes
from countception.data.dataset import Sample, content_hash
from countception.errors import ConfigError, DatasetError
from countception.files import check_writable
from countception.images.pixel_size import magnified
from countception.memory import short_of
from countception.points.scale import spacing
from countception.training.gather import Data, gather
from countception.training.loop import Report
from countception.training.prepare import Prepared, prepare
from countception.training.state import checkpoint_path
from countception.training.unseen import LAST, Folds, Unseen, counted, forget, group_names
from countception.trust import calibration
from countception.trust.confidence import IntervalModel
from countception.trust.familiarity import Familiarity, fit_familiarity
from countception.trust.features import altered_features, image_features
from countception.trust.fitting import fit_intervals
from countception.trust.metrics import metrics

ALTERED = 100
"""Images at most that mishaps are tried on, spread evenly over all."""


def train(
    data: Data,
    *,
    valid: Data | float | None = None,
    folds: int | None = None,
    out: str | os.PathLike[str] | None = None,
    config: Config | str = "default",
    changes: dict[str, Any] | None = None,
    device: str | None = None,
    resume: bool = False,
    report: Report | None = None,
) -> Counter:
    """Train a counter on images with dots.

    Parameters
    ----------
    data
        A folder or manifest, what `countception.data.dataset.read_dataset` found in one, or samples.
    valid
        Another such data set to validate on, or the share of `data` to split off, between 0 and 1; None splits off a
        quarter, at least one image. Groups stay whole, and are chosen such that the share is about that.
    folds
        Put no images aside, but learn from all of `data`, then divide them into so many parts and train once more
        without each, to see how far off its counts are: takes ``folds + 1`` times as long, or that much less of a
        length in seconds for each. For few images; not with `valid`.
    out
        Model file to write. Beside it, `<out>.checkpoint` holds what an interrupted training resumes from. A model that
        is there already is replaced when the training is finished, not where it is interrupted.
    config
        A configuration, or the name of a recipe.
    changes
        To it, under dotted keys, such as ``{"training.seconds": 600}``; a new length replaces the old one.
    device
        `cpu`, `cuda`, …; None takes a GPU where there is one.
    resume
        Go on from the checkpoint; the result is that of an uninterrupted training, unless its length is in seconds,
        which are never quite the same steps. Where neither a checkpoint nor a model file is, start anew.
    report
        Called after each step. If it raises KeyboardInterrupt, the training ends as after Ctrl-C, with what it has.

    Returns
    -------
    The counter with the weights that are kept; `counter.history` is the training curve and `counter.interrupted` says
    whether Ctrl-C ended the training early.

    Raises
    ------
    DatasetError, ImageError, PointsError
        The data cannot be trained on.
    ConfigError
        The options make no sense, a finished model is to be gone on with, or there is not enough memory for them.
    OutputError
        `out` cannot be written to; checked before anything else.
    ModelFileError
        The checkpoint cannot be resumed from.

    Warns
    -----
    DataWarning
        Something is doubtful in a data set: images turned by EXIF orientation, names mixed up, classes that differ in
        capital letters only, all dots in one corner, pixels of several sizes.
    """
    checkpoint = _checkpoint(out, resume=resume)
    chosen = configure(config, changes)
    folds = _parts(folds, chosen.training)
    training, validation, parts = gather(data, valid, folds, chosen.training.seed)
    chosen = _for_data(chosen, training, folds)
    with short_of(_too_large(chosen.training)), usual_modes(gradients=True):
        prepared = prepare(training, validation, chosen, folds=folds, checkpoint=checkpoint, device=device)
        going_on = _begin(prepared, out, resume=resume)
        crossed = None if parts is None else Folds(training, parts, prepared.trainer.config, out, device)
        for unseen, interrupted in _results(prepared, validation, crossed, resume=going_on, report=report):
            counter = _counter(prepared, training, validation, unseen, device)
            counter.interrupted = interrupted
            finished = bool(unseen.true) and not interrupted
            if out is not None and (finished or not _stays(out, prepared)):
                counter.save(out)
    if out is not None and not counter.interrupted:
        _tidy(out)
    return counter


def _for_data(config: Config, training: Sequence[Sample], folds: int | None) -> Config:
    """The configuration with what the training images decide at first sight: channels and classes."""
    first = training[0]
    found = {"network.channels": _channels(config, first), "network.classes": len(first.dots.class_names)}
    return updated(config, found if folds is None else found | _for_folds(config, folds))


def _begin(prepared: Prepared, out: str | os.PathLike[str] | None, *, resume: bool) -> bool:
    """Go on from a checkpoint if there is one, and say so; else forget what an abandoned cross-validation left."""
    if out is None:
        return False
    if resume and checkpoint_path(out).exists():
        prepared.trainer.resume()
        return True
    forget(out)
    prepared.trainer.state.replaces = Path(out).exists()
    return False


def _stays(out: str | os.PathLike[str], prepared: Prepared) -> bool:
    """Whether a model has this place that was there before, which half a training does not take."""
    trainer = prepared.trainer
    if trainer.state.replaces and not Path(out).exists():  # somebody removed it
        trainer.state.replaces = False
        trainer.save()
    return trainer.state.replaces


def _tidy(out: str | os.PathLike[str]) -> None:
    """Remove what a finished training would have gone on from."""
    checkpoint_path(out).unlink(missing_ok=True)
    forget(out)


def _parts(folds: Any, training: TrainingConfig) -> int | None:
    """A number of parts, of whatever type of whole number; None as it is."""
    if folds is None:
        return None
    if training.patience is not None:
        raise ConfigError(
            "training.patience ends a training by the errors of images that are put aside, and folds put none aside: "
            "leave out either"
        )
    if not isinstance(folds, Integral) or isinstance(folds, bool):
        raise ConfigError(f"folds must be a whole number of at least 2, not {folds!r}")
    return int(folds)


def _channels(config: Config, sample: Sample) -> int:
    """How many the network is shown of images like this one."""
    has = len(sample.image)
    if config.channels is None:
        return has
    if max(config.channels) >= has:
        raise DatasetError(
            f"{sample.name} has no channel {max(config.channels)}: it has {has}, numbered from 0; choose among these "
            "(channels, --channels), or leave that out to learn from all"
        )
    return len(config.channels)


def _too_large(training: TrainingConfig) -> ConfigError:
    """What is said where there is not enough memory to train."""
    crop = "as large as the images" if training.augment.crop is None else str(training.augment.crop)
    return ConfigError(
        f"there is not enough memory to train: lower training.batch, which is {training.batch}, or "
        f"training.augment.crop, which is {crop}, show images smaller (scale.factor, --scale), or learn from fewer"
    )


def _results(
    prepared: Prepared, validation: Sequence[Sample], crossed: Folds | None, *, resume: bool, report: Report | None
) -> Iterator[tuple[Unseen, bool]]:
    """Train; what is counted in images that were not learned from, and whether Ctrl-C ended it early.

    With folds there is a result before these, too, that knows nothing of errors: the counter counts, whatever happens.
    """
    trainer = prepared.trainer
    if crossed is None:
        interrupted = trainer.run(report)
        yield counted(prepared, validation), interrupted
        return
    interrupted = trainer.run(report and crossed.shared(report, 0))
    yield Unseen(folds=crossed.number), interrupted
    if not interrupted:
        yield crossed.run(report, resume=resume)


def _for_folds(config: Config, folds: int) -> dict[str, Any]:
    """What a training on all images has that is followed by one without each part of them."""
    seconds = config.training.seconds
    return LAST | ({} if seconds is None else {"training.seconds": seconds / (folds + 1)})


def configure(config: Config | str, changes: dict[str, Any] | None) -> Config:
    """A recipe or configuration with changes; a new network brings the settings it was published with."""
    changes = dotted(changes or {})
    for key in DECIDED.keys() & changes:
        raise ConfigError(f"{key} cannot be set: {DECIDED[key]}")
    lengths = ("training.steps", "training.epochs", "training.seconds")
    if any(key in changes for key in lengths):
        changes = {**dict.fromkeys(lengths), **changes}
    network = changes.get("network.name")
    if not isinstance(network, str):  # whose value is refused below
        network = None
    if not isinstance(config, str | Config):
        raise ConfigError(f"config is the name of a recipe or a Config, and no {type(config).__name__}: see changes")
    if isinstance(config, str):
        config = recipe(config, network=network)
    elif network not in (None, config.network.name):
        config = with_network(config, network)
    chosen = updated(config, changes)
    for key in sorted(IDLE.get(chosen.network.name, set()) & changes.keys()):
        field = key.rpartition(".")[2]
        if getattr(chosen.network, field) != getattr(config.network, field):
            raise ConfigError(f"{key} cannot be set: {chosen.network.name} has no use for it; leave it out")
    return chosen


def _checkpoint(out: str | os.PathLike[str] | None, *, resume: bool) -> Path | None:
    if out is None:
        if resume:
            raise ConfigError("resuming needs the model file's name (out) of the training to go on with")
        return None
    check_writable(out)
    checkpoint = checkpoint_path(out)
    if checkpoint.exists() and not resume:
        raise ConfigError(
            f"{checkpoint} holds an unfinished training: go on with it (resume, --resume), or delete it to start anew"
        )
    if resume and not checkpoint.exists() and Path(out).exists():  # which a new training would overwrite
        raise ConfigError(
            f"there is no unfinished training to go on with: {checkpoint} does not exist, and {os.fspath(out)} holds a "
            "finished one; train without resuming, or name another file"
        )
    return checkpoint


def _counter(
    prepared: Prepared,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    unseen: Unseen,
    device: str | None,
) -> Counter:
    """The kept weights as a counter, with its calibration and where it comes from."""
    trainer = prepared.trainer
    config = trainer.config
    trainer.network.load_state_dict(trainer.best)
    fitted = calibration.Calibration()
    if config.calibrate and unseen.true:
        fitted = calibration.fit(unseen.counts, unseen.true, config.calibration_prior)
    calibrated = config.calibrate and fitted.images > 1
    unseen = unseen.times(fitted.factor)
    seen = training if validation is training else [*training, *validation]
    model = Model(
        network=trainer.network.eval(),
        config=config,
        scale=prepared.scale,
        normalisation=prepared.normalisation,
        calibration=fitted,
        intervals=fit_intervals(
            unseen.true, unseen.counts, calibrated=calibrated, parts=unseen.parts, groups=unseen.groups
        ),
        flipped_intervals=_flipped_intervals(unseen, calibrated=calibrated),
        familiarity=_familiarity(prepared, seen),
        class_names=training[0].dots.class_names,
        trained_on={
            "images": len(training),
            "objects": sum(len(sample.dots) for sample in training),
            "mean_count": float(np.mean([len(sample.dots) for sample in training])),
            "sha256": content_hash(training),
            "pixels": [known_by(sample.image) for sample in training],
            "pixel_type": str(training[0].image.dtype),
            **_drawn(training),
            **_spaced(training),
            "steps": trainer.state.best_step,
            "steps_in_all": trainer.state.step,
            "seconds": round(trainer.state.elapsed, 1),
            "device": str(trainer.device),
            "precision": trainer.precision,
        },
        validation=_validation(unseen, validation),
    )
    return Counter(model, device=device, history=tuple(trainer.state.history))


def _drawn(samples: Sequence[Sample]) -> dict[str, Any]:
    """Side of the pixels in micrometres, if all images say much the same; and whether parts of images were marked."""
    sizes = [sample.pixel_size for sample in samples if sample.pixel_size is not None]
    alike = len(sizes) == len(samples) and not magnified(sizes)
    found: dict[str, Any] = {"pixel_size": float(np.median(sizes))} if alike else {}
    return found | ({"parts": True} if any(sample.part for sample in samples) else {})


def _spaced(samples: Sequence[Sample]) -> dict[str, Any]:
    """Median distance of a dot's third neighbour in image pixels, if there are dots enough."""
    found = spacing(sample.dots.points for sample in samples)
    return {} if found is None else {"spacing": found}


def _validation(unseen: Unseen, samples: Sequence[Sample]) -> dict[str, Any]:
    """What a model file says of the images that were not learned from; nothing where there are none yet."""
    if not unseen.true:
        return {}
    return {
        "images": len(unseen.true),
        "names": unseen.names,
        "true": unseen.true,
        "counts": unseen.counts,
        "flipped": [count for count, _ in unseen.flipped],
        "spreads": [spread for _, spread in unseen.flipped],
        "sha256": content_hash(samples),
        "pixels": [known_by(sample.image) for sample in samples],
        **({"folds": unseen.folds, "parts": unseen.parts} if unseen.folds else {}),
        **asdict(metrics(unseen.true, unseen.counts)),
    }


def _familiarity(prepared: Prepared, samples: Sequence[Sample]) -> Familiarity:
    """What images with known counts look like."""
    look, scale = prepared.normalisation, prepared.scale
    features = [image_features(s.image, look, scale, count=len(s.dots)) for s in samples]
    some = np.linspace(0, len(samples) - 1, min(len(samples), ALTERED)).round().astype(int).tolist()
    altered = {i: altered_features(samples[i].image, look, scale) for i in some}
    return fit_familiarity(features, group_names(samples), altered)


def _flipped_intervals(unseen: Unseen, *, calibrated: bool) -> IntervalModel:
    """The errors of counts averaged over flips, with how much those change; none where they were not asked for."""
    if not unseen.flipped:
        return IntervalModel()
    counts, spreads = zip(*unseen.flipped, strict=True)
    return fit_intervals(unseen.true, counts, spreads, calibrated=calibrated, parts=unseen.parts, groups=unseen.groups)
