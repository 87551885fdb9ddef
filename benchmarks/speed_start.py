"""Start-up and peak memory of counting, each in a process of its own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from countception.images.normalise import Normalisation
from speed_sections import SIDE, Row, image, network


def start(repeats: int) -> list[Row]:
    """`countception count` on one small image in a new process: seconds and peak memory."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        _save_model(Path(folder) / "model.count")
        Image.fromarray(image(SIDE).transpose(1, 2, 0)).save(Path(folder) / "image.png")
        run = "import runpy; runpy.run_module('countception', run_name='__main__', alter_sys=True)"
        found = [_child(run, ["count", "model.count", "image.png", "-o", f"{k}.csv"], folder) for k in range(repeats)]
    return [
        {
            "what": "countception count, one image of 256 × 256, new process",
            "seconds": [seconds for seconds, _ in found],
            "median": statistics.median(seconds for seconds, _ in found),
            "peak_mb": statistics.median(peak for _, peak in found),
        }
    ]


def memory(repeats: int) -> list[Row]:
    """Peak memory of counting a TIFF file of compressed tiles, against the side of the image."""
    import numpy as np
    import tifffile

    del repeats
    script = "import sys; from countception import Counter; Counter.load(sys.argv[1]).count(sys.argv[2])"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        _save_model(Path(folder) / "model.count")
        for side in (256, 512, 1024, 2048, 4096, 8192, 16384):
            pixels = np.zeros((side, side, 3), np.uint8) + np.arange(side, dtype=np.uint8)[:, None, None]
            tifffile.imwrite(Path(folder) / "image.tif", pixels, tile=(256, 256), compression="deflate")
            seconds, peak = _child(script, ["model.count", "image.tif"], folder)
            held = 3 * side**2 / 1e6
            rows.append({"what": f"{side} × {side}", "peak_mb": peak, "image_mb": held, "seconds": seconds})
    return rows


def _save_model(path: Path) -> None:
    from countception.counting.model_file import Model, save

    made, config = network("boxnet")
    save(Model(made, config, 1.0, Normalisation((128.0,) * 3, (64.0,) * 3)), path)


PEAK = """\
import atexit, pathlib, re
def _peak():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path("peak").write_text(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
atexit.register(_peak)
"""
"""The process tells its own peak: what the system tells of a child counts the memory of its parent as well."""


def _child(script: str, words: list[str], folder: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of a new Python process; Linux only."""
    path = os.pathsep.join(str(Path(each).absolute()) for each in sys.path if each)
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", PEAK + script, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    seconds = time.perf_counter() - begun
    return seconds, int((Path(folder) / "peak").read_text()) / 1024
