from __future__ import annotations

import base64
import csv
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from countception.counting.counter import Counter
from countception.errors import OutputError
from countception.evaluation.evaluation import EvaluatedImage, Evaluation, evaluate
from countception.results.curve import curve_paths, write_curve
from countception.results.facts import facts
from countception.results.report import write_report
from countception.training import train
from countception.trust.calibration import Calibration
from countception.trust.confidence import Interval
from countception.trust.fitting import fit_intervals
from countception.trust.metrics import metrics
from helpers_page import Page


def report(tmp_path: Path, evaluation: Evaluation, counter: Counter) -> Page:
    write_report(tmp_path / "report.html", evaluation, counter)
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_a_report_shows_each_image_and_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    counter = Counter.load(tiny.model_file(), device="cpu")
    evaluation = evaluate(counter, tiny.data(), pictures=True)
    page = report(tmp_path, evaluation, counter)
    assert not page.all("script")
    assert not page.all("link")
    sources = [image["src"] or "" for image in page.all("img")]
    assert len(sources) == len(evaluation.rows) + 1
    for source in sources:
        kind, _, data = source.partition(";base64,")
        start = {"data:image/png": b"\x89PNG", "data:image/jpeg": b"\xff\xd8\xff"}[kind]
        assert base64.b64decode(data, validate=True).startswith(start)
    assert all(image["alt"] for image in page.all("img"))
    for row in evaluation.rows:
        assert f"{row.count:.1f}" in page.text
    assert f"{evaluation.metrics.mae:.2f}" in page.text
    assert f"{evaluation.predict_average_mae:.2f}" in page.text
    assert counter.model.trained_on["sha256"] in page.text


def test_a_page_is_for_everyone(tmp_path: Path) -> None:
    known = fit_intervals([20.0 + k for k in range(9)], [21.0 + 1.1 * k for k in range(9)])
    counter = Counter(replace(tiny.untrained(classes=2).model, intervals=known), device="cpu")
    rows = [
        EvaluatedImage(name, 9.0, 8.0, {"a": (5, 5), "b": (4, 3)}, intervals={0.9: Interval(5, 11)}) for name in "xy"
    ]
    page = report(tmp_path, Evaluation(metrics([9.0] * 2, [8.0] * 2), tuple(rows), 3.0), counter)
    page.check_access()
    assert len(page.all("table")) == 3


def test_the_largest_error_comes_first(tmp_path: Path) -> None:
    rows = tuple(EvaluatedImage(name, 10.0, count) for name, count in [("near", 11.0), ("far", 2.0), ("mid", 14.0)])
    page = report(tmp_path, Evaluation(metrics([10.0] * 3, [11.0, 2.0, 14.0]), rows, 3.0), tiny.untrained())
    assert page.text.index("far") < page.text.index("mid") < page.text.index("near")


def test_intervals_flags_and_points_are_reported_and_what_is_weak_is_said(tmp_path: Path) -> None:
    known = fit_intervals([20.0 + k for k in range(9)], [21.0 + 1.1 * k for k in range(9)])
    counter = tiny.untrained()
    counter = Counter(replace(counter.model, intervals=known), device="cpu")
    evaluation = evaluate(counter, tiny.data(), points=True)
    strange = replace(evaluation.rows[0], warning="darker than the training images")
    alone = replace(evaluation, rows=(replace(strange, intervals={}), *evaluation.rows[1:]))
    assert "of 3 images that have one" in report(tmp_path, alone, counter).text
    page = report(tmp_path, replace(evaluation, rows=(strange, *evaluation.rows[1:])), counter)
    for row in evaluation.rows:
        low, high = row.intervals[0.9]
        assert f"{int(low + 0.5)} to {int(high + 0.5)}" in page.text
    assert "too few validation images" in page.text, "for 95 %"
    assert "rest on only 9 validation images" in page.text
    assert "darker than the training images" in page.text
    assert "1 of 4 are unlike" in page.text
    assert "of 4 images" in page.text
    assert "that have one" not in page.text
    assert "F1" in page.text
    unknown = report(tmp_path, evaluate(tiny.untrained(), tiny.data()), tiny.untrained())
    assert "No 90 % intervals: they need at least 9 validation images" in unknown.text
    assert " to " not in unknown.text.split("largest error first")[1].split("How the counts")[0], "no interval"


def test_images_that_were_learned_from_are_marked_among_others(tmp_path: Path) -> None:
    rows = (EvaluatedImage("old", 10.0, 11.0, known=True), EvaluatedImage("new", 10.0, 14.0))
    evaluation = Evaluation(metrics([10.0] * 2, [11.0, 14.0]), rows, 3.0)
    page = report(tmp_path, evaluation, tiny.untrained())
    assert "oldlearned from or validated on" in page.text
    assert "newlearned" not in page.text
    assert "the MAE of the other one is 4.00" in page.text


def test_a_training_curve_is_shown_after_a_training(tmp_path: Path) -> None:
    counter = train(tiny.data(), changes=tiny.CHANGES)
    page = report(tmp_path, evaluate(counter, tiny.data()), counter)
    assert len(page.all("img")) == 2


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>{{ 7 * 7 }}"
    evaluation = evaluate(tiny.untrained(), tiny.data(), pictures=True)
    rows = tuple(replace(row, image=name) for row in evaluation.rows)
    page = report(tmp_path, replace(evaluation, rows=rows), tiny.untrained())
    assert not page.all("script")
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert name in page.text


def test_what_is_undefined_is_left_out(tmp_path: Path) -> None:
    rows = (EvaluatedImage("a", 0.0, 1.0),)
    page = report(tmp_path, Evaluation(metrics([0.0], [1.0]), rows, float("nan")), tiny.untrained())
    assert "nan" not in page.text.lower()
    assert "relative" not in page.text
    assert "average of the training" not in page.text


@pytest.mark.parametrize(
    ("network", "stride", "said"),
    [("boxnet", 2, "32 × 32 working pixels, every 2"), ("fcrn_a", 1, "none: densities")],
)
def test_facts_have_the_window_that_the_network_counts_in(network: str, stride: int, said: str) -> None:
    assert ("window", said) in facts(tiny.untrained(network=network, stride=stride).model)


def test_facts_say_where_a_model_comes_from() -> None:
    found = dict(facts(Counter.load(tiny.model_file(), device="cpu").model))
    assert found["network"].startswith("boxnet")
    assert found["trained on"].startswith("3 images")
    assert "validation data" in found
    assert "trained on" not in dict(facts(tiny.untrained().model))
    odd = replace(tiny.untrained().model, trained_on={"images": 3, "objects": 9, "mean_count": [3]})
    assert "trained on" not in dict(facts(odd)), "as in a model that somebody else's program wrote"
    one = replace(tiny.untrained().model, calibration=Calibration(images=1))
    assert dict(facts(one))["calibration"].startswith("none, as it takes two")


def test_the_training_curve_is_written_beside_the_model(tmp_path: Path) -> None:
    counter = train(tiny.data(), changes=tiny.CHANGES)
    table, picture = write_curve(counter, tmp_path / "cells.v2.count")
    assert table == tmp_path / "cells.v2.curve.csv"
    assert curve_paths("cells.v2")[0] == Path("cells.v2.curve.csv")
    assert picture.read_bytes().startswith(b"\x89PNG")
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["valid_mae"]) for row in rows] == [record.valid_mae for record in counter.history]
    assert [int(row["step"]) for row in rows] == [2, 4]


@pytest.mark.parametrize(("folds", "said"), [(None, "error on validation images"), (2, "error on the training images")])
def test_what_the_training_curve_was_measured_on_is_said(folds: int | None, said: str, tmp_path: Path) -> None:
    counter = train(tiny.data(), folds=folds, changes=tiny.CHANGES)
    assert said in report(tmp_path, evaluate(counter, tiny.data()), counter).text


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    evaluation = evaluate(tiny.untrained(), tiny.data())
    with pytest.raises(OutputError, match="file"):
        write_report(tmp_path / "file" / "report.html", evaluation, tiny.untrained())
