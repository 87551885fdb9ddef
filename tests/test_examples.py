"""The examples in README and docs run, in order, each document in a folder of its own with trainings cut short."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tifffile import imwrite
from typer.testing import CliRunner

import countception
import tiny
from countception import training
from countception.cli.commands import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name; `train` takes two steps whatever it is told."""
    tiny.dataset(tmp_path / "cells", 4, seed=1)
    tiny.dataset(tmp_path / "more-cells", 2, seed=2)
    (tmp_path / "new").mkdir()
    for k in range(2):
        imwrite(tmp_path / "new" / f"{k}.tif", tiny.pixels(seed=k), photometric="rgb")
    imwrite(tmp_path / "film.tif", np.stack([tiny.pixels(seed=k) for k in range(2)]), photometric="rgb")
    for k in (1, 2):
        (tmp_path / "plates" / str(k)).mkdir(parents=True)
        imwrite(tmp_path / "plates" / str(k) / f"exp{k}_B0{k}_s1.tif", tiny.pixels(seed=k), photometric="rgb")
    (tmp_path / "wells.csv").write_text("image,drug\n*_B01_*,none\n*_B02_*,taxol\n")
    (tmp_path / "regions").mkdir()
    box = {"type": "Polygon", "coordinates": [[[0, 0], [20, 0], [20, 20], [0, 20]]]}
    (tmp_path / "regions" / "1.geojson").write_text(json.dumps(box))
    for slides, marked, n in (("slides", "marked", 4), ("more-slides", "more-marked", 2)):
        (tmp_path / marked).mkdir()
        for image in sorted((tiny.dataset(tmp_path / slides, n, seed=n) / "images").iterdir()):
            (tmp_path / marked / f"{image.stem}.geojson").write_text(json.dumps(box))
    tiny.dataset(tmp_path / "round2", 3, seed=3)
    shutil.rmtree(tmp_path / "round2" / "points")
    tiny.with_endings(tiny.dataset(tmp_path / "scans", 3, seed=4), images="_raw.png", points="_clicked.csv")
    (tmp_path / "cells.count").write_bytes(tiny.model_file().read_bytes())
    monkeypatch.chdir(tmp_path)
    real = training.train

    def quick(*args: Any, changes: dict[str, Any] | None = None, **options: Any) -> Any:
        kept = {key: value for key, value in (changes or {}).items() if key not in tiny.LENGTHS}
        small = {"network.window": 8} if options.get("config") == "paper" else {}  # its kernels grow with the window
        return real(*args, changes={**kept, **tiny.CHANGES, "training.steps": 2, **small}, **options)

    monkeypatch.setattr(countception, "train", quick)  # first: it looks the real one up in training
    monkeypatch.setattr(training, "train", quick)
    return tmp_path


def expanded(words: list[str], place: Path) -> list[str]:
    """As a shell leaves them: patterns become the files that they fit, if there are any."""
    found = ((word, sorted(place.glob(word)) if "*" in word else []) for word in words)
    return [path for word, files in found for path in (map(str, files) if files else [word])]


def run_console(text: str, place: Path) -> None:
    """Run the commands, which are the lines that start with a dollar sign."""
    for line in text.splitlines():
        assert line.startswith("$ "), f"not a command: {line}"
        words = shlex.split(line[2:], comments=True)
        if words[0] == "countception":
            if words[1] == "simulate":  # a reader has no such folder yet
                shutil.rmtree(place / words[2])
            if "--resume" in words:  # after a crash, before there was a model
                (place / "cells.count").unlink()
            result = CliRunner().invoke(
                app, expanded(words[1:], place), prog_name="countception", catch_exceptions=False
            )
            assert result.exit_code == 0, f"{line}\n{result.output}"
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        else:
            assert words[:2] == ["pip", "install"], f"not known here: {line}"


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_examples_run(document: str, place: Path) -> None:
    known: dict[str, Any] = {}
    kinds: dict[str, Callable[[str], None]] = {
        "console": lambda text: run_console(text, place),
        "python": lambda text: exec(compile(text, document, "exec"), known),  # noqa: S102
        "text": lambda text: None,  # noqa: ARG005
    }
    blocks = BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))
    for kind, text in blocks:
        assert kind in kinds, f"{document} has a block of {kind}, which would not be checked"
        kinds[kind](text)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = BLOCK.sub("", (ROOT / document).read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    for link in links:
        if not link.startswith("https://"):
            assert ((ROOT / document).parent / link).exists(), link


def test_the_documents_have_examples() -> None:
    for document in ("README.md", "docs/tutorial.md", "docs/how-to.md"):
        kinds = {kind for kind, _ in BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))}
        assert {"console", "python"} <= kinds
