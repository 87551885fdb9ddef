"""Counting with a trained counter, and the model file it lives in."""

from __future__ import annotations

import json
import math
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import tiny
from countception.config import CountingConfig
from countception.counting.canvas import Canvas
from countception.counting.count import Count
from countception.counting.counter import Counter, _shifts
from countception.counting.model_file import known_by
from countception.errors import ConfigError, CountceptionError, ImageError, ModelFileError, OutputError, PointsError
from countception.images.normalise import learn
from countception.points import Dots
from countception.regions import Polygon
from countception.training import train
from countception.training.loop import count_all
from countception.wording import rounded
from helpers_blobs import QUICK, blobs, quick


@pytest.fixture(scope="module")
def counter() -> Counter:
    return train(blobs(6), changes={**QUICK, "training.steps": 40})


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(blobs(1, side=150, seed=7)[0].image[0])


@pytest.fixture
def saved(counter: Counter, tmp_path: Path) -> Path:
    counter.save(tmp_path / "model.count")
    return tmp_path / "model.count"


def total(count: Count) -> float:
    return float(count.map.sum(dtype=np.float64) / count.redundancy)


def attempt(path: Path) -> tuple[str, Counter | None]:
    """What loading says, and what it gives."""
    try:
        return "", Counter.load(path)
    except ModelFileError as error:
        return str(error), None


def test_the_count_is_the_maps_sum_over_the_redundancy(counter: Counter, picture: np.ndarray) -> None:
    count = counter.count(picture)
    assert count.value == pytest.approx(total(count))
    assert count.redundancy == (16 / 2) ** 2
    assert count.map.dtype == np.float32
    assert count.by_class == {"object": pytest.approx(count.value)}
    assert count.value > 1
    assert count.rounded == int(count.value + 0.5)


def test_the_map_is_the_box_filter_of_the_density_and_survives_pickling(counter: Counter, picture: np.ndarray) -> None:
    count = pickle.loads(pickle.dumps(counter.count(picture)))  # noqa: S301 - our own
    assert "map" not in vars(count)  # only made where it is asked for
    cells = count.window // count.stride
    sums = np.pad(count.density()[0], cells).cumsum(0).cumsum(1)
    boxes = sums[cells:, cells:] - sums[:-cells, cells:] - sums[cells:, :-cells] + sums[:-cells, :-cells]
    np.testing.assert_allclose(
        count.map[0, 1:, 1:], boxes[: count.map.shape[1] - 1, : count.map.shape[2] - 1], atol=1e-4
    )
    assert count.density().sum() == pytest.approx(count.value)


def test_shapes_and_files_of_the_same_image_count_the_same(
    counter: Counter, picture: np.ndarray, tmp_path: Path
) -> None:
    value = counter.count(picture).value
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert counter.count(picture[..., None]).value == pytest.approx(value)
    assert counter.count(picture.astype(np.float64)).value == pytest.approx(value, rel=1e-5)
    assert counter.count(tmp_path / "a.png").value == pytest.approx(value)


@pytest.mark.parametrize("tile", [1, 13, 40, 64])
def test_tiles_do_not_change_the_count(counter: Counter, picture: np.ndarray, tile: int) -> None:
    image = picture[:40, :60] if tile == 1 else picture
    whole, tiled = counter.count(image, tile=10_000), counter.count(image, tile=tile)
    assert tiled.value == pytest.approx(whole.value, rel=1e-4)
    np.testing.assert_allclose(tiled.map, whole.map, rtol=1e-3, atol=1e-4)


def test_flips_make_the_count_indifferent_to_turning(counter: Counter) -> None:
    image = blobs(1, side=64, seed=8)[0].image[0]
    value = counter.count(image, flips=True).value
    for turned in (image[::-1], image[:, ::-1], image.T, np.rot90(image)):
        assert counter.count(np.ascontiguousarray(turned), flips=True).value == pytest.approx(value, rel=1e-4)
    assert counter.count(image).value != pytest.approx(value, rel=1e-7)


def test_shifts_average_over_the_networks_grid(counter: Counter, picture: np.ndarray) -> None:
    plain, shifted = counter.count(picture), counter.count(picture, shifts=3)
    assert shifted.map.shape == plain.map.shape
    assert shifted.value == pytest.approx(plain.value, rel=0.1)
    assert shifted.value != plain.value
    assert len(set(_shifts(CountingConfig(shifts=11)))) == 12, "none comes twice"
    with pytest.raises(ConfigError, match=r"counting\.shifts must be at most 11"):
        counter.count(picture, shifts=12)
    assert np.corrcoef(shifted.map.ravel(), plain.map.ravel())[0, 1] > 0.95


def test_a_model_survives_its_file(counter: Counter, saved: Path, picture: np.ndarray) -> None:
    loaded = Counter.load(saved)
    assert loaded.count(picture).value == counter.count(picture).value
    assert loaded.model.calibration == counter.model.calibration
    assert loaded.model.normalisation == counter.model.normalisation
    assert loaded.config == counter.config
    assert loaded.model.trained_on == counter.model.trained_on
    assert set(loaded.model.trained_on) >= {"images", "objects", "sha256", "mean_count"}
    assert set(loaded.model.validation) >= {"mae", "rmse", "bias", "counts", "true", "sha256"}
    assert set(loaded.model.versions) == {"countception", "torch"}


def test_a_model_is_known_by_the_same_digits_in_all_copies_of_its_file(counter: Counter, tmp_path: Path) -> None:
    """Also before it is written, and written anew; another model has others."""
    counter.save(tmp_path / "a.count")
    loaded = Counter.load(tmp_path / "a.count")
    loaded.save(tmp_path / "b.count")
    models = [counter.model, loaded.model, Counter.load(tmp_path / "b.count").model]
    assert len({model.identity for model in models}) == 1
    assert len(models[0].identity) == 12
    other = replace(counter.model, digest="", scale=counter.model.scale * 2)
    assert other.identity != models[0].identity


def test_loading_and_counting_leave_torchs_random_numbers_alone(saved: Path, picture: np.ndarray) -> None:
    before = torch.get_rng_state()
    Counter.load(saved).count(picture)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_cut_and_every_kind_of_flipped_byte_is_noticed(counter: Counter, saved: Path, tmp_path: Path) -> None:
    """Either one clear sentence, or (in the header's padding) a model that is the same to the last bit."""
    data = saved.read_bytes()
    header = struct.unpack("<Q", data[:8])[0]
    damaged = tmp_path / "damaged.count"
    places = {*range(8), *range(8, 8 + header, max(1, header // 60)), *range(8 + header, len(data), len(data) // 40)}
    for place in sorted(places):
        damaged.write_bytes(data[:place] + bytes([data[place] ^ 0x15]) + data[place + 1 :])
        problem, loaded = attempt(damaged)
        if loaded is None:
            assert str(damaged) in problem
            assert "\n" not in problem
        else:
            assert place < 8 + header
            assert loaded.model.calibration == counter.model.calibration
            assert loaded.config == counter.config
    for length in (0, 1, 7, 8, 100, 8 + header, len(data) - 1):
        damaged.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match="not a whole countception model"):
            Counter.load(damaged)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\x80\x04 a pickle", b"{}", b"\xff" * 100])
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.count"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.count is not"):
        Counter.load(path)


def test_other_safetensors_missing_files_and_folders_are_refused(counter: Counter, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"a": next(iter(counter.model.network.state_dict().values())).contiguous()}, other)
    with pytest.raises(ModelFileError, match="some other safetensors file"):
        Counter.load(other)
    kinds = {"checkpoint 1": "is an unfinished training and no model", "model 2": "comes from a newer version"}
    for kind, words in kinds.items():
        save_file({"a": torch.zeros(1)}, other, {"format": f"countception {kind}"})
        with pytest.raises(ModelFileError, match=words):
            Counter.load(other)
    with pytest.raises(ModelFileError, match="there is no model file"):
        Counter.load(tmp_path / "none.count")
    with pytest.raises(ModelFileError, match="is a folder"):
        Counter.load(tmp_path)


def test_a_model_from_a_newer_version_says_so(counter: Counter, tmp_path: Path) -> None:
    """An unknown configuration key, with a matching checksum."""
    from countception.counting import model_file

    document = {"config": {"recipe": "default", "telepathy": True}, "scale": 1.0}
    weights = dict(counter.model.network.state_dict())
    text = json.dumps(document)
    header = {"format": model_file.FORMAT, "model": text, "sha256": model_file._digest(text, weights)}
    save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / "m.count", header)
    with pytest.raises(ModelFileError, match=r"telepathy.*newer version"):
        Counter.load(tmp_path / "m.count")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("normalisation", 5),
        ("trained_on", {"pixel_size": 0}),
        ("trained_on", {"pixel_size": "small"}),
        ("trained_on", {"spacing": 0}),
        ("trained_on", {"spacing": float("nan")}),
        ("trained_on", {"spacing": [9.0]}),
        ("normalisation", {"mean": [0.0], "deviation": [0.0]}),
        ("normalisation", {"mean": [0.0, 0.0], "deviation": [1.0, 1.0]}),
        ("trained_on", None),
        ("versions", None),
        *[("scale", scale) for scale in (0, -1, 1e9, math.inf, math.nan)],
        *[("calibration", {"factor": factor}) for factor in (-5, 0, math.nan, "1")],
        ("class_names", ["a", "b"]),
        ("normalisation", {"mean": [0.0], "deviation": [1.0], "numbers": [0, 1]}),
        ("class_names", [5]),
        ("calibration", {"images": "many"}),
        ("trained_on", {"pixels": 5}),
    ],
)
def test_a_model_with_other_values_than_it_should_have_is_refused(saved: Path, key: str, value: object) -> None:
    """With a matching checksum."""
    from countception.counting import model_file

    header, weights = model_file.read_tensors(saved)
    text = json.dumps({**json.loads(header["model"]), key: value})
    other = saved.with_name("other.count")
    save_file(weights, other, {**header, "model": text, "sha256": model_file._digest(text, weights)})
    with pytest.raises(ModelFileError, match=r"other\.count cannot be used"):
        Counter.load(other)


@pytest.mark.parametrize("change", [{"width": 1e5}, {"width": 1e300}, {"classes": 10**7}, {"channels": 10**9}])
def test_a_model_that_says_it_is_larger_than_its_weights_is_refused_before_there_is_room_for_it(
    saved: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, float]
) -> None:
    from countception.counting import model_file

    header, weights = model_file.read_tensors(saved)
    values = json.loads(header["model"])
    values["config"]["network"] |= change
    text = json.dumps(values)
    other = saved.with_name("other.count")
    save_file(weights, other, {**header, "model": text, "sha256": model_file._digest(text, weights)})
    monkeypatch.setattr(model_file, "seeded", lambda _: pytest.fail("it is built"))
    with pytest.raises(ModelFileError, match=r"other\.count cannot be used"):
        Counter.load(other)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((20, 20, 3), np.uint8), "3 channels but the model was trained on images of 1"),
        (np.full((20, 20), np.nan), "NaN"),
        (np.zeros((0, 20)), "the image"),
        (np.zeros(5), "the image"),
    ],
)
def test_images_that_cannot_be_counted(counter: Counter, image: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words) as error:
        counter.count(image)
    assert "\n" not in str(error.value)


def test_pixels_of_samples_are_checked_as_images_are(counter: Counter, picture: np.ndarray) -> None:
    expected = counter.count(picture).value
    for pixels in (picture[None], torch.from_numpy(picture)[None], [picture.tolist()]):
        assert counter.count_pixels(pixels).value == expected
    wrong = {"channels seem to come last": picture[..., None], r"must be \(channel, y, x\)": picture}
    for words, pixels in wrong.items():
        with pytest.raises(ImageError, match=words):
            counter.count_pixels(pixels)
    with pytest.raises(ConfigError, match="pixel size of inf"):
        counter.count_pixels(picture[None], pixel_size=math.inf)


def test_nothing_is_counted_in_holes(counter: Counter, picture: np.ndarray, tmp_path: Path) -> None:
    """What is left counts as it does where it is cut out: the network sees a border."""
    cut = counter.count(picture[24:, :100])
    holes = np.zeros_like(picture, bool)
    holes[:24], holes[:, 100:] = True, True
    masked = np.ma.masked_array(picture, holes)
    Image.fromarray(np.dstack([picture, np.where(holes, 0, 255).astype(np.uint8)])).save(tmp_path / "a.png")
    for flips in (False, True):
        for image in (masked, tmp_path / "a.png"):
            count = counter.count(image, flips=flips, points=True)
            assert count.value == pytest.approx(cut.value, rel=0.02)
            assert count.value == pytest.approx(float(count.density().sum()))
            assert count.area == 126 * 100
            assert count.warnings == cut.warnings
            assert count.points is not None
            assert len(count.points) == count.rounded
            assert (count.points.points[:, 0] > 23).all()
            assert (count.points.points[:, 1] < 100).all()
    tiled = counter.count(masked, tile=16)
    assert tiled.value == pytest.approx(counter.count(masked).value, rel=1e-4)
    assert counter.count(picture).area == 150 * 150


@pytest.mark.parametrize("network", ["count_ception", "fcrn_a"])
def test_networks_of_windows_and_of_densities_of_their_own_count_nothing_in_holes(network: str) -> None:
    """As where what is left is cut out, so that no window beyond it counts."""
    window = {"network.window": 8} if network == "count_ception" else {}
    counter = train(blobs(4), changes={**quick(network), **window})
    image = blobs(1, side=150, seed=7)[0].image
    holes = np.zeros(image.shape, bool)
    holes[:, :24], holes[:, :, 100:] = True, True
    cut = counter.count_pixels(image[:, 24:, :100])
    for flips in (False, True):
        count = counter.count_pixels(np.ma.masked_array(image, holes), flips=flips)
        assert count.value == pytest.approx(cut.value, rel=0.05)
        assert count.value == pytest.approx(total(count), rel=1e-4)


def test_the_spread_is_that_of_the_counts_and_knows_nothing_of_holes() -> None:
    counter = tiny.untrained(channels=1)
    image = np.random.default_rng(0).integers(0, 256, (40, 96)).astype(np.uint8)
    holes = np.zeros(image.shape, bool)
    holes[:, 16:] = True
    turned = [
        (np.rot90(each, k), np.rot90(hole, k)) for each, hole in ((image, holes), (image.T, holes.T)) for k in range(4)
    ]
    counts = [counter.count(np.ma.masked_array(*each)).value for each in turned]
    spread = counter.count(np.ma.masked_array(image, holes), flips=True).spread
    assert spread == pytest.approx(np.std(counts, ddof=1), rel=1e-3)


def test_what_is_counted_in_holes_alone_makes_no_spread_below_zero(
    counter: Counter, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of densities may count some objects where nothing is, and fewer than none in the picture."""

    def leave_out(raw: torch.Tensor, *_: object) -> None:
        raw.sub_(raw.mean() + 0.001)

    monkeypatch.setattr("countception.counting.counter.leave_out_holes", leave_out)
    count = counter.count(picture, flips=True)
    assert count.value < 0
    assert count.spread == 0


def test_regions_have_no_area_in_holes(counter: Counter, picture: np.ndarray) -> None:
    counter = Counter(replace(counter.model, scale=counter.model.scale / 3))  # cells of several pixels
    count = counter.count(np.ma.masked_array(picture, np.arange(150) >= np.full((150, 1), 100)))
    assert count.stride / count.scale > 2
    whole = np.array([[-0.5, -0.5], [-0.5, 149.5], [149.5, 149.5], [149.5, -0.5]])
    inside, beyond = whole * (1, 0.5), whole * (1, 0.2) + (0, 110)
    all_, left, right = count.in_regions(
        [Polygon("all", (whole,)), Polygon("left", (inside,)), Polygon("right", (beyond,))], pixel_size=2.0
    )
    assert all_.area == pytest.approx(count.area), "to the pixel, as of the whole image"
    assert count.area == 150 * 100
    assert all_.count == pytest.approx(count.value)
    assert all_.area_mm2 == pytest.approx(all_.area * 4e-6)
    assert left.area == pytest.approx(150 * 75)
    assert right.area == right.count == 0


def test_images_with_holes_are_learned_from(picture: np.ndarray) -> None:
    """What is transparent does not spoil the normalisation."""
    samples = blobs(6)
    holes = np.zeros(samples[0].image.shape, bool)
    holes[:, :, -20:] = True
    holed = []
    for sample in samples:
        dots = sample.dots.select(sample.dots.points[:, 1] < holes.shape[2] - 20.5)
        far = np.where(holes, 200, sample.image).astype(sample.image.dtype)
        holed.append(replace(sample, image=np.ma.masked_array(far, holes), dots=dots))
    learned = train(holed, changes={**QUICK, "training.steps": 40})
    cut = [s.image[:, :, :-20] for s in samples]
    assert learned.model.normalisation.mean == pytest.approx(learn(cut).mean, rel=0.1)
    assert learned.count(picture).value > 1
    canvas = Canvas(holed[0].image, learned.model.normalisation, learned.model.scale, learned.model.network.layout)
    (validated,) = count_all(learned.model.network, [canvas], tile=1000)
    counted = learned.count_pixels(holed[0].image).value
    assert validated * learned.model.calibration.factor == pytest.approx(counted, rel=1e-4), "as it was validated"
    hidden = replace(holed[0], dots=Dots(np.array([[5.0, 5.0], [5.0, holes.shape[2] - 3.0]])))
    with pytest.raises(PointsError, match="1 of 2 dots lie where the image is transparent or has no data"):
        train([hidden, *holed[1:]], changes=QUICK)


def test_objects_of_another_magnification_are_found_where_they_are(counter: Counter) -> None:
    known = Counter(replace(counter.model, trained_on={**counter.model.trained_on, "pixel_size": 1.0}))
    image = blobs(1, side=150, seed=7)[0].image
    plain = known.count_pixels(image, pixel_size=1.0, points=True)
    large = known.count_pixels(image.repeat(2, 1).repeat(2, 2), pixel_size=0.5, rescale=True, points=True)
    assert large.value == pytest.approx(plain.value, rel=0.05)
    assert large.scale == plain.scale / 2
    assert np.corrcoef(large.density().ravel(), plain.density().ravel())[0, 1] > 0.95
    assert large.points is not None
    assert large.points.points.max() > 200
    with pytest.raises(ConfigError, match="tiles"):
        known.count_pixels(image, tiles=16)  # type: ignore[call-arg]
    many = known.count_pixels(image.repeat(2, 1).repeat(2, 2), pixel_size=0.5)
    assert abs(many.value - plain.value) > 0.2 * plain.value, "as it is, the count is another"
    assert many.warnings[0].startswith("pixels of 0.5 µm, where")


def test_an_image_too_large_for_the_memory_is_named(
    counter: Counter, picture: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("countception.counting.counter.raw_map", too_much)
    with pytest.raises(ImageError, match=r"^there is not enough memory to count the image: use smaller tiles"):
        counter.count(picture)
    Image.fromarray(picture).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png: there is not enough memory"):
        counter.count(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (5, 7), (15, 16)])
def test_images_smaller_than_the_window(counter: Counter, shape: tuple[int, int]) -> None:
    count = counter.count(np.full(shape, 20, np.uint8))
    assert np.isfinite(count.value)
    assert count.value >= 0
    assert count.shape == shape


def test_an_unknown_device_and_place_are_one_sentence(counter: Counter, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no device 'tpu9'"):
        Counter.load(saved, device="tpu9")
    with pytest.raises(OutputError, match="cannot write"):
        counter.save(tmp_path)
    for error in (ConfigError, OutputError, ModelFileError, ImageError):
        assert issubclass(error, CountceptionError)


def test_points_are_as_many_as_the_count_says_and_lie_on_the_objects(counter: Counter) -> None:
    sample = blobs(1, side=96, seed=11)[0]
    count = counter.count(sample.image[0], points=True)
    assert count.points is not None
    assert count.confidence is not None
    assert len(count.points) == len(count.confidence) == count.rounded
    assert ((count.points.points >= 0) & (count.points.points <= 95)).all()
    assert ((count.confidence >= 0) & (count.confidence <= 1)).all()
    nearest = np.linalg.norm(count.points.points[:, None] - sample.dots.points[None], axis=2).min(1)
    assert np.median(nearest[: len(sample.dots) // 2]) < 3  # the most evident come first
    assert counter.count(sample.image[0]).points is None


@pytest.mark.parametrize("classes", [1, 2])
def test_what_is_too_faint_for_a_point_is_reported(classes: int) -> None:
    count = tiny.hazy(classes=classes).count(tiny.pixels((400, 400)), points=True)
    assert count.points is not None
    assert count.rounded == 3 * classes
    assert len(count.points) == 0
    assert count.missing == 3 * classes
    assert count.missing_by_class == dict.fromkeys(count.by_class, 3)


def test_the_points_of_each_class_are_as_many_as_its_count_says() -> None:
    for seed in range(4):
        count = tiny.untrained(classes=2).count(tiny.pixels(seed=seed), points=True)
        assert count.points is not None
        for k, (name, value) in enumerate(count.by_class.items()):
            assert len(count.points.of_class(k)) == rounded(value)
            assert count.missing_by_class[name] == 0
        assert count.missing == count.rounded - len(count.points)
        plain = replace(count, points=None)
        assert (plain.missing, plain.missing_by_class) == (None, {})


def test_points_do_not_depend_on_the_tiles(counter: Counter) -> None:
    image = blobs(1, side=150, seed=12)[0].image[0]
    whole, tiled = (counter.count(image, tile=tile, points=True).points for tile in (1000, 23))
    assert whole is not None
    assert tiled is not None
    np.testing.assert_allclose(np.sort(tiled.points, 0), np.sort(whole.points, 0), atol=0.1)


def test_a_network_of_count_maps_locates_too() -> None:
    changes = {**QUICK, "network.name": "count_ception", "network.window": 8, "training.steps": 4}
    few = train(blobs(4), changes=changes)
    count = few.count(blobs(1, seed=3)[0].image[0], points=True)
    assert count.points is not None
    assert len(count.points) == count.rounded


def test_intervals_come_from_the_validation_images(picture: np.ndarray) -> None:
    many = train(blobs(4), valid=blobs(12, seed=4), changes={**QUICK, "training.steps": 40})
    count = many.count(picture)
    interval = count.interval(0.9)
    assert interval is not None
    assert 0 <= interval.low < count.value < interval.high
    wider = count.interval(0.92)
    assert wider is not None
    assert wider.high >= interval.high
    assert count.spread is None
    flipped = many.count(picture, flips=True)
    assert flipped.spread is not None
    assert count.intervals == many.interval_model() == many.model.intervals
    assert flipped.intervals == many.interval_model(flips=True) == many.model.flipped_intervals
    assert flipped.intervals.log_scores != count.intervals.log_scores
    assert all(gamma == 0 for _, gamma in count.intervals.exponents)


def test_counts_with_flips_have_the_intervals_of_those_without_where_no_others_are_known(tmp_path: Path) -> None:
    changes = {**QUICK, "training.steps": 4, "counting.spread": False}
    few = train(blobs(4), valid=blobs(4, seed=4), changes=changes, out=tmp_path / "few.count")
    assert few.interval_model(flips=True) == few.interval_model(flips=False)
    assert few.interval_model().images == 4
    again = Counter.load(tmp_path / "few.count")
    assert (again.model.intervals, again.model.flipped_intervals) == (few.model.intervals, few.model.flipped_intervals)


def test_an_image_unlike_the_training_images_is_flagged() -> None:
    known = train(blobs(12), changes={**QUICK, "training.steps": 40})
    fresh = [known.count(sample.image[0]) for sample in blobs(20, seed=21)]
    assert sum(bool(count.warnings) for count in fresh) <= 3
    image = blobs(1, seed=21)[0].image[0]
    assert any("brighter" in warning for warning in known.count(255 - image).warnings)
    assert known.count(np.full_like(image, 20)).warnings


def test_an_image_of_one_value_is_flagged_unless_it_was_learned_from() -> None:
    """It may be a failed acquisition, and would be an empty well, surely so."""
    black, empty = np.zeros((40, 56), np.uint16), np.zeros((40, 56), np.uint16)
    empty[3, 4] = 1
    model = tiny.untrained(channels=1).model
    counter = Counter(model)
    assert counter.count(black).warnings == ("all pixels have the same value",)
    assert counter.count(empty).warnings == ()
    both = np.stack([empty, black], axis=2)
    assert [counter.with_channels([k]).count(both).warnings for k in (0, 1)] == [(), counter.count(black).warnings]
    learned = replace(model, trained_on={"pixels": [known_by(black[None])]})
    assert Counter(learned).count(black).warnings == ()


def test_too_few_validation_images_give_no_interval(counter: Counter, picture: np.ndarray) -> None:
    """Of 6 images a quarter, 2, validate: nothing can be said, and that is said in words."""
    assert counter.count(picture).interval(0.9) is None
    assert "no 90 % intervals" in counter.model.intervals.note(0.9)


def test_options_out_of_range_are_one_sentence(counter: Counter, picture: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=r"counting\.tile"):
        counter.count(picture, tile=0)
    with pytest.raises(ConfigError, match=r"counting\.shifts"):
        counter.count(picture, shifts=-1)


def test_the_maps_origin_is_where_its_first_window_is(counter: Counter) -> None:
    """Window 16 in working pixels of scale 1: the first one ends just before the image, its middle at -8.5."""
    assert counter.count(np.zeros((30, 30), np.uint8)).origin() == (-8.5, -8.5)


def test_the_map_lies_over_the_objects(counter: Counter) -> None:
    """A blob in a corner raises the map where its windows are, and nowhere else."""
    dark = np.full((96, 96), 20.0)
    y, x = np.mgrid[:96, :96]
    lit = dark + 100 * np.exp(-((y - 70) ** 2 + (x - 24) ** 2) / 8)
    difference = counter.count(lit).map[0] - counter.count(dark).map[0]
    peak = np.array(np.unravel_index(np.abs(difference).argmax(), difference.shape))
    count = counter.count(lit)
    middle = np.array(count.origin()) + peak * count.stride / count.scale
    assert np.abs(middle - [70, 24]).max() <= 10
