from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd
import pytest

from countception import demo
from countception.counting.counter import Counter
from countception.errors import OutputError


@pytest.mark.slow
def test_the_demo_does_the_main_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "ANNOTATED", 4)
    monkeypatch.setattr(demo, "UNSEEN", 2)
    shown: list[float] = []
    out = tmp_path / "demo"
    result = demo.run_demo(out, seconds=0.5, show=lambda done, _text: shown.append(done))
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(shown))
    assert shown[-1] == 1
    counts = pd.read_csv(out / "counts.csv")
    assert list(counts["count"]) == pytest.approx([row.count for row in result.rows], abs=1e-3)
    assert len(list((out / "overlays").iterdir())) == len(result.rows) == 2
    assert Counter.load(out / "model.count").model.trained_on["images"] == 3
    assert "<table>" in (out / "report.html").read_text()
    for name in ("model.curve.csv", "model.curve.png", "overview.png"):
        assert (out / name).stat().st_size > 0


def test_an_unwritable_place_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown: list[str] = []
    with pytest.raises(OutputError):
        demo.run_demo(tmp_path / "file" / "demo", show=lambda _done, text: shown.append(text))
    assert shown == []


def test_a_folder_with_other_files_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.count").write_text("mine")
    (tmp_path / "annotated").mkdir()
    with pytest.raises(OutputError, match="has files in it that may be yours, and no earlier demo: name a new folder"):
        demo.run_demo(tmp_path, show=lambda _done, _text: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotated", "model.count"]


def test_interrupted_it_ends_without_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "ANNOTATED", 4)
    monkeypatch.setattr(demo, "UNSEEN", 2)

    def stop(_done: float, text: str) -> None:
        if "step" in text:
            raise KeyboardInterrupt

    for said in ("", "Mine now, too."):
        with pytest.raises(KeyboardInterrupt):
            demo.run_demo(tmp_path / "demo", seconds=600, show=stop)
        with (tmp_path / "demo" / "README.txt").open("a") as stream:
            stream.write(said)
    assert not (tmp_path / "demo" / "counts.csv").exists()
    assert not (tmp_path / "demo" / "report.html").exists()
