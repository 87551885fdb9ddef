"""Train the weights that the default network starts from, on images of our own simulator alone.

    python benchmarks/pretrain.py --sets 1400 --steps 9500 --out boxnet.safetensors

No real image is used, so the weights carry nothing of any data set. What is simulated are small data sets, as users
have them: four images of one look, most of them a shipped look with every parameter changed at random, the others
random altogether. Each set is normalised and brought to working scale as a user's would be (give or take a factor), its
channels are mixed and its polarity is turned at random, and a batch is one set, so that batch normalisation sees
what it will see when the network goes on to learn from real images. The run goes on where it was stopped.

The weights that ship:

    python benchmarks/pretrain.py --steps 7000 --spacing 17 --out src/countception/weights/boxnet.safetensors
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from countception.config import Config, ScaleConfig, updated
from countception.counting.canvas import Canvas
from countception.errors import ConfigError
from countception.files import whole_file
from countception.geometry import to_working
from countception.images.normalise import Normalisation, learn
from countception.images.resample import resample
from countception.networks import build
from countception.points import spacing
from countception.simulation.looks import Look
from countception.simulation.simulate import look_named, random_look, simulate
from countception.training.augment import Example
from countception.training.batches import Batches
from countception.training.loop import Trainer, Validation, count_all, settle
from countception.training.state import Record, identify

LOOKS = ("fluorescence", "stained", "membranes")
SHIPPED = 0.65
"""Share of the sets that have a shipped look, changed at random; the others' looks are random altogether."""
SIZE = 4
"""Images in a set, which is also the batch."""
VALIDATION = 1_000_000
"""Number of the first set that is not trained on."""

Mixer = Callable[[np.ndarray], np.ndarray]


def near(look: Look, rng: np.random.Generator) -> Look:
    """The look with each number and range multiplied by a factor of its own; impossible values are left as they are."""
    for name, value in look.model_dump().items():
        factor = float(np.exp(rng.normal(0, 0.3)))
        if name == "size" or isinstance(value, bool | str | int):
            continue
        if name in ("colour", "counts"):
            continue
        changed = tuple(part * factor for part in value) if isinstance(value, tuple) else value * factor
        try:
            look = look.changed(**{name: changed})
        except ConfigError:
            continue
    return look


def channel_mixer(rng: np.random.Generator) -> Mixer:
    """Three channels of any meaning, the same for all images of a set: permuted, grey, mixed; either polarity."""
    grey, mixed, permuted, inverted = rng.random(4) < (0.15, 0.2, 0.4, 0.2)
    order = rng.permutation(3)
    matrix = np.eye(3) + rng.normal(0, 0.3, (3, 3))

    def mix(image: np.ndarray) -> np.ndarray:
        image = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image
        image = image.transpose(2, 0, 1).astype(np.float32)
        if permuted:
            image = image[order]
        if grey:
            image = np.repeat(image.mean(0, keepdims=True), 3, 0)
        elif mixed:
            image = np.tensordot(matrix, image, 1).astype(np.float32)
        return 255 - image if inverted else image

    return mix


DRAWN = 17.0
"""Spacing in working pixels, as of `ScaleConfig`, that the sets are drawn for; `--spacing` magnifies them."""
SMALLEST = 128
"""Side of a working image; sets of few, large objects would be shown smaller and mostly be padding."""


def draw(number: int) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Images ``(3, y, x)``, their dots, and working pixels per pixel: a simulated set, a function of its number."""
    rng = np.random.default_rng([20261123, number])
    while True:
        look = near(look_named(LOOKS[rng.integers(3)]), rng) if rng.random() < SHIPPED else random_look(rng)
        made = [simulate(look, seed=rng) for _ in range(SIZE)]
        apart = spacing([each.points for each in made])
        jitter = np.exp(rng.normal(0, 0.15))
        scale = float(min(DRAWN * jitter / apart, 2.5)) if apart else 0.0
        if scale * min(look.size) >= SMALLEST:
            mix = channel_mixer(rng)
            return [mix(each.image) for each in made], [each.points for each in made], scale


def draw_once(number: int, folder: Path) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """As `draw`, kept in a file, so that a run that goes on need not simulate anew."""
    kept = folder / "sets" / f"{number}.npz"
    if not kept.exists():
        images, points, scale = draw(number)
        counts = [len(each) for each in points]
        with whole_file(kept) as temporary:
            np.savez(
                temporary,
                images=np.stack(images).astype(np.float16),
                points=np.concatenate(points),
                counts=counts,
                scale=scale,
            )
    with np.load(kept) as values:
        points = np.split(values["points"], np.cumsum(values["counts"])[:-1])
        return list(values["images"].astype(np.float32)), points, float(values["scale"])


def examples_of(images: list[np.ndarray], points: list[np.ndarray], scale: float, seen: Normalisation) -> list[Example]:
    """A set as the network is shown it."""
    return [
        Example(seen(resample(image, scale)), to_working(dots, scale), np.zeros(len(dots), np.int64))
        for image, dots in zip(images, points, strict=True)
    ]


class OneSetABatch(Batches):
    """Batches that hold the images of one set each."""

    def order(self, epoch: int) -> np.ndarray:
        """The sets shuffled, the images of each together."""
        sets = np.random.default_rng([self.config.seed, 1, epoch]).permutation(len(self.examples) // SIZE)
        return (sets[:, None] * SIZE + np.arange(SIZE)).ravel()


def relative_errors(network: torch.nn.Module, config: Config, sets: int, magnified: float) -> float:
    """Mean error relative to the mean count, over sets never seen, each with its own settled normalisation."""
    errors = []
    for number in range(VALIDATION, VALIDATION + sets):
        images, points, drawn = draw(number)
        seen, scale = learn(images), drawn * magnified
        settle(network, OneSetABatch(examples_of(images, points, scale, seen), config.training, network), 1.0, None)
        counts = count_all(network, [Canvas(image, seen, scale, network.layout) for image in images], tile=1024)
        true = [len(each) for each in points]
        errors.append(np.abs(np.subtract(counts, true)).mean() / max(1.0, np.mean(true)))
    return float(np.mean(errors))


def main() -> None:
    """Simulate, train, and save in half precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=1400)
    parser.add_argument("--steps", type=int, default=9500)
    parser.add_argument("--spacing", type=float, default=ScaleConfig().spacing, help="of objects, in working pixels")
    parser.add_argument("--start", type=Path, help="weights of an earlier run")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--simulate", nargs=2, type=int, metavar=("FROM", "TO"), help="only simulate these sets")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/pretrain"))
    options = parser.parse_args()
    if options.out is None and not options.simulate:
        parser.error("say where the weights go: --out")
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.simulate:
        for number in range(*options.simulate):
            draw_once(number, options.work)
        return
    config = updated(
        Config(),
        {
            "network.width": options.width,
            "training.steps": options.steps,
            "training.batch": SIZE,
            "training.evaluations": max(1, options.steps // 250),
            "training.keep_from": 1.0,
            "training.augment.crop": 208,
            "training.augment.zoom": 0.1,
            "training.augment.intensity": 0.15,
            "training.augment.noise": 0.15,
            "training.augment.plain": 0.1,
        },
    )
    torch.manual_seed(0)
    network = build(config.network)
    network.start_from(1 / options.spacing**2)
    if options.start:
        network.load_state_dict(load_file(options.start))
    magnified = options.spacing / DRAWN
    network.to(memory_format=torch.channels_last)
    examples = []
    for number in range(options.sets):
        images, points, scale = draw_once(number, options.work)
        examples += examples_of(images, points, scale * magnified, learn(images))
        if number % 100 == 0:
            print(f"set {number}", flush=True)
    images, points, scale = draw(VALIDATION)
    seen = learn(images)
    validation = Validation(
        [Canvas(image, seen, scale * magnified, network.layout) for image in images],
        [float(len(each)) for each in points],
    )
    checkpoint = options.work / f"checkpoint-{options.width:g}"
    chosen = {"sets": options.sets, "spacing": options.spacing, "start": options.start and str(options.start)}
    identity = identify({**chosen, **config.model_dump(mode="json")}, [])
    trainer = Trainer(network, examples, validation, config, checkpoint=checkpoint, identity=identity)
    trainer.batches = OneSetABatch(examples, config.training, network)
    if checkpoint.exists():
        trainer.resume()
    shown: list[Record | None] = [None]

    def report(progress: object) -> None:
        record = progress.record  # type: ignore[attr-defined]
        if record is not shown[0]:
            shown[0] = record
            print(record, flush=True)

    trainer.run(report)
    network.load_state_dict(trainer.best)
    error = relative_errors(network, config, 40, magnified)
    print(f"error on unseen simulated sets: {100 * error:.1f} % of the count")
    weights = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in trainer.best.items()
    }
    about = {"sets": options.sets, "steps": trainer.state.best_step, "relative_error": round(error, 4)}
    with whole_file(options.out) as temporary:
        save_file(weights, temporary, {"about": json.dumps(about), "network": config.network.model_dump_json()})


if __name__ == "__main__":
    main()
