import gc
import weakref

import numpy as np
import pytest
import torch

from countception.config import NetworkConfig
from countception.counting import predict
from countception.counting.canvas import Canvas
from countception.counting.predict import fast, leave_out_holes, raw_map
from countception.images.normalise import Normalisation
from countception.networks import build
from countception.networks.base import Network
from tiny import pixels


def network() -> Network:
    torch.manual_seed(0)
    return build(NetworkConfig(width=0.25, pretrained=False)).eval()


def test_fast_form_is_made_once() -> None:
    one = network()
    assert fast(one) is fast(one)


def test_fast_form_follows_weights_and_statistics() -> None:
    one = network()
    before = fast(one)
    with torch.no_grad():
        next(one.parameters()).mul_(2)
    after = fast(one)
    assert after is not before
    next(b for b in one.buffers() if b.is_floating_point()).add_(1)
    assert fast(one) is not after


def test_fast_form_goes_with_its_network() -> None:
    one = network()
    form = weakref.ref(fast(one))
    del one
    gc.collect()
    assert form() is None


def test_a_hole_takes_nothing_from_the_border_of_an_image() -> None:
    """Where Gaussians reach into the margin of their map."""
    network = build(NetworkConfig(name="count_ception_gaussian", stride=1, width=0.1))
    image = np.ma.masked_array(np.zeros((3, 40, 40)), np.zeros((3, 40, 40), bool))
    image[:, 20, 20] = np.ma.masked
    raw = torch.from_numpy(network.target(np.array([[0.0, 7.0], [39.0, 30.0]]), (40, 40))[None])
    leave_out_holes(raw, network, image, 1.0)
    assert float(raw.sum()) / network.redundancy == pytest.approx(2, rel=1e-4)


@pytest.mark.slow
def test_paper_network_counts_alike_tiled_and_whole() -> None:
    """At full width, where the large kernels go through Fourier transforms."""
    torch.manual_seed(0)
    paper = build(NetworkConfig(name="count_ception", stride=1)).eval()
    canvas = Canvas(pixels((40, 70)).transpose(2, 0, 1), Normalisation((128.0,) * 3, (64.0,) * 3), 1.0, paper.layout)
    whole = raw_map(paper, canvas, tile=1000)
    tiled = raw_map(paper, canvas, tile=50)
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))


@pytest.mark.parametrize(("times", "pays"), [(0.6, False), (1.2, False), (2.3, True)])
def test_a_processor_computes_in_what_it_is_faster_at(
    monkeypatch: pytest.MonkeyPatch, times: float, pays: bool
) -> None:
    """Whether it has the instructions for bfloat16 does not decide."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)  # torch before 2.6
    monkeypatch.setattr(predict, "_seconds", lambda matrix: times if matrix.dtype == torch.float32 else 1.0)
    expected = torch.bfloat16 if pays else None
    predict.bfloat16_pays.cache_clear()
    try:
        assert predict.autocast_dtype("auto", torch.device("cpu")) == expected
        assert predict.autocast_dtype("float32", torch.device("cpu")) is None
    finally:
        predict.bfloat16_pays.cache_clear()


def test_a_processor_without_the_instructions_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    monkeypatch.setattr(predict, "_seconds", lambda _: pytest.fail("timed"))
    predict.bfloat16_pays.cache_clear()
    try:
        assert not predict.bfloat16_pays()
    finally:
        predict.bfloat16_pays.cache_clear()
