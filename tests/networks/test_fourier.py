from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from countception.networks import fourier
from countception.networks.fourier import OUTPUTS, Axis, LargeConv2d, complex_basis, real_basis


def both_ways(conv: LargeConv2d, x: Tensor) -> list[tuple[Tensor, ...]]:
    """Result and all gradients, the fast way and directly."""
    found = []
    probe = None
    for direct in (False, True):
        conv.direct = direct
        x = x.detach().requires_grad_()
        y = conv(x)
        probe = torch.randn_like(y) if probe is None else probe
        found.append((y.detach(), *torch.autograd.grad(y, [x, *conv.parameters()], probe)))
    return found


def assert_same(fast: tuple[Tensor, ...], plain: tuple[Tensor, ...]) -> None:
    for one, other in zip(fast, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5 * float(other.abs().max()))


@settings(max_examples=12)
@given(
    kernel=st.tuples(st.integers(8, 18), st.integers(8, 18)),
    entries=st.tuples(st.integers(1, 2 * OUTPUTS), st.integers(1, 4 * OUTPUTS)),
    images=st.integers(1, 2),
    bias=st.booleans(),
)
def test_equals_direct_convolution_and_its_gradients(
    kernel: tuple[int, int], entries: tuple[int, int], images: int, bias: bool
) -> None:
    torch.manual_seed(0)
    conv = LargeConv2d(8, 9, kernel, bias=bias)
    x = torch.randn(images, 8, *(n + k - 1 for n, k in zip(entries, kernel, strict=True)))
    assert conv._fast(x, torch.float32)
    assert_same(*both_ways(conv, x))


def test_gradient_of_the_weights_alone() -> None:
    """The first layer's input needs none."""
    conv = LargeConv2d(8, 8, 8, bias=False)
    x = torch.randn(1, 8, 30, 30)
    conv(x).sum().backward()
    expected = x.unfold(2, 8, 1).unfold(3, 8, 1).sum((0, 2, 3))
    torch.testing.assert_close(conv.weight.grad, expected.expand(8, -1, -1, -1), rtol=1e-4, atol=1e-4)


def test_a_spectrum_kept_by_another_thread_meanwhile_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = LargeConv2d(16, 16, 14, bias=False).eval()
    small, large = torch.randn(1, 16, 40, 40), torch.randn(1, 16, 90, 75)
    with torch.no_grad():
        expected = layer(small)
        layer(large)
        other, real = layer._kept, fourier.kernel_spectrum

        def slow(*arguments: Any) -> torch.Tensor:
            found = real(*arguments)
            layer._kept = other  # as if the other thread came to it now
            return found

        monkeypatch.setattr(fourier, "kernel_spectrum", slow)
        torch.testing.assert_close(layer(small), expected)


def test_kept_spectrum_follows_the_weights() -> None:
    conv = LargeConv2d(8, 8, 8, bias=False)
    x = torch.randn(1, 8, 30, 30)
    with torch.no_grad():
        first = conv(x)
        conv.weight.mul_(2)
        torch.testing.assert_close(conv(x), 2 * first)


@pytest.mark.parametrize("entries", [1, 23, 24, 48, 72, 100, 287, 2080])
def test_tiles_cover_an_axis(entries: int) -> None:
    axis = Axis(entries, kernel=18)
    assert axis.tiles * axis.step >= entries > (axis.tiles - 1) * axis.step


@pytest.mark.parametrize(
    ("conv", "x"),
    [
        (LargeConv2d(8, 8, 7), torch.zeros(1, 8, 9, 9)),
        (LargeConv2d(8, 4, 9), torch.zeros(1, 8, 9, 9)),
        (LargeConv2d(8, 8, 9).double(), torch.zeros(1, 8, 9, 9, dtype=torch.float64)),
    ],
)
def test_goes_directly_where_that_is_faster_or_more_exact(conv: LargeConv2d, x: Tensor) -> None:
    assert not conv._fast(x, torch.float32)
    assert conv(x).dtype == x.dtype


def test_goes_directly_while_traced() -> None:
    conv, x = LargeConv2d(8, 8, 9, bias=False), torch.randn(1, 8, 20, 20)
    traced = torch.jit.trace(conv, x)
    assert "_convolution" in str(traced.graph)


@pytest.mark.parametrize("kernel", [14, 18])
@pytest.mark.parametrize("entries", [33, 48, 60])
def test_bfloat16_differs_by_its_rounding_alone(kernel: int, entries: int) -> None:
    """Results and gradients deviate by a few roundings (2⁻⁹), and are not all larger or smaller than the exact ones."""
    conv = LargeConv2d(40, 16, kernel, bias=False)
    x = torch.randn(2, 40, entries + kernel - 1, entries + kernel + 6)
    found = []
    for enabled in (False, True):
        torch.manual_seed(1)
        conv.direct = False
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            assert conv._fast(x, torch.get_autocast_dtype("cpu") if enabled else torch.float32)
            found.append(both_ways(conv, x)[0])
    for exact, rounded in zip(*found, strict=True):
        assert float((rounded.float() - exact).std()) < 0.01 * float(exact.std())
        assert abs(float((rounded.float() * exact).sum() / exact.square().sum()) - 1) < 0.0006


def test_trains_after_counting_went_first() -> None:
    """What inference makes and keeps must serve training: bases once made inside `inference_mode` did not."""
    real_basis.cache_clear()
    complex_basis.cache_clear()
    conv = LargeConv2d(8, 8, 8, bias=False)
    x = torch.randn(1, 8, 30, 30)
    with torch.inference_mode():
        conv(x)
    assert_same(*both_ways(conv, x))
