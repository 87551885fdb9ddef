from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers_bench import fake_mbm, fake_vgg

from countception.benchmark.method import Setup
from countception.benchmark.methods import config_hash, make
from countception.benchmark.protocol import (
    DATASETS,
    DESCRIPTION,
    Cell,
    Parts,
    check_data,
    dataset,
    draw,
    load,
    own_datasets,
    parse_protocol,
    read_protocol,
)
from countception.config import ScaleConfig
from countception.data.dataset import Sample, content_hash
from countception.errors import ConfigError, DatasetError
from countception.geometry import working_shape
from countception.points import find_scale, spacing

PROTOCOLS = sorted((Path(__file__).parents[2] / "benchmarks" / "protocols").glob("*.toml"))


def names(samples: list[Sample]) -> list[str]:
    return [sample.name for sample in samples]


def drawn(samples: list[Sample], **values: object) -> Parts:
    return draw(samples, Cell.model_validate({"method": "any", "data": "vgg", "n": 8, **values}))


class TestSplits:
    @pytest.mark.parametrize("n", [8, 16, 32, 50])
    def test_parts_are_disjoint_and_have_their_sizes(self, n: int) -> None:
        parts = drawn(fake_vgg(), n=n)
        assert (len(parts.training), len(parts.validation), len(parts.test)) == (n, n, 100)
        assert len({*names(parts.training), *names(parts.validation), *names(parts.test)}) == 100 + 2 * n

    def test_test_sets_are_paired_and_training_sets_nested(self) -> None:
        samples = fake_vgg()
        small, large = drawn(samples, n=8), drawn(samples, n=50, method="other", settings={"a": 1})
        assert names(small.test) == names(large.test)
        assert names(large.training)[:8] == names(small.training)

    def test_seed_and_number_decide(self) -> None:
        samples = fake_vgg()
        tests = [tuple(names(drawn(samples, seed=seed, split=split).test)) for seed in range(3) for split in range(3)]
        assert len(set(tests)) == 9  # so seed 0, split 1 is not seed 1, split 0
        assert tuple(names(drawn(samples, seed=1, split=2).test)) == tests[5]

    def test_each_split_has_its_own_initialisation(self) -> None:
        seeds = {
            Cell(method="a", data="vgg", n=8, seed=seed, split=split).split_seed
            for seed in range(5)
            for split in range(20)
        }
        assert len(seeds) == 100

    @pytest.mark.parametrize("n", [5, 10, 15])
    @pytest.mark.parametrize("split", range(5))
    def test_by_field_no_field_is_in_two_parts(self, n: int, split: int) -> None:
        parts = drawn(fake_mbm(), data="mbm", n=n, split=split, split_by="field")
        assert (len(parts.training), len(parts.validation), len(parts.test)) == (n, n, 10)
        fields = [{name[:5] for name in names(part)} for part in (parts.training, parts.validation, parts.test)]
        assert sum(map(len, fields)) == len(set.union(*fields))
        assert names(parts.test) == names(drawn(fake_mbm(), data="mbm", n=5, split=split, split_by="field").test)

    def test_tiles_at_random_share_fields(self) -> None:
        parts = drawn(fake_mbm(), data="mbm", n=15)
        assert {name[:5] for name in names(parts.training)} & {name[:5] for name in names(parts.test)}

    def test_too_few(self) -> None:
        with pytest.raises(DatasetError, match=r"cannot be split into parts of 100 \+ 51 \+ 51"):
            drawn(fake_vgg(), n=51)
        with pytest.raises(DatasetError, match="mbm has too few fields for N = 17"):
            drawn(fake_mbm(), data="mbm", n=17, split_by="field")
        with pytest.raises(ConfigError, match="vgg cannot be split by field"):
            drawn(fake_vgg(), split_by="field")


class TestProtocol:
    def test_cells(self) -> None:
        protocol = parse_protocol(
            {
                "data": "vgg",
                "n": [8, 32],
                "splits": 2,
                "systems": [{"method": "a"}, {"method": "b", "n": [16], "splits": 1, "settings": {"x": 2}}],
            },
            "here",
        )
        found = [(cell.split, cell.method, cell.n, cell.settings_text) for cell in protocol.cells()]
        assert found == [
            (0, "a", 8, ""),
            (0, "a", 32, ""),
            (0, "b", 16, "x=2"),
            (1, "a", 8, ""),
            (1, "a", 32, ""),
        ]

    def test_settings_without_quotes_are_those_with(self, tmp_path: Path) -> None:
        """TOML takes a dotted key for groups of settings."""
        text = 'data = "vgg"\nsettings = {{ training.batch = 3 }}\nsystems = [{{ method = "fcrn-a", settings = {} }}]'
        found = []
        for settings in (
            "{ network.width = 0.1, training.steps = 3 }",
            '{ "network.width" = 0.1, "training.steps" = 3 }',
        ):
            (tmp_path / "p.toml").write_text(text.format(settings))
            found.append(read_protocol(tmp_path / "p.toml").cells()[0])
        assert found[0] == found[1]
        assert found[0].settings_text == "network.width=0.1 training.batch=3 training.steps=3"
        method: Any = make("fcrn-a", Setup("vgg", {"network": {"width": 0.1}}))
        assert (method.config.network.name, method.config.network.width) == ("fcrn_a", 0.1)

    def test_sizes_of_the_paper_are_the_default(self) -> None:
        protocol = parse_protocol({"data": "mbm", "systems": [{"method": "a"}]}, "here")
        assert [cell.n for cell in protocol.cells()] == [5, 10, 15] * 10

    @pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.name)
    def test_shipped_files_name_methods_and_data_there_are(self, path: Path) -> None:
        protocol = read_protocol(path)
        assert protocol.data_hash is not None
        assert len(protocol.data_hash) == 64
        for system in protocol.systems:
            make(system.method, Setup(protocol.data, system.settings))

    @pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.name)
    def test_real_data_are_those_of_the_shipped_files(self, path: Path, real_data: object) -> None:
        protocol = read_protocol(path)
        folder = real_data(protocol.data)  # type: ignore[operator]
        assert content_hash(load(protocol.data, folder.parent)) == protocol.data_hash

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("data = ", "is no protocol file"),
            ('data = "vgg"', "systems is missing"),
            ('data = "vgg"\nsystems = [{ method = "a" }]\nsplit = 3', "there is no setting split"),
            ('data = "cells"\nsystems = [{ method = "a" }]', "there is no data set 'cells'"),
            ('data = "vgg"\nsystems = [{ method = "a" }]\nsplits = 0', "splits must be at least 1, not 0"),
            ('data = "vgg"\nn = [8, 0]\nsystems = [{ method = "a" }]', "n must be at least 1, not 0"),
            ('data = "vgg"\nsystems = [{ method = "a", n = [0] }]', r"systems\.n must be at least 1, not 0"),
            ('data = "vgg"\nsystems = []', r"systems must be a list of at least 1, not \[\]"),
        ],
    )
    def test_bad_files(self, tmp_path: Path, text: str, sentence: str) -> None:
        path = tmp_path / "p.toml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=sentence):
            read_protocol(path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"none\.toml: the protocol file cannot be read"):
            read_protocol(tmp_path / "none.toml")


class TestOwnData:
    def test_a_folder_says_how_it_is_measured_on(self, tmp_path: Path) -> None:
        (tmp_path / "seeds").mkdir()
        path = tmp_path / "seeds" / DESCRIPTION
        path.write_text('title = "Seeds"\ntest = 4\nn = [2, 3]\nfield = "{}_*"')
        spec = dataset("seeds", tmp_path)
        assert (spec.title, spec.test, spec.sizes) == ("Seeds", 4, (2, 3))
        assert spec.field is not None
        assert spec.field("dish1_07") == "dish1"
        protocol = parse_protocol({"data": "seeds", "systems": [{"method": "a"}], "splits": 1}, "here", tmp_path)
        assert [cell.n for cell in protocol.cells()] == [2, 3]
        assert list(own_datasets(tmp_path)) == ["seeds"]
        samples = [replace(sample, name=f"dish{i // 3}_{i % 3}") for i, sample in enumerate(fake_vgg()[:12])]
        cell = Cell(method="a", data="seeds", n=3, split_by="field")
        parts = draw(samples, cell, spec)
        assert [len(part) for part in (parts.test, parts.training, parts.validation)] == [4, 3, 3]
        fields = [{spec.field(each.name) for each in part} for part in (parts.test, parts.training, parts.validation)]
        assert len(set.union(*fields)) == sum(map(len, fields)), "none in two parts"

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("n = [5]", "test is missing"),
            ("test = 4", "n is missing"),
            ("test = 4\nn = [5]\nsize = 3", "there is no setting size"),
            ("test = ", "cannot be read"),
        ],
    )
    def test_bad_descriptions(self, tmp_path: Path, text: str, sentence: str) -> None:
        (tmp_path / "seeds").mkdir()
        (tmp_path / "seeds" / DESCRIPTION).write_text(text)
        with pytest.raises(ConfigError, match=rf"benchmark\.toml: .*{sentence}"):
            dataset("seeds", tmp_path)

    def test_a_folder_that_does_not(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"there is no data set 'seeds'.*has a benchmark\.toml in it"):
            load("seeds", tmp_path)

    @pytest.mark.parametrize("name", ["../seeds", "..", "", "more/seeds", "/seeds"])
    def test_results_are_called_by_its_name_and_stay_in_their_folder(self, tmp_path: Path, name: str) -> None:
        for folder in (tmp_path, tmp_path.parent / "seeds", tmp_path / "more" / "seeds"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / DESCRIPTION).write_text("test = 4\nn = [5]\n")
        with pytest.raises(ConfigError, match="is no data set: give the name of its folder"):
            dataset(name, tmp_path)


class TestData:
    def test_missing_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(DatasetError, match=r"there is no folder .*vgg: say with --data-root or COUNTCEPTION_DATA"):
            load("vgg", tmp_path)
        monkeypatch.setenv("COUNTCEPTION_DATA", str(tmp_path / "elsewhere"))
        with pytest.raises(DatasetError, match="elsewhere"):
            load("vgg")

    def test_other_data_than_the_protocols(self) -> None:
        samples = fake_mbm()
        digest = content_hash(samples)
        assert check_data(samples, digest, "mbm") == digest
        with pytest.raises(DatasetError, match="the mbm data are not those of the protocol"):
            check_data(samples[1:], digest, "mbm")


def test_command_says_everything() -> None:
    cell = Cell(
        method="m", data="mbm", n=5, seed=2, split=3, split_by="field", settings={"b": "x y", "a.c": [1, 2], "t": True}
    )
    assert cell.command == (
        "countception benchmark --data mbm --method m --n 5 --seed 2 --split 3 --split-by field "
        "--set 'a.c=[1,2]' --set 'b=x y' --set t=true --check"
    )


def test_key_names_the_run() -> None:
    method = make("predict-average", Setup("mbm"))
    cell = Cell(method="predict-average", data="mbm", n=5, split_by="field")
    assert cell.run_key(config_hash(method)) == (f"mbm-predict-average-n5-seed0-split0-by_field-{config_hash(method)}")


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_said_of_a_data_set_is_so(name: str, real_data: Callable[[str], Path]) -> None:
    samples, said = load(name, real_data(name).parent), DATASETS[name]
    assert {sample.image.shape[1:] for sample in samples} == {(said.side, said.side)}
    assert spacing(sample.dots.points for sample in samples) == pytest.approx(said.spacing, rel=0.01)
    shown = [example_pixels(sample, find_scale([s.dots.points for s in samples], ScaleConfig())) for sample in samples]
    assert said.megapixels(len(samples), ScaleConfig()) == pytest.approx(sum(shown) / 1e6, rel=0.02)


def example_pixels(sample: Sample, scale: float) -> int:
    height, width = working_shape((sample.image.shape[1], sample.image.shape[2]), scale)
    return height * width
