"""Count maps kept with the results, and the pictures of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers_bench import make_row

from countception.benchmark import maps, networks
from countception.benchmark.maps import MapPair
from countception.benchmark.page import map_pairs, page, pages, write_maps, write_page
from countception.benchmark.protocol import Cell
from countception.benchmark.results import Prediction, Results
from countception.benchmark.tables import measured
from countception.config import NetworkConfig
from countception.data.dataset import Sample
from countception.errors import DatasetError
from countception.networks import build
from countception.points import Dots


def pair(image: str = "007cell", *, sides: tuple[int, int] = (288, 198)) -> MapPair:
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(sides[0]), np.arange(sides[1])).astype(np.float32) / 50
    return MapPair(image, 12, 11.5, smooth, smooth + rng.normal(0, 0.1, sides).astype(np.float32))


class TestStored:
    def test_round_trip_is_small_and_nearly_exact(self, tmp_path: Path) -> None:
        maps.save(pair(), tmp_path / "a.npz")
        found = maps.load(tmp_path / "a.npz")
        assert found is not None
        assert (found.image, found.true_count, found.count) == ("007cell", 12, 11.5)
        assert found.true_map.shape == (72, 50)
        means = pair().true_map[:, :196].reshape(72, 4, 49, 4).mean((1, 3))
        np.testing.assert_allclose(found.true_map[:, :49], means, atol=found.true_map.max() / 400)
        np.testing.assert_allclose(found.true_map[:, 49], pair().true_map[:, 196:].reshape(72, 4, 2).mean((1, 2)), 0.02)
        assert (tmp_path / "a.npz").stat().st_size < 15_000

    def test_an_empty_map_and_a_small_one(self, tmp_path: Path) -> None:
        empty = np.zeros((5, 3), np.float32)
        maps.save(MapPair("a", 0, 0.0, empty, empty - 1), tmp_path / "a.npz")
        found = maps.load(tmp_path / "a.npz")
        assert found is not None
        np.testing.assert_array_equal(found.map, empty)

    def test_no_file_and_a_damaged_one(self, tmp_path: Path) -> None:
        assert maps.load(tmp_path / "a.npz") is None
        maps.save(pair(), tmp_path / "a.npz")
        whole = (tmp_path / "a.npz").read_bytes()
        for broken in (b"", b"PK", whole[: len(whole) // 2], b"x" + whole[1:]):
            (tmp_path / "a.npz").write_bytes(broken)
            with pytest.raises(DatasetError, match="is damaged"):
                maps.load(tmp_path / "a.npz")

    @pytest.mark.parametrize(
        ("changes", "kept"),
        [({}, True), ({"n": 50}, True), ({"split": 1}, False), ({"seed": 1}, False), ({"settings": {"a": 1}}, False)],
    )
    def test_which_runs_leave_them(self, changes: dict[str, Any], kept: bool) -> None:
        assert maps.wanted(Cell.model_validate({"method": "boxnet", "data": "vgg", "n": 8, **changes})) is kept


@pytest.mark.parametrize("name", ["boxnet", "count_ception_gaussian"])
def test_a_network_gives_the_map_of_the_dots_beside_its_own(name: str) -> None:
    network = build(NetworkConfig(name=name, channels=1, stride=2 if name == "boxnet" else 1, width=0.1))
    sample = Sample(np.zeros((1, 40, 60), np.uint8), Dots(np.array([[3.0, 5.0], [30.0, 59.0]])), "a")
    shape = network.target(np.zeros((0, 2)), (80, 120)).shape
    counted = SimpleNamespace(value=1.5, map=np.ones((1, *shape), np.float32), scale=2.0)
    counter: Any = SimpleNamespace(count_pixels=lambda _: counted, model=SimpleNamespace(network=network))
    found = networks.FittedNetwork(counter).map_pair(sample)
    assert (found.image, found.true_count, found.count) == ("a", 2, 1.5)
    assert found.true_map.shape == found.map.shape == shape
    assert found.true_map.sum() / network.redundancy == pytest.approx(2, rel=1e-4)


class TestPictures:
    @pytest.fixture
    def results(self, tmp_path: Path) -> Results:
        results = Results(tmp_path / "results")
        for method, n, split, image in [
            ("boxnet", 8, 0, "other"),
            ("boxnet", 32, 0, "007cell"),
            ("boxnet", 50, 1, ""),
            ("count-ception", 32, 0, "007cell"),
            ("fcrn-a", 32, 0, "of other data"),
        ]:
            row = make_row(method=method, n=n, split=split, mae=1.0)
            results.append([row])
            results.save_predictions(row.key, [Prediction("a", 1, 1.0, 0.1)])
            if image:
                maps.save(pair(image), results.maps(row.key))
        return results

    def test_of_each_system_the_largest_n_that_left_any_and_one_image(self, results: Results) -> None:
        found = map_pairs(measured(results.rows()), results)
        assert [(title.split(",")[0], title[-6:], each.image) for title, each in found] == [
            ("BoxNet", "N = 32", "007cell"),
            ("Count-ception", "N = 32", "007cell"),
        ]

    def test_the_page_links_what_tables_draw(self, results: Results, tmp_path: Path) -> None:
        text = write_page(results, tmp_path / "docs").read_text()
        assert "](benchmark/vgg-maps.png)" in text
        assert text == pages(results, tmp_path / "docs")[tmp_path / "docs" / "benchmark.md"]
        assert (tmp_path / "docs/benchmark/vgg-maps.png").read_bytes().startswith(b"\x89PNG")
        assert "maps.png" not in page(measured(results.rows()), {})

    def test_beside_the_image_where_the_data_are_at_hand(self, results: Results, tmp_path: Path) -> None:
        image = np.random.default_rng(0).integers(0, 255, (3, 20, 20), np.uint8)
        data = {"vgg": [Sample(image, Dots(np.zeros((0, 2))), "007cell")]}
        (written,) = write_maps(results, data, tmp_path / "pictures")
        assert written.read_bytes().startswith(b"\x89PNG")
        with pytest.raises(DatasetError, match="vgg has no image 007cell"):
            write_maps(results, {"vgg": []}, tmp_path)
