"""The simulator: determinism, truthful dots, working knobs, clear refusals."""

from __future__ import annotations

import csv
import json
import os
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import cKDTree

from countception.errors import ConfigError, OutputError
from countception.geometry import inside
from countception.images.read import read_image
from countception.points import read_points
from countception.simulation import membranes
from countception.simulation.fluorescence import blur_at
from countception.simulation.optics import blurred_apart, illumination, octave_noise
from countception.simulation.simulate import (
    LOOKS,
    Fluorescence,
    Look,
    Membranes,
    Stained,
    look_named,
    random_look,
    simulate,
    simulate_dataset,
)

NAMES = sorted(LOOKS)
GOLDEN = Path(__file__).parents[1] / "golden"


def small(name: str, **changes: object) -> Look:
    return look_named(name, **{"size": (96, 96), "counts": (10, 25), **changes})


def neighbour_distances(points: np.ndarray) -> np.ndarray:
    return cKDTree(points).query(points, 2)[0][:, 1]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_image_and_another_another(name: str) -> None:
    first, again, other = (simulate(small(name), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.points, again.points)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_8_bit_rgb_of_the_look_s_size(name: str) -> None:
    made = simulate(name, seed=1)
    assert made.image.dtype == np.uint8
    assert made.image.shape == (*made.look.size, 3)
    assert made.points.dtype == np.float64
    assert made.look.counts[0] <= len(made.points) <= made.look.counts[1]


def test_default_fluorescence_is_like_vgg_cells() -> None:
    made = [simulate(seed=seed) for seed in range(12)]
    assert not any(m.image[..., :2].any() for m in made), "only blue carries signal"
    assert 130 < np.mean([len(m.points) for m in made]) < 225
    blue = np.stack([m.image[..., 2] for m in made])
    # percentiles 5, 50 and 95 of the real images are 36, 76 and 200
    assert (np.abs(np.percentile(blue, [5, 50, 95]) - [36, 76, 200]) < [12, 15, 25]).all()


def test_fluorescence_beside_the_real_vgg_cells(real_data: Callable[[str], Path]) -> None:
    grey, nearest = np.zeros((2, 256)), ([], [])
    for dots in sorted(real_data("vgg").glob("*dots.png"))[:50]:
        points = read_points(dots).points
        blue = read_image(dots.with_name(dots.name.replace("dots", "cell")))[2]
        grey[0] += np.bincount(blue.ravel(), minlength=256)
        nearest[0].append(neighbour_distances(points))
    for seed in range(50):
        made = simulate(seed=seed)
        grey[1] += np.bincount(made.image[..., 2].ravel(), minlength=256)
        nearest[1].append(neighbour_distances(made.points))
    share = grey / grey.sum(1, keepdims=True)
    assert np.minimum(*share).sum() > 0.85, "the histograms of grey values overlap"
    real, simulated = (np.percentile(np.concatenate(part), [10, 50, 90]) for part in nearest)
    assert (np.abs(simulated - real) < 0.2 * real + 0.5).all()


@settings(deadline=None, max_examples=30)
@given(
    name=st.sampled_from(NAMES),
    size=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    counts=st.tuples(st.integers(0, 12), st.integers(12, 28)),
    seed=st.integers(0, 2**32),
)
def test_counts_and_size_are_as_asked_and_dots_lie_inside(
    name: str, size: tuple[int, int], counts: tuple[int, int], seed: int
) -> None:
    made = simulate(look_named(name, size=size, counts=counts), seed=seed)
    assert made.image.shape[:2] == size
    assert counts[0] <= len(made.points) <= counts[1]
    assert inside(made.points, size).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_random_looks_work(seed: int) -> None:
    look = random_look(np.random.default_rng(seed), size=(80, 64))
    made = simulate(look, seed=seed)
    assert made.image.shape[:2] == (80, 64)
    assert look.counts[0] <= len(made.points) <= look.counts[1]
    assert inside(made.points, (80, 64)).all()


def test_random_looks_differ() -> None:
    rng = np.random.default_rng(0)
    looks = [random_look(rng) for _ in range(30)]
    assert {type(look) for look in looks} == {Fluorescence, Stained, Membranes}
    assert len(set(map(repr, looks))) == 30
    np.testing.assert_array_equal(simulate("random", seed=5).image, simulate("random", seed=5).image)


@pytest.mark.parametrize(("name", "brighter"), [("fluorescence", True), ("stained", False), ("membranes", True)])
def test_there_is_signal_at_the_dots(name: str, brighter: bool) -> None:
    inner, elsewhere = [], []
    for seed in range(6):
        made = simulate(look_named(name, **({"clustered": 0.0} if name != "membranes" else {})), seed=seed)
        grey = made.image.astype(float).sum(-1)
        shifted = np.random.default_rng(seed).uniform(0, np.array(made.look.size) - 1, made.points.shape)
        inner.append(ndimage.map_coordinates(grey, made.points.T, order=1))
        elsewhere.append(ndimage.map_coordinates(grey, shifted.T, order=1))
    at_dots, at_random = np.concatenate(inner), np.concatenate(elsewhere)
    higher = (at_dots[:, None] > at_random[None, ::7]).mean() + 0.5 * (at_dots[:, None] == at_random[None, ::7]).mean()
    # area under the ROC curve; membranes have most of their area inside cells, so a random place is mostly no wall
    assert (higher if brighter else 1 - higher) > (0.55 if name == "membranes" else 0.8)


def test_dots_are_the_centres_of_lone_cells() -> None:
    look = Fluorescence(size=(64, 64), counts=(1, 1), diameter=20, channels=1, texture=0, background=0, haze=0)
    for seed in range(20):
        made = simulate(look, seed=seed)
        image = made.image.astype(float) * (made.image > 8)
        margin = 16  # where the cell lies whole on the image
        if ((made.points > margin) & (made.points < 63 - margin)).all():
            np.testing.assert_allclose(ndimage.center_of_mass(image), made.points[0], atol=0.3)


def test_a_cell_cut_off_by_the_border_has_its_dot_in_the_visible_part() -> None:
    look = Fluorescence(size=(16, 16), counts=(1, 1), diameter=40, elongation=(1, 1), irregularity=0)
    points = np.concatenate([simulate(look, seed=seed).points for seed in range(20)])
    # Any part that is seen is wide, so its middle never lies at the very border, where many centres do.
    assert points.min() > 2
    assert points.max() < 13


def test_the_dot_of_a_membrane_cell_lies_in_it() -> None:
    look = Membranes(size=(80, 80), counts=(60, 60), edge=1.0)
    labels, middles = membranes._cells(np.random.default_rng(0), look, np.ones((160, 160), bool), 60)
    hit = labels[tuple(np.rint(middles).astype(int).T)]
    assert set(np.unique(labels)) >= set(range(1, 61)), "every cell is seen"
    assert (hit == np.arange(1, 61)).mean() > 0.95
    area = np.bincount(labels.ravel())[1:]
    assert np.percentile(area, 90) > 4 * np.percentile(area, 10), "sizes vary widely"


@pytest.mark.parametrize("name", NAMES)
def test_16_bits(name: str) -> None:
    shallow, deep = (simulate(small(name, bits=bits), seed=2) for bits in (8, 16))
    assert deep.image.dtype == np.uint16
    np.testing.assert_array_equal(shallow.points, deep.points)
    np.testing.assert_allclose(deep.image / 65535, shallow.image / 255, atol=0.5 / 255 + 1e-4)


def test_one_channel() -> None:
    assert simulate(small("fluorescence", channels=1)).image.shape == (96, 96)
    made = simulate(small("fluorescence", colour=(1.0, 0.0, 0.0))).image
    assert made[..., 0].max() > 100
    assert not made[..., 1:].any()


def test_blur_grows_with_depth() -> None:
    look = Fluorescence(blur=(1.0, 4.0))
    np.testing.assert_allclose(blur_at(np.array([0.0, 0.5, 1.0]), look), [1, 2.5, 4])
    sharpness = []
    for sigma in (0.5, 2.0, 4.0):
        made = simulate(look.changed(blur=(sigma, sigma), channels=1, read_noise=0.0, photons=1e9), seed=1)
        sharpness.append(np.hypot(*np.gradient(made.image.astype(float))).max())
    assert sharpness[0] > 1.5 * sharpness[1] > 2 * sharpness[2]


def test_each_object_is_blurred_by_its_own_amount_and_keeps_its_light() -> None:
    light, labels = np.zeros((40, 80), np.float32), np.zeros((40, 80), np.int32)
    light[20, 20], light[20, 60] = 1, 1
    labels[light > 0] = 1, 2
    out = blurred_apart(light, labels, np.array([1.0, 3.0]))
    assert out[:, :40].sum() == pytest.approx(1, abs=1e-3)
    assert out[:, 40:].sum() == pytest.approx(1, abs=1e-2)
    assert out[20, 20] / out[20, 60] == pytest.approx(9, rel=0.05)


def test_touching_cells_share_their_focus_only_if_asked() -> None:
    look = Fluorescence(size=(64, 64), counts=(8, 8), clustered=1, clusters=(1, 1), cluster_spread=0.6)
    apart, shared = (simulate(look.changed(shared_focus=flag), seed=0).image for flag in (False, True))
    assert not np.array_equal(apart, shared)


def test_overlap_keeps_cells_apart() -> None:
    look = Fluorescence(counts=(150, 150), diameter_spread=0, clustered=0.5)
    nearest = [neighbour_distances(simulate(look.changed(overlap=o), seed=1).points).min() for o in (0.0, 0.5, 1.0)]
    # Dots are centres of mass, which the random outline moves by a fraction of a pixel from the centres.
    assert nearest[0] > look.diameter - 1.5
    assert look.diameter / 2 - 1.5 < nearest[1] < nearest[0]
    assert nearest[2] < nearest[1]


def test_no_room_for_separate_cells_still_gives_the_count() -> None:
    assert len(simulate(Fluorescence(size=(32, 32), counts=(80, 80), overlap=0.0)).points) == 80


def test_clusters() -> None:
    look = Fluorescence(counts=(200, 200), clusters=(3, 3), cluster_spread=2)
    spread = [np.median(neighbour_distances(simulate(look.changed(clustered=p), seed=1).points)) for p in (0, 0.9)]
    assert spread[1] < 0.7 * spread[0]


def test_opaque_cells_hide_others_and_clear_ones_add_up() -> None:
    look = Fluorescence(
        size=(64, 64), counts=(30, 30), clustered=1, clusters=(1, 1), cluster_spread=0.5, brightness=0.1, channels=1
    )
    opaque, clear = (int(simulate(look.changed(opacity=o), seed=1).image.max()) for o in (1.0, 0.0))
    assert clear > 2 * opaque


def test_noise_knobs() -> None:
    look = Fluorescence(counts=(0, 0), background=0.5, haze=0, channels=1, read_noise=0, photons=1e9, bits=16)

    def noise(**changes: float) -> float:
        image = simulate(look.changed(**changes), seed=0).image / 65535
        return float(np.diff(image, axis=1)[100:150, 100:150].std() / np.sqrt(2))

    assert noise() < 1e-3
    assert noise(read_noise=0.05) == pytest.approx(0.05, rel=0.1)
    level = simulate(look).image[100:150, 100:150].mean() / 65535
    assert noise(photons=100) == pytest.approx(np.sqrt(level / 100), rel=0.15)


def test_illumination_is_uneven_and_smooth() -> None:
    field = illumination(np.random.default_rng(0), (60, 90))
    assert field.shape == (60, 90)
    assert field.min() == pytest.approx(0, abs=1e-5)
    assert field.max() == pytest.approx(1, abs=1e-5)
    third = np.diff(field.astype(float), n=3, axis=1)
    assert np.abs(third).max() < 1e-5, "a polynomial of second order"
    dim = simulate(Fluorescence(counts=(200, 200), background=0, haze=0, vignetting=1), seed=0).image.sum()
    assert dim < 0.9 * simulate(Fluorescence(counts=(200, 200), background=0, haze=0), seed=0).image.sum()


@pytest.mark.parametrize("scale", [0.7, 2.0, 9.5, 400.0])
def test_octave_noise_is_standardised(scale: float) -> None:
    noise = octave_noise(np.random.default_rng(0), (50, 70), scale)
    assert noise.shape == (50, 70)
    assert noise.mean() == pytest.approx(0, abs=1e-4)
    assert noise.std() == pytest.approx(1, abs=1e-3)


def test_octave_noise_is_smooth_on_its_scale() -> None:
    rough, smooth = (octave_noise(np.random.default_rng(0), (90, 90), s, octaves=1) for s in (2.0, 20.0))
    assert np.abs(np.diff(smooth)).mean() < 0.2 * np.abs(np.diff(rough)).mean()


def test_stained_knobs() -> None:
    look = Stained(size=(128, 128), counts=(40, 40), vacuoles=0, gaps=0)
    grey = {
        key: simulate(look.changed(**{key: value}), seed=1).image.mean() for key, value in (("gaps", 0.6), ("bits", 8))
    }
    assert grey["gaps"] > grey["bits"] + 10, "gaps are white"
    fat = [(simulate(Stained(vacuoles=0.9, gaps=0), seed=seed).image.min(-1) > 200).mean() for seed in range(6)]
    assert max(fat) > 0.25
    hues = [np.median(simulate(look.changed(stain_variation=0.2), seed=s).image, (0, 1)) for s in range(4)]
    assert np.ptp([hue[0] / hue[1] for hue in hues]) > 0.05


def test_membranes_have_dark_walls_between_bright_cells() -> None:
    made = simulate(Membranes(size=(90, 90), counts=(40, 40), edge=0.0, holes=0.0, wall_density=(0.5, 0.5)), seed=1)
    green = made.image[..., 1].astype(float)
    at_dots = np.median(ndimage.map_coordinates(green, made.points.T, order=1))
    pairs = cKDTree(made.points).query(made.points, 2)[1]
    steps = np.linspace(0, 1, 21)[:, None, None]
    way = made.points[pairs[:, 0]] * (1 - steps) + made.points[pairs[:, 1]] * steps
    darkest = ndimage.map_coordinates(green, way.reshape(-1, 2).T, order=1).reshape(21, -1).min(0)
    assert np.mean(darkest < at_dots - 40) > 0.95, "every two neighbours have a wall between them"


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    want = json.loads((GOLDEN / "simulate.json").read_text())[name]
    got = runpy.run_path(str(GOLDEN / "make_simulate.py"))["summary"](name)
    np.testing.assert_allclose(got["points"], want["points"], atol=0.05)
    np.testing.assert_allclose(got["blocks"], want["blocks"], atol=1.0)


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (Fluorescence, {"diameter": -1}, "diameter"),
        (Fluorescence, {"diameter": float("nan")}, "diameter"),
        (Fluorescence, {"blur": (3, 1)}, "blur"),
        (Fluorescence, {"blur": (0, 1e9)}, "blur"),
        (Fluorescence, {"counts": (5, 2)}, "counts"),
        (Fluorescence, {"counts": (-1, 2)}, "counts"),
        (Fluorescence, {"size": (0, 256)}, "size"),
        (Fluorescence, {"size": (10**9, 256)}, "size"),
        (Fluorescence, {"bits": 12}, "bits"),
        (Fluorescence, {"channels": 2}, "channels"),
        (Fluorescence, {"colour": (0, 0, 300)}, "colour"),
        (Fluorescence, {"overlap": 1.5}, "overlap"),
        (Fluorescence, {"nonsense": 1}, "nonsense"),
        (Fluorescence, {"size": (32, 32), "counts": (0, 5000)}, "5000 objects"),
        (Stained, {"haematoxylin": "dark"}, "haematoxylin"),
        (Stained, {"elongation": (0.5, 1)}, "elongation"),
        (Membranes, {"small_size": 0}, "small_size"),
        (Membranes, {"holes": 1}, "holes"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(kind: type[Look], values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        kind(**values)
    assert "\n" not in str(caught.value)


def test_changed_validates_again() -> None:
    with pytest.raises(ConfigError, match="overlap"):
        Fluorescence().changed(overlap=7)


@pytest.mark.parametrize("look", ["fluorescent", "", 3, None])
def test_unknown_looks_are_refused(look: object) -> None:
    with pytest.raises(ConfigError, match="look"):
        simulate(look)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_seeds_that_are_none_are_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed"):
        simulate(seed=seed)  # type: ignore[arg-type]


def test_dataset_files(tmp_path: Path) -> None:
    look = small("fluorescence")
    paths = simulate_dataset(tmp_path / "set", 3, seed=7, look=look)
    assert [path.relative_to(tmp_path / "set").as_posix() for path in paths] == [f"images/00{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        made = simulate(look, seed=np.random.default_rng([7, i]))
        np.testing.assert_array_equal(read_image(path), made.image.transpose(2, 0, 1))
        table = tmp_path / "set" / "points" / f"00{i}.csv"
        with table.open() as stream:
            assert next(csv.reader(stream)) == ["x", "y"]
        np.testing.assert_allclose(read_points(table).points, made.points, atol=1e-3)
    leftovers = {path.name for path in (tmp_path / "set").rglob("*") if path.is_file()}
    assert leftovers == {f"00{i}.{suffix}" for i in range(3) for suffix in ("png", "csv")}


def test_images_do_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    few = simulate_dataset(tmp_path / "few", 2, look=small("stained"))
    many = simulate_dataset(tmp_path / "many", 3, look=small("stained"))
    for a, b in zip(few, many, strict=False):
        assert a.read_bytes() == b.read_bytes()
    assert few[0].read_bytes() != few[1].read_bytes()


@pytest.mark.parametrize(("channels", "shape"), [(1, (1, 40, 56)), (3, (3, 40, 56))])
def test_dataset_of_16_bits_beside_each_other(tmp_path: Path, channels: int, shape: tuple[int, ...]) -> None:
    look = Fluorescence(bits=16, channels=channels)
    (path,) = simulate_dataset(tmp_path, 1, look=look, size=(40, 56), counts=(3, 3), layout="beside")
    assert path == tmp_path / "000.tif"
    image = read_image(path)
    assert image.dtype == np.uint16
    assert image.shape == shape
    assert len(read_points(tmp_path / "000.csv").points) == 3


def test_dataset_without_objects_has_empty_tables(tmp_path: Path) -> None:
    simulate_dataset(tmp_path, 1, size=(32, 32), counts=(0, 0))
    assert len(read_points(tmp_path / "points" / "000.csv").points) == 0


def test_dataset_of_random_looks(tmp_path: Path) -> None:
    assert len(simulate_dataset(tmp_path, 2, seed=1, look="random")) == 2
    with pytest.raises(ConfigError, match="random"):
        simulate_dataset(tmp_path, 1, look="random", counts=(1, 2))


def test_repeating_a_command_is_fine_but_other_images_are_not_mixed_in(tmp_path: Path) -> None:
    simulate_dataset(tmp_path, 2, look=small("fluorescence"))
    simulate_dataset(tmp_path, 2, look=small("fluorescence"))
    with pytest.raises(OutputError, match=r"001\.png"):
        simulate_dataset(tmp_path, 1, look=small("fluorescence"))
    with pytest.raises(OutputError, match=r"000\.png"):
        simulate_dataset(tmp_path, 2, look=small("fluorescence", bits=16))


@pytest.mark.parametrize(
    "options", [{"n": 0}, {"n": -3}, {"n": 1.5}, {"layout": "flat"}, {"look": "no"}, {"seed": -1}, {"size": (1, 1)}]
)
def test_bad_options_write_nothing(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        simulate_dataset(tmp_path / "out", **{"n": 1, **options})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match="taken"):
        simulate_dataset(tmp_path / "taken", 1, look=small("fluorescence"))
    assert (tmp_path / "taken").read_text() == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="out"):
        simulate_dataset(tmp_path / "out", 1, look=small("fluorescence"))
