from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers_bench import make_row

from countception.benchmark import experiments, figures, tables
from countception.benchmark.method import Setup
from countception.benchmark.methods import config_hash, make
from countception.benchmark.page import explanations, page, pages, write_page
from countception.benchmark.results import Prediction, Results, Row
from countception.benchmark.summary import FLIPS
from countception.cli.parse import read_settings
from countception.errors import ConfigError
from countception.training.state import Record

ROOT = Path(__file__).parents[2]


def rows() -> list[Row]:
    def cell(method: str, n: int, maes: list[float], **changes: object) -> list[Row]:
        return [make_row(method=method, n=n, split=i, mae=mae, **changes) for i, mae in enumerate(maes)]

    return [
        *cell("count-ception", 32, [2.0, 3.0, 4.0], steps=100),
        *cell("count-ception", 32, [2.5, 2.5], settings="test_stride=8", steps=100),
        *cell("boxnet", 32, [1.0, 2.0], steps=100),
        *cell("boxnet", 8, [3.0], steps=100),
        *cell("fcrn-a", 32, [9.0, 9.5], steps=100),
        *cell("predict-average", 32, [52.0, 53.0]),
        *cell("boxnet", 5, [8.0, 9.0], data="mbm", split_by="field", steps=100),
    ]


class TestTables:
    def test_mean_and_sample_deviation(self) -> None:
        cells = {(cell.method, cell.settings, cell.n): cell for cell in tables.measured(rows())}
        cell = cells["count-ception", "", 32]
        assert (cell.mae, cell.sd, len(cell.rows)) == (3.0, 1.0, 3)
        assert cells["boxnet", "", 8].sd is None

    def test_configurations_are_not_mixed_and_the_newest_is_shown(self) -> None:
        old = [make_row(mae=9.0, split=i, config_hash="old", started="2026-01-01T00:00:00Z") for i in range(3)]
        new = [make_row(mae=1.0, config_hash="new", started="2026-01-02T00:00:00Z")]
        for order in ([*old, *new], [*new, *old]):
            (cell,) = tables.measured(order)
            assert (cell.mae, len(cell.rows)) == (1.0, 1)
        again = make_row(mae=9.0, split=3, config_hash="old", started="2026-01-03T00:00:00Z")
        assert tables.measured([*old, *new, again])[0].mae == 1.0, "a run of an old one takes no cell back"

    def test_markdown(self) -> None:
        cells = [cell for cell in tables.measured(rows()) if cell.data == "vgg" and not cell.settings]
        figures = [each for each in tables.published() if each.data == "vgg" and not each.settings]
        table = tables.markdown(cells, figures).splitlines()
        assert table[0] == "| system | | N = 8 | N = 16 | N = 32 | N = 50 |"
        assert table[2] == "| Predict the average | measured |  |  | **52.50** ± 0.71 (2) |  |"
        assert table[3] == "|  | published | 52.5 ± 2.4 | 52.5 ± 2.3 | 52.2 ± 2.3 | 52.1 ± 2.4 |"
        assert "| Count-ception | measured |  |  | **3.00** ± 1.00 (3) |  |" in table
        assert table[-2] == "| BoxNet, our default | measured | **3.00** (1) |  | **1.50** ± 0.71 (2) |  |"
        assert table[-1] == "| PGC-Net 2024 | published |  |  |  | 1.9 ± 0.1 (other protocol) |"
        assert "2.9 ± 0.2 (N = 64) |" in table[-5]

    def test_pairs_are_of_the_same_splits(self) -> None:
        ours = [make_row(method="boxnet", mae=mae, split=i) for i, mae in enumerate([1.0, 2.0, 9.0])]
        theirs = [make_row(method="fiaschi", mae=mae, split=i) for i, mae in ((0, 3.0), (1, 5.0), (7, 0.0))]
        other = [make_row(method="arteta", mae=1.5, split=1), make_row(method="segui", mae=1.0, split=8)]
        table = tables.paired(tables.measured([*ours, *theirs, *other]), ("boxnet", "")).splitlines()
        assert table[0] == f"| system | N = {ours[0].n} |"
        assert set(table[2:]) == {
            "| Fiaschi et al. 2012 | +2.50 ± 0.71 (2) |",
            "| Arteta et al. 2014 | -0.50 (1) |",
        }
        assert tables.paired(tables.measured(ours), ("boxnet", "")) == ""

    def test_a_figure_of_another_n_is_shown_but_not_compared_with(self) -> None:
        rows = [make_row(data="vgg", method="fcrn-a", n=50, mae=9.0, split=i) for i in range(2)]
        (cell,) = tables.measured(rows)
        assert tables.published_for(cell) is None
        assert tables.differs(cell) is None

    def test_nothing_but_a_method_that_does_not_train(self) -> None:
        figures = [each for each in tables.published() if each.settings == "pipelines=3"]
        table = tables.markdown([], figures, (5, 10)).splitlines()
        assert table[0] == "| system | | N = 5 | N = 10 |"
        assert table[2].count("12.8 ± 3.1 (no training)") == 2

    def test_published_figures_stand_beside_the_same_cell_only(self) -> None:
        cells = {(cell.data, cell.method, cell.settings, cell.n): cell for cell in tables.measured(rows())}
        stride = tables.published_for(cells["vgg", "count-ception", "test_stride=8", 32])
        assert stride is not None
        assert (stride.mae, stride.sd) == (2.5, 0.4)
        assert tables.published_for(cells["vgg", "boxnet", "", 32]) is None
        by_field = tables.measured([make_row(data="mbm", method="count-ception", n=15, split_by="field")])
        assert tables.published_for(by_field[0]) is None

    def test_differences_are_those_beyond_both_deviations(self) -> None:
        found = {(cell.method, cell.settings) for cell in tables.measured(rows()) if tables.differs(cell)}
        assert found == {("fcrn-a", "")}

    def test_one_split_has_no_deviation_to_differ_by(self) -> None:
        def figure(mae: float) -> tables.Published | None:
            return tables.differs(tables.measured([make_row(method="count-ception", n=32, mae=mae)])[0])

        assert figure(2.7) is None
        assert figure(2.9) is not None

    def test_csv(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        for row in rows():
            results.append([row])
        text = pages(results, tmp_path)[tmp_path / "benchmark" / "cells.csv"]
        lines = list(csv.DictReader(io.StringIO(text)))
        assert len(lines) == 7
        first = next(line for line in lines if line["method"] == "count-ception" and not line["settings"])
        expected = {"mae": "3", "mae_sd": "1", "splits": "3", "published_mae": "2.4", "published_sd": "0.4"}
        assert {key: first[key] for key in expected} == expected
        assert first["mae_factor"] == "", "no predictions are kept here"

    def test_csv_tells_bias_from_scatter(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        true = [10, 20, 40, 50]
        for split, slope in enumerate((0.5, 0.8)):
            row = make_row(split=split, mae=30 * (1 - slope), precision=("float32", "bfloat16")[split])
            found = [Prediction(f"{k}", n, slope * n, 0.1) for k, n in enumerate(true)]
            results.save_predictions(row.key, found)
            variant = row.model_copy(update={"settings": "counting.flips=true"})
            results.append([row, variant])
        text = pages(results, tmp_path)[tmp_path / "benchmark" / "cells.csv"]
        plain, flips = csv.DictReader(io.StringIO(text))
        assert float(plain["mae_factor"]) == pytest.approx(0, abs=1e-3)
        assert float(plain["mae_line"]) == pytest.approx(0, abs=1e-3)
        assert (plain["mae"], plain["bfloat16"]) == ("10.5", "1")
        assert (flips["mae_factor"], flips["mae_line_sd"]) == ("", ""), "of a variant no predictions are kept"

    def test_published_tables_are_whole(self) -> None:
        figures = tables.published()
        assert Counter(each.data for each in figures if each.comparable) == {"vgg": 27, "mbm": 11, "adipocyte": 6}
        assert sum(not each.comparable for each in figures) == 5
        assert all(each.source for each in figures)


class TestPage:
    def test_sections_and_plots(self, tmp_path: Path) -> None:
        results = Results(tmp_path / "results")
        record = Record(step=1, epoch=1.0, seconds=1.0, learning_rate=0.1, loss=1.0, valid_mae=3.0, valid_bias=0.0)
        for row in rows():
            results.append([row])
            results.save_predictions(row.key, [Prediction("a", 10, 12.0, 0.1), Prediction("b", 0, 1.0, 0.1)])
            if row.steps:
                results.save_curve(row.key, [record])
        written = write_page(results, tmp_path / "docs")
        text = written.read_text()
        linked = [line.split("(")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
        stems = [f"{data}-{kind}" for data in ("vgg", "mbm-by-field") for kind in ("mae", "counts", "curves")]
        assert linked == [f"benchmark/{stem}.png" for stem in stems]
        for name in linked:
            assert (tmp_path / "docs" / name).read_bytes().startswith(b"\x89PNG")
        headings = [line for line in text.splitlines() if line.startswith("## ")]
        assert headings == [
            "## VGG Cells",
            "## MBM Cells",
            "## MBM Cells, split by field",
            "## Adipocyte Cells",
            "## Differences from the published figures",
            "## Machines",
        ]

    def test_differences_are_explained_or_said_not_to_be(self) -> None:
        cells = tables.measured(rows())
        name = "FCRN-A, Xie et al. 2016"
        line = f"- VGG Cells, {name}, N = 32: 9.25 ± 0.35 measured, 2.9 ± 0.2 published. Why: "
        assert f"{line}not explained yet\n" in page(cells, {})
        assert f"{line}it rained.\n" in page(cells, {"vgg/fcrn-a": "it rained."})

    def test_a_difference_on_one_split_says_so(self) -> None:
        cells = tables.measured([make_row(method="count-ception", n=32, mae=3.0)])
        assert "Count-ception, N = 32: 3.00 on one split measured, 2.4 ± 0.4 published." in page(cells, {})

    def test_bad_explanations(self, tmp_path: Path) -> None:
        path = tmp_path / "explanations.toml"
        assert explanations(path) == {}
        path.write_text('"vgg/a" = 3')
        with pytest.raises(ConfigError, match="each line must be"):
            explanations(path)
        path.write_text("what")
        with pytest.raises(ConfigError, match="cannot be read"):
            explanations(path)


@pytest.mark.parametrize("name", ["benchmark.md", "benchmark/cells.csv"])
def test_committed_page_is_what_the_committed_rows_give(name: str) -> None:
    made = pages(Results(ROOT / "benchmarks" / "results"), ROOT / "docs")[ROOT / "docs" / name]
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run: countception benchmark --tables"


def test_committed_cells_are_of_the_present_defaults() -> None:
    """A figure of an older recipe under a name that means another today could be repeated by nobody."""
    cells = tables.measured(Results(ROOT / "benchmarks" / "results").rows())
    for cell in cells:
        if "test_stride=" in cell.settings or FLIPS in cell.settings:
            continue  # counted by the run of another cell
        settings = read_settings(cell.settings.split())
        method = make(cell.method, Setup(cell.data, settings, n=cell.n))
        assert cell.rows[0].config_hash == config_hash(method), f"{cell.system}: is a new setting missing in ADDED?"


def test_committed_plots_are_there() -> None:
    text = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    linked = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert [name for name in linked if not (ROOT / "docs" / name).exists()] == []


PROTOCOL = """\
data = "vgg"
n = [32]
title = "Does it rain?"
about = "It was tried."
axis = "stride"
settings = { "network.width" = 0.5 }
systems = [
  { method = "count-ception", shown = [
    { line = "train and test", at = "1" },
    { line = "test only", at = "1" },
    { line = "test only", at = "8", variant = "test_stride=8" } ] },
  { method = "count-ception", settings = { stride = 8 }, shown = [{ line = "train and test", at = "8" }] },
  { method = "count-ception", settings = { stride = 16 }, shown = [{ line = "train and test", at = "16" }] },
]
"""


class TestExperiments:
    @pytest.fixture
    def results(self, tmp_path: Path) -> Results:
        (tmp_path / "protocols").mkdir()
        (tmp_path / "protocols" / "rain.toml").write_text(PROTOCOL)
        results = Results(tmp_path / "results")
        settings = ["network.width=0.5", "network.width=0.5 test_stride=8", "network.width=0.5 stride=8", "steps=3"]
        settings += ["network.width=0.5 stride=8 test_stride=16"]  # of a system of the experiment, but not shown
        for mae, text in enumerate(settings, 2):
            for split in range(2):
                row = make_row(method="count-ception", n=32, split=split, mae=mae + split, settings=text)
                results.append([row])
        return results

    def test_a_table_of_what_was_measured(self, results: Results, tmp_path: Path) -> None:
        text = pages(results, tmp_path)[tmp_path / "benchmark.md"]
        section = text.split("## Does it rain?")[1].split("\n## ")[0]
        table = [line for line in section.splitlines() if line.startswith("|")]
        assert table == [
            "| stride | train and test | test only |",
            "|---|---:|---:|",
            "| 1 | **2.50** ± 0.71 (2), bias -0.1 | **2.50** ± 0.71 (2), bias -0.1 |",
            "| 8 | **4.50** ± 0.71 (2), bias -0.1 | **3.50** ± 0.71 (2), bias -0.1 |",
        ]
        assert "It was tried." in section
        assert "`countception benchmark --protocol benchmarks/protocols/rain.toml`" in section

    def test_data_of_ones_own_lie_where_it_is_said(self, results: Results, tmp_path: Path) -> None:
        root = tmp_path / "root"
        (root / "rain").mkdir(parents=True)
        (root / "rain" / "benchmark.toml").write_text("test = 2\nn = [2]\n")
        protocol = tmp_path / "protocols" / "rain.toml"
        lines = [line for line in PROTOCOL.splitlines() if not line.startswith("n = ")]
        protocol.write_text("\n".join(lines).replace('"vgg"', '"rain"'))
        with pytest.raises(ConfigError, match="there is no data set 'rain'"):
            pages(results, tmp_path)
        assert pages(results, tmp_path, root)

    def test_its_cells_are_left_out_of_other_settings(self, results: Results, tmp_path: Path) -> None:
        before = pages(results, tmp_path)[tmp_path / "benchmark.md"].split("## Does it rain?")[0]
        assert "Count-ception, steps=3 | measured" in before
        assert "network.width" not in before

    @pytest.mark.parametrize("more", [{"n": 16}, {"split": 99}, {"settings": "network.width=0.5 stride=8 steps=3"}])
    def test_cells_that_it_does_not_show_whole_are_not(
        self, results: Results, tmp_path: Path, more: dict[str, Any]
    ) -> None:
        row: dict[str, Any] = {"method": "count-ception", "n": 32, "mae": 9, "split": 0}
        results.append([make_row(**{**row, "settings": "network.width=0.5 stride=8", **more})])
        before = pages(results, tmp_path)[tmp_path / "benchmark.md"].split("## Does it rain?")[0]
        assert "network.width=0.5 stride=8" in before

    def test_what_was_found_and_the_plot(self, results: Results, tmp_path: Path) -> None:
        (tmp_path / "explanations.toml").write_text('"experiment/rain" = "It does."\n')
        text = write_page(results, tmp_path / "docs").read_text()
        assert "\nIt does.\n" in text
        assert (tmp_path / "docs/benchmark/experiment-rain.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize("rest", ["", " pixels along both axes of the image, and some more words"])
    def test_names_in_the_plot_do_not_overlap(self, results: Results, rest: str) -> None:
        file = results.folder.parent / "protocols" / "rain.toml"
        file.write_text(file.read_text().replace('at = "1"', f'at = "1{rest}"').replace('at = "8"', f'at = "8{rest}"'))
        (experiment,) = experiments.read(file.parent, tables.measured(results.rows()))
        figure = figures.mae_by_place(experiment)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        (axis,) = (each for each in (axes.xaxis, axes.yaxis) if each.get_label_text() == "stride")
        labels = axis.get_ticklabels()
        assert [each.get_text() for each in labels] == ["1" + rest, "8" + rest]
        boxes = [each.get_window_extent() for each in labels]
        assert not boxes[0].overlaps(boxes[1])
        assert all(figure.bbox.containsx(x) for box in boxes for x in (box.x0, box.x1))

    def test_only_the_protocols_splits_are_compared(self, results: Results) -> None:
        file = results.folder.parent / "protocols" / "rain.toml"
        file.write_text(file.read_text() + "splits = 1\n")
        (experiment,) = experiments.read(file.parent, tables.measured(results.rows()))
        assert [[row.split for row in cell.rows] for _, cell in experiment.points] == [[0]] * 4

    @pytest.mark.usefixtures("results")
    def test_without_rows_no_section(self, tmp_path: Path) -> None:
        empty = Results(tmp_path / "nothing")
        assert "Does it rain" not in pages(empty, tmp_path)[tmp_path / "benchmark.md"]


def test_every_explanation_is_on_the_page() -> None:
    page = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    unused = [key for key, text in explanations(ROOT / "benchmarks" / "explanations.toml").items() if text not in page]
    assert unused == []
