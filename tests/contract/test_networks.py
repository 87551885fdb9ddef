"""What every network must do; a new one is added to `networks.names()` and nothing here."""

import numpy as np
import pytest
import torch

from countception.config import NetworkConfig, recipe
from countception.counting.canvas import Canvas, View
from countception.counting.predict import raw_map
from countception.errors import ConfigError, PointsError
from countception.images.normalise import Normalisation
from countception.locate import density_of_map
from countception.networks import build, names
from countception.networks.base import Network

SHAPES = [(64, 64), (70, 53), (33, 91)]
BEYOND = "it reads more than its field: is that wrong, or a layer such as group norm that looks at the whole canvas?"


def make(name: str, *, channels: int = 2, classes: int = 1, window: int = 32, stride: int | None = None) -> Network:
    stride = stride or recipe("default", network=name).network.stride
    torch.manual_seed(0)
    config = NetworkConfig(name=name, channels=channels, classes=classes, window=window, stride=stride, width=0.25)
    network = build(config)
    warm_up(network)
    return network.eval()


def warm_up(network: Network) -> None:
    """Give batch normalisation statistics and make every layer matter, as training would."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1 and "bias" not in name:
            parameter.data = 0.5 + torch.rand(parameter.shape, generator=generator)
    network.train()
    shape = network.layout.canvas_shape((64, 64))
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn((2, network.config.channels, *shape), generator=generator))


def canvas_of(network: Network, shape: tuple[int, int], *, scale: float = 1.0, view: View | None = None) -> Canvas:
    image = np.random.default_rng(0).normal(size=(network.config.channels, *shape)).astype(np.float32)
    return Canvas(image, Normalisation((0.0, 0.0), (1.0, 1.0)), scale, network.layout, view or View())


@pytest.mark.parametrize("name", names())
class TestEveryNetwork:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_map_has_the_shape_of_the_target(self, name: str, shape: tuple[int, int]) -> None:
        network = make(name, classes=2)
        raw = raw_map(network, canvas_of(network, shape), tile=10_000)
        assert network.redundant(raw[None]).shape[1:] == (2, *network.target(np.zeros((0, 2)), shape).shape)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_target_sums_to_the_count(self, name: str, shape: tuple[int, int]) -> None:
        network = make(name)
        points = np.array([[0, 0], [shape[0] - 1, shape[1] - 1], [20.3, 31.8], [20.3, 31.8], [0, shape[1] - 1]])
        assert network.target(points, shape).sum() / network.redundancy == pytest.approx(5, rel=1e-5)

    def test_an_entry_reads_exactly_its_field(self, name: str) -> None:
        """By gradient: nothing outside the declared field, and the field's edges are reached."""
        network = make(name).double()
        field = network.layout.field
        side = -(-(2 * field.size + 64) // field.multiple) * field.multiple
        canvas = torch.randn((1, 2, side, side), dtype=torch.float64, requires_grad=True)
        raw = network(canvas)
        centre = raw.shape[-1] // 2
        seen = np.zeros(2, dtype=int)
        for phase in range(max(1, field.multiple // field.stride)):  # upsampling makes the field depend on the phase
            entry = centre + phase
            (gradient,) = torch.autograd.grad(raw[0, 0, entry, entry], canvas, retain_graph=True)
            for axis in (2, 3):
                read = np.flatnonzero(gradient.abs().sum((0, 1, 5 - axis)).numpy())
                origin = entry * field.stride
                assert origin - field.before <= read.min(), BEYOND
                assert read.max() <= origin + field.after, BEYOND
                seen = np.maximum(seen, [origin - read.min(), read.max() - origin])
        assert tuple(seen) == (field.before, field.after)

    def test_an_entry_looks_at_its_window(self, name: str) -> None:
        """By gradient: entry (y, x) of the redundant map sees every pixel of its window, about evenly around it."""
        network = make(name).double()
        shape = (256, 256)
        rows, columns = network.layout.canvas_shape(shape)
        canvas = torch.randn((1, 2, rows, columns), dtype=torch.float64, requires_grad=True)
        maps = network.redundant(network(canvas))
        stride, pad = network.layout.field.stride, network.layout.pad
        y, x = (160 // stride, 144 // stride)
        (gradient,) = torch.autograd.grad(maps[0, 0, y, x], canvas)
        read = gradient.abs().sum((0, 1)).numpy() > 0
        top, left = (entry * stride - network.map_pad + pad for entry in (y, x))  # of the window, on the canvas
        window = read[top : top + network.window, left : left + network.window]
        assert window.all()
        for axis, start in ((1, top), (0, left)):
            seen = np.flatnonzero(read.any(axis))
            before, after = start - seen.min(), seen.max() - (start + network.window - 1)
            assert abs(before - after) <= 2 * network.layout.field.multiple

    def test_batch_does_not_matter_in_evaluation(self, name: str) -> None:
        network = make(name)
        images = torch.randn((3, 2, *network.layout.canvas_shape((48, 64))))
        with torch.no_grad():
            together, alone = network(images), torch.cat([network(image[None]) for image in images])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("tile", [7, 16, 33, 50])
    @pytest.mark.parametrize("scale", [1.0, 0.61])
    def test_tiled_equals_whole(self, name: str, tile: int, scale: float) -> None:
        network = make(name)
        canvas = canvas_of(network, (150, 117), scale=scale)
        whole = raw_map(network, canvas, tile=100_000)
        tiled = raw_map(network, canvas, tile=tile)
        assert tiled.shape == whole.shape
        assert float((tiled - whole).abs().max()) <= 1e-4 * float(whole.abs().max()), BEYOND
        assert float(tiled.sum()) == pytest.approx(float(whole.sum()), rel=1e-4)

    @pytest.mark.parametrize("k", range(8))
    def test_views_show_the_same_image(self, name: str, k: int) -> None:
        """Turning the image and turning the map back gives what turning the array itself gives."""
        network = make(name)
        view = View(bool(k & 1), bool(k & 2), bool(k & 4))
        plain = canvas_of(network, (64, 48))
        image = np.asarray(plain.image)
        image = image[:, ::-1] if view.flip_y else image
        image = image[:, :, ::-1] if view.flip_x else image
        image = image.transpose(0, 2, 1) if view.transpose else image
        turned = Canvas(image, plain.normalisation, 1.0, network.layout)
        viewed = Canvas(plain.image, plain.normalisation, 1.0, network.layout, view)
        expected = raw_map(network, turned, tile=10_000)
        torch.testing.assert_close(raw_map(network, viewed, tile=10_000), expected, rtol=1e-5, atol=1e-6)

    def test_weights_survive_saving(self, name: str) -> None:
        network, fresh = make(name), build(make(name).config).eval()
        fresh.load_state_dict(network.state_dict())
        image = torch.randn((1, 2, *network.layout.canvas_shape((48, 48))))
        with torch.no_grad():
            torch.testing.assert_close(network(image), fresh(image))

    def test_gradient_reaches_every_weight(self, name: str) -> None:
        network = make(name).train()
        image = torch.randn((2, 2, *network.layout.canvas_shape((64, 64))))
        network.redundant(network(image)).square().mean().backward()
        without = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert without == []


def test_paper_network_is_the_papers() -> None:
    """The layer table: 288 entries for a side of 256, 1.68 million weights, a receptive field of 45."""
    network = build(recipe("paper").network)
    assert network.layout.map_shape((256, 256)) == (288, 288)
    assert network.layout.canvas_shape((256, 256)) == (320, 320)
    assert network.layout.field.size == 45
    assert round(network.parameters_count() / 1e6, 2) == 1.68
    kernels = [m.kernel_size[0] for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    filters = [m.out_channels for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [k for k in kernels if k > 3] == [14, 18]
    assert filters == [64, 16, 16, 16, 32, 16, 112, 48, 64, 32, 40, 40, 32, 96, 32, 64, 64, 1]


def test_paper_network_side_lengths() -> None:
    """Sides of the feature maps for a 256 image, as in the layer table."""
    network = build(NetworkConfig(name="count_ception", stride=1, channels=1, width=0.05)).eval()
    sides, image = [], torch.zeros((1, 1, 320, 320))
    with torch.no_grad():
        for layer in network.layers:  # type: ignore[union-attr]
            image = layer(image)  # type: ignore[operator]
            sides.append(image.shape[-1])
    assert sides == [318, 318, 318, 305, 305, 305, 305, 305, 288, 288, 288, 288]


@pytest.mark.parametrize(("window", "stride"), [(8, 1), (16, 4), (31, 1), (32, 8), (33, 3), (64, 2)])
def test_paper_network_with_any_window(window: int, stride: int) -> None:
    network = make("count_ception", window=window, stride=stride)
    assert network.layout.field.stride == stride
    points = np.array([[30.0, 40.0]])
    raw = raw_map(network, canvas_of(network, (64, 80)), tile=10_000)
    assert raw.shape[1:] == network.target(points, (64, 80)).shape


@pytest.mark.parametrize("change", [{"name": "nothing"}, {"window": 30, "stride": 4}, {"stride": 3, "window": 33}])
def test_impossible_networks_are_refused_in_one_sentence(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as error:
        build(NetworkConfig(**change))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_boxnet_density_becomes_its_count_map() -> None:
    """The box filter of the dots per cell is the count map of the dots."""
    network = make("boxnet")
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 63, (40, 2))
    cells = torch.zeros((1, 1, 32, 32))
    for y, x in np.floor(points + 0.5).astype(int) // 2:
        cells[0, 0, y, x] += 1
    np.testing.assert_allclose(network.redundant(cells)[0, 0].numpy(), network.target(points, (64, 64)), atol=1e-4)


def test_starting_density_is_that_of_the_data() -> None:
    network = build(NetworkConfig()).eval()
    network.start_from(0.0027)
    with torch.no_grad():
        density = network(torch.zeros((1, 3, 64, 64)))
    assert float(density.sum()) == pytest.approx(0.0027 * 64 * 64, rel=0.05)


class TestGaussianCountCeption:
    def test_only_the_target_differs_from_the_papers_network(self) -> None:
        square, gaussian = make("count_ception"), make("count_ception_gaussian")
        assert gaussian.layout == square.layout
        assert {k: v.shape for k, v in gaussian.state_dict().items()} == {
            k: v.shape for k, v in square.state_dict().items()
        }
        points = np.array([[10.0, 20.0]])
        assert gaussian.target(points, (64, 80)).shape == square.target(points, (64, 80)).shape

    def test_the_target_peaks_at_the_middle_of_the_windows_that_count_the_dot(self) -> None:
        points = np.array([[10.0, 20.0]])
        density = make("count_ception_gaussian").target(points, (64, 80))
        windows = np.argwhere(make("count_ception").target(points, (64, 80)))
        peak = np.unravel_index(density.argmax(), density.shape)
        assert np.abs(windows.mean(0) - peak).max() <= 0.5
        assert density.max() == pytest.approx(100 / (2 * np.pi * 2**2), rel=0.02)  # sigma = 2

    def test_density_lies_on_the_image_and_sums_to_the_count(self) -> None:
        network = make("count_ception_gaussian", classes=2)
        points = np.array([[0.0, 0.0], [63.0, 79.0], [30.0, 40.0]])
        raw = np.stack([network.target(points, (64, 80))] * 2)
        density = density_of_map(raw, network.window, 1, redundancy=network.redundancy, pad=network.map_pad)
        assert density.shape == (2, 64, 80)
        assert density.sum((1, 2)) == pytest.approx([3, 3], rel=1e-5)
        assert np.unravel_index(density[0, 20:44].argmax(), (24, 80)) == (10, 40)

    def test_points_beyond_the_image_are_refused(self) -> None:
        with pytest.raises(PointsError):
            make("count_ception_gaussian").target(np.array([[70.0, 5.0]]), (64, 80))

    @pytest.mark.parametrize(("window", "stride"), [(31, 1), (32, 8)])
    def test_windows_without_a_middle_and_strides_are_refused(self, window: int, stride: int) -> None:
        with pytest.raises(ConfigError, match="the window must be even, and the stride 1"):
            make("count_ception_gaussian", window=window, stride=stride)
