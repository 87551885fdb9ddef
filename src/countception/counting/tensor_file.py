"""Safetensors files, read from their bytes: nothing in them runs code, and their names may be any that there can be."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

DAMAGED = (SafetensorError, OSError, ValueError, KeyError, AttributeError, RecursionError)
"""What `read_tensors` raises of files that are damaged or of another kind."""
LENGTH = 8
"""Bytes that say how long the header is."""


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The texts beside the tensors of a file, and the tensors by name."""
    data = path.read_bytes()
    tensors: dict[str, Tensor] = load(data)  # which checks the header
    header = json.loads(data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")])
    return header.get("__metadata__") or {}, tensors
