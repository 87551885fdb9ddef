"""CellProfiler: the plumbing with a stand-in for the program, and one test with the real one where it is at hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers_cells import cells

from countception.baselines import cellprofiler
from countception.baselines.cellprofiler import FOLDER, VARIABLE, VERSION, Fitted, colour
from countception.benchmark.method import Batched, Setup
from countception.benchmark.methods import config_hash, make
from countception.benchmark.protocol import Parts
from countception.benchmark.runner import _count
from countception.data.dataset import Sample
from countception.errors import ConfigError, ImageError
from countception.points import Dots

STAND_IN = """#!{python}
import csv, pathlib, sys
import numpy as np
from PIL import Image
words = dict(zip(sys.argv[3::2], sys.argv[4::2]))
here = pathlib.Path(__file__).parent
with (here / "starts").open("a") as log:
    log.write(pathlib.Path(words["-p"]).stem + "\\n")
{trouble}
with open(words["-o"] + "/MyExpt_Image.csv", "w", newline="") as stream:
    table = csv.writer(stream)
    table.writerow(["Count_Cells", "FileName_Image", "ImageNumber"])
    for i, path in enumerate(sorted(pathlib.Path(words["-i"]).iterdir(), reverse=True)):
        table.writerow([float(np.asarray(Image.open(path))[0, 0, 0]), path.name, i])
"""
"""Counts what the first pixel's red says, and notes how often it was started."""

StandIn = Callable[..., Path]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put a stand-in where the program should be; returns the log of its starts."""
    monkeypatch.setattr(cellprofiler, "_counted", {})

    def install(trouble: str = "") -> Path:
        program = tmp_path / f"cellprofiler-{VERSION}"
        program.write_text(STAND_IN.format(python=sys.executable, trouble=trouble))
        program.chmod(0o755)
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        return tmp_path / "starts"

    return install


def fit(data: str = "vgg", **settings: object) -> Fitted:
    method = make("cellprofiler", Setup(data, settings))
    fitted = method.fit([], [], seed=0, report=lambda *_: None)
    assert isinstance(fitted, Fitted)
    return fitted


def plain(red: int, green: int = 100, blue: int = 100) -> Sample:
    image = np.full((3, 4, 5), 0, np.uint8)
    image[:] = np.array([red, green, blue], np.uint8)[:, None, None]
    return Sample(image, Dots(np.empty((0, 2))), f"red {red}")


class TestCounting:
    def test_all_images_of_a_split_cost_one_start(self, stand_in: StandIn) -> None:
        starts = stand_in()
        fitted = fit()
        assert isinstance(fitted, Batched)
        test = [plain(red) for red in (7, 30, 2, 7)]
        predictions, others = _count(fitted, Parts([], [], test))
        assert [each.count for each in predictions] == [7, 30, 2, 7]
        assert others == {}
        assert starts.read_text() == "vgg\n"

    def test_what_was_counted_is_not_counted_again(self, stand_in: StandIn) -> None:
        starts = stand_in()
        assert fit().count(plain(5)) == fit().count(plain(5)) == 5
        fit().prepare([plain(5), plain(6)])
        assert starts.read_text() == "vgg\n" * 2
        assert fit("mbm").count(plain(5)) == 5  # by another pipeline
        assert starts.read_text() == "vgg\nvgg\nmbm\n"

    def test_three_pipelines_by_colour(self, stand_in: StandIn) -> None:
        starts = stand_in()
        images = [plain(90), plain(105), plain(120), plain(91)]
        fitted = fit("mbm", pipelines=3)
        fitted.prepare(images)
        assert sorted(starts.read_text().split()) == ["mbm", "mbm-blue", "mbm-red"]
        assert [fitted.count(image) for image in images] == [90, 105, 120, 91]

    @pytest.mark.parametrize(
        "trouble", ["sys.exit('the sky fell')", "sys.exit(0)", "words['-i'] = str(here)[:0] or '/nowhere'"]
    )
    def test_trouble_is_one_sentence(self, stand_in: StandIn, trouble: str) -> None:
        stand_in(trouble)
        with pytest.raises(ConfigError, match=r"vgg.cppipe counted 0 of 1 images and ended with status \d"):
            fit().count(plain(5))

    def test_a_table_without_counts(self, tmp_path: Path) -> None:
        (tmp_path / "table.csv").write_text("ImageNumber,FileName_Image\n1,a.png\n")
        assert cellprofiler.read_counts(tmp_path / "table.csv") == {}

    @pytest.mark.parametrize(
        "image", [np.zeros((1, 4, 4), np.uint8), np.zeros((3, 4, 4), np.uint16)], ids=["grey", "16 bits"]
    )
    def test_other_images_are_refused(self, stand_in: StandIn, image: np.ndarray) -> None:
        stand_in()
        with pytest.raises(ImageError, match=r"odd has .* 3 channels of 8 bits"):
            fit().count(Sample(image, Dots(np.empty((0, 2))), "odd"))


class TestColour:
    @pytest.mark.parametrize(("red", "tinge"), [(99, "blue"), (100, ""), (110, ""), (111, "red")])
    def test_limits(self, red: int, tinge: str) -> None:
        assert colour(plain(red)) == tinge

    def test_holes_do_not_matter(self) -> None:
        sample = plain(90)
        sample.image[:, :3] = np.array([255, 240, 10], np.uint8)[:, None, None]
        assert colour(sample) == "blue"

    def test_nothing_stained(self) -> None:
        assert colour(plain(250, 250, 250)) == ""


class TestMethod:
    def test_missing_program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        with pytest.raises(ConfigError, match=f"{VERSION} is not in {re.escape(str(tmp_path))}: .*install.sh"):
            fit()

    @pytest.mark.parametrize(
        ("data", "settings", "sentence"),
        [
            ("adipocyte", {}, r"no CellProfiler pipeline .*adipocyte.cppipe: name one with --set pipeline=FILE"),
            ("vgg", {"pipeline": "nowhere.cppipe"}, "no CellProfiler pipeline nowhere.cppipe"),
            ("vgg", {"pipelines": 3}, "pipelines=3 is for mbm"),
            ("mbm", {"pipelines": 2}, "pipelines must be 1 or 3, not 2"),
        ],
    )
    def test_bad_settings(self, data: str, settings: dict[str, object], sentence: str) -> None:
        with pytest.raises(ConfigError, match=sentence):
            make("cellprofiler", Setup(data, settings))

    def test_the_configuration_is_the_text_of_the_pipelines(self, tmp_path: Path) -> None:
        copy = tmp_path / "copy.cppipe"
        text = (FOLDER / "vgg.cppipe").read_bytes()

        def key(content: bytes) -> str:
            copy.write_bytes(content)
            return config_hash(make("cellprofiler", Setup("vgg", {"pipeline": str(copy)})))

        own = config_hash(make("cellprofiler", Setup("vgg")))
        assert key(text) == key(text.replace(b"\n", b"\r\n")) == own
        assert key(text.replace(b"6,60", b"7,60")) != own
        one, three = (config_hash(make("cellprofiler", Setup("mbm", s))) for s in ({}, {"pipelines": 3}))
        assert one != three

    def test_pipelines_for_colours_differ_in_one_setting(self) -> None:
        def settings(name: str) -> list[str]:
            lines = (FOLDER / f"{name}.cppipe").read_text().splitlines()
            return [line for line in lines if line.startswith("    ")]

        for name in ("mbm-blue", "mbm-red"):
            pairs = zip(settings("mbm"), settings(name), strict=True)
            assert [a.split(":")[0].strip() for a, b in pairs if a != b] == ["Threshold correction factor"]


def test_the_script_starts_nothing_with_another_python(tmp_path: Path) -> None:
    """The check comes before anything is installed."""
    jdk = tmp_path / "jdk"
    (jdk / "bin").mkdir(parents=True)
    (jdk / "bin" / "javac").write_text("#!/bin/sh\necho javac 17.0.1\n")
    (jdk / "bin" / "javac").chmod(0o755)
    words = ["bash", str(FOLDER / "install.sh"), str(tmp_path / "environment")]
    environment = {**os.environ, "JAVA_HOME": str(jdk), "PYTHON": "false"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "CellProfiler needs Python 3.11 and false is none: say in PYTHON where one is.\n"
    assert list((tmp_path / "environment").iterdir()) == []


def real() -> Sequence[Sample]:
    """Well separated spots, and an empty image."""
    samples = [s for s in cells(12, side=128, noise=1.0) if len(s.dots) < 15][:2]
    blank = np.full((3, 128, 128), 20, np.uint8)
    return [*samples, Sample(blank, Dots(np.empty((0, 2))), "blank")]


@pytest.mark.slow
def test_the_real_program_counts_spots() -> None:
    try:
        cellprofiler.find_program()
    except ConfigError as error:
        pytest.skip(str(error))
    fitted, samples = fit(), real()
    fitted.prepare(samples)
    for sample in samples[:-1]:
        assert abs(fitted.count(sample) - len(sample.dots)) <= 0.25 * len(sample.dots)
    assert np.isfinite(fitted.count(samples[-1]))
