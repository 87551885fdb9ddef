"""What a model is and where it comes from, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from countception.files import defined
from countception.trust.metrics import LEVELS, predict_average_mae
from countception.wording import length, percent

if TYPE_CHECKING:
    from countception.counting.model_file import Model


def facts(model: Model) -> list[tuple[str, str]]:
    """What a model is and where it comes from, for people: names and values."""
    config, trained, valid = model.config, model.trained_on, model.validation
    network, calibration = config.network, model.calibration
    how = f"× {calibration.factor:.4f}, fitted on {validated_on(model)}"
    if calibration.images < 2:
        how = "none, as it takes two validation images or more, and objects in them"
    found: list[tuple[str, str | None]] = [
        ("model", model.identity),
        ("network", f"{network.name}, {model.network.parameters_count():,} weights"),
        ("counts", ", ".join(model.class_names)),
        ("channels", _channels(model)),
        ("window", _window(model)),
        ("scale", f"{model.scale:.3g} working pixels per image pixel"),
        ("pixel type", _join(trained, "{pixel_type}")),
        ("pixel size", length(trained["pixel_size"]) if "pixel_size" in trained else None),
        ("calibration", how if config.calibrate else "none"),
        ("intervals", _intervals(model)),
        ("recipe", f"{config.recipe}, seed {config.training.seed}"),
        ("trained on", _join(trained, "{images} images with {objects} objects, {mean_count:.1f} per image")),
        ("training", _join(trained, "weights of step {steps} of {steps_in_all}, {seconds:.0f} s on {device}")),
        ("validated on", _validation(model)),
        ("training data", _join(trained, "SHA-256 {sha256}")),
        ("validation data", _join(valid, "SHA-256 {sha256}")),
        ("made with", ", ".join(f"{name} {version}" for name, version in model.versions.items())),
    ]
    return [(name, value) for name, value in found if value is not None]


def details(model: Model) -> dict[str, Any]:
    """The same for programs: plain values that JSON can hold, such as all settings of the configuration."""
    return {
        "model": model.identity,
        "classes": list(model.class_names),
        "weights": model.network.parameters_count(),
        "scale": model.scale,
        "calibration": model.calibration.factor,
        "intervals": [level for level in LEVELS if model.intervals.supports(level)],
        "trained_on": defined(model.trained_on),
        "validation": defined(model.validation),
        "config": model.config.model_dump(mode="json"),
        "versions": model.versions,
    }


def _window(model: Model) -> str:
    """What an entry of the map counts in, by the network's own geometry."""
    size, stride = model.network.window, model.network.layout.field.stride
    if size > 1:
        return f"{size} × {size} working pixels, every {stride}"
    return "none: densities" + (f" of {stride} × {stride} working pixels" if stride > 1 else "")


def _channels(model: Model) -> str:
    look = model.normalisation
    if look.numbers is None:
        return str(look.channels)
    return f"{look.channels} of the images': {', '.join(map(str, look.numbers))}, counted from 0"


def validated_on(model: Model) -> str:
    """The images that say how far off counts are."""
    images, folds = model.validation.get("images", 0), model.validation.get("folds")
    if folds:
        return f"{images} images, each counted after learning without its part of {folds}"
    return f"{images} validation image{'' if images == 1 else 's'}"


def average_mae(model: Model) -> float:
    """How far off it would be, on those images, to say the mean count of the images learned from every time."""
    return predict_average_mae(model.validation["true"], model.trained_on["mean_count"])


def put_aside(model: Model) -> bool:
    """Whether the errors of its training curve are those on validation images; with folds there were none."""
    return bool(model.validation) and "folds" not in model.validation


def _validation(model: Model) -> str | None:
    """How far off counts are; not the bias, which calibration has just taken away on these images."""
    try:
        off = f"MAE {model.validation['mae']:.2f}"
        return f"{validated_on(model)}: {off}; saying the average every time: {average_mae(model):.2f}"
    except (KeyError, TypeError, ValueError):  # a model that was not made by `train`
        return None


def _intervals(model: Model) -> str:
    """The levels that there are intervals of, and what is to be said beside them."""
    known = [level for level in LEVELS if model.intervals.supports(level)]
    note = model.intervals.note(LEVELS[1])
    said = f"{', '.join(map(percent, known))}, from {model.intervals.images} validation images" if known else ""
    return "; ".join(part for part in (said, note) if part)


def _join(values: dict[str, Any], template: str) -> str | None:
    try:
        return template.format(**values)
    except (KeyError, TypeError, ValueError):  # a model that was not made by `train`
        return None
