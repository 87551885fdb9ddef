from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers_bench import fake_mbm

from countception import targets
from countception.benchmark import methods, networks
from countception.benchmark.method import Setup, Variants
from countception.benchmark.methods import config_hash, make
from countception.config import recipe, updated
from countception.counting.count import Count
from countception.data.dataset import Sample
from countception.errors import ConfigError
from countception.geometry import Window
from countception.points import Dots

TINY = {
    "network.width": 0.2,
    "network.window": 16,
    "scale.factor": 1.0,
    "training.augment.crop": 32,
    "training.augment.overhang": 0,
    "training.steps": 6,
    "training.evaluations": 3,
    "training.precision": "float32",
}


def quiet(done: float, text: str) -> None:
    del done, text


def spots(number: int) -> list[Sample]:
    rng = np.random.default_rng(3)
    found = []
    for i in range(number):
        image = rng.integers(0, 30, (1, 32, 32), np.uint8)
        points = rng.permutation(32 * 32)[: 4 + i]
        places = np.stack([points // 32, points % 32], 1)
        image[0, places[:, 0], places[:, 1]] = 255
        found.append(Sample(image, Dots(places.astype(np.float64)), f"spots {i}"))
    return found


class TestRegistry:
    def test_unknown(self) -> None:
        with pytest.raises(ConfigError, match="there is no method 'magic': the methods are predict-average"):
            make("magic", Setup())

    def test_missing_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(methods.METHODS, "far", ("package_that_is_not_here:Thing", "Far"))
        with pytest.raises(ConfigError, match=r"far needs a package .*package_that_is_not_here.*pip install"):
            make("far", Setup())


class TestOptions:
    @dataclass(frozen=True)
    class Options:
        words: int = 10
        kind: str = "ridge"

    def test_read(self) -> None:
        assert Setup(settings={"words": 3}).read(self.Options) == self.Options(3)

    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"word": 3}, "word is no setting of this method: it has words, kind"),
            ({"words": "many"}, "words must be a whole number, not 'many'"),
        ],
    )
    def test_bad(self, settings: dict[str, Any], sentence: str) -> None:
        with pytest.raises(ConfigError, match=sentence):
            Setup(settings=settings).read(self.Options)

    def test_method_without_settings(self) -> None:
        with pytest.raises(ConfigError, match="it has none"):
            make("predict-average", Setup(settings={"a": 1}))


def test_predict_average() -> None:
    samples = fake_mbm()
    fitted = make("predict-average", Setup()).fit(samples[:4], samples[4:8], seed=0, report=quiet)
    assert fitted.count(samples[20]) == np.mean([len(sample.dots) for sample in samples[:4]])
    assert not isinstance(fitted, Variants)


class TestConfigHash:
    def test_settings_change_it(self) -> None:
        hashes = {
            config_hash(make(name, Setup(data, settings)))
            for name, data, settings in [
                ("boxnet", "vgg", {}),
                ("boxnet", "vgg", {"steps": 7}),
                ("count-ception", "vgg", {}),
                ("count-ception", "mbm", {}),
                ("predict-average", "vgg", {}),
            ]
        }
        assert len(hashes) == 5

    def test_device_and_two_names_of_one_setting_do_not(self) -> None:
        one, same = ({"epochs": 3}, {"training.epochs": 3})
        assert config_hash(make("count-ception", Setup("vgg", one))) == config_hash(
            make("count-ception", Setup("vgg", same, device="cpu"))
        )

    def test_younger_keys_leave_old_hashes_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def method(**network: Any) -> Any:
            return SimpleNamespace(name="m", configuration={"network": {"window": 32, **network}})

        old = config_hash(method())
        assert config_hash(method(kernel="square")) != old
        monkeypatch.setitem(methods.ADDED, "network.kernel", "square")
        assert config_hash(method(kernel="square")) == old
        assert config_hash(method(kernel="gaussian")) != old

    def test_the_prior_of_no_calibration_is_left_out(self) -> None:
        def hashed(prior: float, **more: Any) -> str:
            return config_hash(make("boxnet", Setup("vgg", {"calibration_prior": prior, **more})))

        assert hashed(0.1) != hashed(0.3)
        assert hashed(0.1, calibrate=False) == hashed(0.3, calibrate=False)


class TestNetworkMethods:
    def test_count_ception_is_the_papers(self) -> None:
        method = networks.count_ception(Setup("vgg"))
        assert method.config == recipe("paper")
        assert networks.count_ception(Setup("mbm")).config.scale.factor == 0.5

    def test_boxnet_is_what_train_does_by_itself(self) -> None:
        assert networks.boxnet(Setup("mbm")).config == recipe("default")

    def test_folds_are_a_setting_of_its_own(self) -> None:
        hashes = {config_hash(make("boxnet", Setup("vgg", each))) for each in ({}, {"folds": 2}, {"folds": 5})}
        assert len(hashes) == 3
        for wrong in (1, 2.5, "two"):
            with pytest.raises(ConfigError, match="folds must be a whole number of at least 2"):
                make("boxnet", Setup("vgg", {"folds": wrong}))

    def test_fcrn_a_has_the_default_recipe_but_for_what_it_says(self) -> None:
        config = networks.fcrn_a(Setup("vgg")).config
        assert config == updated(recipe("default", network="fcrn_a"), networks.FCRN)

    def test_how_far_images_are_shrunk_is_a_setting_where_any_are(self) -> None:
        def hashes(data: str, **settings: Any) -> set[str]:
            given = ({}, {"scale.widest": 0.0}, {"scale.widest": 60.0})
            return {config_hash(make("boxnet", Setup(data, settings | each))) for each in given}

        assert [len(hashes(data)) for data in ("vgg", "mbm", "adipocyte")] == [1, 3, 1]
        assert len(hashes("vgg", **{"scale.spacing": 12})) == 3, "farther apart than that"
        assert len(hashes("mbm", **{"scale.factor": 0.5})) == 1, "nothing is found"

    def test_the_length_is_that_of_a_training_on_as_many_images(self) -> None:
        def steps(n: int, **settings: Any) -> int | None:
            return networks.boxnet(Setup("vgg", settings, n=n)).config.training.steps

        assert (steps(8), steps(32), steps(16, folds=2), steps(32, steps=5)) == (1000, 3400, 3400, 5)
        assert steps(16) == 3400
        assert steps(16, **{"scale.spacing": 12, "scale.widest": 0}) == 1000, "at half the scale there is less to see"
        assert networks.boxnet(Setup("mbm", n=5)).config.training.steps == round(3400 * 42.5 / 22), "fewer in a crop"
        assert networks.fcrn_a(Setup("vgg", n=50)).config.training.steps == 1000, "as it is measured"
        assert networks.fcrn_a(Setup("vgg", {"epochs": 5}, n=50)).config.training.steps is None
        assert networks.count_ception(Setup("vgg", n=50)).config.training.epochs == 1000

    def test_settings_go_before_the_methods_own(self) -> None:
        settings = {"epochs": 20, "stride": 8, "window": 64, "scale.factor": 1.0}
        config = networks.count_ception(Setup("mbm", settings)).config
        assert (config.training.epochs, config.training.evaluations) == (20, 20)
        assert (config.network.stride, config.network.window, config.scale.factor) == (8, 64, 1.0)

    def test_a_length_replaces_the_recipes(self) -> None:
        training = networks.count_ception(Setup("vgg", {"seconds": 30})).config.training
        assert (training.epochs, training.steps, training.seconds) == (None, None, 30)

    def test_gaussian_kernel_is_another_network_and_nothing_else(self) -> None:
        method = networks.count_ception(Setup("vgg", {"kernel": "gaussian"}))
        square = recipe("paper").model_dump()
        square["network"]["name"] = "count_ception_gaussian"
        assert method.config.model_dump() == square
        assert method.test_strides == ()

    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"kernel": "round"}, "there is no kernel 'round'"),
            ({"training.seed": 3}, "use --seed"),
            ({"network.name": "magic"}, "there is no network 'magic'"),
            ({"epoch": 3}, "there is no setting epoch: did you mean training.epochs"),
        ],
    )
    def test_bad_settings(self, settings: dict[str, Any], sentence: str) -> None:
        with pytest.raises(ConfigError, match=sentence):
            networks.count_ception(Setup("vgg", settings))

    def test_test_strides_of_a_true_map_give_the_true_count(self) -> None:
        sample = spots(1)[0]
        values = targets.count_map(sample.dots.points, (32, 32), Window(32, 1))[None]
        counted = Count(
            value=4.0,
            by_class={},
            predicted=values,
            redundancy=1024,
            window=32,
            stride=1,
            pad=32,
            scale=1.0,
            shape=(32, 32),
        )
        counter: Any = SimpleNamespace(count_pixels=lambda _: counted)
        found = networks.FittedNetwork(counter, (8, 16, 32)).variants(sample)
        assert found == {"test_stride=8": 4.0, "test_stride=16": 4.0, "test_stride=32": 4.0}

    @pytest.mark.slow
    def test_fit_goes_on_where_it_was_stopped(self, tmp_path: Path) -> None:
        samples = spots(6)

        def fit(work: Path | None, report: Any) -> networks.FittedNetwork:
            setup = Setup("vgg", TINY, "cpu", work)
            return networks.boxnet(setup).fit(samples[:3], samples[3:5], seed=5, report=report)

        def stop(done: float, text: str) -> None:
            del text
            if done > 0.4:
                raise KeyboardInterrupt

        whole = fit(None, quiet)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "work", stop)
        resumed = fit(tmp_path / "work", quiet)
        assert resumed.count(samples[5]) == whole.count(samples[5])
        facts = resumed.facts
        assert (facts.steps, facts.epochs, facts.device, len(facts.curve)) == (6, 6.0, "cpu", 3)
        assert facts.seconds is not None

        def unexpected(done: float, text: str) -> None:
            raise AssertionError(f"trained again: {done} {text}")

        again = fit(tmp_path / "work", unexpected)  # stopped between its training and its row
        assert again.count(samples[5]) == whole.count(samples[5])
        assert again.facts == facts
