"""Convolution with a large kernel through Fourier transforms of tiles: the same function, a tenth of the operations.

Overlap-save (Oppenheim and Schafer, section 8.7): the map is cut into tiles of about `OUTPUTS` entries a side; the
input of each is transformed, multiplied with the transformed kernel frequency by frequency, and transformed back. The
transforms are products with plain Fourier matrices. That takes more operations than the fast Fourier transform, but
one tile at a time they stay in the processor's cache, run at the speed of matrix products, and leave the frequencies
outermost, as the products per frequency need them: nothing is transposed. Differs from direct convolution by rounding.

Layout: maps are ``(image, y, x, channel)``; spectra are ``(fy, fx, part, tile, channel)`` where `part` is the real and
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
    """Transform of a complex signal, ``(part, fx, part, x)``."""
    cos, sin = _angles(side).cos(), _angles(side).sin()
    return torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)]).float()


def _angles(side: int) -> Tensor:
    place = torch.arange(side)
    return (place[:, None] * place % side).double() * (2 * math.pi / side)


def _bases(plan: Plan, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Both transforms as matrices ``(2 fy, y)`` and ``(2 fx, 2 x)`` for tiles whose first pixels alone are not zero."""
    rows, columns = real_basis(plan.y.side)[:, :, :height], complex_basis(plan.x.side)[..., :width]
    return rows.reshape(-1, height), columns.reshape(2 * plan.x.side, -1)


def analyse(maps: Tensor, plan: Plan, height: int, width: int) -> Tensor:
    """Spectra of each tile's `height` × `width` corner: ``(image, y, x, channel)`` → ``(fy, fx, 2, tile, channel)``."""
    channels, half = maps.shape[-1], plan.y.side // 2 + 1
    spectra = maps.new_empty(half, plan.x.side, 2, plan.tiles, channels)
    for k, tile in enumerate(plan.parts(maps, height, width)):
        rows, columns = _bases(plan, *tile.shape[:2])
        along_y = rows @ tile.reshape(len(tile), -1)  # (2 fy, x · channel)
        both = columns @ along_y.view(half, -1, channels)  # (fy, 2 fx, channel)
        spectra[:, :, :, k] = both.view(half, 2, plan.x.side, channels).transpose(1, 2)
    return spectra


def synthesise(real: Tensor, imaginary: Tensor, plan: Plan, maps: Tensor, height: int, width: int) -> Tensor:
    """Add to `maps` what the transpose of `analyse` makes of spectra ``(fy, fx, tile, channel)``."""
    channels, half = maps.shape[-1], plan.y.side // 2 + 1
    spectrum = maps.new_empty(half, 2, plan.x.side, channels)
    for k, tile in enumerate(plan.parts(maps, height, width)):
        rows, columns = _bases(plan, *tile.shape[:2])
        spectrum[:, 0], spectrum[:, 1] = real[:, :, k], imaginary[:, :, k]
        along_x = columns.t() @ spectrum.view(half, -1, channels)  # (fy, 2 x, channel)
        tile += (rows.t() @ along_x.view(2 * half, -1)).view(tile.shape)
    return maps


def kernel_spectrum(weight: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of a kernel's conjugate spectrum with the inverse's weights, each ``(f, in, out)``.

    Parameters
    ----------
    weight
        ``(out, in, ky, kx)`` as of a `Conv2d`.
    plan
        Of the maps it is for.
    """
    outputs, inputs, height, width = weight.shape
    half, side = plan.y.side // 2 + 1, plan.x.side
    rows, columns = _bases(plan, height, width)
    along_y = rows @ weight.permute(2, 3, 1, 0).reshape(height, -1)
    both = (columns @ along_y.view(half, 2 * width, -1)).view(half, 2, side, inputs * outputs)
    twice = torch.full((half, 1, 1), 2.0)  # a real signal's frequency stands for its mirror image too
    twice[0] = 1.0
    if plan.y.side % 2 == 0:
        twice[-1] = 1.0
    inverse = twice / (plan.y.side * side)
    real, imaginary = both[:, 0] * inverse, both[:, 1] * -inverse
    return real.reshape(-1, inputs, outputs), imaginary.reshape(-1, inputs, outputs)


def _multiply(spectra: Tensor, real: Tensor, imaginary: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Complex matrix product per frequency: spectra ``(f, 2, tile, in)`` by a kernel's parts ``(f, in, out)``."""
    a, b = spectra[:, 0], spectra[:, 1]
    first = torch.bmm(a, real).baddbmm_(b, imaginary, alpha=-1)
    second = torch.bmm(a, imaginary).baddbmm_(b, real)
    return first.view(shape), second.view(shape)


class _Convolve(torch.autograd.Function):
    """Maps ``(image, y, x, in)`` and a kernel's spectrum → maps ``(image, y, x, out)``."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, real: Tensor, imaginary: Tensor, plan: Plan) -> Tensor:
        spectra = analyse(maps, plan, plan.y.side, plan.x.side)
        half, side, _, tiles, inputs = spectra.shape
        flat = spectra.view(half * side, 2, tiles, inputs)
        ctx.save_for_backward(flat, real, imaginary)
        ctx.plan, ctx.shape = plan, maps.shape
        product = _multiply(flat, real, imaginary, (half, side, tiles, -1))
        out = maps.new_zeros(plan.images, plan.y.entries, plan.x.entries, real.shape[-1])
        return synthesise(*product, plan, out, plan.y.step, plan.x.step)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        spectra, real, imaginary = ctx.saved_tensors
        plan: Plan = ctx.plan
        given = analyse(gradient.contiguous(), plan, plan.y.step, plan.x.step)
        half, side, _, tiles, outputs = given.shape
        flat = given.view(half * side, 2, tiles, outputs)
        a, b, g, h = spectra[:, 0].mT, spectra[:, 1].mT, flat[:, 0], flat[:, 1]
        by_real = torch.bmm(a, g).baddbmm_(b, h)
        by_imaginary = torch.bmm(a, h).baddbmm_(b, g, alpha=-1)
        by_maps = None
        if ctx.needs_input_grad[0]:
            product = _multiply(flat, real.mT, -imaginary.mT, (half, side, tiles, -1))
            by_maps = synthesise(*product, plan, gradient.new_zeros(ctx.shape), plan.y.side, plan.x.side)
        return by_maps, by_real, by_imaginary, None


class LargeConv2d(nn.Conv2d):
    """An unpadded convolution of stride 1 that takes the fast way where there is one.

    Through Fourier transforms on a CPU in float32, directly elsewhere. Set `direct` to always take the latter.
    """

    direct = False
    _kept: tuple[list[Any], tuple[Tensor, Tensor]] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, y, x)`` → ``(B, out, y - k + 1, x - k + 1)``."""
        if not self._fast(x):
            return super().forward(x)
        size = self.kernel_size
        plan = Plan(len(x), *(Axis(n - k + 1, k) for n, k in zip(x.shape[2:], size, strict=True)))
        maps: Tensor = _Convolve.apply(x.permute(0, 2, 3, 1).contiguous(), *self._spectrum(plan), plan)  # type: ignore[no-untyped-call]
        if self.bias is not None:
            maps += self.bias
        return maps.permute(0, 3, 1, 2)

    def _fast(self, x: Tensor) -> bool:
        plain = x.device.type == "cpu" and x.dtype == self.weight.dtype == torch.float32
        large = min(self.kernel_size) >= SMALLEST_KERNEL and min(self.weight.shape[:2]) >= FEWEST_CHANNELS
        watched = torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()  # exports: be plain
        return plain and large and not (self.direct or watched or torch.is_autocast_enabled("cpu"))

    def _spectrum(self, plan: Plan) -> tuple[Tensor, Tensor]:
        """The kernel's spectrum, kept from one call to the next while nothing is learned."""
        if torch.is_grad_enabled() or self.weight.is_inference():
            return kernel_spectrum(self.weight, plan)
        key = [plan.y.side, plan.x.side, self.weight.data_ptr(), self.weight._version]
        if self._kept is None or self._kept[0] != key:
            self._kept = key, kernel_spectrum(self.weight, plan)
        return self._kept[1]
