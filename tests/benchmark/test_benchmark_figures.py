from __future__ import annotations

from itertools import pairwise, product

import pytest
from helpers_bench import make_row

from countception.benchmark import figures, tables
from countception.benchmark.experiments import Experiment
from countception.benchmark.methods import METHODS
from countception.benchmark.protocol import Place, Protocol
from countception.benchmark.trust import figures as trust_figures
from countception.benchmark.trust.coverage import GROUPS, Coverage
from countception.benchmark.trust.summary import F1
from countception.results.plots import MUTED


def cells(*methods: str, maes: tuple[float, ...] = (2.0, 3.0, 9.0)) -> list[tables.Measured]:
    sizes = (8, 16, 32)
    rows = [
        make_row(method=method, n=n, split=split, mae=mae + split)
        for method, (n, mae), split in product(methods, zip(sizes, maes, strict=True), range(2))
    ]
    return tables.measured(rows)


def theirs(data: str) -> list[tables.Published]:
    return [each for each in tables.published() if each.data == data and not each.settings]


def test_every_system_has_a_look_of_its_own() -> None:
    looks = [(figures.colour_of(name), figures.marker_of(name)) for name in METHODS]
    assert len({marker for _, marker in looks}) == len(METHODS), "by its shape alone"
    assert MUTED not in {colour for colour, _ in looks}
    others = dict.fromkeys(each.method for each in tables.published() if not each.comparable)
    assert {figures.colour_of(name) for name in others} == {MUTED}
    looks += [(figures.colour_of(name), figures.marker_of(name)) for name in others]
    assert len(set(looks)) == len(METHODS) + len(others)


def test_a_system_looks_alike_in_every_plot() -> None:
    def drawn(*methods: str) -> dict[str, object]:
        figure = figures.mae_against_n(cells(*methods), [])
        return {each.get_label(): each[0].get_color() for each in figure.axes[0].containers}

    assert drawn("boxnet").items() <= drawn("arteta", "fiaschi", "boxnet").items()


def test_error_bars_at_one_n_do_not_hide_each_other() -> None:
    figure = figures.mae_against_n(cells("arteta", "fiaschi", "boxnet"), [])
    first = [each[0].get_xdata()[0] for each in figure.axes[0].containers]
    assert len(set(first)) == 3
    assert sum(first) / 3 == pytest.approx(8)
    assert max(abs(x - 8) for x in first) < 1


def test_the_title_says_what_is_published_and_only_where_something_is() -> None:
    def title(published: list[tables.Published]) -> str:
        return str(figures.mae_against_n(cells("boxnet"), published).axes[0].get_title("left"))

    assert title([]) == ""
    assert title(theirs("vgg")) == "filled: measured; hollow or dotted: published; grey: other protocol"
    assert "grey" not in title([each for each in theirs("vgg") if each.comparable])


def test_the_legend_is_in_the_order_of_the_table() -> None:
    published = [each for each in theirs("mbm") if each.n is not None]
    figure = figures.mae_against_n(cells("boxnet", "fcrn-a"), published)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [name.partition(",")[0] for name in names] == [
        "Predict the average (published)",
        "FCRN-A",
        "Count-ception (published)",
        "BoxNet",
        "SAU-Net 2019 (published)",
        "PGC-Net 2024 (published)",
    ]


@pytest.mark.parametrize("maes", [(2.0, 2.1, 3.0), (3.0, 10.0, 30.0), (2.0, 60.0, 300.0)])
def test_ticks_are_few_round_and_alike(maes: tuple[float, ...]) -> None:
    figure = figures.mae_against_n(cells("boxnet", maes=maes), [])
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis
    low, high = axis.get_view_interval()
    labels = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert len(axis.get_minor_ticks()) == 0
    assert 2 <= len(labels) <= 10
    boxes = [each.get_window_extent() for each in labels]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    assert all(len(each.get_text()) <= 4 for each in labels), [each.get_text() for each in labels]


@pytest.mark.parametrize(
    ("places", "style"), [(("0 %", "5 %"), "-"), (("1", "2.5"), "-"), (("float32", "bfloat16"), "None")]
)
def test_lines_join_numbers_only(places: tuple[str, ...], style: str) -> None:
    points = tuple((Place(line="a", at=at), cell) for at, cell in zip(places, cells("boxnet"), strict=False))
    shown = [{"line": "a", "at": at} for at in places]
    protocol = Protocol.model_validate({"data": "vgg", "systems": [{"method": "boxnet", "shown": shown}]})
    figure = figures.mae_by_place(Experiment("name", protocol, points))
    assert figure.axes[0].containers[0][0].get_linestyle() == style


def test_methods_keep_their_colours_where_they_are_compared() -> None:
    lines = (("a", "boxnet"), ("b", "boxnet"), ("c", "fiaschi"))
    points = tuple((Place(line=line, at="here"), cells(method)[0]) for line, method in lines)
    shown = [{"line": line, "at": "here"} for line, _ in lines]
    protocol = Protocol.model_validate({"data": "vgg", "systems": [{"method": "boxnet", "shown": shown}]})
    drawn = [each[0] for each in figures.mae_by_place(Experiment("name", protocol, points)).axes[0].containers]
    assert [each.get_color() for each in drawn] == [figures.colour_of(method) for _, method in lines]
    assert [each.get_marker() for each in drawn] == ["o", "s", "o"]


def way(method: str, locator: str, f1: float) -> F1:
    curve = ((4.0, f1 - 0.1), (8.0, f1))
    return F1(method, f"{method}, N = 8", locator, 0, 1.0, f1, f1, {(0, 0): f1}, 1.0, curve)


def test_f1_is_said_in_the_legend_from_the_best_on() -> None:
    ways = [way("boxnet", "points, flips", 0.9), way("boxnet", "points", 0.8), way("log", "blobs", 0.4)]
    figure = trust_figures.f1_curves(ways, 8.0, "title")
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert [text[:5] for text in texts] == ["0.900", "0.800", "0.400"]
    assert legend.get_title().get_text() == "with F1 at 8 pixels, which is below the plot for the last"
    first, second, other, _ = figure.axes[0].lines
    assert first.get_color() == second.get_color() != other.get_color()
    assert first.get_linestyle() != second.get_linestyle()


def test_thirds_are_named_and_have_error_bars() -> None:
    shares = dict.fromkeys(GROUPS, 0.9)
    one = Coverage(shares, dict.fromkeys(GROUPS, 0.01), dict.fromkeys(GROUPS, 20), 1.0, 1.0)
    single = Coverage(shares, dict.fromkeys(GROUPS, None), dict.fromkeys(GROUPS, 10), 1.0, 1.0)
    figure = trust_figures.coverages({("constant", 0.8): one, ("by count", 0.8): single}, "title")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == list(GROUPS)
    with_error, without = (each[2][0].get_segments() for each in axes.containers)
    assert all(high - low == pytest.approx(0.02) for (_, low), (_, high) in with_error)
    assert all(high == low for (_, low), (_, high) in without)
