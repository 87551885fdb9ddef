"""Our networks by other runtimes, the same weights and the same result, in turn with the way that counts are made.

OpenVINO, where it is installed, and torch's own compiler, where it finds one for C++.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from importlib.metadata import version

import torch
from torch import Tensor, nn

from countception.counting.predict import fast, run
from countception.memory import keep_memory
from speed_sections import SIDE, Row, canvas_of, in_turn, network, plain, ratio

Way = Callable[[], Tensor]
OURS = "ours"
SIDES = {"boxnet": (SIDE, 4 * SIDE), "count_ception": (SIDE,)}
NAMES = {"boxnet": "default network", "count_ception": "paper's network"}


def runtimes(repeats: int) -> list[Row]:
    """Inference of both networks by each runtime that is here, against ours."""
    rows = []
    for name, sides in SIDES.items():
        made, _ = network(name)
        for side in sides:
            layout = canvas_of(made, side)
            canvas = torch.from_numpy(layout.read((0, layout.shape[0]), (0, layout.shape[1])))[None]
            rows += _beside_ours(f"{NAMES[name]}, {side} × {side}", made, canvas, repeats)
    return rows


def _beside_ours(what: str, made: nn.Module, canvas: Tensor, repeats: int) -> list[Row]:
    quick = fast(made)  # type: ignore[arg-type]
    ways: dict[str, Way] = {OURS: lambda: run(quick, canvas, None), **_others(made, canvas)}
    with torch.inference_mode(), keep_memory():
        maps = {title: way().clone() for title, way in ways.items()}
        seconds = in_turn(ways, repeats)
    return [
        ratio(f"{title}: {what}", seconds, title, OURS) | {"count_differs": _apart(maps[title], maps[OURS])}
        for title in ways
        if title != OURS
    ]


def _others(made: nn.Module, canvas: Tensor) -> dict[str, Way]:
    ways = {}
    if importlib.util.find_spec("openvino"):
        ways[f"OpenVINO {version('openvino')}, float32"] = _openvino(plain(made), canvas)  # type: ignore[arg-type]
    if shutil.which("g++"):
        ways[f"torch.compile {torch.__version__}"] = _compiled(made, canvas)
    return ways


def _openvino(made: nn.Module, canvas: Tensor) -> Way:
    """Both are told to use as many threads as torch does."""
    import openvino

    model = openvino.convert_model(made, example_input=canvas, input=list(canvas.shape))
    threads = torch.get_num_threads()
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(model, "CPU", hints).create_infer_request()
    pixels = canvas.numpy()
    return lambda: torch.from_numpy(request.infer([pixels], share_inputs=True, share_outputs=True)[0])


def _compiled(made: nn.Module, canvas: Tensor) -> Way:
    compiled = torch.compile(made)
    given = canvas.contiguous(memory_format=torch.channels_last)
    return lambda: compiled(given)


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one.double().sum() / other.double().sum() - 1).abs())
