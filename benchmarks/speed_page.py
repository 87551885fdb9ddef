"""docs/speed.md from the files of benchmarks/results/speed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from countception.files import whole_file
from countception.results.plots import save_figure

Document = dict[str, Any]

INTRODUCTION = """\
# Speed

<!-- Made by `python benchmarks/speed.py --page` from benchmarks/results/speed: change those, not this page. -->

Every figure comes from `benchmarks/speed.py`, which runs both sides of a ratio in turn and compares their medians; the
range is that of single turns. "Plain" is the paper's network straight from its layer table: torch, eager, float32.
"Fast" is what every count and every training takes by itself on a CPU. It gives the same maps but for rounding:

- the 14 × 14 and 18 × 18 convolutions, nearly nine tenths of the work, go through Fourier transforms of tiles, made as
  matrix products (`countception.networks.fourier`); training takes the same way, with exact gradients;
- for counting, normalisation is folded into the weights and the rectifier done in the convolution's own pass
  (`countception.networks.folded`);
- freed memory stays with the process between tensors (`countception.memory`).

Training steps are in bfloat16 where the processor is faster at it, which is timed when a training starts: of two that
have AVX512-bf16, the Intel Xeon makes matrix products six tenths as fast as in float32 (see the floor below), and on
the AMD EPYC training steps are 1.5 to 2 times as fast (below, too). Counting is always in float32.

Floor, paper-256, paper-training, default and start ran at real-time priority, the others at the usual one: where
numpy's and torch's threads take turns, as in the curves, real-time priority makes them wait for each other. A first
curve of VGG, of the recipe before this one, was drawn that way, ended at 3.7 and was thrown away.
"""

GOAL_NOTE = """\
Goals of inference: 10 where the processor has AMX or AVX512-bf16, otherwise 2; of a training step: 4.

Both networks are shown the same pixels here. In use the default finds its own scale: VGG Cells are shown to it 1.26
times as large as to the paper's network, which is 1.6 times the work, MBM Cells as large as they are, which is nearly
four times what it was while they were shrunk to half (`scale.widest=0`).
"""


BFLOAT16_NOTE = """\
Rounding the weights to bfloat16 moves all counts the same way, by more than the 0.1 % that a faster way of counting may
differ; so counts are in float32. The default's errors after a training in bfloat16 are those after one in float32 (see
the benchmark's page).
"""

RUNTIMES_NOTE = """\
The same weights, counted by OpenVINO and by torch's compiler, beside the way that every count takes; above 1, ours is
the faster. Neither is used: one is another thing to install, the other needs a compiler for C++ where it counts.
"""


def write(results: Path, docs: Path) -> Path:
    """Write the page and its plot."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]
    by_name = {document["section"]: document for document in found}
    parts = [INTRODUCTION, *_ratios(by_name), *_floor(by_name), *_bfloat16(by_name)]
    parts += [*_runtimes(by_name), *_start(by_name), *_points(by_name)]
    curves = [document for document in found if document["section"].startswith("curve-")]
    for data in sorted({document["rows"][0]["what"].split(", ", 1)[1] for document in curves}):
        stem = data.lower().replace(", n = ", "-n").replace(" ", "")
        own = [document for document in curves if document["rows"][0]["what"].endswith(data)]
        save_figure(_curve_figure(own), docs / "benchmark" / f"speed-curve-{stem}.png")
        parts += [f"## Test error against training time: {data}", *_curve_lines(own)]
        parts.append(f"![Test error against training time](benchmark/speed-curve-{stem}.png)")
    parts += _gpu(by_name)
    parts += ["## Machine and commands", *_machines(found)]
    with whole_file(docs / "speed.md") as temporary:
        temporary.write_text("\n\n".join(part.strip("\n") for part in parts) + "\n", encoding="utf-8")
    return docs / "speed.md"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(header), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratios(by_name: dict[str, Document]) -> list[str]:
    rows = []
    for name in ("paper-256", "paper-2048", "paper-training", "default", "peers"):
        for row in by_name.get(name, {"rows": []})["rows"]:
            if "ratio" not in row:
                rows.append([row["what"], "", "", "", "", ""])
                continue
            slow, fast = (row["medians"][row[side]] for side in ("slow", "fast"))
            spread = f"{row['least']:.1f} to {row['greatest']:.1f}"
            goal = str(row.get("goal", ""))
            rows.append([row["what"], _seconds(slow), _seconds(fast), f"{row['ratio']:.1f}", spread, goal])
    if not rows:
        return []
    table = _table(["", "first", "second", "second faster, times", "range", "goal"], rows)
    agreements = [
        f"{row['what']}: counts differ by {100 * row['count_differs']:.5f} %, map entries by at most "
        f"{row['map_differs']:.1e} of the largest."
        for name in ("paper-256", "paper-2048")
        for row in by_name.get(name, {"rows": []})["rows"]
    ]
    return ["## Ratios", table, GOAL_NOTE, *agreements]


def _floor(by_name: dict[str, Document]) -> list[str]:
    if "floor" not in by_name:
        return []
    single, half, copied = by_name["floor"]["rows"]
    parts = [
        "## The floor",
        f"Measured: {single['gmac_per_s']:.0f} GMAC/s (multiplications with addition) in float32 matrix products, "
        f"{half['gmac_per_s']:.0f} in bfloat16; copies move {copied['gb_per_s']:.1f} GB/s.",
    ]
    lines = []
    for name in ("paper-256", "paper-2048", "paper-training", "default"):
        for row in by_name.get(name, {"rows": []})["rows"]:
            for side, macs in row.get("macs", {}).items():
                least, taken = macs / single["gmac_per_s"] / 1e9, row["medians"][side]
                moved = row["bytes"] / copied["gb_per_s"] / 1e9
                what = row.get("of", f"{row['what']}, {side}")
                cells = [what, f"{macs / 1e9:.1f}", f"{row['bytes'] / 1e9:.2f}"]
                lines.append([*cells, _seconds(max(least, moved)), _seconds(taken), f"{taken / max(least, moved):.1f}"])
    if lines:
        parts.append(_table(["", "GMAC", "GB", "floor", "measured", "times the floor"], lines))
        parts.append("The floor is the longer of operations at full speed and bytes at full speed; the bytes are each")
        parts[-1] += " layer's input and output once, in float32. A training step is taken for three times as much."
    return parts


def _bfloat16(by_name: dict[str, Document]) -> list[str]:
    if "bfloat16" not in by_name:
        return []
    rows = by_name["bfloat16"]["rows"]
    lines = []
    for row in rows:
        if "ratio" in row:
            whole, half = (_seconds(row["medians"][side]) for side in ("float32", "bfloat16"))
            times = f"{row['ratio']:.1f} times ({row['least']:.1f} to {row['greatest']:.1f})"
            lines.append(f"- {row['what']}: {whole} in float32, {half} in bfloat16, {times}")
        if "taken" in row:
            lines.append(f"- by itself, a training on this machine takes {'bfloat16' if row['taken'] else 'float32'}")
        if "mean" in row:
            moved = f"{100 * row['mean']:+.2f} % on average, {100 * row['most']:.2f} % at most"
            lines.append(f"- {row['what']}: {moved}, on {row['images']} simulated images with the shipped weights")
    return ["## bfloat16", "\n".join(lines), BFLOAT16_NOTE]


def _runtimes(by_name: dict[str, Document]) -> list[str]:
    if "runtimes" not in by_name:
        return []
    rows = [
        [
            row["what"],
            *(_seconds(row["medians"][row[side]]) for side in ("slow", "fast")),
            f"{row['ratio']:.2f}",
            f"{row['least']:.2f} to {row['greatest']:.2f}",
            f"{100 * row['count_differs']:.5f} %",
        ]
        for row in by_name["runtimes"]["rows"]
    ]
    table = _table(["", "it", "ours", "times ours", "range", "counts differ"], rows)
    return ["## Other runtimes", RUNTIMES_NOTE, table]


def _start(by_name: dict[str, Document]) -> list[str]:
    parts = []
    if "start" in by_name:
        row = by_name["start"]["rows"][0]
        parts += [
            "## Start-up and memory",
            f"`countception count` on one image of 256 × 256 in a new process: {row['median']:.1f} s, "
            f"{row['peak_mb']:.0f} MB at the peak.",
        ]
    if "memory" in by_name:
        rows = [[r["what"], f"{r['image_mb']:.0f}", f"{r['peak_mb']:.0f}"] for r in by_name["memory"]["rows"]]
        parts += ["Peak memory of counting with the default network:", _table(["image", "image, MB", "peak, MB"], rows)]
    return parts


def _points(by_name: dict[str, Document]) -> list[str]:
    if "points" not in by_name:
        return []
    rows = by_name["points"]["rows"]
    lines = [
        f"- {row['what']}: {_seconds(row['median'])} for {row['points']} points, {row['threads']} threads"
        for row in rows
    ]
    return ["## Points", "After the map is known, and in all:", "\n".join(lines)]


def _curve_lines(curves: list[Document]) -> list[str]:
    lines = []
    for document in curves:
        last, first = document["rows"][-1], document["rows"][0]
        lines.append(f"- {first['what']}: {last['test_mae']:.2f} after {last['train_s']:.0f} s")
    return ["\n".join(lines)]


def _curve_figure(curves: list[Document]) -> Any:
    from matplotlib.figure import Figure

    from countception.benchmark.figures import colour_of, few_ticks

    figure = Figure((6.4, 4.0), dpi=130, layout="constrained")
    axes = figure.subplots()
    for document in curves:
        rows = [row for row in document["rows"] if not row.get("final")]
        name = rows[0]["what"]
        style = {"color": colour_of(name.partition(",")[0].replace("_", "-")), "marker": "o", "markersize": 3}
        axes.plot([r["train_s"] for r in rows], [r["test_mae"] for r in rows], label=name, **style)
    axes.set(xscale="log", yscale="log", xlabel="seconds of training", ylabel="test MAE, objects per image")
    few_ticks(axes.xaxis)
    few_ticks(axes.yaxis)
    axes.legend(frameon=False)
    return figure


def _gpu(by_name: dict[str, Document]) -> list[str]:
    if "gpu" not in by_name:
        return []
    lines = []
    for row in by_name["gpu"]["rows"]:
        figures = {"images_per_s": "images/s", "gmac_per_s": "GMAC/s", "gb_per_s": "GB/s"}
        texts = [f"{row[key]:.0f} {unit}" for key, unit in figures.items() if key in row]
        texts += [f"{100 * row['share_of_product']:.0f} % of the matrix product"] if "share_of_product" in row else []
        lines.append(f"- {row['what']}" + (f": {', '.join(texts)}" if texts else ""))
    return ["## GPU", "\n".join(lines)]


def _machines(found: list[Document]) -> list[str]:
    """One line for what one command measured in one go."""
    sections: dict[tuple[str, ...], list[Document]] = {}
    for document in found:
        made = document["machine"]
        place = f"{made['cpu']}, {made['threads']} threads, {', '.join(made['instructions'])}"
        told = (f"`{document['command']}`", document["commit"], document["date"], place)
        sections.setdefault(told, []).append(document)
    rows = []
    for told, documents in sections.items():
        loads = [document["machine"]["load"] for document in documents]
        load = " to ".join(dict.fromkeys(f"{one:.1f}" for one in (min(loads), max(loads))))
        rows.append([", ".join(document["section"] for document in documents), *told, load])
    return [_table(["section", "command", "commit", "date", "processor", "load before"], rows)] if rows else []


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.0f} ms"
