"""The main job, end to end, on images that the package makes itself."""

from __future__ import annotations

import os
from itertools import accumulate
from pathlib import Path

from countception.cli.progress import Show
from countception.data.dataset import load_dataset
from countception.errors import OutputError
from countception.evaluation.evaluation import Evaluation, evaluate
from countception.files import check_writable, whole_file
from countception.results.batch import count_files
from countception.results.curve import write_curve
from countception.results.pictures import overlay
from countception.results.plots import overview, save_figure
from countception.results.report import write_report
from countception.simulation.simulate import simulate_dataset
from countception.training import Progress, checkpoint_path, train

ANNOTATED, UNSEEN = 36, 12
"""Images with dots to train on (a quarter of them to validate on), and new images to count."""
README = "README.txt"
"""Of the folder, by whose first line a demo is known."""
OURS = "Made by `countception demo`, which replaces these files when it is run again:"
ABOUT = f"""{OURS}

annotated/    simulated images with dots, which were learned from
new/          others, which were counted; their dots were only compared with
model.count   what was learned; model.curve.png shows how
counts.csv    how many objects are on each new image
overlays/     where they are
overview.png  an image, what is counted where, and all counts beside the true ones
report.html   errors, image by image: open it in a browser
"""


def run_demo(out: str | os.PathLike[str], *, seconds: float = 150.0, seed: int = 0, show: Show) -> Evaluation:
    """Simulate images, train on some, count others, and report.

    Parameters
    ----------
    out
        Folder to write to: `README.txt`, `annotated/` and `new/` (images and dots), `model.count` and its training
        curve, `counts.csv`, `overlays/`, `overview.png` and `report.html`.
    seconds
        Length of the training.
    seed
        Of the images and of the training.
    show
        Called with the share that is done and what is going on.

    Returns
    -------
    Counts of the new images beside their true counts.

    Raises
    ------
    OutputError
        The folder cannot be written to, or holds files that are not a demo's.
    """
    folder = Path(out)
    if folder.is_dir() and any(folder.iterdir()) and not _is_demo(folder):
        raise OutputError(f"{folder} has files in it that may be yours, and no earlier demo: name a new folder (-o)")
    check_writable(folder / "report.html")
    with whole_file(folder / README) as temporary:
        temporary.write_text(ABOUT, encoding="utf-8")
    phases = _Phases(show, seconds)
    phases.begin("simulating images")
    simulate_dataset(folder / "annotated", ANNOTATED, seed=seed)
    simulate_dataset(folder / "new", UNSEEN, seed=seed + 1)
    phases.begin("training")
    model = folder / "model.count"
    checkpoint_path(model).unlink(missing_ok=True)  # a demo starts anew

    def trained(progress: Progress) -> None:
        phases.within(progress.done, progress.text)

    changes = {"training.seconds": seconds, "training.seed": seed}
    counter = train(folder / "annotated", out=model, changes=changes, report=trained)
    if counter.interrupted:  # there is nothing to show yet
        raise KeyboardInterrupt
    write_curve(counter, model)
    phases.begin("counting new images")
    images = folder / "new" / "images"
    count_files(counter, images, out=folder / "counts.csv", overlays=folder / "overlays", report=phases.files)
    phases.begin("writing the report")
    samples = load_dataset(folder / "new")
    evaluation = evaluate(counter, samples, pictures=True, report=phases.files)
    write_report(folder / "report.html", evaluation, counter, title="Counting cells in simulated microscope images")
    shown = sorted(samples, key=lambda sample: len(sample.dots))[UNSEEN // 2]
    pictured = overlay(shown.image, counter.count_pixels(shown.image), dots=shown.dots.points)
    true, counts = zip(*((row.true, row.count) for row in evaluation.rows), strict=True)
    figure = overview(shown.image, pictured, true, counts, evaluation.metrics.mae)
    save_figure(figure, folder / "overview.png")
    show(1.0, "")
    return evaluation


def _is_demo(folder: Path) -> bool:
    """Whether an earlier demo was written there, and nobody's own files."""
    try:
        return (folder / README).read_text(encoding="utf-8").startswith(OURS)
    except (OSError, ValueError):
        return False


class _Phases:
    """One progress bar over all that is done, each phase taking about so many seconds."""

    def __init__(self, show: Show, training: float) -> None:
        self.show = show
        planned = {
            "simulating images": 4.0,
            "training": training,
            "counting new images": 4.0,
            "writing the report": 6.0,
        }
        self.ends = dict(zip(planned, accumulate(planned.values()), strict=True))
        self.planned = planned
        self.name = ""

    def begin(self, name: str) -> None:
        self.name = name
        self.within(0.0)

    def within(self, done: float, text: str = "") -> None:
        """Show the share of the phase that is done."""
        seconds = self.ends[self.name] - (1 - done) * self.planned[self.name]
        self.show(seconds / max(self.ends.values()), f"{self.name}, {text}".rstrip(", "))

    def files(self, done: float, total: int, name: str) -> None:
        """Show which file was finished."""
        self.within(done / total, name)
