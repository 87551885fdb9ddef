"""Train the weights that the default network starts from, on images of our own simulator alone.

    python benchmarks/pretrain.py --images 1500 --steps 6000 --out src/countception/weights/boxnet.safetensors

No real image is used, so the weights carry nothing of any data set. Each simulated image is normalised by itself,
brought to the spacing of dots that `ScaleConfig` aims at (give or take a factor), and has its channels mixed and its
polarity turned at random, so that what is learned is objects and not colours. The run goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from countception.augment import Example
from countception.canvas import Canvas, resample
from countception.config import Config, ScaleConfig, updated
from countception.files import whole_file
from countception.geometry import to_working
from countception.networks import build
from countception.normalise import Normalisation, learn
from countception.points import spacing
from countception.simulate import look_named, random_look, simulate
from countception.training.loop import Trainer, Validation
from countception.training.state import Record

LOOKS = ("fluorescence", "stained", "membranes")


def mix_channels(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Three channels of any meaning: permuted, mixed, some empty, either polarity."""
    image = image[..., None] if image.ndim == 2 else image
    image = image.transpose(2, 0, 1).astype(np.float32)
    image = image[rng.permutation(image.shape[0])][[0, -1, image.shape[0] // 2]]
    kind = rng.integers(4)
    if kind == 0:  # grey
        image = np.repeat(image.mean(0, keepdims=True), 3, 0)
    elif kind == 1:  # other colours
        image = np.tensordot(np.eye(3) + rng.normal(0, 0.3, (3, 3)), image, 1).astype(np.float32)
    return image if rng.random() < 0.75 else image.max() - image


def draw(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Image ``(3, y, x)``, dots, and working pixels per pixel: one simulated image, a function of its seed alone."""
    rng = np.random.default_rng([20261123, seed])
    look = random_look(rng) if rng.random() < 0.5 else look_named(LOOKS[rng.integers(3)])
    made = simulate(look, seed=rng)
    apart = spacing([made.points])
    jitter = np.exp(rng.uniform(-0.35, 0.35))
    scale = float(np.clip(ScaleConfig().spacing * jitter / apart, 0.2, 2.5)) if apart else 1.0
    return mix_channels(made.image, rng), made.points, scale


def draw_once(seed: int, folder: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """As `draw`, kept in a file, so that a run that goes on need not simulate anew."""
    kept = folder / "images" / f"{seed}.npz"
    if not kept.exists():
        image, points, scale = draw(seed)
        with whole_file(kept) as temporary:
            np.savez(temporary, image=image.astype(np.float16), points=points, scale=scale)
    with np.load(kept) as values:
        return values["image"].astype(np.float32), values["points"], float(values["scale"])


def normalisation_of(image: np.ndarray) -> Normalisation:
    """Of one image by itself."""
    return learn([image])


def main() -> None:
    """Simulate, train, and save in half precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/pretrain"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = updated(
        Config(),
        {
            "training.steps": options.steps,
            "training.batch": options.batch,
            "training.beta": 3.0,
            "training.evaluations": max(1, options.steps // 300),
            "training.augment.crop": 208,
            "training.augment.zoom": 0.1,
            "training.augment.intensity": 0.15,
            "training.augment.noise": 0.15,
        },
    )
    torch.manual_seed(0)
    network = build(config.network)
    network.start_from(1 / ScaleConfig().spacing ** 2)
    network.to(memory_format=torch.channels_last)
    examples = []
    for i in range(options.images):
        image, points, scale = draw_once(i, options.work)
        pixels = normalisation_of(image)(resample(image, scale))
        examples.append(Example(pixels, to_working(points, scale), np.zeros(len(points), np.int64)))
        if i % 100 == 0:
            print(f"simulated {i}", flush=True)
    canvases, true = [], []
    for i in range(60):
        image, points, scale = draw(1_000_000 + i)
        canvases.append(Canvas(image, normalisation_of(image), scale, network.layout))
        true.append(float(len(points)))
    options.work.mkdir(parents=True, exist_ok=True)
    checkpoint = options.work / "checkpoint"
    fingerprint = f"{config.model_dump_json()} {options.images}"
    trainer = Trainer(
        network, examples, Validation(canvases, true), config, checkpoint=checkpoint, fingerprint=fingerprint
    )
    if checkpoint.exists():
        trainer.resume()
    shown: list[Record | None] = [None]

    def report(progress: object) -> None:
        record = progress.record  # type: ignore[attr-defined]
        if record is not shown[0]:
            shown[0] = record
            print(record, flush=True)

    trainer.run(report)
    weights = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in trainer.best.items()
    }
    about = {"images": options.images, "steps": trainer.state.best_step, "valid_mae": trainer.state.best_mae}
    with whole_file(options.out) as temporary:
        save_file(weights, temporary, {"about": json.dumps(about), "network": config.network.model_dump_json()})


if __name__ == "__main__":
    main()
