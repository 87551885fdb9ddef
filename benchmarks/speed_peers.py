"""Networks of other programs, run in turn with ours: with random weights, for throughput alone.

Their code is read from folders that the command line names and never committed. StarDist is not read but run, by the
Python of the environment that it needs (`stardist_network.py`).
"""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from countception.counting.predict import raw_map
from speed_sections import SIDE, Action, Row, canvas_of, in_turn, network, ratio

PEERS: dict[str, list[tuple[str, str, Callable[[Any], nn.Module], int]]] = {
    "count-ception": [("Count-ception, torch (roggirg)", "model.py", lambda m: m.ModelCountception(), 3)],
    "objects-counting": [
        ("FCRN-A (objects_counting_dmap)", "model.py", lambda m: m.FCRN_A(), 3),
        ("U-Net (objects_counting_dmap)", "model.py", lambda m: m.UNet(), 3),
    ],
    "cellpose": [("Cellpose 3, CPnet", "resnet_torch.py", lambda m: m.CPnet([2, 32, 64, 128, 256], 3, 3), 2)],
}
"""Setting → networks in the folder that it names: title, file, how it is made, channels. None of it is committed."""
STARDIST = "StarDist 0.9, grid 2 × 2 (TensorFlow)"
SCRIPT = Path(__file__).with_name("stardist_network.py")


def peers(repeats: int, folders: dict[str, str]) -> list[Row]:
    """Throughput of other programs' networks with random weights, in turn with ours."""
    rows: list[Row] = []
    for key, folder in folders.items():
        if key == "stardist":
            with stardist(Path(folder)) as action:
                rows += _beside_ours(STARDIST, action, repeats)
            continue
        for title, file, make, channels in PEERS[key]:
            peer, canvas = make(_module(Path(folder), file)).eval(), torch.randn(1, channels, SIDE, SIDE)
            action = torch.inference_mode()(lambda peer=peer, canvas=canvas: peer(canvas))
            rows += _beside_ours(title, action, repeats)
    return rows


def _beside_ours(title: str, action: Action, repeats: int) -> list[Row]:
    box, _ = network("boxnet")
    paper, _ = network("count_ception")
    near, far = canvas_of(box, SIDE), canvas_of(paper, SIDE)
    ours = {
        "paper's network, fast": lambda: raw_map(paper, far, tile=1024),
        "default network": lambda: raw_map(box, near, tile=1024),
    }
    seconds = in_turn({title: action, **ours}, repeats)
    return [ratio(f"{title} against our {own}", seconds, title, own) for own in ours]


@contextmanager
def stardist(environment: Path) -> Iterator[Action]:
    """What makes StarDist's network, in a process of its own, count once and waits until it has.

    Parameters
    ----------
    environment
        Folder of a virtual environment with StarDist and TensorFlow.
    """
    command = [environment / "bin" / "python", SCRIPT, str(SIDE), str(torch.get_num_threads())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, answers = process.stdin, process.stdout

        def wait(word: str) -> None:
            if not any(line.strip() == word for line in answers):  # StarDist prints lines of its own
                raise SystemExit(f"StarDist's network could not be run by {command[0]}")

        def once() -> None:
            told.write("\n")
            told.flush()
            wait("done")

        wait("ready")
        yield once
        told.close()


def _module(folder: Path, file: str) -> Any:
    """A file of the folder, wherever it lies in it."""
    found = sorted(folder.rglob(file))
    if not found:
        raise SystemExit(f"there is no {file} in {folder}")
    spec = importlib.util.spec_from_file_location("peer", found[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
