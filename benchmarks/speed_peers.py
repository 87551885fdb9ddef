"""Networks of other programs, run in turn with ours: with random weights, for throughput alone.

Their code is read from folders that the command line names and never committed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from countception.predict import raw_map
from speed_sections import SIDE, Row, canvas_of, in_turn, network, ratio

PEERS: dict[str, list[tuple[str, str, Callable[[Any], nn.Module], int]]] = {
    "count-ception": [("Count-ception, torch (roggirg)", "model.py", lambda m: m.ModelCountception(), 3)],
    "objects-counting": [
        ("FCRN-A (objects_counting_dmap)", "model.py", lambda m: m.FCRN_A(), 3),
        ("U-Net (objects_counting_dmap)", "model.py", lambda m: m.UNet(), 3),
    ],
    "cellpose": [("Cellpose 3, CPnet", "resnet_torch.py", lambda m: m.CPnet([2, 32, 64, 128, 256], 3, 3), 2)],
}
"""Setting → networks in the folder that it names: title, file, how it is made, channels. None of it is committed."""


def peers(repeats: int, folders: dict[str, str]) -> list[Row]:
    """Throughput of other programs' networks with random weights, in turn with ours."""
    rows: list[Row] = []
    box, _ = network("boxnet")
    paper, _ = network("count_ception")
    near, far = canvas_of(box, SIDE), canvas_of(paper, SIDE)
    for key, folder in folders.items():
        for title, file, make, channels in PEERS[key]:
            peer, canvas = make(_module(Path(folder), file)).eval(), torch.randn(1, channels, SIDE, SIDE)
            seconds = in_turn(
                {
                    title: torch.inference_mode()(lambda peer=peer, canvas=canvas: peer(canvas)),
                    "paper's network, fast": lambda: raw_map(paper, far, tile=1024),
                    "default network": lambda: raw_map(box, near, tile=1024),
                },
                repeats,
            )
            rows += [ratio(f"{title} against our {ours}", seconds, title, ours) for ours in list(seconds)[1:]]
    rows.append({"what": "StarDist: needs TensorFlow, not measured"})
    return rows


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
