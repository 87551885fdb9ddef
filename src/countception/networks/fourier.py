"""Convolution with a large kernel through Fourier transforms of tiles: the same function by a sixteenth of the work.

Overlap-save (Oppenheim and Schafer, section 8.7): the map is cut into tiles of about `OUTPUTS` entries a side; the
input of each is transformed, multiplied with the transformed kernel frequency by frequency, and transformed back. The
transforms are products with plain Fourier matrices. That takes more operations than the fast Fourier transform, but
one tile at a time they stay in the processor's cache, run at the speed of matrix products, and leave the frequencies
outermost, as the products per frequency need them: nothing is transposed. Differs from direct convolution by rounding.

Layout: maps are ``(image, y, x, channel)``; spectra are ``(fy, fx, tile, part, channel)`` where `part` is the real and
the imaginary one. The signal is real, so `fy` runs over ``Ty // 2 + 1`` frequencies and `fx` over all ``Tx``.

With E the transform of a zero-padded tile and V the kernel's spectrum, the convolution is ``Eᵀ(V · Ex)`` (the inverse's
weights are in V), so its gradient for x is ``Eᵀ(V* · Eg)``, made by the same two functions from the gradient g.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from countception.geometry import ceil_div

OUTPUTS = 48
"""Map entries along a tile's side: from 32 to 64 the time of a 14 × 14 or 18 × 18 kernel hardly changes."""
SMALLEST_KERNEL = 8
"""Side below which direct convolution is faster."""
FEWEST_CHANNELS = 8
"""Input or output channels below which the transforms cost more than they save."""
FAST_TYPES = (torch.float32, torch.bfloat16)


@dataclass(frozen=True)
class Axis:
    """How one axis of a map is cut into tiles.

    Parameters
    ----------
    entries
        Of the map.
    kernel
        Side of the kernel.
    """

    entries: int
    kernel: int

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return max(1, round(self.entries / OUTPUTS))

    @property
    def step(self) -> int:
        """Entries in a tile; the last has fewer."""
        return ceil_div(self.entries, self.tiles)

    @property
    def side(self) -> int:
        """Pixels that a tile reads: the length of the transform."""
        return self.step + self.kernel - 1


@dataclass(frozen=True)
class Plan:
    """How a batch of maps is cut into tiles."""

    images: int
    y: Axis
    x: Axis

    @property
    def tiles(self) -> int:
        """In all images."""
        return self.images * self.y.tiles * self.x.tiles

    def parts(self, maps: Tensor, height: int, width: int) -> Iterator[Tensor]:
        """Views of each tile's `height` × `width` corner of maps, smaller where the map ends."""
        for image in maps:
            for i in range(self.y.tiles):
                for j in range(self.x.tiles):
                    top, left = i * self.y.step, j * self.x.step
                    yield image[top : top + height, left : left + width]


@functools.cache
@torch.inference_mode(False)  # kept for training too, whoever asks first
def real_basis(side: int) -> Tensor:
    """Transform of a real signal, ``(fy, part, y)``."""
    angle = _angles(side)[: side // 2 + 1]
    return torch.stack([angle.cos(), -angle.sin()], 1).float()


@functools.cache
@torch.inference_mode(False)
def complex_basis(side: int) -> Tensor:
    """Transform of a complex signal: ``(fx, part of the spectrum, part of the signal, x)``."""
    cos, sin = _angles(side).cos(), _angles(side).sin()
    return torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1).float()


def _angles(side: int) -> Tensor:
    place = torch.arange(side)
    return (place[:, None] * place % side).double() * (2 * math.pi / side)


def _bases(plan: Plan, corner: Tensor) -> tuple[Tensor, Tensor]:
    """Both transforms as matrices ``(2 fy, y)`` and ``(2 fx, 2 x)`` for tiles of which `corner` alone is not zero."""
    height, width = corner.shape[:2]
    rows, columns = real_basis(plan.y.side)[:, :, :height], complex_basis(plan.x.side)[..., :width]
    return rows.reshape(-1, height).to(corner.dtype), columns.reshape(2 * plan.x.side, -1).to(corner.dtype)


@functools.cache
def rounding_gain(plan: Plan, dtype: torch.dtype) -> float:
    """By how much transforms in `dtype` stretch a map on its way there and back: up to 0.4 % in bfloat16."""
    stretched = 1.0
    for basis in (real_basis(plan.y.side), complex_basis(plan.x.side)):
        stretched *= float((basis * basis.to(dtype)).sum() / basis.square().sum())
    return stretched**2


def analyse(maps: Tensor, plan: Plan, height: int, width: int) -> Tensor:
    """Spectra of each tile's `height` × `width` corner: ``(image, y, x, channel)`` → ``(fy, fx, tile, 2, channel)``."""
    channels, half, side = maps.shape[-1], plan.y.side // 2 + 1, plan.x.side
    spectra = maps.new_empty(half, side, plan.tiles, 2, channels)
    for k, tile in enumerate(plan.parts(maps, height, width)):
        rows, columns = _bases(plan, tile)
        along_y = rows @ tile.reshape(len(tile), -1)  # (2 fy, x · channel)
        both = columns @ along_y.view(half, -1, channels)  # (fy, 2 fx, channel)
        spectra[:, :, k] = both.view(half, side, 2, channels)
    return spectra


def synthesise(spectra: Tensor, plan: Plan, maps: Tensor, height: int, width: int) -> Tensor:
    """Add to `maps` what the transpose of `analyse` makes of spectra ``(fy, fx, tile, 2, channel)``."""
    channels, half = maps.shape[-1], plan.y.side // 2 + 1
    for k, tile in enumerate(plan.parts(maps, height, width)):
        rows, columns = _bases(plan, tile)
        spectrum = spectra[:, :, k].reshape(half, -1, channels)
        along_x = columns.t() @ spectrum  # (fy, 2 x, channel)
        tile += (rows.t() @ along_x.view(2 * half, -1)).view(tile.shape)
    return maps


def kernel_spectrum(weight: Tensor, plan: Plan, dtype: torch.dtype) -> Tensor:
    """A kernel's conjugate spectrum with the inverse's weights, ``(f, in, 2, out)``.

    Parameters
    ----------
    weight
        ``(out, in, ky, kx)`` as of a `Conv2d`, float32.
    plan
        Of the maps it is for.
    dtype
        Of the result, and of the transforms of the maps, whose gain it makes up for.
    """
    outputs, inputs, height, width = weight.shape
    half, side = plan.y.side // 2 + 1, plan.x.side
    kernel = weight.permute(2, 3, 1, 0)
    rows, columns = _bases(plan, kernel)
    twice = kernel.new_full((half, 1, 1), 2.0)  # a real signal's frequency stands for its mirror image too
    twice[0] = 1.0
    if plan.y.side % 2 == 0:
        twice[-1] = 1.0
    rows = (rows.view(half, 2, -1) * (twice / (plan.y.side * side * rounding_gain(plan, dtype)))).view(rows.shape)
    columns = (columns.view(side, 2, -1) * kernel.new_tensor([[1.0], [-1.0]])).view(columns.shape)
    along_y = rows @ kernel.reshape(height, -1)
    both = columns @ along_y.view(half, 2 * width, -1)
    return both.to(dtype).view(half * side, 2, inputs, outputs).transpose(1, 2).contiguous()


class _Convolve(torch.autograd.Function):
    """Maps ``(image, y, x, in)`` and a kernel's spectrum → maps ``(image, y, x, out)``.

    The complex product per frequency is one real matrix product of each part of the maps' spectra with both parts of
    the kernel's; sums of the four results are cheap, as there are fewer output than input channels.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernel: Tensor, plan: Plan) -> Tensor:
        spectra = analyse(maps, plan, plan.y.side, plan.x.side)
        flat = spectra.view(len(kernel), 2 * plan.tiles, -1)
        ctx.save_for_backward(flat, kernel)
        ctx.plan, ctx.shape = plan, maps.shape
        outputs = kernel.shape[-1]
        parts = torch.bmm(flat, kernel.flatten(2)).view(*spectra.shape[:4], 2, outputs)
        real = parts[..., 0, 0, :] - parts[..., 1, 1, :]
        imaginary = parts[..., 0, 1, :] + parts[..., 1, 0, :]
        out = maps.new_zeros(plan.images, plan.y.entries, plan.x.entries, outputs)
        return synthesise(torch.stack([real, imaginary], 3), plan, out, plan.y.step, plan.x.step)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        spectra, kernel = ctx.saved_tensors
        plan: Plan = ctx.plan
        given = analyse(gradient.contiguous(), plan, plan.y.step, plan.x.step)
        real, imaginary = given.unbind(3)
        parts = torch.stack([real, imaginary, imaginary, -real], 3).view(len(kernel), 2 * plan.tiles, -1)
        by_kernel = torch.bmm(spectra.mT, parts).view(kernel.shape)
        by_maps = None
        if ctx.needs_input_grad[0]:
            by_spectra = torch.bmm(parts, kernel.flatten(2).mT).view(*given.shape[:4], -1)
            by_maps = synthesise(by_spectra, plan, gradient.new_zeros(ctx.shape), plan.y.side, plan.x.side)
        return by_maps, by_kernel, None


class LargeConv2d(nn.Conv2d):
    """An unpadded convolution of stride 1 that takes the fast way where there is one.

    Through Fourier transforms on a CPU, in float32 or, under autocast, in bfloat16; directly elsewhere. Set `direct` to
    always take the latter.
    """

    direct = False
    _kept: tuple[list[Any], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, y, x)`` → ``(B, out, y - k + 1, x - k + 1)``."""
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        if not self._fast(x, dtype):
            return super().forward(x)
        size = self.kernel_size
        plan = Plan(len(x), *(Axis(n - k + 1, k) for n, k in zip(x.shape[2:], size, strict=True)))
        with torch.autocast("cpu", enabled=False):
            maps: Tensor = _Convolve.apply(  # type: ignore[no-untyped-call]
                x.permute(0, 2, 3, 1).to(dtype).contiguous(), self._spectrum(plan, dtype), plan
            )
            if self.bias is not None:
                maps += self.bias
        return maps.permute(0, 3, 1, 2)

    def _fast(self, x: Tensor, dtype: torch.dtype) -> bool:
        known = x.device.type == "cpu" and self.weight.dtype == torch.float32 and dtype in FAST_TYPES
        plain = known and (x.dtype == torch.float32 or torch.is_autocast_enabled("cpu"))
        large = min(self.kernel_size) >= SMALLEST_KERNEL and min(self.weight.shape[:2]) >= FEWEST_CHANNELS
        watched = torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()  # exports: be plain
        return plain and large and not (self.direct or watched)

    def _spectrum(self, plan: Plan, dtype: torch.dtype) -> Tensor:
        """The kernel's spectrum, kept from one call to the next while nothing is learned."""
        if torch.is_grad_enabled() or self.weight.is_inference():
            return kernel_spectrum(self.weight, plan, dtype)
        key = [plan.y.side, plan.x.side, dtype, self.weight.data_ptr(), self.weight._version]
        kept = self._kept  # read once: another thread may put another in its place
        if kept is None or kept[0] != key:
            kept = self._kept = key, kernel_spectrum(self.weight, plan, dtype)
        return kept[1]
