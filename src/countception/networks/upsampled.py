"""Upsampling and a convolution in one step.

Repeating each pixel 2 × 2 and convolving shows the kernel the same pixel several times. Its taps that meet on one
pixel can be added beforehand: each of the four pixels that one becomes is then a 3 × 3 convolution of the small image,
36 taps in all where 5 × 5 kernels have 100. The same function but for rounding, and the same weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UpsampledConv2d(nn.Conv2d):
    """``nn.Upsample(scale_factor=2)`` and a padded ``nn.Conv2d`` with a kernel of 3 or 5.

    ``(B, inputs, y, x)`` → ``(B, outputs, 2 y, 2 x)``; weights are those of the convolution.
    """

    taps: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, **options: Any) -> None:
        if kernel not in (3, 5):
            raise ValueError(f"a kernel of {kernel} does not fit: 3 and 5 do")
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, **options)
        self.register_buffer("taps", _taps(kernel), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of the image with each pixel repeated."""
        taps = self.taps.to(self.weight.dtype)
        weight = torch.einsum("aly,bmx,oiyx->oabilm", taps, taps, self.weight).flatten(0, 2)  # 4 outputs of each
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        weight = weight.contiguous(memory_format=torch.channels_last)
        return F.pixel_shuffle(F.conv2d(x, weight, bias, padding=1), 2)


def _taps(kernel: int) -> Tensor:
    """``(2, 3, kernel)``: 1 where a tap, seen from the first or second of the two pixels, meets one of three."""
    taps = torch.zeros(2, 3, kernel)
    for pixel in range(2):
        for tap in range(kernel):
            taps[pixel, (pixel + tap - kernel // 2) // 2 + 1, tap] = 1
    return taps
