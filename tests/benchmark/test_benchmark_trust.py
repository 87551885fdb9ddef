from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from helpers_bench import fake_mbm, make_row
from typer.testing import CliRunner

import tiny
from countception.benchmark.protocol import DATASETS, Cell
from countception.benchmark.results import Results
from countception.benchmark.runner import Data, run
from countception.benchmark.trust import tables
from countception.benchmark.trust.__main__ import main
from countception.benchmark.trust.coverage import alike_in_hindsight, by_spread, constant, coverage
from countception.benchmark.trust.locators import CountMaps, Densities
from countception.benchmark.trust.measure import SHARES, Examiner
from countception.benchmark.trust.page import write_page
from countception.benchmark.trust.summary import flagging, flags, longest, points, runs
from countception.benchmark.trust.tables import Counted, Flagged, Located
from countception.benchmark.trust.totals import totals
from countception.benchmark.trust.unlike import corruptions
from countception.data.dataset import Sample, load_dataset
from countception.errors import DatasetError

SETTINGS = {**tiny.CHANGES, "training.steps": 2, "counting.spread": False, "counting.flips": False}


def counts(seed: int, *, validation: int = 60, test: int = 300) -> list[Counted]:
    """Errors are as large as the spread says, which differs widely between images of the same count."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(validation + test):
        spread = float(np.exp(rng.normal(0, 0.8)))
        count = float(rng.uniform(80, 120))
        true = round(count + 3 * spread * rng.normal())
        rows.append(Counted("validation" if i < validation else "test", f"{i}", true, count, count, spread))
    return rows


class TestTables:
    def test_come_back_as_they_were(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        rows = [Located("points, flips", 8.0, 10, 9, 8, 1.25), Located("blobs", 4.0, 10, 0, 0, 0.0)]
        tables.save(results, "key", rows)
        tables.save(results, "key", [Flagged("clean", "a", 0.5, "dark; blurred")])
        assert tables.load(results, "key", Located) == rows
        assert tables.load(results, "key", Flagged)[0].warnings == "dark; blurred"
        assert tables.load(results, "key", Counted) == []
        assert (rows[0].precision, rows[0].recall) == (8 / 9, 0.8)
        assert rows[0].f1 == pytest.approx(2 * 8 / 9 * 0.8 / (8 / 9 + 0.8))
        assert rows[1].f1 == rows[1].precision == 0

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        tables.save(results, "key", [Flagged("clean", "a", 0.5, "")])
        path = tmp_path / "flags" / "key.csv"
        path.write_text(path.read_text().replace("0.5", "half"))
        with pytest.raises(DatasetError, match=r"key\.csv, line 2"):
            tables.load(results, "key", Flagged)


class TestCoverage:
    @pytest.mark.parametrize("level", [0.9, 0.95])
    def test_each_kind_holds_its_share_and_the_spread_makes_them_narrower(self, level: float) -> None:
        runs = [counts(seed) for seed in range(8)]
        found = {way: coverage(runs, way, level) for way in ("constant", "by count", "by spread")}
        for one in found.values():
            assert one is not None
            assert one.shares["all"] == pytest.approx(level, abs=0.05)
            assert one.numbers == {"all": 2400, "fewest": 800, "middle": 800, "most": 800}
        assert found["by spread"].equal_width < 0.9 * found["constant"].equal_width  # type: ignore[union-attr]

    def test_equal_coverage_takes_out_how_wide_intervals_were_made(self) -> None:
        rows = counts(0)
        wide = [
            Counted(r.part, r.image, round(r.count + 3 * (r.true - r.count)), r.count, r.flipped, r.spread)
            if r.part == "validation"
            else r
            for r in rows
        ]
        narrow, broad = (coverage([each], "constant", 0.8) for each in (rows, wide))
        assert narrow is not None
        assert broad is not None
        assert broad.width > 2.5 * narrow.width
        assert broad.equal_width == pytest.approx(narrow.equal_width, rel=1e-6)

    def test_constant_width_is_the_quantile_of_the_errors(self) -> None:
        validation = [Counted("validation", "", 100 + i, 100.0, 100.0, 1.0) for i in range(1, 10)]
        test = [Counted("test", "", 50, 60.0, 60.0, 1.0)]
        one = constant(validation, test, 0.8)
        assert one is not None
        assert one.half[0] == pytest.approx(8 / (1 - 1 / 9))  # the eighth of nine, of a factor fitted without it

    @pytest.mark.parametrize(("level", "narrower"), [(0.7, False), (0.95, True)])
    def test_alike_in_every_third_is_narrower_at_high_levels_alone(self, level: float, narrower: bool) -> None:
        # sd 0.7, 1.0 and 1.3: 2 Φ(w / sd) - 1 averages to 0.95 at w = 2.080 (1.960 if alike), to 0.7 at 1.009 (1.036)
        rng = np.random.default_rng(0)
        rows = [
            Counted("test", f"{i}", round(1e6 + 1e4 * k + 1000 * (0.7 + 0.3 * k) * rng.normal()), 1e6 + 1e4 * k, 0, 0)
            for k in range(3)
            for i in range(20000)
        ]
        expected = 1.960 / 2.080 if narrower else 1.036 / 1.009
        assert alike_in_hindsight([rows], level) == pytest.approx(expected, abs=0.01)

    def test_none_where_the_validation_images_are_too_few(self) -> None:
        rows = counts(0, validation=15)
        assert coverage([rows], "constant", 0.9) is not None
        assert coverage([rows], "constant", 0.95) is None
        assert coverage([rows], "by spread", 0.95) is None

    def test_by_spread_is_centred_on_the_mean_over_flips(self) -> None:
        rows = [Counted(r.part, r.image, r.true, r.count, r.count + 7, r.spread) for r in counts(0)]
        validation, test = rows[:60], rows[60:]
        one = by_spread(validation, test, 0.9)
        assert one is not None
        np.testing.assert_allclose(one.count, [row.flipped for row in test])


class TestTotals:
    @pytest.mark.parametrize("flips", [False, True])
    def test_sums_hold_their_share_and_are_narrower_than_intervals_added_up(self, flips: bool) -> None:
        one = totals([counts(seed) for seed in range(30)], 0.8, images=10, flips=flips)
        assert one is not None
        assert one.error is not None
        assert 0.8 - 3 * one.error < one.share < 0.92
        assert one.width < 0.6 * one.added

    def test_all_images_are_one_sum(self) -> None:
        rows = counts(0)
        one = totals([rows], 0.8, images=300, flips=False)
        assert one is not None
        assert one.share in (0.0, 1.0)
        assert one.error is None

    def test_parts_of_a_cross_validation_make_them_wider_if_their_networks_differed(self) -> None:
        rows = counts(0, validation=10)
        parts = [replace(row, fold=i // 2 + 1, true=row.true + 20 * (i % 4 < 2)) for i, row in enumerate(rows[:10])]
        alike = [replace(row, fold=0) for row in parts]
        wide, narrow = (totals([some + rows[10:]], 0.8, images=100, flips=False) for some in (parts, alike))
        assert wide is not None
        assert narrow is not None
        assert wide.width > 1.2 * narrow.width

    def test_none_where_the_validation_images_are_too_few(self) -> None:
        assert totals([counts(0, validation=3)], 0.8, images=10, flips=False) is None


class TestCorruptions:
    def test_are_what_they_are_called(self) -> None:
        image = np.random.default_rng(0).integers(60, 200, (3, 64, 64), np.uint8)
        made = {name: corrupt(image) for name, corrupt in corruptions(17.0, np.random.default_rng(1)).items()}
        assert all(each.dtype == np.uint8 for each in made.values())
        assert made["blurred"].std() < 0.3 * image.std()
        assert (made["noisy"].astype(float) - image).std() == pytest.approx(25.5, rel=0.05)
        np.testing.assert_array_equal(made["inverted"].astype(int) + image, 255)
        np.testing.assert_array_equal(made["channels reversed"][0], image[2])
        assert made["half the size"].shape == (3, 32, 32)
        assert made["two thirds of the size"].shape == (3, 43, 43)
        assert made["three halves of the size"].shape == (3, 96, 96)
        assert made["half as bright"].max() <= 100


class TestLocators:
    @pytest.mark.parametrize("kind", [Densities, CountMaps])
    def test_entries_and_pixels(self, kind: type[Densities | CountMaps]) -> None:
        maps = kind(tiny.untrained())
        points = np.array([[0.0, 3.5], [17.25, 40.0]])
        np.testing.assert_allclose(maps.to_image(maps.to_entries(points)), points)

    def test_the_count_map_is_highest_where_the_objects_are_in_its_windows(self) -> None:
        counter = tiny.untrained()
        maps = CountMaps(counter)
        network = counter.model.network
        target = network.target(np.array([[30.0, 21.0]]), (64, 64))
        centre = np.argwhere(target > 0).mean(0)
        np.testing.assert_allclose(maps.to_image(centre[None])[0], [30, 21], atol=1.01)  # a cell is two pixels wide


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return load_dataset(tiny.dataset(tmp_path_factory.mktemp("trust") / "data", 18))


class TestRun:
    def test_leaves_tables_and_a_page_and_is_not_run_again(self, samples: list[Sample], tmp_path: Path) -> None:
        data = {"mbm": Data(samples, "0" * 12), "vgg": Data(samples[:3], "1" * 12)}
        results = Results(tmp_path / "results" / "trust")
        cells = [
            Cell(method=method, data="mbm", n=4, settings=settings)
            for method, settings in (("boxnet", SETTINGS), ("log", {"images": 1}), ("predict-average", {}))
        ]
        assert run(cells, data, results, examine=Examiner(data, results)).finished == 3
        network, blobs, average = (row.key for row in results.rows())
        found = tables.load(results, network, Located)
        assert {row.locator for row in found} == {
            *("points", "points, flips"),
            *("peaks of the density", "peaks of the count map"),
        }
        assert len(found) == 4 * len(SHARES)
        assert {row.true for row in found} == {sum(row.true for row in results.predictions(network))}
        for locator in {row.locator for row in found}:
            matched = [row.matched for row in found if row.locator == locator]
            assert matched == sorted(matched)
        counted = tables.load(results, network, Counted)
        assert [row.part for row in counted] == 4 * ["validation"] + 10 * ["test"]
        counts = {row.image: row.count for row in results.predictions(network)}
        assert {row.image: row.count for row in counted[4:]} == pytest.approx(counts, abs=1e-2)
        kinds = [row.kind for row in tables.load(results, network, Flagged)]
        assert (kinds.count("clean"), kinds.count("inverted"), kinds.count("vgg"), len(kinds)) == (10, 10, 3, 93)
        assert {row.locator for row in tables.load(results, blobs, Located)} == {"blobs"}
        assert tables.load(results, average, Located) == []

        page = write_page([results.folder.parent, results.folder], tmp_path / "docs")
        text = page.read_text()
        assert "peaks of the density" in text
        assert "4 validation images are too few for intervals of 90 %, 95 %" in text
        assert "In hindsight, alike in every third, beside one width for all (at 80 %): " in text
        for name in ("mbm-f1.png", "mbm-coverage.png"):
            assert f"points-and-intervals/{name}" in text
            assert (tmp_path / "docs" / "points-and-intervals" / name).stat().st_size > 1000

        assert run(cells, data, results, examine=_never).done_before == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "heading"),
    [
        ({}, "Intervals of the whole recipe by cross-validation"),
        ({"scale.spacing": 12}, "Intervals by cross-validation"),
    ],
)
def test_a_cross_validation_is_examined_by_the_counts_that_each_image_had_without_itself(
    tmp_path: Path, changes: dict[str, float], heading: str
) -> None:
    tiles = load_dataset(tiny.dataset(tmp_path / "tiles", 44, seed=3))
    data = {"mbm": Data(tiles, "a")}
    results = Results(tmp_path / "results")
    settings = {key: value for key, value in tiny.CHANGES.items() if key != "training.seed"}
    cell = Cell(method="boxnet", data="mbm", n=3, settings={**settings, **changes, "folds": 3})
    run([cell], data, results, examine=Examiner(data, results))
    (row,) = (each for each in results.rows() if "flips" not in each.settings)
    found = tables.load(results, row.key, Counted)
    assert [each.part for each in found] == 6 * ["validation"] + 10 * ["test"]
    assert len({each.image for each in found}) == 16
    assert all(each.spread > 0 for each in found)
    assert tables.load(results, row.key, Located) == tables.load(results, row.key, Flagged) == []
    text = write_page([results.folder], tmp_path / "docs").read_text()
    assert f"### {heading}: MBM Cells\n\nBoxNet, our default, N = 3, 4 steps, folds=3" in text
    assert "6 validation images are too few for intervals of 90 %, 95 %" in text


def test_recipes_are_told_apart_on_the_page(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    for split in (0, 1):
        for settings, steps in (
            ("scale.spacing=12 scale.widest=0.0", 200),
            ("", 6568),
            ("scale.widest=0.0", 1000),
            ("folds=5 scale.widest=0.0", 1001),
        ):
            row = make_row(data="mbm", split=split, steps=steps, settings=settings, config_hash=f"{steps:012d}")
            results.append([row])
            counts = [Counted("validation", f"v{k}", 10 + k, 10.5 + k, 10.4 + k, 0.1 + k, k % 5 + 1) for k in range(9)]
            tables.save(results, row.key, [*counts, *(replace(one, part="test") for one in counts)])
    text = write_page([results.folder], tmp_path / "docs").read_text()
    headings = [line.removesuffix(": MBM Cells") for line in text.splitlines() if line.startswith("### Intervals")]
    assert sorted(headings) == [
        "### Intervals",
        "### Intervals of the earlier recipe",
        "### Intervals of the earlier recipe by cross-validation",
        "### Intervals of the whole recipe",
    ]
    assert "was measured on fewer (MBM Cells, 2 splits)" in text
    assert "So was (MBM Cells, 2 splits) the recipe before it" in text
    lines = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| MBM Cells")]
    assert len(set(lines)) == 4, "sums, too"


def test_runs_of_older_defaults_are_left_out(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for split in (0, 1):
        results.append([make_row(split=split, config_hash="old", started="2026-01-01T00:00:00Z")])
    results.append([make_row(config_hash="new", started="2026-01-02T00:00:00Z")])
    results.append([make_row(method="log", config_hash="old", started="2026-01-01T00:00:00Z")])
    for row in results.rows():
        tables.save(results, row.key, counts(0))
    kept = [(run.row.method, run.row.config_hash) for run in runs([results])["vgg"]]
    assert sorted(kept) == [("boxnet", "new"), ("log", "old")]


def test_a_run_that_is_in_two_folders_counts_once(tmp_path: Path) -> None:
    folders = [Results(tmp_path / name) for name in ("new", "old")]
    row = make_row(n=50, config_hash="abcdef012345")
    for results, found in zip(folders, (9, 5), strict=True):
        results.append([row])
        tables.save(results, row.key, [Located("points", 8.0, 10, found, found, 1.0)])
    (once,) = points(runs(folders)["vgg"], 8.0)
    assert (len(once.by_split), once.recall, once.deviation) == (1, 0.9, None)


def test_a_run_that_was_examined_in_one_folder_only_is_found_there(tmp_path: Path) -> None:
    plain, examined = (Results(tmp_path / name) for name in ("plain", "examined"))
    row = make_row(n=50, config_hash="abcdef012345")
    for results in (plain, examined):
        results.append([row])
    tables.save(examined, row.key, [Located("points", 8.0, 10, 9, 9, 1.0)])
    for folders in ([plain, examined], [examined, plain]):
        (once,) = points(runs(folders)["vgg"], 8.0)
        assert once.recall == 0.9


@pytest.mark.parametrize(
    ("words", "said"),
    [("", "say what to run"), ("--protocol p.toml --method x", "p.toml: has no system of method x")],
)
def test_a_command_that_would_do_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("countception.benchmark.protocol.DATASETS", {"mbm": DATASETS["mbm"]})
    monkeypatch.setattr("countception.benchmark.protocol.load", lambda *_: fake_mbm())
    (tmp_path / "p.toml").write_text('data = "mbm"\nn = [5]\nsystems = [{ method = "predict-average" }]\n')
    app = typer.Typer(rich_markup_mode=None)
    app.command()(main)
    found = CliRunner().invoke(app, words.split())
    assert found.exit_code == 2
    assert said in found.output


def test_points_are_compared_on_the_splits_that_both_have(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    found = {("boxnet", 0): 9, ("boxnet", 1): 7, ("boxnet", 2): 2, ("log", 0): 8, ("log", 1): 5}
    for (method, split), matched in found.items():
        row = make_row(method=method, n=50, split=split, config_hash="abcdef012345")
        results.append([row])
        locator = "points, flips" if method == "boxnet" else "blobs"
        tables.save(results, row.key, [Located(locator, 8.0, 10, 10, matched, 1.0)])
    blobs, ours = sorted(points(runs([results])["vgg"], 8.0), key=lambda way: way.locator)
    assert blobs.less_than(ours) == pytest.approx([0.1, 0.2])
    text = write_page([results.folder], tmp_path / "docs").read_text()
    assert "| blobs | 2 | 0.650 | 0.650 | **0.650** ± 0.212 | 0.150 ± 0.071, on 2 of 2 |" in text
    assert "| points, flips | 3 | 0.600 | 0.600 | **0.600** ± 0.361 |  |" in text


def test_the_plot_has_the_longest_training_of_each_method(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for method, steps in (("boxnet", 200), ("boxnet", 1000), ("fcrn-a", 200), ("log", None)):
        settings = f"training.steps={steps}" if steps == 200 else ""
        row = make_row(method=method, steps=steps, settings=settings, config_hash=f"{steps or 0:012d}")
        results.append([row])
        tables.save(results, row.key, [Located("points", 8.0, 10, 9, 9, 1.0)])
    found = longest(points(runs([results])["vgg"], 8.0))
    assert {(way.method, way.steps) for way in found} == {("boxnet", 1000), ("fcrn-a", 200), ("log", 0)}


def test_a_system_is_called_by_what_makes_it_another(tmp_path: Path) -> None:
    results = Results(tmp_path)
    row = make_row(method="fcrn-a", n=50, steps=9, settings="network.width=0.5 training.steps=9", config_hash="a" * 12)
    results.append([row])
    tables.save(results, row.key, [Located("points", 8.0, 10, 9, 9, 1.0)])
    assert runs([results])["vgg"][0].system == "FCRN-A, N = 50, 9 steps, network.width=0.5"


def test_flags_are_told_apart_by_what_was_learned(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for steps, score in ((200, 0.5), (1000, 2.0)):
        row = make_row(n=50, steps=steps, settings=f"training.steps={steps}", config_hash=f"{steps:012d}")
        results.append([row])
        tables.save(results, row.key, [Flagged("noisy", "a", score, ""), Flagged("clean", "a", 0.1, "")])
    found = {learned: flags(some) for learned, some in flagging(runs([results])["vgg"]).items()}
    assert found == {
        "N = 50, 1000 steps": {"noisy": (1, 1), "clean": (0, 1)},
        "N = 50, 200 steps": {"noisy": (0, 1), "clean": (0, 1)},
    }
    assert next(iter(found)) == "N = 50, 1000 steps"


def test_the_page_says_which_unlike_images_are_missed(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    for steps, scores in ((200, (0.5, 0.5)), (1000, (2.0, 0.5))):
        row = make_row(n=50, steps=steps, settings=f"training.steps={steps}", config_hash=f"{steps:012d}")
        results.append([row])
        shown = [Flagged("noisy", f"{i}", score, "") for i, score in enumerate(scores)]
        tables.save(
            results, row.key, [*shown, Flagged("blurred", "a", steps / 500, ""), Flagged("clean", "a", 0.1, "")]
        )
    text = write_page([results.folder], tmp_path / "docs").read_text()
    assert "by the whole recipe: VGG Cells, noisy (50.0 %). That" in text


def _never(*_: object) -> None:
    raise AssertionError("a run that has its row was examined again")
