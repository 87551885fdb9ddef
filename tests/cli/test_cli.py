from __future__ import annotations

import csv
import errno
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tifffile import imwrite
from typer.testing import CliRunner, Result

import tiny
from countception import __version__
from countception.cli.commands import app
from countception.config import LEVEL
from countception.counting.counter import Counter
from countception.counting.model_file import load
from countception.data.dataset import content_hash, load_dataset
from countception.images.read import read_image
from countception.networks import names
from countception.trust.metrics import predict_average_mae

COMMANDS = ["train", "count", "evaluate", "inspect", "simulate", "settings", "demo", "info", "benchmark"]
HEAVY = ["torch", "numpy", "scipy", "matplotlib", "pydantic", "PIL", "jinja2", "tifffile"]


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], prog_name="countception")


def command(*args: str | Path) -> list[str]:
    """The real command, for a process of its own."""
    return [sys.executable, "-m", "countception", *map(str, args)]


def refused(result: Result, *words: str, status: int = 1) -> None:
    """One sentence on standard error, no traceback, nothing on standard output."""
    assert result.exit_code == status
    assert result.stdout == ""
    sentence = result.stderr.strip().splitlines()[-1]
    assert sentence.startswith("countception: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in sentence


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two good images and three bad ones."""
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(2):
        Image.fromarray(tiny.pixels(seed=k)).save(folder / f"good{k}.png")
    (folder / "text.png").write_text("no image")
    (folder / "cut.png").write_bytes((folder / "good0.png").read_bytes()[:300])
    Image.fromarray(tiny.pixels(channels=1)[..., 0]).save(folder / "grey.png")
    return folder


# help


def test_help_lists_every_command_and_shows_the_way() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout
    assert "countception train cells/ -o cells.count" in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_explains_every_option(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    options = result.stdout.split("Options:")[1].splitlines()
    starts = [line for line in options if line.startswith("  -")]
    assert len(starts) >= 1
    for line, after in zip(options, [*options[1:], ""], strict=True):
        if line.startswith("  -"):  # the explanation is beside the option or, where there is no room, below it
            explained = len(line.split("  ")) > 2 or after.startswith("      ")
            assert explained, line


def test_the_help_of_train_names_every_network() -> None:
    told = run("train", "--help").stdout.split("--network NAME")[1].split("--window")[0]
    assert set(re.findall(r"\w+", told)) >= set(names())


def test_the_reference_names_every_network() -> None:
    told = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8").split("## Networks")[1]
    assert [name for name in names() if f"`{name}`" not in told] == []


@pytest.mark.parametrize("name", ["count", "evaluate"])
def test_the_help_names_the_level_of_intervals_that_is_taken(name: str) -> None:
    assert f"[default: {LEVEL}]" in " ".join(run(name, "--help").stdout.split("--level P")[1].split()[:12])


def test_without_a_command_the_help_is_shown() -> None:
    assert "Commands:" in run().output


def test_the_version_is_shown() -> None:
    assert run("--version").stdout == f"countception {__version__}\n"


def test_help_answers_at_once_and_imports_nothing_heavy() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    help_ = subprocess.run(command("--help"), capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Usage" in help_.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    code = "import sys, countception.cli.commands; print(*(m for m in sys.modules))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(listed.stdout.split()) & set(HEAVY)


def test_a_usage_error_exits_with_2() -> None:
    assert run("train").exit_code == 2
    assert run("count", "model", "image", "--no-such-option").exit_code == 2
    assert run("no-such-command").exit_code == 2


# train


def test_train_writes_a_model_and_its_curve(tmp_path: Path) -> None:
    out = tmp_path / "new" / "cells.count"
    result = run("train", tiny.data(), "-o", out, "--steps=4", "--seed=3", "--valid=0.5", *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    model = load(out)
    assert model.trained_on["images"] == 2
    assert model.config.training.seed == 3
    assert f"{model.validation['mae']:.2f}" in result.stdout
    assert "no 90 % intervals: they need at least 9 validation images and there are fewer than 3" in result.stderr
    assert "--folds 4 learns from all of these and validates on them, too" in result.stderr
    assert len(pd.read_csv(tmp_path / "new" / "cells.curve.csv")) == 2
    assert (tmp_path / "new" / "cells.curve.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in out.parent.iterdir()) == ["cells.count", "cells.curve.csv", "cells.curve.png"]


def test_train_with_folds_says_how_far_off_counts_of_each_image_are(tmp_path: Path) -> None:
    out = tmp_path / "cells.count"
    result = run("train", tiny.data(), "-o", out, "--steps=4", "--folds=4", *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    assert "learning from 4 images, validating on parts left out in turn" in result.stderr
    assert "objects per image on 4 images, each counted after learning without its part of 4" in result.stdout
    assert "--folds" not in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.count", "cells.curve.csv", "cells.curve.png"]
    counted = run("count", out, tiny.data() / "images", "--level=0.8", "-o", tmp_path / "counts.csv")
    assert counted.exit_code == 0, counted.stderr
    table = pd.read_csv(tmp_path / "counts.csv")
    assert (table["low"] < table["high"]).all()
    both = run("train", tiny.data(), "-o", tmp_path / "b.count", "--folds=4", "--valid=0.5")
    assert both.exit_code == 1
    assert "give either folds or what to validate on" in both.stderr


def test_the_options_of_train_reach_the_configuration(tmp_path: Path) -> None:
    out = tmp_path / "cells.count"
    options = ["--network=count_ception", "--window=8", "--epochs=1", "--set", "training.batch=2"]
    valid = tiny.dataset(tmp_path / "valid", seed=9)
    result = run("train", tiny.data(), "-o", out, "--valid", valid, *options, *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    config = load(out).config
    assert (config.network.name, config.network.window, config.network.stride) == ("count_ception", 8, 1)
    assert (config.training.epochs, config.training.steps, config.training.batch) == (1, None, 2)
    assert config.scale.factor == 1


def test_a_time_budget_is_the_length(tmp_path: Path) -> None:
    out = tmp_path / "cells.count"
    assert run("train", tiny.data(), "-o", out, "--time-budget=1s", *tiny.OPTIONS).exit_code == 0
    assert load(out).config.training.seconds == 1
    assert load(out).config.training.steps is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--time-budget=soon"], ["'soon'", "10m"]),
        (["--set", "training.batch"], ["training.batch", "KEY=VALUE"]),
        (["--set", "training.bach=3"], ["training.bach"]),
        (["--scale=large"], ["--scale", "large"]),
        (["--recipe=secret"], ["secret", "paper"]),
        (["--network=resnet"], ["resnet", "boxnet"]),
        (["--valid=1.5"], ["1.5", "between 0 and 1"]),
        (["--valid=no-such-folder"], ["no-such-folder"]),
        ([f"--valid={'a' * 300}"], ["File name too long"]),
        (["--order=up"], ["--order", "xy"]),
        (["--device=abacus"], ["abacus", "cpu"]),
        (["--device=meta"], ["meta", "cpu"]),
        (["--seed=99999999999999999999"], ["training.seed must be below"]),
        (["--set", "network.name=[1]"], ["network.name must be a word"]),
        (["--steps=4", "--epochs=4"], ["give one of steps"]),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(tmp_path: Path, options: list[str], words: list[str]) -> None:
    refused(run("train", tiny.data(), "-o", tmp_path / "cells.count", *options), *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="TensorBoard is installed")
def test_a_missing_tensorboard_is_one_sentence(tmp_path: Path) -> None:
    result = run("train", tiny.data(), "-o", tmp_path / "cells.count", "--tensorboard", tmp_path / "log")
    refused(result, "countception[tensorboard]")


def test_an_unwritable_model_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(run("train", tiny.data(), "-o", tmp_path / "file" / "cells.count", "--steps=4"), "file")


def test_a_headless_table_needs_the_order(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "data", 2)
    for table in (data / "points").iterdir():
        lines = table.read_text().splitlines()
        table.write_text("\n".join(lines[1:]) + "\n")
    out = tmp_path / "cells.count"
    refused(run("train", data, "-o", out, "--steps=4"), "header")
    assert run("train", data, "-o", out, "--steps=2", "--order=xy", *tiny.OPTIONS).exit_code == 0
    assert run("inspect", data, "--order=xy").exit_code == 0
    assert run("evaluate", out, data, "--order=xy").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_control_c_keeps_the_best_so_far_and_resume_goes_on(tmp_path: Path, asked: signal.Signals) -> None:
    out = tmp_path / "cells.count"
    options = [
        tiny.data(),
        "-o",
        out,
        "--steps=100000",
        "--set=training.evaluations=50000",
        *tiny.OPTIONS[:2],
        "--scale=1",
    ]
    process = subprocess.Popen(command("train", *options), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "step" in line:
            break
    time.sleep(0.5)
    process.send_signal(asked)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted: saving" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    first = load(out).trained_on["steps_in_all"]
    assert first > 0
    refused(run("train", *options), "--resume")
    resumed = subprocess.Popen(command("train", *options, "--resume"), stderr=subprocess.PIPE, text=True)
    assert resumed.stderr is not None
    steps = (int(found[1]) for found in map(re.compile(r"step (\d+)").search, resumed.stderr) if found)
    assert any(step > first + 1 for step in steps)
    resumed.send_signal(signal.SIGINT)
    resumed.communicate(timeout=120)
    assert resumed.returncode == 130
    assert load(out).trained_on["steps_in_all"] > first


def test_what_the_system_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "cells")

    monkeypatch.setattr("countception.data.inspection.inspect", full)
    refused(run("inspect", tiny.data()), "cells: No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize(
    ("output", "said"), [(">/dev/full", "No space left on device"), (">&-", "closed: name a file for the counts")]
)
def test_a_standard_output_that_takes_nothing_is_told_of(images: Path, output: str, said: str) -> None:
    told = shlex.join(command("count", tiny.model_file(), images / "good0.png"))
    result = subprocess.run(f"{told} {output}", shell=True, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_control_c_before_anything_is_saved_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("countception.data.inspection.inspect", interrupted)
    refused(run("inspect", tiny.data()), "interrupted", status=130)


def test_control_c_again_while_the_first_is_served_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "cells.count"

    def interrupted(*_args: object, **_options: object) -> None:
        (tmp_path / "cells.count.checkpoint").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("countception.training.train", interrupted)
    result = run("train", tiny.data(), "-o", out)
    refused(result, "interrupted", status=130)
    assert "the training is kept, but not saved" in result.stderr
    assert "--resume" in result.stderr


def test_what_is_said_after_a_training_has_the_average_beside_it(tmp_path: Path) -> None:
    result = run("train", tiny.data(), "-o", tmp_path / "a.count", "--steps=2", *tiny.OPTIONS)
    assert result.exit_code == 0
    model = load(tmp_path / "a.count")
    average = predict_average_mae(model.validation["true"], model.trained_on["mean_count"])
    assert f"saying the average of the images learned from every time would be off by {average:.2f}" in result.stdout
    assert ("no better than that" in result.stderr) == (model.validation["mae"] >= average)
    assert "--folds 4 learns from all of these" in result.stderr, "as many as there are images"
    told = run("info", tmp_path / "a.count").stdout
    assert f"saying the average every time: {average:.2f}" in told


def test_no_more_folds_are_advised_than_there_are_groups(tmp_path: Path) -> None:
    names = sorted(path.name for path in (tiny.data() / "images").iterdir())
    rows = [f"{tiny.data()}/images/{name},{tiny.data()}/points/{Path(name).stem}.csv" for name in names]
    for groups, advised in (("aabc", "--folds 3 learns from all"), ("aabb", None)):
        (tmp_path / "m.csv").write_text("\n".join(["image,dots,group", *map(",".join, zip(rows, groups, strict=True))]))
        told = run("train", tmp_path / "m.csv", "-o", tmp_path / f"{groups}.count", "--steps=2", *tiny.OPTIONS)
        assert told.exit_code == 0, told.stderr
        assert ("--folds" in told.stderr) == (advised is not None)
        assert (advised or "") in told.stderr


def test_an_interrupted_training_leaves_a_finished_model_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.count"
    out.write_bytes(tiny.model_file().read_bytes())
    interrupted = Counter.load(out, device="cpu")
    interrupted.interrupted = True
    monkeypatch.setattr("countception.training.train", lambda *_args, **_options: interrupted)
    result = run("train", tiny.data(), "-o", out)
    assert result.exit_code == 130
    assert result.stdout == ""
    assert f"interrupted: {out} is still the model that was there before" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.count"]


def test_resuming_what_is_not_there_is_said(tmp_path: Path) -> None:
    result = run("train", tiny.data(), "-o", tmp_path / "b.count", "--steps=1", "--resume", *tiny.OPTIONS)
    assert "there is no unfinished training of" in result.stderr
    assert result.exit_code == 0


def test_inspect_ends_with_1_where_an_image_cannot_be_used(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "data")
    assert run("inspect", data).exit_code == 0
    (data / "points" / "003.csv").write_text("nonsense")
    assert run("inspect", data).exit_code == 1


def test_train_says_where_all_dots_lie_in_a_corner(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "data")
    train = ["train", data, "-o", tmp_path / "a.count", "--steps=1", *tiny.OPTIONS]
    assert "upper left" not in run(*train).stderr
    for table in (data / "points").iterdir():
        header, *rows = table.read_text().splitlines()
        halved = [",".join(str(float(cell) / 2) for cell in row.split(",")) for row in rows]
        table.write_text("\n".join([header, *halved]) + "\n")
    result = run(*train)
    assert result.exit_code == 0, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if "upper left" in line]
    assert line.startswith(f"{data}: all dots lie in the upper left ")
    assert result.stderr.index(line) < result.stderr.index("learning from")


def test_train_says_where_pixels_are_of_several_sizes(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "data")
    for number, image in enumerate(sorted((data / "images").iterdir()), 1):
        pixels = np.moveaxis(read_image(image), 0, -1)
        imwrite(image.with_suffix(".tif"), pixels, resolution=(1e4 / number,) * 2, resolutionunit="CENTIMETER")
        image.unlink()
    result = run("train", data, "-o", tmp_path / "a.count", "--steps=1", *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    assert f"{data}: pixels are of 1 µm in some images and of 4 µm in others" in result.stderr


def test_the_size_of_pixels_may_be_said(tmp_path: Path) -> None:
    """PNG do not tell it."""
    data, model = tiny.dataset(tmp_path / "data"), tmp_path / "a.count"
    result = run("train", data, "-o", model, "--steps=1", "--pixel-size=0.5", *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    assert "pixel size" in run("info", model).stdout
    image = sorted((data / "images").iterdir())[0]
    assert "pixels of 1 µm" in run("count", model, image, "--pixel-size=1", "-o", tmp_path / "c.csv").stderr
    result = run("count", model, image, "--pixel-size=1", "--rescale", "-o", tmp_path / "c.csv")
    assert result.exit_code == 0, result.stderr
    assert "pixels of 1 µm" not in result.stderr
    assert "0.5 µm" in run("inspect", data, "--pixel-size=0.5").stdout
    plain, same, other = (
        float(run("evaluate", model, data, *options).stdout.split("MAE ")[1].split()[0].rstrip(","))
        for options in ((), ("--rescale", "--pixel-size=0.5"), ("--rescale", "--pixel-size=1"))
    )
    assert plain == same != other
    refused(run("evaluate", model, data, "--rescale"), "size of its pixels is not known")
    refused(run("train", data, "-o", model, "--pixel-size=0"), "a pixel size of 0.0 µm makes no sense")


def test_train_says_where_images_are_turned(tmp_path: Path, turn: Callable[..., None]) -> None:
    data, other = tiny.dataset(tmp_path / "data"), tiny.dataset(tmp_path / "other", 2, seed=5)
    for folder, name in ((data, "001"), (other, "000")):
        turn(folder / "images" / f"{name}.png", 3)
    train = ["train", data, "--valid", other, "-o", tmp_path / "a.count", "--steps=1", *tiny.OPTIONS]
    result = run(*train)
    assert result.exit_code == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if "EXIF" in line]
    assert [line.split(" ", 1)[0] for line in lines] == [f"{data}:", f"{other}:"]
    assert "1 image of 4 is turned" in lines[0]
    (data / "points" / "000.csv").write_text("x,y\n900,4\n")
    refused(run(*train), "lie outside")
    assert "1 image of 4 is turned" in run(*train).stderr  # and not only where nothing is refused


@pytest.mark.parametrize("asked", ["count --report", "evaluate --plot", "evaluate --report", "train -o"])
def test_plots_that_cannot_be_drawn_are_told_of_before_the_work(
    asked: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where neither the home nor a temporary folder can be written to."""
    (name, option), real = asked.split(), __import__

    def no_place(module: str, *args: object, **options: object) -> object:
        if module.startswith("matplotlib"):
            raise OSError("Matplotlib requires access to a writable cache directory")
        return real(module, *args, **options)  # type: ignore[arg-type]

    given = {"count": [tiny.model_file(), images], "evaluate": [tiny.model_file(), tiny.data()], "train": [tiny.data()]}
    monkeypatch.setattr("builtins.__import__", no_place)
    refused(run(name, *given[name], option, tmp_path / "new.png"), "plots cannot be drawn", "MPLCONFIGDIR")


@pytest.mark.parametrize("option", ["-o", "--totals"])
@pytest.mark.parametrize("name", ["a.xlsx", "a.tsv", "a.csv.gz"])
def test_tables_are_not_called_what_they_are_not(option: str, name: str, images: Path, tmp_path: Path) -> None:
    result = run("count", tiny.model_file(), images / "good0.png", option, tmp_path / name)
    refused(result, f"{name} would be a CSV file by another name: call it a.csv")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("option", ["-o", "--totals", "--report"])
def test_a_dash_is_not_taken_for_a_file(
    option: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere it stands for standard output, where nothing would come."""
    model = tiny.model_file()
    monkeypatch.chdir(tmp_path)
    refused(run("count", model, images / "good0.png", option, "-"), "- would be a file of that name")
    assert not (tmp_path / "-").exists()


# count


def test_good_images_are_counted_and_bad_ones_listed(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "counts.csv"
    result = run("count", tiny.model_file(), images, "-o", out, "--overlays", tmp_path / "o", "--maps", tmp_path / "m")
    assert result.exit_code == 1
    table = pd.read_csv(out, keep_default_na=False).set_index("image")
    bad = {str(images / name) for name in ("text.png", "cut.png", "grey.png")}
    assert set(table.index[table["error"] != ""]) == bad
    for name in bad:
        assert f"  {table['error'][name]}\n" in result.stderr
    assert "2 images counted" in result.stderr
    assert "1 channel" in table["error"][str(images / "grey.png")]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["good0.png", "good1.png"]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["good0.tif", "good1.tif"]


def test_images_of_other_kinds_are_named_and_the_others_counted(images: Path, tmp_path: Path) -> None:
    for name in ("x.czi", "y.webp"):
        (images / name).touch()
    result = run("count", tiny.model_file(), images, "-o", tmp_path / "counts.csv")
    assert f"{images}: 2 images (x.czi, y.webp) are of a kind that is not read: export as TIFF\n" in result.stderr
    assert not {"x.czi", "y.webp"} & {Path(name).name for name in pd.read_csv(tmp_path / "counts.csv").image}
    result = run("count", tiny.model_file(), f"{images}/[gx]*.*", "-o", tmp_path / "counts.csv")
    assert f"{images}/[gx]*.*: 1 image (x.czi) is of a kind that is not read: export as TIFF\n" in result.stderr


def test_without_a_file_the_counts_go_to_standard_output(images: Path) -> None:
    result = run("count", tiny.model_file(), images / "good0.png", images / "good1.png")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "image,count,low,high,width,height,warning,error,model"
    counter = Counter.load(tiny.model_file(), device="cpu")
    assert lines[1].startswith(f"{images / 'good0.png'},{counter.count(images / 'good0.png').value:.3f},,,56,40,")
    assert len(lines) == 3


def test_names_that_are_not_utf_8_come_out_as_they_are(images: Path, tmp_path: Path) -> None:
    name = os.fsencode(images) + b"/caf\xe9.png"
    os.rename(images / "good0.png", name)  # noqa: PTH104 - the name is bytes
    counted = [sys.executable, "-m", "countception", "count", str(tiny.model_file()), name, images / "good1.png"]
    options = ["--report", tmp_path / "report.html", "--group-by=folder", "--totals", tmp_path / "totals.csv"]
    to_file = subprocess.run([*counted, "-o", tmp_path / "counts.csv", *options], capture_output=True)
    assert to_file.returncode == 0, to_file.stderr
    table = (tmp_path / "counts.csv").read_bytes()
    assert name in table
    assert b"caf\\udce9.png" in (tmp_path / "report.html").read_bytes()
    printed = subprocess.run([*counted, options[2]], capture_output=True)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout == table


def test_regions_groups_and_the_report_are_written(images: Path, tmp_path: Path) -> None:
    box = {"type": "Polygon", "coordinates": [[[0, 0], [20, 0], [20, 20], [0, 20]]]}
    (tmp_path / "box.geojson").write_text(json.dumps(box))
    (tmp_path / "plates.csv").write_text("image,plate\ngood0.png,north\ngood1.png,south\n")
    files = [tmp_path / name for name in ("counts.csv", "report.html", "totals.csv")]
    options = ["--regions", tmp_path / "box.geojson", "--groups", tmp_path / "plates.csv", "--group-by=plate"]
    result = run(
        *["count", tiny.model_file(), f"{images}/good*.png", *options],
        *["-o", files[0], "--report", files[1], "--totals", files[2]],
    )
    assert result.exit_code == 0, result.stderr
    counts, regions, totals = (pd.read_csv(file) for file in (files[0], tmp_path / "counts.regions.csv", files[2]))
    assert regions["region"].tolist() == ["whole image", "region 1"] * 2
    assert counts["group"].tolist() == totals["group"].tolist() == ["north", "south"]
    assert regions["group"].tolist() == ["north", "north", "south", "south"]
    assert totals["count"].tolist() == pytest.approx(counts["count"].tolist())
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["group", "north", "south"]
    page = files[1].read_text(encoding="utf-8")
    for name in ("north", "region 1", "good1.png", "data:image/jpeg"):
        assert name in page
    assert "no 90 % intervals" in result.stderr
    assert "No 90 % intervals" in page


def test_objects_without_a_point_are_named(tmp_path: Path) -> None:
    tiny.hazy().save(tmp_path / "hazy.count")
    Image.fromarray(tiny.pixels((400, 400))).save(tmp_path / "a.png")
    result = run("count", tmp_path / "hazy.count", tmp_path / "a.png", "--points", tmp_path / "points")
    assert "1 has fewer points than objects" in result.stderr
    assert f"  {tmp_path / 'a.png'}: 3 of 3 without a point" in result.stderr


def test_a_group_in_two_spellings_is_told(images: Path, tmp_path: Path) -> None:
    (tmp_path / "drugs.csv").write_text("image,group\ngood0.png,Control\ngood1.png,control \n")
    result = run("count", tiny.model_file(), f"{images}/good*.png", "--groups", tmp_path / "drugs.csv")
    assert "the groups Control and control differ in capital letters, spaces or zeros of numbers only" in result.stderr
    for name in ("e_B3_1.png", "e_b03_2.png"):
        (tmp_path / name).write_bytes((images / "good0.png").read_bytes())
    result = run("count", tiny.model_file(), f"{tmp_path}/e_*.png", "--group-by", "e_{}_*")
    assert "the groups B3 and b03 differ" in result.stderr


def test_rows_of_groups_that_are_of_no_image_are_told(images: Path, tmp_path: Path) -> None:
    table = tmp_path / "wells.csv"
    table.write_text("image,group\ngood0.png,A1\ngood1.png,A1\ngood1.tif,A2\nlost,A2\n")
    result = run("count", tiny.model_file(), f"{images}/good*.png", "--groups", table)
    assert f"{table}: 2 rows are of no image that is counted (good1.tif, lost)" in result.stderr
    result = run("count", tiny.model_file(), f"{images}/good0.png", "--groups", table, "--group-by=image")
    assert f"{table}: 3 rows are of no image that is counted" in result.stderr
    table.write_text("image,group\n*,A1\n")
    assert "no image" not in run("count", tiny.model_file(), images / "good0.png", "--groups", table).stderr


def test_files_that_are_copies_are_told(images: Path, tmp_path: Path) -> None:
    for name in ("s1.png", "s1 copy.png"):
        (tmp_path / name).write_bytes((images / "good0.png").read_bytes())
    result = run("count", tiny.model_file(), tmp_path / "s1.png", tmp_path / "s1 copy.png")
    assert "1 file is a copy of another, and all are counted and added up: " in result.stderr
    assert f"{tmp_path / 's1 copy.png'} is {tmp_path / 's1.png'}" in result.stderr
    assert "copy" not in run("count", tiny.model_file(), images / "good0.png", images / "good1.png").stderr


def test_group_totals_do_not_mix_with_counts_on_standard_output(images: Path) -> None:
    result = run("count", tiny.model_file(), images / "good0.png", "--group-by=folder")
    assert len(result.stdout.splitlines()) == 2
    assert "objects  low" in result.stderr


def test_images_of_one_name_in_one_group_are_told_of(images: Path, tmp_path: Path) -> None:
    """Wells of several plates may be called alike, and are added up where the plate is not in the pattern."""
    for plate in ("P1", "P2"):
        (tmp_path / plate).mkdir()
        (tmp_path / plate / "e_B03_1.png").write_bytes((images / "good0.png").read_bytes())
    found = str(tmp_path / "P*" / "*.png")
    result = run("count", tiny.model_file(), found, "--group-by", "*_{}_*")
    assert 'such as --group-by "{}/*_{}_*"' in result.stderr
    assert "e_B03_1.png and" in result.stderr
    apart = run("count", tiny.model_file(), found, "--group-by", "{}/*_{}_*")
    assert "P2 B03" in apart.stderr
    assert "of one name" not in apart.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--regions=x.roi"], "-o or --regions-csv"),
        (["--regions-csv=x.csv"], "needs --regions"),
        (["--group-by=plate"], "--groups"),
        (["--groups=missing.csv"], "missing.csv"),
        (["--pixel-size=-1", "-o", "counts.csv"], "pixel size"),
        (["--level=90"], "level"),
    ],
)
def test_options_of_count_that_make_no_sense_are_one_sentence(images: Path, options: list[str], word: str) -> None:
    refused(run("count", tiny.model_file(), images, *options), word)


def test_an_image_is_not_overwritten_by_a_report(images: Path) -> None:
    result = run("count", tiny.model_file(), images, "--report", images / "good0.png")
    refused(result, "one of the files to read")


def test_results_overwrite_neither_what_is_read_nor_each_other(images: Path, tmp_path: Path) -> None:
    model, groups = tmp_path / "m.count", tmp_path / "groups.csv"
    model.write_bytes(tiny.model_file().read_bytes())
    groups.write_text("image,group\n" + "".join(f"{path},a\n" for path in sorted(images.iterdir())))
    refused(run("count", model, images, "-o", model), "m.count would be overwritten")
    assert model.read_bytes() == tiny.model_file().read_bytes()
    refused(run("count", model, images, "--groups", groups, "--totals", groups), "groups.csv would be overwritten")
    for other in ("--totals", "--report"):
        refused(
            run("count", model, images, "--points", tmp_path, other, tmp_path / "good1.csv"), "would be overwritten"
        )
    refused(run("count", model, images, "--points-as", "geojson"), "--points-as geojson needs a folder")
    refused(run("count", model, images, "--points", tmp_path, "--points-as", ".zip"), "--points-as .zip is none of csv")
    same = tmp_path / "same.csv"
    refused(run("count", model, images, "-o", same, "--totals", same), "same.csv would be written twice")
    assert not same.exists()


@pytest.mark.parametrize(
    "places",
    [
        ("-o", "res", "--overlays", "res"),
        ("-o", "res", "--maps", "res/maps"),
        ("-o", "res/counts.csv", "--report", "res"),
        ("--report", "res", "--totals", "res/totals.csv"),
        ("--totals", "res", "--points", "res/a/b"),
    ],
)
def test_no_place_is_a_file_and_a_folder(places: tuple[str, ...], images: Path, tmp_path: Path) -> None:
    called = [place if place.startswith("-") else tmp_path / place for place in places]
    refused(run("count", tiny.model_file(), images, *called), "cannot be written where")
    assert not (tmp_path / "res").exists()


def test_folders_of_impossible_names_are_refused(images: Path, tmp_path: Path) -> None:
    for option in ("--overlays", "--maps", "--points"):
        refused(run("count", tiny.model_file(), images, option, tmp_path / ("x" * 300)), "File name too long")
    refused(run("count", tiny.model_file(), images, "--overwrite"), "--overwrite is for points alone")
    refused(run("count", tiny.model_file(), images, "-o", "/dev/null", "--regions", images), "--regions needs a file")


@pytest.mark.parametrize("command", ["evaluate", "train", "inspect"])
def test_what_cannot_be_looked_at_is_said(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny.dataset(tmp_path / "cells", 2)
    (tmp_path / "out").touch()
    call = {
        "evaluate": lambda source, place: run("evaluate", tiny.model_file(), source, "--csv", place),
        "train": lambda source, place: run("train", source, "-o", place, "--steps=1", *tiny.OPTIONS),
        "inspect": lambda source, place: run("inspect", source, "--json", place),
    }[command]
    refused(call(data, tmp_path / ("x" * 300)), "cannot write", "File name too long; choose another place")
    refused(call("y" * 300, tmp_path / "out"), "cannot be read: File name too long")

    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", refuse)
    refused(call(data, tmp_path / "out"), f"{data}: cannot be read: Permission denied")


@pytest.mark.parametrize("command", ["evaluate", "train", "inspect"])
def test_no_result_replaces_data_or_another_result(command: str, tmp_path: Path) -> None:
    data, model, manifest = tiny.dataset(tmp_path / "cells"), tmp_path / "m.count", tmp_path / "list.csv"
    model.write_bytes(tiny.model_file().read_bytes())
    names = [path.stem for path in sorted((data / "images").iterdir())]
    manifest.write_text("image,dots\n" + "".join(f"cells/images/{n}.png,cells/points/{n}.csv\n" for n in names))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    image, dots = data / "images" / f"{names[0]}.png", data / "points" / f"{names[0]}.csv"
    call = {
        "evaluate": lambda source, place: run("evaluate", model, source, "--csv", place),
        "train": lambda source, place: run("train", source, "-o", place, "--steps=1", *tiny.OPTIONS),
        "inspect": lambda source, place: run("inspect", source, "--json", place),
    }[command]
    for source in (data, manifest):
        for place in (image, dots):
            refused(call(source, place), f"{place} would be overwritten")
    refused(call(manifest, manifest), "list.csv would be overwritten")
    if command == "evaluate":
        refused(call(data, model), "m.count would be overwritten")
        same = tmp_path / "same.csv"
        refused(run("evaluate", model, data, "--csv", same, "--json", same), "same.csv would be written twice")
    if command == "train":
        refused(run("train", tiny.data(), "--valid", data, "-o", image), "would be overwritten")
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", [["inspect", tiny.data()], ["evaluate", tiny.model_file(), tiny.data()]])
def test_a_plot_of_another_kind_is_refused_before_the_work(command: list[Path], tmp_path: Path) -> None:
    refused(run(*command, "--plot", tmp_path / "p.jpg"), "p.jpg: plots are written as .png, .svg, .pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_model_in_a_folder_whose_name_is_no_utf_8_is_read(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    (folder / "m.count").write_bytes(tiny.model_file().read_bytes())
    assert run("info", folder / "m.count").exit_code == 0


def test_points_of_images_without_dots_have_no_nan(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "cells", 2)
    for table in (data / "points").iterdir():
        table.write_text("x,y\n")
    files = {name: tmp_path / f"out.{name}" for name in ("json", "report")}
    result = run("evaluate", tiny.model_file(), data, "--points", *(f"--{n}={path}" for n, path in files.items()))
    assert result.exit_code == 0, result.stderr
    for text in (result.stdout, *(path.read_text() for path in files.values())):
        assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_a_page_of_stacks_is_learned_from_as_it_is_counted(tmp_path: Path) -> None:
    plain, stacks = tiny.dataset(tmp_path / "cells", 4), tmp_path / "stacks"
    shutil.copytree(plain / "points", stacks / "points")
    (stacks / "images").mkdir()
    for path in (plain / "images").iterdir():
        page = np.asarray(Image.open(path).convert("L"))
        imwrite(stacks / "images" / f"{path.stem}.tif", np.stack([255 - page, page]), photometric="minisblack")
        Image.fromarray(page).save(path)
    options = ("--steps=2", *tiny.OPTIONS)
    assert run("train", plain, "-o", tmp_path / "plain.count", *options).exit_code == 0
    model = tmp_path / "m.count"
    refused(run("train", stacks, "-o", model, *options), "is a stack of 2 planes", "--page")
    assert run("train", stacks, "-o", model, *options, "--page", "1").exit_code == 0
    assert "cannot be used" not in run("inspect", stacks, "--page", "1").stdout
    one = run("evaluate", tmp_path / "plain.count", plain).stdout
    assert run("evaluate", model, stacks, "--page", "1").stdout == one
    refused(run("evaluate", model, stacks), "is a stack of 2 planes")


def test_a_channel_of_several_is_learned_from_and_counted_in(tmp_path: Path) -> None:
    data, model = tiny.dataset(tmp_path / "data"), tmp_path / "one.count"
    result = run("train", data, "-o", model, "--steps", "4", "--channels", "2", *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    assert "1 of the images': 2, counted from 0" in run("info", model).stdout
    result = run("count", model, data / "images", "-o", tmp_path / "c.csv", "--overlays", tmp_path / "overlays")
    assert result.exit_code == 0, result.stderr
    assert len(pd.read_csv(tmp_path / "c.csv")) == len(list((tmp_path / "overlays").iterdir())) == 4
    for kind, number in (("same", "2"), ("other", "0")):
        result = run("count", model, data / "images", "--channels", number, "--overlays", tmp_path / kind)
        assert result.exit_code == 0, result.stderr
    for picture in (tmp_path / "overlays").iterdir():
        assert picture.read_bytes() == (tmp_path / "same" / picture.name).read_bytes()
        assert picture.read_bytes() != (tmp_path / "other" / picture.name).read_bytes()
    result = run("evaluate", model, data, "--channels", "0")
    assert result.exit_code == 0, result.stderr
    refused(run("evaluate", model, data, "--channels", "0,1"), "channels 0, 1", "the model is shown 1")
    refused(run("train", data, "-o", model, "--steps", "4", "--channels", "first"), "--channels", "0,2")


def test_evaluate_asks_for_the_rectangles_that_training_had(tmp_path: Path) -> None:
    data, model, boxes = tiny.dataset(tmp_path / "data"), tmp_path / "m.count", tmp_path / "boxes.geojson"
    boxes.write_text(json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [40, 0], [40, 40], [0, 40]]]}))
    result = run("train", data, "-o", model, "--steps", "4", "--regions", boxes, *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    asked = "the model learned from parts of images"
    assert asked in run("evaluate", model, data).stderr
    assert asked not in run("evaluate", model, data, "--regions", boxes).stderr
    assert asked not in run("evaluate", tiny.model_file(), data).stderr


def test_each_page_of_stacks_is_counted(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "cells", 4)
    model, counts, totals = tmp_path / "m.count", tmp_path / "counts.csv", tmp_path / "totals.csv"
    assert run("train", data, "-o", model, "--steps=2", *tiny.OPTIONS).exit_code == 0
    files = sorted((data / "images").iterdir())[:3]
    stack = tmp_path / "films" / "film.tif"
    stack.parent.mkdir()
    imwrite(stack, np.stack([np.asarray(Image.open(file)) for file in files]), photometric="rgb")
    single = run("count", model, *files).stdout.splitlines()
    report = ("--report", tmp_path / "report.html", "--totals", totals, "--group-by", "folder")
    result = run("count", model, stack, "--page", "all", "-o", counts, *report)
    assert result.exit_code == 0, result.stderr
    rows = counts.read_text().splitlines()
    assert [row.split(",")[2] for row in rows[1:]] == [row.split(",")[1] for row in single[1:]]
    assert totals.read_text().splitlines()[1].split(",")[:2] == [str(stack.parent), "3"]
    assert "film.tif, page 2" in (tmp_path / "report.html").read_text(encoding="utf-8")
    refused(run("count", model, stack, "--page", "last"), "--page last is no page", "or all")


def test_a_folder_of_which_a_few_images_have_dots(tmp_path: Path) -> None:
    folder = tiny.dataset(tmp_path / "cells", 4)
    (folder / "points" / "001.csv").unlink()
    command = ("train", folder, "-o", tmp_path / "m.count", "--steps=2", *tiny.OPTIONS)
    refused(run(*command), "--ignore-unmatched")
    assert run(*command, "--ignore-unmatched").exit_code == 0
    told = run("info", tmp_path / "m.count").stdout
    assert "2 images with" in told  # of the three with dots one validates
    refused(run("evaluate", tmp_path / "m.count", folder), "--ignore-unmatched")
    assert run("evaluate", tmp_path / "m.count", folder, "--ignore-unmatched").exit_code == 0


def test_names_that_follow_no_usual_way(tmp_path: Path) -> None:
    folder = tiny.with_endings(tiny.dataset(tmp_path / "cells", 4), images="_raw.png", points="_clicked.csv")
    model, endings = tmp_path / "m.count", ("--image-suffix", "_raw.png", "--dots-suffix", "_clicked.csv")
    train = ("train", folder, "-o", model, "--steps=2", *tiny.OPTIONS)
    refused(run(*train), "--image-suffix")
    refused(run("inspect", folder), "--dots-suffix")
    assert run(*train, *endings).exit_code == 0
    assert "4 images" in run("inspect", folder, *endings).stdout
    assert "000_raw" in run("evaluate", model, folder, *endings).stdout


def test_simulated_images_replace_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    refused(run("simulate", tmp_path, "-n", "1"), "is not empty")


def test_patterns_and_options_work_from_the_shell(images: Path) -> None:
    model = tiny.model_file()
    plain = run("count", model, f"{images}/good*.png")
    tiled = run("count", model, f"{images}/good*.png", "--tile=8")
    averaged = run("count", model, f"{images}/good*.png", "--flips", "--shifts=2")
    assert plain.exit_code == tiled.exit_code == averaged.exit_code == 0
    assert plain.stdout == tiled.stdout
    assert plain.stdout != averaged.stdout


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_bad_model_is_one_sentence(images: Path, tmp_path: Path, content: bytes | None) -> None:
    model = tmp_path / "bad.count"
    if content is not None:
        model.write_bytes(content)
    refused(run("count", model, images), "bad.count")


def test_a_model_that_cannot_be_looked_at_is_one_sentence(images: Path, tmp_path: Path) -> None:
    refused(run("count", tmp_path / ("a" * 300), images), "cannot be read", "File name too long")


def test_no_image_is_one_sentence(tmp_path: Path) -> None:
    refused(run("count", tiny.model_file(), tmp_path / "nothing*.png"), "nothing*.png")
    (tmp_path / "empty").mkdir()
    refused(run("count", tiny.model_file(), tmp_path / "empty"), "empty")


def test_an_unwritable_table_is_refused_before_counting(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("count", tiny.model_file(), images, "-o", tmp_path / "file" / "counts.csv")
    refused(result, "file")
    assert "counted" not in result.stderr


def test_control_c_while_counting_keeps_the_counts_so_far(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.model_file()  # made before: training counts, too
    count, seen = Counter.count_pixels, []

    def interrupted(self: Counter, *args: object, **options: object) -> object:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return count(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Counter, "count_pixels", interrupted)
    out = tmp_path / "counts.csv"
    result = run("count", model, images / "good0.png", images / "good1.png", "-o", out)
    assert result.exit_code == 130
    part = tmp_path / "counts.unfinished.csv"
    assert list(pd.read_csv(part)["image"]) == [str(images / "good0.png")]
    assert not out.exists()
    assert f"counted by now are in {part}: {out}, other tables and the report are not written" in result.stderr
    again = run("count", model, images / "good0.png", images / "good1.png", "-o", out)
    assert again.exit_code == 0
    assert "of these 1 before the batch was interrupted, and not again" in again.stderr
    seen[:] = [1]
    nothing = run("count", model, images / "good0.png", "-o", tmp_path / "other.csv")
    assert nothing.exit_code == 130
    assert "counted by now" not in nothing.stderr, "as none were"
    assert list(pd.read_csv(out)["image"]) == [str(images / f"good{k}.png") for k in range(2)]
    assert not part.exists()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system with 8 KiB left."""
    place = tmp_path / "full"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only")
    (place / "filler").write_bytes(bytes(56 * 1024))
    (place / "old").write_text("old")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(full_disk: Path, images: Path) -> None:
    model, data, image = tiny.model_file(), tiny.data(), images / "good0.png"
    refused(run("count", model, image, "--overlays", full_disk), "No space left", "good0.png")
    refused(run("count", model, image, "--maps", full_disk), "No space left", "good0.tif")
    result = run("evaluate", model, data, "--report", full_disk / "old")
    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert (full_disk / "old").read_text() == "old"
    assert {path.name for path in full_disk.iterdir()} == {"filler", "old"}


def test_a_full_disk_while_training_is_one_sentence(full_disk: Path) -> None:
    result = run("train", tiny.data(), "-o", full_disk / "cells.count", "--steps=4", *tiny.OPTIONS)
    sentence = result.stderr.splitlines()[-1]  # after the progress
    assert result.exit_code == 1
    assert sentence.startswith("countception: cannot write")
    assert "No space left" in sentence
    assert {path.name for path in full_disk.iterdir()} == {"filler", "old"}


@pytest.mark.parametrize("command", ["train", "count", "evaluate", "simulate"])
def test_examples_in_the_help_keep_their_lines(command: str) -> None:
    lines = run(command, "--help").stdout.splitlines()
    assert any(line.startswith(f"    countception {command} ") for line in lines)
    assert not any("\\b" in line or "\b" in line for line in lines)


# evaluate, inspect, simulate, info


def test_evaluate_shows_and_writes_the_figures(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.png" for name in ("json", "csv", "plot", "report")}
    result = run("evaluate", tiny.model_file(), tiny.data(), *(f"--{name}={path}" for name, path in files.items()))
    assert result.exit_code == 0, result.stderr
    figures = json.loads(files["json"].read_text())
    table = pd.read_csv(files["csv"])
    assert figures["n"] == len(table) == 4
    assert figures["mae"] == pytest.approx(table["error"].abs().mean(), abs=1e-3)
    assert f"MAE {figures['mae']:.2f}" in result.stdout
    assert f"{figures['predict_average_mae']:.2f}" in result.stdout
    assert files["plot"].read_bytes().startswith(b"\x89PNG")
    assert "<table>" in files["report"].read_text()
    assert "no 90 % intervals: they need at least 9 validation images" in result.stdout
    assert "F1" not in result.stdout


def test_evaluate_matches_points_when_asked(tmp_path: Path) -> None:
    result = run("evaluate", tiny.model_file(), tiny.data(), "--tolerance=3.5", "--json", tmp_path / "a.json")
    assert "within 3.5 pixels of a dot: precision" in result.stdout
    assert json.loads((tmp_path / "a.json").read_text())["points"]["tolerance"] == 3.5


def test_evaluate_refuses_an_infinite_tolerance(tmp_path: Path) -> None:
    result = run("evaluate", tiny.model_file(), tiny.data(), "--tolerance=inf", "--json", tmp_path / "a.json")
    refused(result, "within inf pixels", "finite")


def test_evaluate_refuses_an_unwritable_place_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for option in ("--json", "--csv", "--plot", "--report"):
        refused(run("evaluate", tiny.model_file(), tiny.data(), option, tmp_path / "file" / "out"), "file")


def test_inspect_names_what_is_wrong(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "data")
    Image.fromarray(tiny.pixels()).save(data / "images" / "lonely.png")
    (data / "points" / "astray.csv").write_text("x,y\n3,4\n")
    (data / "points" / "001.csv").write_text("x,y\n3,4\n3,4\n500,4\n")
    result = run("inspect", data, "--json", tmp_path / "i.json", "--plot", tmp_path / "i.png")
    assert result.exit_code == 1, "it could not be trained on"
    assert "cannot be trained on as it is:" in result.stdout
    assert run("inspect", tiny.data()).exit_code == 0
    for words in ("4 images with dots", "lonely.png", "astray.csv", "64 × 64 (4)", "001: 1", "scale"):
        assert words in result.stdout
    found = json.loads((tmp_path / "i.json").read_text())
    assert found["pairs"] == 4
    assert found["duplicates"] == {"001": 1}
    assert (tmp_path / "i.png").read_bytes().startswith(b"\x89PNG")
    refused(run("inspect", tmp_path / "nowhere"), "nowhere")


def grey(data: Path) -> None:
    Image.fromarray(tiny.pixels((64, 64), channels=1)[..., 0]).save(data / "images" / "002.png")


def astray(data: Path) -> None:
    (data / "points" / "001.csv").write_text("x,y\n500,4\n")


def nonsense(data: Path) -> None:
    (data / "points" / "001.csv").write_text("nonsense")


def alone(data: Path) -> None:
    (data / "points" / "001.csv").unlink()


def empty(data: Path) -> None:
    for table in (data / "points").iterdir():
        table.write_text("x,y\n")


def single(data: Path) -> None:
    for file in [*data.glob("*/*")]:
        if file.stem != "001":
            file.unlink()


def same(data: Path) -> None:
    for image in (data / "images").iterdir():
        shutil.copy(tiny.data() / "images" / "000.png", image)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (grey, "002.png has 1 channels but"),
        (astray, "001.csv: 1 of 1 dots lie outside the image 001.png"),
        (nonsense, "1 image or its dots cannot be used (001): mend"),
        (alone, "has 1 image (001.png) without a partner; rename them, or pass over them (--ignore-unmatched)"),
        (empty, "none of the 4 images to train on has a dot"),
        (single, "1 image with dots is too few"),
        (same, "all 4 images hold the same pixels"),
    ],
)
def test_inspect_ends_with_1_where_train_refuses_the_data(
    spoil: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    data = tiny.dataset(tmp_path / "data")
    spoil(data)
    refused(run("train", data, "-o", tmp_path / "a.count", "--steps=1", *tiny.OPTIONS))
    result = run("inspect", data, "--json", tmp_path / "i.json")
    assert result.exit_code == 1
    said = result.stdout.split("\ncannot be trained on as it is:\n")[1].splitlines()
    assert len(said) == 1
    assert sentence in said[0]
    assert json.loads((tmp_path / "i.json").read_text())["refused"] == [said[0].strip()]


def test_inspect_ignores_unmatched_files_as_train_does(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "data")
    alone(data)
    result = run("inspect", data, "--ignore-unmatched")
    assert result.exit_code == 0, result.stdout
    assert "cannot be trained on" not in result.stdout


def test_an_image_or_a_model_in_place_of_something_else_is_called_what_it_is(images: Path, tmp_path: Path) -> None:
    photo, model, out = images / "good0.png", tiny.model_file(), tmp_path / "out"
    data = "where a folder of images with dots, or a manifest, belongs: the command goes: countception"
    for args, words in (
        (["train", photo, "-o", out], f"{photo} is an image, {data} train DATA -o MODEL"),
        (["train", model, "-o", out], f"{model} is a model, {data} train DATA -o MODEL"),
        (["train", tiny.data(), "-o", out, f"--valid={photo}"], f"{photo} is an image, {data} train"),
        (["inspect", photo], f"{photo} is an image, {data} inspect DATA"),
        (["evaluate", tiny.data(), model], f"{model} is a model, {data} evaluate MODEL DATA"),
        (
            ["count", photo, model],
            f"{photo} is an image, where a model belongs: the command goes: countception count MODEL",
        ),
        (["count", model, photo, model], f"{model} is a model, where an image belongs"),
        (["info", photo], f"{photo} is an image, where a model belongs"),
    ):
        refused(run(*args), words)
    renamed = tmp_path / "cells.png"
    renamed.write_bytes(model.read_bytes())
    assert run("info", renamed).exit_code == 0


def test_one_table_of_dots_for_all_images_is_inspected_and_learned_from(tmp_path: Path) -> None:
    data, apart = tiny.dataset(tmp_path / "data"), tiny.data()
    tables = {path: path.read_text().splitlines() for path in sorted((data / "points").iterdir())}
    rows = [f"{path.stem}.png,{row}" for path, lines in tables.items() for row in lines[1:]]
    for path in tables:
        path.unlink()
    (data / "points" / "all.csv").write_text("\n".join(["image,x,y", *rows, "elsewhere.png,1,2"]))
    assert run("inspect", data).stdout.splitlines()[1:] == run("inspect", apart).stdout.splitlines()[1:]
    out = tmp_path / "cells.count"
    result = run("train", data, "-o", out, "--steps=2", "--seed=0", *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    assert load(out).trained_on["images"] == 3
    assert content_hash(load_dataset(data)) == content_hash(load_dataset(apart))
    Image.fromarray(tiny.pixels()).save(data / "images" / "blank.png")
    assert "images without dots: 1" in run("inspect", data).stdout
    refused(run("train", data, "-o", out, "--steps=2"), "blank.png", "no row of all.csv names it", "--ignore-unmatched")


def test_inspect_draws_the_dots(tmp_path: Path) -> None:
    data, seen = tiny.dataset(tmp_path / "data", 2), tmp_path / "seen"
    refused(run("inspect", data, "--overlays", data / "images"), "would be overwritten", "name another folder")
    refused(run("inspect", data, "--overlays", seen, "--plot", seen / "000.png"), "000.png would be overwritten")
    assert not seen.exists()
    result = run("inspect", data, "--overlays", seen)
    assert result.exit_code == 0, result.stderr
    assert f"pictures of the dots: 2, in {seen}" in result.stdout
    assert [path.name for path in sorted(seen.iterdir())] == ["000.png", "001.png"]


def test_inspect_shows_nothing_of_images_that_cannot_be_used(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "data", 2)
    for path in (data / "images").iterdir():
        path.write_text("no image")
    result = run("inspect", data, "--plot", tmp_path / "i.png")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        f"{data}: 2 images with dots, 2 of which cannot be used (below)\n\ncannot be used: 2\n"
    )
    assert "i.png is not written: no image can be used" in result.stderr


def test_evaluate_takes_names_that_are_not_utf_8(tmp_path: Path) -> None:
    data = tiny.dataset(tmp_path / "data", 2)
    for kind, suffix in (("images", b".png"), ("points", b".csv")):
        first = min((data / kind).iterdir())
        os.rename(first, os.fsencode(first.parent) + b"/caf\xe9" + suffix)  # noqa: PTH104 - the name is bytes
    files = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "report")}
    options = [f"--{name}={path}" for name, path in files.items()]
    done = subprocess.run(command("evaluate", tiny.model_file(), data, *options), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"\ncaf\xe9" in done.stdout
    assert b"\ncaf\xe9," in files["csv"].read_bytes()
    assert b"caf\\udce9" in files["json"].read_bytes()
    assert b"caf\\udce9" in files["report"].read_bytes()


def test_a_table_on_standard_output_is_utf_8_whatever_else_is(images: Path, tmp_path: Path) -> None:
    for name in ("α", "β"):
        (tmp_path / f"{name}.png").write_bytes((images / "good0.png").read_bytes())
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command("count", tiny.model_file(), tmp_path), capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    names = [row["image"] for row in csv.DictReader(done.stdout.decode("utf-8").splitlines())]
    assert [Path(name).stem for name in names] == ["α", "β"]


def test_files_are_written_before_the_text_that_nobody_may_read(images: Path, tmp_path: Path) -> None:
    made = {name: tmp_path / name for name in ("io", "i.json", "c.csv", "t.csv", "r.html", "e.csv", "e.json")}
    files = ("-o", made["c.csv"], "--totals", made["t.csv"], "--report", made["r.html"])
    told = [
        command("inspect", tiny.data(), "--overlays", made["io"], "--json", made["i.json"]),
        command("count", tiny.model_file(), images / "good0.png", *files),
        command("evaluate", tiny.model_file(), tiny.data(), "--csv", made["e.csv"], "--json", made["e.json"]),
    ]
    for each in told:
        read, write = os.pipe()
        os.close(read)
        subprocess.run(each, stdout=write, stderr=subprocess.DEVNULL, check=False)
        os.close(write)
    assert [name for name, path in made.items() if not path.exists()] == []


def test_progress_stays_out_of_the_table_where_standard_error_is_closed(images: Path) -> None:
    told = shlex.join(command("count", tiny.model_file(), images / "good0.png", images / "good1.png"))
    done = subprocess.run(f"{told} 2>&-", shell=True, stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout.startswith("image,")
    assert len(done.stdout.splitlines()) == 3


def test_inspect_prints_on_terminals_that_do_not_know_every_sign() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command("inspect", tiny.data()), capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"4 images with dots" in done.stdout


def test_simulate_makes_the_same_data_set_from_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = run("simulate", tmp_path / name, "-n", 2, "--seed=7", "--look=stained", "--size=64x80", "--counts=5-9")
        assert result.exit_code == 0, result.stderr
    written = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(written) == 4
    for path in written:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
    with Image.open(tmp_path / "a" / "images" / "000.png") as image:
        assert image.size == (80, 64)
    assert 5 <= len(pd.read_csv(tmp_path / "a" / "points" / "000.csv")) <= 9


@pytest.mark.parametrize("option", ["--size=large", "--size=3x4x5", "--counts=-5", "--look=nice"])
def test_simulations_that_make_no_sense_are_one_sentence(tmp_path: Path, option: str) -> None:
    refused(run("simulate", tmp_path / "a", option), option.split("=")[1])


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--size=15", "size must be at least 16, not 15"),
        ("--counts=9-2", "counts: the least comes first, then the most (got (9, 2))"),
        ("--size=16", "317 objects leave less than 3 × 3 pixels each on 16 × 16: ask for fewer, or for a larger image"),
    ],
)
def test_simulations_out_of_range_are_said_plainly(tmp_path: Path, option: str, sentence: str) -> None:
    refused(run("simulate", tmp_path / "a", option), f"countception: simulated images (fluorescence): {sentence}")


def test_info_shows_what_a_model_holds() -> None:
    result = run("info", tiny.model_file())
    assert result.exit_code == 0
    assert "boxnet" in result.stdout
    assert load(tiny.model_file()).trained_on["sha256"] in result.stdout
    refused(run("info", tiny.data()), "folder")


def test_info_for_programs(tmp_path: Path) -> None:
    out = tmp_path / "info.json"
    assert run("info", tiny.model_file(), "--json", out).exit_code == 0
    told, model = json.loads(out.read_text()), load(tiny.model_file())
    assert told["trained_on"]["sha256"] == model.trained_on["sha256"]
    assert told["config"]["training"]["steps"] == model.config.training.steps
    assert told["classes"] == list(model.class_names)
    before = tiny.model_file().read_bytes()
    refused(run("info", tiny.model_file(), "--json", tiny.model_file()), "overwritten")
    assert tiny.model_file().read_bytes() == before


def test_settings_of_no_network_are_refused() -> None:
    refused(run("settings", "--network=nope"), "there is no network 'nope': the networks are boxnet, ")


def test_settings_can_be_given_back_to_train(tmp_path: Path) -> None:
    listed = run("settings", "--recipe=paper").stdout.splitlines()
    assert "training.learning_rate=0.005" in listed
    pairs = [f"--set={pair}" for pair in listed if pair.split("=")[0] not in tiny.LENGTHS]
    out = tmp_path / "cells.count"
    result = run("train", tiny.data(), "-o", out, *pairs, "--network=boxnet", "--steps=2", *tiny.OPTIONS)
    assert result.exit_code == 0, result.stderr
    assert load(out).config.training.learning_rate == 0.005
