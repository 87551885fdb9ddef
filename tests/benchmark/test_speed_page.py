import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("speed_page", FOLDER / "speed_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "speed_page", module)
    spec.loader.exec_module(module)
    return module


def save(folder: Path, section: str, rows: list[dict[str, object]]) -> None:
    machine = {"cpu": "a processor", "threads": 2, "instructions": ["avx2"], "load": 0.0}
    document = {"section": section, "command": "c", "commit": "abc", "date": "d", "machine": machine, "rows": rows}
    (folder / f"{section}.json").write_text(json.dumps(document))


def test_page_says_the_ratio_and_the_floor(page: ModuleType, tmp_path: Path) -> None:
    ratio = {"slow": "plain", "fast": "fast", "ratio": 4.0, "least": 3.5, "greatest": 4.5, "goal": 2}
    needs = {"macs": {"plain": 8e9, "fast": 1e9}, "bytes": 1e9, "count_differs": 1e-6, "map_differs": 1e-5}
    medians = {"medians": {"plain": 2.0, "fast": 0.5}}
    save(tmp_path, "paper-256", [{"what": "inference", **ratio, **needs, **medians}])
    speeds = [{"what": "single", "gmac_per_s": 10.0}, {"what": "half", "gmac_per_s": 5.0}]
    save(tmp_path, "floor", [*speeds, {"what": "copy", "gb_per_s": 5.0}])
    text = page.write(tmp_path, tmp_path).read_text()
    assert "| inference | 2.00 s | 500 ms | 4.0 | 3.5 to 4.5 | 2 |" in text
    assert "| inference, plain | 8.0 | 1.00 | 800 ms | 2.00 s | 2.5 |" in text  # bound by operations
    assert "| inference, fast | 1.0 | 1.00 | 200 ms | 500 ms | 2.5 |" in text  # bound by bytes


def test_page_says_how_other_runtimes_compare(page: ModuleType, tmp_path: Path) -> None:
    ratio = {"slow": "other", "fast": "ours", "ratio": 0.95, "least": 0.9, "greatest": 1.125, "count_differs": 1e-6}
    save(tmp_path, "runtimes", [{"what": "other: network", **ratio, "medians": {"other": 0.019, "ours": 0.02}}])
    text = page.write(tmp_path, tmp_path).read_text()
    assert "| other: network | 19 ms | 20 ms | 0.95 | 0.90 to 1.12 | 0.00010 % |" in text


def test_what_was_measured_in_one_go_is_one_line(page: ModuleType, tmp_path: Path) -> None:
    for section in ("gpu", "paper-256"):
        save(tmp_path, section, [])
    path = tmp_path / "gpu.json"
    path.write_text(path.read_text().replace('"load": 0.0', '"load": 1.26'))
    text = page.write(tmp_path, tmp_path).read_text()
    assert "| gpu, paper-256 | `c` | abc | d | a processor, 2 threads, avx2 | 0.0 to 1.3 |" in text


def test_page_plots_curves(page: ModuleType, tmp_path: Path) -> None:
    points = [{"what": "boxnet, vgg, N = 32", "train_s": t, "test_mae": 100 / t} for t in (10.0, 50.0)]
    save(tmp_path, "curve-a", [*points, {**points[1], "final": True}])
    text = page.write(tmp_path, tmp_path).read_text()
    assert "- boxnet, vgg, N = 32: 2.00 after 50 s" in text
    assert (tmp_path / "benchmark" / "speed-curve-vgg-n32.png").exists()


def test_page_says_how_long_points_take(page: ModuleType, tmp_path: Path) -> None:
    save(tmp_path, "points", [{"what": "points from a density", "median": 0.25, "points": 990, "threads": 2}])
    assert "- points from a density: 250 ms for 990 points, 2 threads" in page.write(tmp_path, tmp_path).read_text()


def test_page_says_what_bfloat16_is_worth(page: ModuleType, tmp_path: Path) -> None:
    medians = {"float32": 2.0, "bfloat16": 0.5}
    step = {"what": "a step", "ratio": 4.0, "least": 3.5, "greatest": 4.5, "medians": medians}
    counts = {"what": "counts", "mean": -0.004, "most": 0.006, "images": 3}
    save(tmp_path, "bfloat16", [step, {"what": "taken here", "taken": True}, counts])
    text = page.write(tmp_path, tmp_path).read_text()
    assert "- a step: 2.00 s in float32, 500 ms in bfloat16, 4.0 times (3.5 to 4.5)" in text
    assert "takes bfloat16" in text
    assert "- counts: -0.40 % on average, 0.60 % at most, on 3 simulated images" in text
