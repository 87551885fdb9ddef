"""The benchmark's page in the documentation, with its table and plots, from the rows alone."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from countception.benchmark import experiments, figures, maps, tables
from countception.benchmark.corrected import corrected
from countception.benchmark.experiments import Experiment
from countception.benchmark.maps import MapPair
from countception.benchmark.protocol import DATASETS, DataSet
from countception.benchmark.results import Results, Row
from countception.benchmark.summary import OURS, summary
from countception.benchmark.tables import Measured, Published
from countception.errors import ConfigError, DatasetError
from countception.files import whole_file

if TYPE_CHECKING:
    from countception.data.dataset import Sample

AnyCell = TypeVar("AnyCell", Measured, Published)

INTRODUCTION = """\
# Benchmark

<!-- Made by `countception benchmark --tables` from the rows in benchmarks/results: change those, not this page. -->

Test error of every system on the data sets of Cohen et al. 2017, by the protocol of that paper: N images to train on, N
others to validate on, and a test set of fixed size ({tests}).
Each split is drawn by seed and has its own initialisation; for a split number the test set is the same for every N and
every system. No method chooses anything on the test images of its run, but for the length of our default's trainings on
MBM Cells, which follows from how far apart dots are in all of its images: 6568 steps, where the training images alone
say 6082 to 6776, as `countception train` would take them. But what our recipe is, and how CellProfiler's
pipelines are set, was decided on other splits of the same few images, so that some had been looked at before. That
trainings from N = 32 and 50 are long was decided by the validation errors of splits that are reported here, whose test
errors were known; twice a test figure of ours raised a question that was then decided on other splits; and which
weights FCRN-A keeps, the proximity map and Fiaschi's patches were mended because their test figures looked wrong,
FCRN-A's on the test figure of one split that is reported here. The [log](../benchmarks/EXPERIMENTS.md) says which.

Figures are the mean absolute error (MAE) in objects per image. **Measured** ones are the mean ± standard deviation over
splits, with the number of splits in brackets; the paper's protocol has ten, which some cells have not reached, and
which others are not meant to.
**Published** ones are copied from the papers; those marked "other protocol" were measured in another way and are no
strict comparison ([what is known of how](limits.md#weights-chosen-by-the-images-that-are-reported-on)). Figures of
different configurations are never averaged: a cell shows the newest. Some splits are much harder than others, so cells
with different numbers of splits do not compare; "on the same splits" does that.

Where a system could not be made just as published, its module in `countception/baselines` or `countception/networks`
says in what it deviates. FCRN-B has half its filters. The proximity map is learned by the layers of FCRN-A with half
their filters and a sigmoid; its paper averages overlapping patches that a network with fully connected layers predicts.
These and FCRN-A learn for 1000 steps from eight crops of 96 pixels a side, a quarter of the pixels that our default
sees in its shortest trainings and a twenty-third of those in its longest, with our recipe's changes of light and size;
the weights with the least validation error are kept (of the proximity map, those of the last 30 % of the steps), and no
factor is fitted.

All cells with RMSE, bias, relative error and time: [cells.csv](benchmark/cells.csv), also with what would be left of
the error, were the counts of each split's test images corrected by the factor (`mae_factor`) or the straight line
(`mae_line`) that fits these images themselves, which tells bias from scatter. Each row of
`benchmarks/results/*.csv` holds the command that repeats its run and compares, such as

    {command}

Rows of earlier configurations are kept, but stand in no table; their command runs today's. The column `precision` says
what training steps were computed in: float32, or bfloat16, which processors that are faster at it take by themselves.
The experiment "Training steps in bfloat16" compares the two.
"""

FIELDS = {
    "image": "Several images were cut from one field of view, and the protocol draws images, so that some that are "
    "tested (on MBM Cells three in ten with N = 5, seven in ten with N = 15) have neighbours from their field among "
    "those that are learned from. See the split by field for how much new fields differ.",
    "field": "Several images come from one field of view. Here no field is in two parts of a split.",
}
"""What is to be said of a data set with fields, by the way of splitting."""
SAME = """\
How much larger the error is than that of our default on the same splits: mean difference ± its standard deviation, and
in brackets the number of splits that both have.
"""

EXAMPLE = "countception benchmark --data vgg --method boxnet --n 32 --seed 0 --split 0 --check"


def write_page(results: Results, docs: Path, root: Path | None = None) -> Path:
    """Write `benchmark.md` into the folder `docs`, and its table and plots into `docs/benchmark`.

    Protocol files of data sets of one's own may say no sizes: these lie in `root`.

    Raises
    ------
    DatasetError, ConfigError
        The results or the explanations cannot be read.
    OutputError
        The folder cannot be written to.
    """
    from countception.results.plots import save_figure

    cells = tables.measured(results.rows())
    for data, split_by in _sections(cells):
        own, theirs = _of(cells, data, split_by)
        stem = docs / "benchmark" / _stem(data, split_by)
        counting, trained = _shown(own)
        if _plain(own):
            save_figure(figures.mae_against_n(_plain(own), _plain(theirs)), stem.with_name(f"{stem.name}-mae.png"))
        if counting:
            save_figure(figures.predicted_against_true(counting, results), stem.with_name(f"{stem.name}-counts.png"))
        if trained:
            save_figure(figures.training_curves(trained, results), stem.with_name(f"{stem.name}-curves.png"))
        if pairs := map_pairs(own, results):
            save_figure(figures.count_maps(pairs), stem.with_name(f"{stem.name}-maps.png"))
    for experiment in _experiments(results, cells, root):
        path = docs / "benchmark" / f"experiment-{experiment.name}.png"
        save_figure(figures.mae_by_place(experiment), path)
    for path, text in pages(results, docs, root).items():
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return docs / "benchmark.md"


def write_maps(results: Results, data: Mapping[str, Sequence[Sample]], folder: Path) -> list[Path]:
    """Draw the kept count maps beside their images into a folder: the paper's Figure 7, from data that is not ours.

    Parameters
    ----------
    results
        Where the maps are.
    data
        Data sets by name.
    folder
        Gets ``<data>-maps.png``.

    Raises
    ------
    DatasetError
        The data set is another one than the maps were made from, or a file of maps is damaged.
    OutputError
        The folder cannot be written to.
    """
    from countception.results.plots import save_figure

    cells = tables.measured(results.rows())
    written = []
    for name, samples in data.items():
        images = {sample.name: sample.image for sample in samples}
        if pairs := map_pairs(_of(cells, name, "image")[0], results):
            picture = pairs[0][1].image
            if picture not in images:
                raise DatasetError(f"{name} has no image {picture}, which its maps in {results.folder} are of")
            written.append(folder / f"{name}-maps.png")
            save_figure(figures.count_maps(pairs, images[picture]), written[-1])
    return written


def map_pairs(own: Sequence[Measured], results: Results) -> list[tuple[str, MapPair]]:
    """Titles and kept maps of the systems of a data set, of each with the largest N that left any; of one image."""
    found: dict[tuple[str, str], tuple[str, MapPair]] = {}
    for cell in sorted(_plain(own), key=lambda cell: cell.n):
        pairs = [pair for row in cell.rows if (pair := maps.load(results.maps(row.key))) is not None]
        if pairs:
            found[cell.system] = (f"{tables.label(cell.system)}, N = {cell.n}", pairs[0])
    first = next(iter(found.values()), None)
    return [each for each in found.values() if first is not None and each[1].image == first[1].image]


def pages(results: Results, docs: Path, root: Path | None = None) -> dict[Path, str]:
    """The text files that the rows give: the page and the table of all cells; `root` as for `write_page`."""
    rows = results.rows()
    cells = tables.measured(rows)
    explained = explanations(results.folder.parent / "explanations.toml")
    stream = io.StringIO()
    lines = tables.csv_rows(cells, corrected(results, rows))
    csv.writer(stream, lineterminator="\n").writerows([tables.CSV_HEADER, *lines])
    return {
        docs / "benchmark.md": page(cells, explained, _experiments(results, cells, root), _pictured(results, cells)),
        docs / "benchmark" / "cells.csv": stream.getvalue(),
        **summary(docs.parent / "README.md", cells),
    }


def explanations(path: Path) -> dict[str, str]:
    """What people say about figures; nothing where there is no file.

    By ``data/method`` why the measured figure is not the published one, by ``experiment/name`` what was found.

    Raises
    ------
    ConfigError
        The file is no TOML of texts.
    """
    if not path.exists():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if not all(isinstance(text, str) for text in found.values()):
        raise ConfigError(f'{path}: each line must be "data/method" = "why they differ"')
    return found


def page(
    cells: Sequence[Measured],
    explained: Mapping[str, str],
    asked: Sequence[Experiment] = (),
    pictured: Collection[str] = (),
) -> str:
    """The page's Markdown.

    Parameters
    ----------
    cells
        Everything measured.
    explained
        As `explanations` gives it.
    asked
        Experiments; what was run for them is left out of the tables of other settings.
    pictured
        Stems of the sections that have a picture of count maps.
    """
    tests = ", ".join(f"{spec.title} {spec.test}" for spec in DATASETS.values())
    parts = [INTRODUCTION.format(tests=tests, command=EXAMPLE)]
    rest = [cell for cell in cells if not any(experiment.covers(cell) for experiment in asked)]
    for data, split_by in _sections(cells):
        parts += _section(data, split_by, *_of(rest, data, split_by), mapped=_stem(data, split_by) in pictured)
    for experiment in asked:
        parts += experiments.section(experiment, explained.get(f"experiment/{experiment.name}", ""))
    parts += ["## Differences from the published figures", _differences(cells, explained)]
    machines = sorted({_machine(row) for cell in cells for row in cell.rows})
    if machines:
        parts += ["## Machines", "\n".join(f"- {text}" for text in machines)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _section(
    data: str, split_by: str, own: Sequence[Measured], theirs: Sequence[Published], *, mapped: bool
) -> list[str]:
    spec, stem = _spec(data, own), f"benchmark/{_stem(data, split_by)}"
    parts = [f"## {spec.title}" + (f", split by {split_by}" if split_by != "image" else "")]
    if spec.field is not None:
        parts.append(FIELDS[split_by])
    varied = [cell for cell in own if cell.settings]
    parts.append(tables.markdown(_plain(own), _plain(theirs)))
    counting, trained = _shown(own)
    if _plain(own):
        parts.append(f"![MAE against N]({stem}-mae.png)")
    if counting:
        parts.append(f"![Counts against true counts, test images of all splits]({stem}-counts.png)")
    if trained:
        parts.append(f"![Training curves]({stem}-curves.png)")
    if mapped:
        parts.append(f"![True and predicted count maps of a test image]({stem}-maps.png)")
    if same := tables.paired(_plain(own), (OURS, "")):
        parts += [f"### {spec.title}: on the same splits", SAME, same]
    known = [figure for figure in theirs if figure.settings]
    if varied or known:
        parts += [f"### {spec.title}: other settings", tables.markdown(varied, known, spec.sizes)]
    return parts


def _spec(data: str, own: Sequence[Measured]) -> DataSet:
    """Of a data set that is none of the paper's, what its rows say."""
    return DATASETS.get(data) or DataSet(data, 0, tuple(sorted({cell.n for cell in own})))


def _differences(cells: Sequence[Measured], explained: Mapping[str, str]) -> str:
    """What is farther from the published figure than the two standard deviations together, and why."""
    lines = []
    for cell in cells:
        figure = tables.differs(cell)
        if figure is not None:
            why = explained.get(f"{cell.data}/{cell.method}", "not explained yet")
            spread = " on one split" if cell.sd is None else f" ± {cell.sd:.2f}"
            lines.append(
                f"- {DATASETS[cell.data].title}, {tables.label(cell.system)}, N = {cell.n}: {cell.mae:.2f}{spread} "
                f"measured, {figure.mae:g} ± {figure.sd:g} published. Why: {why}"
            )
    return "\n".join(lines) or "None is larger than the two standard deviations together."


def _experiments(results: Results, cells: Sequence[Measured], root: Path | None) -> list[Experiment]:
    return experiments.read(results.folder.parent / "protocols", cells, root)


def _pictured(results: Results, cells: Sequence[Measured]) -> set[str]:
    """Stems of the sections that have maps."""
    sections = _sections(cells)
    return {_stem(*section) for section in sections if map_pairs(_of(cells, *section)[0], results)}


def _sections(cells: Sequence[Measured]) -> list[tuple[str, str]]:
    """Every data set split by image, and by field where that was measured."""
    by_field = {cell.data for cell in cells if cell.split_by == "field"}
    return [
        (data, split_by)
        for data in dict.fromkeys([*DATASETS, *(cell.data for cell in cells)])
        for split_by in ("image", "field")
        if split_by == "image" or data in by_field
    ]


def _of(cells: Sequence[Measured], data: str, split_by: str) -> tuple[list[Measured], list[Published]]:
    own = [cell for cell in cells if (cell.data, cell.split_by) == (data, split_by)]
    theirs = [figure for figure in tables.published() if figure.data == data and split_by == "image"]
    return own, theirs


def _plain(cells: Sequence[AnyCell]) -> list[AnyCell]:
    """Those without settings."""
    return [cell for cell in cells if not cell.settings]


def _shown(own: Sequence[Measured]) -> tuple[list[Measured], list[Measured]]:
    """Cells whose counts are plotted, and cells whose training curves are: of each system the one of the largest N."""
    best = {cell.system: cell for cell in sorted(_plain(own), key=lambda cell: cell.n)}
    counting = [cell for cell in best.values() if cell.method != "predict-average"]
    return counting, [cell for cell in counting if cell.rows[0].steps is not None]


def _stem(data: str, split_by: str) -> str:
    return data if split_by == "image" else f"{data}-by-{split_by}"


def _machine(row: Row) -> str:
    device = "" if row.device == "cpu" else f"{row.device}, "
    return f"{device}{row.cpu}, {row.threads} threads"
