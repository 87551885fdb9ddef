"""Running a network over a canvas: whole or tile by tile, in the fastest exact way the machine has."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from countception.counting.canvas import Canvas
from countception.counting.tiling import blocks
from countception.errors import ConfigError
from countception.geometry import window_pixels
from countception.images.extent import Extent, extent_of
from countception.images.pieces import Pixels
from countception.memory import keep_memory
from countception.networks.base import Network
from countception.networks.folded import folded

Report = Callable[[float], None]
"""Called with the share of an image that is counted, 0 to 1."""
WORTH = 1.3
"""Times faster that products in bfloat16 must be to be taken."""
TURNS = 9
"""Of timing them; the fastest count."""


def choose_device(name: str | None) -> torch.device:
    """`name`, or a GPU where there is one, else the CPU.

    Raises
    ------
    ConfigError
        The device is unknown or not on this machine.
    """
    if name is None or name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).tolist()  # not even that on a device that holds no numbers (meta)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(f"there is no device {name!r} here ({reason}): try cpu, or leave --device out") from None
    return device


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Type to compute convolutions in, or None for float32.

    With `auto`, bfloat16 on GPUs and on the CPUs where it pays (`bfloat16_pays`).
    """
    if precision == "float32":
        return None
    if precision == "bfloat16" or device.type == "cuda":
        return torch.bfloat16
    return torch.bfloat16 if device.type == "cpu" and bfloat16_pays() else None


@contextmanager
def usual_modes(*, gradients: bool = False) -> Iterator[None]:
    """Torch's modes as a process starts with them, whatever the thread of the caller is in.

    In `torch.no_grad` nothing is learned, and `torch.autocast` and `torch.set_default_device` reach code that moves
    numbers between numpy and torch.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        for kind in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":  # to say so where it is would cost time in every call
            stack.enter_context(torch.device("cpu"))
        yield


@functools.cache
def bfloat16_pays() -> bool:
    """Whether this CPU makes matrix products in bfloat16 faster than in float32 (half as fast to 8 times as fast).

    Having the instructions tells too little: some processors with AVX512-bf16 are faster in float32. So the CPUs that
    have them are timed once, for some milliseconds of their own time, so that other programs make no difference.
    """
    instructions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    if not any(getattr(torch.cpu, name, bool)() for name in instructions):
        return False
    matrix = torch.ones(512, 512, dtype=torch.float32)
    half = matrix.bfloat16()
    seconds = [(_seconds(matrix), _seconds(half)) for _ in range(TURNS)]
    return min(whole for whole, _ in seconds) > WORTH * min(halved for _, halved in seconds)


def _seconds(matrix: Tensor) -> float:
    started = time.process_time()
    matrix @ matrix
    return time.process_time() - started


_folded: WeakKeyDictionary[nn.Module, tuple[list[Any], nn.Module]] = WeakKeyDictionary()


def fast(network: Network) -> nn.Module:
    """The network in the form that counts fastest; made anew when its weights have changed.

    Parameters
    ----------
    network
        In evaluation mode. The result gives the same maps but for rounding.
    """
    tensors = [*network.parameters(), *network.buffers()]
    if any(tensor.is_inference() for tensor in tensors):  # these do not tell when they change
        return network
    state = [(id(tensor), tensor.data_ptr(), tensor._version) for tensor in tensors]
    kept = _folded.get(network)
    if kept is None or kept[0] != state:
        with torch.inference_mode(mode=False), torch.no_grad():
            kept = _folded[network] = state, folded(network)
    return kept[1]


def run(network: nn.Module, canvas: Tensor, dtype: torch.dtype | None) -> Tensor:
    """The network on a batch of canvases, in `dtype` where that is given; the raw map comes back as float32."""
    canvas = canvas.contiguous(memory_format=torch.channels_last)
    half = torch.autocast(  # within another one weights that it caches would stay as they are while others are learned
        canvas.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None, cache_enabled=False
    )
    with half, _no_tf32() if canvas.is_cuda and dtype is None else nullcontext():
        raw: Tensor = network(canvas)
    return raw.float()


@contextmanager
def _no_tf32() -> Iterator[None]:
    """Have float32 mean float32: unless told, GPUs round what convolutions multiply to 10 bits (TF32)."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def raw_map(
    network: Network,
    canvas: Canvas,
    *,
    tile: int,
    dtype: torch.dtype | None = None,
    report: Report | None = None,
) -> Tensor:
    """The network's raw map over a canvas, ``(classes, y, x)`` float32 on the CPU.

    Parameters
    ----------
    network
        In evaluation mode.
    canvas
        Of one image.
    tile
        Largest side, in map entries, computed in one piece. The result does not depend on it but for rounding.
    dtype
        As for `run`.
    report
        Called after each tile with the share that is done.
    """
    device = next(network.parameters()).device
    result = torch.empty((network.config.classes, *canvas.map_shape), dtype=torch.float32)
    quick = fast(network)
    with torch.inference_mode(), keep_memory():
        tiles = list(blocks(canvas.map_shape, canvas.shape, canvas.layout.field, tile))
        for done, block in enumerate(tiles, 1):
            region = torch.from_numpy(canvas.read(block.canvas_rows, block.canvas_columns))[None].to(device)
            part = run(quick, region, dtype)[0]
            result[:, slice(*block.rows), slice(*block.columns)] = part[(slice(None), *block.inner)].cpu()
            if report:
                report(done / len(tiles))
    return result


def leave_out_holes(
    raw: Tensor, network: Network, image: Pixels, scale: float, extent: Extent | None = None
) -> Extent | None:
    """Set a map to 0 where the image has no picture, and say where it has one; None where that is everywhere.

    A density by its cells; a map of windows where these hold none, as beyond the border of an image, where it ends.

    Parameters
    ----------
    raw
        The network's map of the image, ``(classes, y, x)``; changed in place.
    network, image
        That it is of.
    scale
        Working pixels per image pixel.
    extent
        Where the image has a picture, as said of another map of it; None looks.
    """
    if extent is None:
        extent = extent_of(image, (raw.shape[1], raw.shape[2]), network.layout.field.stride / scale)
    if extent is not None:
        raw.mul_(torch.from_numpy(extent.cells if network.boxed else _windows(extent, raw, network, image, scale)))
    return extent


def _windows(extent: Extent, raw: Tensor, network: Network, image: Pixels, scale: float) -> npt.NDArray[np.bool_]:
    """Which entries of a map have any picture in their windows, ``(y, x)``."""
    _, height, width = image.shape
    sums = np.zeros((height + 1, width + 1), np.int64)
    extent.pixels((0, height), (0, width)).cumsum(0, out=sums[1:, 1:])
    np.cumsum(sums, 1, out=sums)
    (top, below), (left, right) = (
        window_pixels(
            entries, side, scale=scale, window=network.window, stride=network.layout.field.stride, pad=network.map_pad
        )
        for entries, side in zip(raw.shape[1:], (height, width), strict=True)
    )
    rows = sums[below] - sums[top]
    return np.asarray(rows[:, right] > rows[:, left])
