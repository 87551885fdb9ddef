"""What `speed.py` measures: each section returns rows, plain dictionaries with a `what` and its figures."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F

from countception.config import Config, recipe
from countception.counting.canvas import Canvas
from countception.counting.predict import autocast_dtype, raw_map, run
from countception.images.normalise import Normalisation, learn
from countception.memory import keep_memory
from countception.networks import build
from countception.networks.base import Network
from countception.networks.fourier import Axis, LargeConv2d, Plan
from countception.networks.pretrained import load_pretrained
from countception.simulation.simulate import simulate

Row = dict[str, Any]
Action = Callable[[], Any]

SIDE = 256
BATCH, PASSES = 4, 3
"""Of a training step: its images, and forward, gradients of the inputs, and of the weights, each as much work."""
CPU = torch.device("cpu")
COUNTED = 12
"""Simulated images that are counted in bfloat16."""


def in_turn(actions: dict[str, Action], repeats: int) -> dict[str, list[float]]:
    """Seconds of each action, run in turn after once for warmth."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(repeats + 1):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(what: str, seconds: dict[str, list[float]], slow: str, fast: str, **more: Any) -> Row:
    """A row that compares two actions; the range is that of single turns."""
    single = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "what": what,
        "slow": slow,
        "fast": fast,
        "ratio": medians[slow] / medians[fast],
        "least": min(single),
        "greatest": max(single),
        "medians": medians,
        "seconds": seconds,
        **more,
    }


def image(side: int) -> np.ndarray:
    """An image of blobs, uint8 ``(3, y, x)``."""
    noise = np.random.default_rng(0).normal(size=(3, side, side))
    smooth = np.stack([gaussian_filter(one, 3) for one in noise])
    return np.clip(128 + 400 * smooth, 0, 255).astype(np.uint8)


def network(name: str) -> tuple[Network, Config]:
    """A network with random weights and the statistics of a batch."""
    torch.manual_seed(0)
    config = recipe("default" if name == "boxnet" else "paper")
    made = build(config.network)
    made.start_from(0.003)
    with torch.no_grad():
        for _ in range(20):
            made.train()(torch.randn(1, 3, 96, 96))
    return made.eval(), config


def plain(made: Network) -> Network:
    """The network straight from its layer table."""
    result = copy.deepcopy(made).to(memory_format=torch.contiguous_format)
    for layer in result.modules():
        if isinstance(layer, LargeConv2d):
            layer.direct = True
        if isinstance(layer, nn.LeakyReLU):
            layer.inplace = False
    return result


def canvas_of(made: Network, side: int) -> Canvas:
    """The image as the network counts it."""
    return Canvas(image(side), Normalisation((128.0,) * 3, (64.0,) * 3), 1.0, made.layout)


def whole(made: Network, canvas: Canvas) -> Tensor:
    """The plain way: the network on the whole canvas, eager, float32."""
    with torch.inference_mode():
        result: Tensor = made(torch.from_numpy(canvas.read((0, canvas.shape[0]), (0, canvas.shape[1])))[None])[0]
    return result


def paper_inference(side: int, repeats: int) -> list[Row]:
    """The paper's network, plain against fast, with the same weights."""
    made, config = network("count_ception")
    slow, canvas = plain(made), canvas_of(made, side)
    maps: dict[str, Tensor] = {}

    def keep(name: str, result: Tensor) -> None:
        maps[name] = result

    seconds = in_turn(
        {
            "plain": lambda: keep("plain", whole(slow, canvas)),
            "fast": lambda: keep("fast", raw_map(made, canvas, tile=config.counting.tile)),
        },
        repeats,
    )
    counts = {name: float(result.double().sum()) / made.redundancy for name, result in maps.items()}
    worst = float((maps["plain"] - maps["fast"]).abs().max() / maps["plain"].abs().max())
    what = f"paper's network, inference, {side} × {side}"
    macs = {"plain": operations(made, canvas.shape, fast=False), "fast": operations(made, canvas.shape, fast=True)}
    goal = 10 if torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported() else 2
    difference = abs(counts["fast"] / counts["plain"] - 1)
    agreement = {"count_differs": difference, "map_differs": worst}
    needs = {"macs": macs, "bytes": traffic(made, canvas.shape)}
    return [ratio(what, seconds, "plain", "fast", goal=goal, **needs, **agreement)]


def stepper(
    made: Network,
    config: Config,
    *,
    fast: bool,
    device: torch.device = CPU,
    batch: int = BATCH,
    precision: str = "auto",
) -> Action:
    """A training step on images of 256 × 256."""
    made = (copy.deepcopy(made) if fast else plain(made)).train().to(device)
    layout = torch.channels_last if fast else torch.contiguous_format
    made.to(memory_format=layout)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(made.parameters(), config.training.learning_rate)
    height, width = made.layout.canvas_shape((SIDE, SIDE))
    canvas = torch.randn(batch, 3, height, width, device=device)
    dtype = autocast_dtype(precision, device) if fast else None

    def step() -> None:
        predicted = made.redundant(run(made, canvas, dtype) if fast else made(canvas))
        loss = F.smooth_l1_loss(predicted, torch.zeros_like(predicted))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def paper_training(repeats: int) -> list[Row]:
    """A training step of the paper's network, four images of 256 × 256."""
    made, config = network("count_ception")
    actions = {"plain": stepper(made, config, fast=False), "fast": stepper(made, config, fast=True)}
    with keep_memory():
        seconds = in_turn(actions, repeats)
    needs = {
        "macs": {name: BATCH * PASSES * _of_image(made, fast=name == "fast")[0] for name in actions},
        "bytes": BATCH * PASSES * _of_image(made, fast=False)[1],
    }
    return [ratio("paper's network, training step of 4 images, 256 × 256", seconds, "plain", "fast", goal=4, **needs)]


def default(repeats: int) -> list[Row]:
    """The default network against the paper's, plain and fast."""
    (paper, wide), (box, config) = network("count_ception"), network("boxnet")
    slow, far, near = plain(paper), canvas_of(paper, SIDE), canvas_of(box, SIDE)
    counting = in_turn(
        {
            "paper, plain": lambda: whole(slow, far),
            "paper, fast": lambda: raw_map(paper, far, tile=1024),
            "default": lambda: raw_map(box, near, tile=1024),
        },
        repeats,
    )
    with keep_memory():
        training = in_turn(
            {
                "paper, plain": stepper(paper, wide, fast=False),
                "paper, fast": stepper(paper, wide, fast=True),
                "default": stepper(box, config, fast=True),
            },
            repeats,
        )
    macs, moved = _of_image(box, fast=False)
    rows = [
        ratio(f"default network against {side}, {what}", seconds, side, "default", goal=30)
        for what, seconds in (("inference", counting), ("training step", training))
        for side in ("paper, plain", "paper, fast")
    ]
    for row, what, times in ((rows[0], "inference", 1), (rows[2], "training step of 4 images", BATCH * PASSES)):
        row |= {"of": f"default network, {what}, 256 × 256", "bytes": times * moved, "macs": {"default": times * macs}}
    return rows


def bfloat16(repeats: int) -> list[Row]:
    """Training steps and counts in bfloat16 against float32, whatever this machine would take by itself."""
    rows: list[Row] = []
    for what, name in (("paper's network", "count_ception"), ("default network", "boxnet")):
        made, config = network(name)
        steps = {kind: stepper(made, config, fast=True, precision=kind) for kind in ("float32", "bfloat16")}
        with keep_memory():
            seconds = in_turn(steps, repeats)
        rows.append(ratio(f"{what}, training step of 4 images, 256 × 256", seconds, "float32", "bfloat16"))
    taken = autocast_dtype("auto", CPU) is not None
    return [*rows, {"what": "taken here by itself", "taken": taken}, *_counts_in_bfloat16()]


def _counts_in_bfloat16() -> list[Row]:
    """How far counts of simulated images with the shipped weights move when they are computed in bfloat16."""
    made = build(recipe("default").network)
    if not load_pretrained(made):
        raise RuntimeError("the shipped weights do not fit the default network")
    canvases = [_canvas_of_simulated(made.eval(), seed) for seed in range(COUNTED)]

    def counts(counting: Network, dtype: torch.dtype | None) -> np.ndarray:
        maps = (raw_map(counting, canvas, tile=1024, dtype=dtype) for canvas in canvases)
        return np.array([float(made.redundant(one[None]).double().sum()) for one in maps])

    rounded = copy.deepcopy(made)
    with torch.no_grad():
        for weight in rounded.parameters():
            weight.copy_(weight.bfloat16())
    exact = counts(made, None)
    found = {"weights alone rounded": counts(rounded, None), "all in bfloat16": counts(made, torch.bfloat16)}
    shares = {what: values / exact - 1 for what, values in found.items()}
    return [
        {"what": f"counts, {what}", "mean": float(share.mean()), "most": float(np.abs(share).max()), "images": COUNTED}
        for what, share in shares.items()
    ]


def _canvas_of_simulated(made: Network, seed: int) -> Canvas:
    pixels = np.moveaxis(np.atleast_3d(simulate(seed=seed).image), -1, 0)
    pixels = np.broadcast_to(pixels, (3, *pixels.shape[1:]))
    return Canvas(pixels, learn([pixels]), 1.0, made.layout)


def _of_image(made: Network, *, fast: bool) -> tuple[float, float]:
    """Operations and bytes of one image of 256 × 256, forward."""
    return _needs(made, made.layout.canvas_shape((SIDE, SIDE)), fast=fast)


def operations(made: nn.Module, shape: tuple[int, int], *, fast: bool) -> float:
    """Multiplications and additions of one image on a canvas of `shape`, in pairs."""
    return _needs(made, shape, fast=fast)[0]


def traffic(made: nn.Module, shape: tuple[int, int]) -> float:
    """Bytes of each convolution's input, weights and output, once."""
    return _needs(made, shape, fast=False)[1]


def _needs(made: nn.Module, shape: tuple[int, int], *, fast: bool) -> tuple[float, float]:
    total, moved = 0.0, 0.0

    def add(layer: nn.Module, inputs: tuple[Tensor], result: Tensor) -> None:
        nonlocal total, moved
        assert isinstance(layer, nn.Conv2d)
        moved += 4.0 * (inputs[0].numel() + layer.weight.numel() + result.numel())
        if fast and isinstance(layer, LargeConv2d):
            total += _by_fourier(layer, result.shape)
        else:
            total += result.numel() * layer.weight[0].numel()

    handles = [layer.register_forward_hook(add) for layer in made.modules() if isinstance(layer, nn.Conv2d)]
    meta = copy.deepcopy(made).to("meta")
    for handle in handles:
        handle.remove()
    meta(torch.empty(1, 3, *shape, device="meta"))
    return total, moved


def _by_fourier(layer: LargeConv2d, shape: torch.Size) -> float:
    rows, columns = (Axis(n, k) for n, k in zip(shape[2:], layer.kernel_size, strict=True))
    plan, half = Plan(shape[0], rows, columns), rows.side // 2 + 1
    inputs, outputs = layer.in_channels, layer.out_channels
    read = 2 * half * rows.side * columns.side + 4 * half * columns.side**2
    written = 4 * half * columns.side * columns.step + 2 * half * rows.step * columns.step
    product = 4 * half * columns.side * inputs * outputs
    return float(plan.tiles * (read * inputs + product + written * outputs))


def floor(repeats: int, device: torch.device = CPU) -> list[Row]:
    """What the machine can do: matrix products and copies, the best of several sizes."""
    rows: list[Row] = []
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    for dtype in (torch.float32, torch.bfloat16):
        best = 0.0
        for n in (64, 256, 1024, 2048):
            a, b = torch.randn(n, n, device=device, dtype=dtype), torch.randn(n, 8192, device=device, dtype=dtype)
            seconds = in_turn({"gemm": lambda a=a, b=b: (a @ b, wait())}, repeats)["gemm"]
            best = max(best, n * n * 8192 / min(seconds))
        rows.append({"what": f"matrix product, {str(dtype).removeprefix('torch.')}", "gmac_per_s": best / 1e9})
    a = torch.randn(64 * 2**20, device=device)
    b = torch.empty_like(a)
    seconds = in_turn({"copy": lambda: (b.copy_(a), wait())}, repeats)["copy"]
    rows.append({"what": "copy, read and written", "gb_per_s": 2 * a.numel() * 4 / min(seconds) / 1e9})
    return rows


def gpu(repeats: int) -> list[Row]:
    """Images per second and share of the measured matrix product, where there is a GPU."""
    if not torch.cuda.is_available():
        return [{"what": "no GPU on this machine: not measured"}]
    device = torch.device("cuda")
    rows = floor(repeats, device)
    for name in ("count_ception", "boxnet"):
        made, config = network(name)
        macs = operations(made, made.layout.canvas_shape((SIDE, SIDE)), fast=False)
        moved = copy.deepcopy(made).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        height, width = made.layout.canvas_shape((SIDE, SIDE))
        canvas = torch.randn(16, 3, height, width, device=device)

        def count(moved: Network = moved, canvas: Tensor = canvas) -> None:
            with torch.inference_mode():
                run(moved, canvas, torch.bfloat16)
            torch.cuda.synchronize()

        step = stepper(made, config, fast=True, device=device, batch=16)
        for what, action, passes in (("inference", count, 1), ("training", step, 3)):
            rate = 16 / statistics.median(in_turn({"it": action}, repeats)["it"])
            share = rate * macs * passes / (rows[1]["gmac_per_s"] * 1e9)
            rows.append({"what": f"{name}, {what}, bfloat16", "images_per_s": rate, "share_of_product": share})
    return rows


SECTIONS: dict[str, Callable[[int], list[Row]]] = {
    "floor": floor,
    "paper-256": lambda repeats: paper_inference(256, repeats),
    "paper-2048": lambda repeats: paper_inference(2048, min(repeats, 2)),
    "paper-training": lambda repeats: paper_training(min(repeats, 3)),
    "default": default,
    "bfloat16": lambda repeats: bfloat16(min(repeats, 3)),
    "gpu": gpu,
}
