"""How fast it is: every figure of docs/speed.md, measured in sections that can be run one by one.

    python benchmarks/speed.py floor paper-256 paper-2048 paper-training default bfloat16 start memory points gpu
    python benchmarks/speed.py runtimes    # after `pip install openvino`, and with a compiler for C++
    python benchmarks/speed.py curve --data-root DATA --set data=vgg --set n=32 --set seconds=180 --set network=boxnet
    python benchmarks/speed.py peers --set count-ception=FOLDER --set cellpose=FOLDER --set stardist=FOLDER …
    python benchmarks/speed.py --page

What the folders of peers hold, says `speed_peers.py`, and how that of StarDist is made `stardist_network.py`.

Each section writes `benchmarks/results/speed/SECTION.json` when it is done; `--missing` leaves out those that are
there. Both sides of a ratio are run in turn, and the medians are compared. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "speed"
THREADS = 2


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    from countception.benchmark.machine import cpu, versions

    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16")
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpu(),
        "instructions": [flag for flag in known if flag in flags],
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(pages / 1e9, 1),
        "load": os.getloadavg()[0],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "versions": versions(),
    }


def sections_known() -> dict[str, Callable[[int], list[dict[str, Any]]]]:
    """Name → what measures it."""
    import speed_points
    import speed_runtimes
    import speed_sections
    import speed_start

    start, memory = speed_start.start, speed_start.memory
    other = {"start": start, "memory": memory, "points": speed_points.points, "runtimes": speed_runtimes.runtimes}
    return {**speed_sections.SECTIONS, **other}


def measure(section: str, repeats: int, settings: dict[str, str], data_root: Path | None) -> None:
    """Run one section and write its file."""
    import speed_curve
    import speed_peers
    from countception.benchmark.machine import commit
    from countception.files import whole_file

    before = machine()
    if section == "curve":
        rows = speed_curve.curve(settings, data_root)
        section = "-".join(["curve", settings["network"], settings["data"], f"n{settings['n']}"])
        section += f"-{settings['seconds']}s-split{settings.get('split', 0)}"
    elif section == "peers":
        rows = speed_peers.peers(repeats, settings)
    else:
        rows = sections_known()[section](repeats)
    document = {
        "section": section,
        "command": " ".join(["python", "benchmarks/speed.py", *map(_without_paths, sys.argv[1:])]),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "machine": before,
        "rows": rows,
    }
    with whole_file(RESULTS / f"{section}.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _without_paths(word: str) -> str:
    """A word of the command; folders are of no use to others."""
    key, equals, value = word.rpartition("=")
    return f"{key}{equals}FOLDER" if Path(value).is_dir() else word


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--repeats", type=int, default=5, help="of each side of a ratio")
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of curve and peers")
    parser.add_argument("--data-root", type=Path, help="folder with vgg, mbm and adipocyte")
    parser.add_argument("--missing", action="store_true", help="leave out sections that have a file")
    parser.add_argument("--page", action="store_true", help="write docs/speed.md from the files")
    given = parser.parse_args()
    import torch

    known = [*sections_known(), "curve", "peers"]
    for section in given.sections:
        if section not in known:
            parser.error(f"there is no section {section}: the sections are {', '.join(known)}")
    torch.set_num_threads(given.threads)
    RESULTS.mkdir(parents=True, exist_ok=True)
    settings = dict(pair.split("=", 1) for pair in given.set)
    for section in given.sections:
        if not (given.missing and (RESULTS / f"{section}.json").exists()):
            print(section, flush=True)
            measure(section, given.repeats, settings, given.data_root)
    if given.page:
        import speed_page

        print(speed_page.write(RESULTS, Path(__file__).parents[1] / "docs"))


if __name__ == "__main__":
    main()
