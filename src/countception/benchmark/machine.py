"""Where and with what a run was made: the columns of its row that say so. No names of hosts or people."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from countception._version import __version__

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "cvxpy")


def cpu() -> str:
    """Model name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def set_threads(number: int) -> None:
    """Let torch compute with so many threads."""
    import torch

    torch.set_num_threads(number)


def threads() -> int:
    """Threads that torch computes with, where it is in use; otherwise the processors at hand."""
    if "torch" in sys.modules:
        return int(sys.modules["torch"].get_num_threads())
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions() -> str:
    """Of this package, Python and the packages that methods compute with."""
    found = [f"countception {__version__}", f"python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def commit() -> str:
    """The commit of the package's source, with a plus if the source has been changed since; empty outside git."""
    source = Path(__file__).resolve().parents[1]
    name = _git(source, "rev-parse", "--short=12", "HEAD")
    return name + ("+" if name and _git(source, "status", "--porcelain", "--", str(source)) else "")


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
