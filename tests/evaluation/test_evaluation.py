from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tifffile import imwrite

import tiny
from countception.config import updated
from countception.counting.counter import Counter
from countception.data.dataset import Sample, load_dataset, read_dataset
from countception.errors import ConfigError, DatasetError, ImageError, OutputError, PointsError
from countception.evaluation.evaluation import EvaluatedImage, Evaluation, evaluate
from countception.files import write_json
from countception.images import pieces
from countception.images.pieces import Pieces
from countception.points import Dots
from countception.trust.confidence import Interval
from countception.trust.fitting import fit_intervals
from countception.trust.metrics import metrics

FIGURES = {"n", "mae", "rmse", "bias", "relative_error", "correlation", "predict_average_mae"}


def evaluation(true: list[float], counts: list[float], average: float = 10.0) -> Evaluation:
    rows = tuple(EvaluatedImage(f"{k}.png", t, c) for k, (t, c) in enumerate(zip(true, counts, strict=True)))
    return Evaluation(metrics(true, counts), rows, average)


def test_counts_are_those_of_the_counter_and_errors_follow() -> None:
    counter = Counter.load(tiny.model_file(), device="cpu")
    samples = load_dataset(tiny.data())
    result = evaluate(counter, tiny.data())
    assert [row.image for row in result.rows] == [sample.name for sample in samples]
    assert [row.true for row in result.rows] == [len(sample.dots) for sample in samples]
    assert [row.count for row in result.rows] == [
        counter.count(sample.image.transpose(1, 2, 0)).value for sample in samples
    ]
    errors = np.array([row.error for row in result.rows])
    assert result.metrics.mae == pytest.approx(np.abs(errors).mean())
    assert result.metrics.rmse == pytest.approx(np.sqrt((errors**2).mean()))
    assert result.metrics.bias == pytest.approx(errors.mean())
    true = np.array([row.true for row in result.rows])
    assert result.metrics.relative_error == pytest.approx(np.abs(errors).sum() / true.sum())
    average = counter.model.trained_on["mean_count"]
    assert result.predict_average_mae == pytest.approx(np.abs(true - average).mean())


def test_images_are_read_one_after_the_other_and_large_ones_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in sorted((tiny.data() / "images").iterdir()):
        pixels = np.asarray(Image.open(path))
        (tmp_path / f"{path.stem}.csv").write_bytes((tiny.data() / "points" / f"{path.stem}.csv").read_bytes())
        imwrite(tmp_path / f"{path.stem}.tif", np.stack([pixels // 2, pixels]), photometric="rgb")
    counter = Counter.load(tiny.model_file(), device="cpu")
    expected = evaluate(counter, tiny.data())
    monkeypatch.setattr(pieces, "LARGE", 1)
    monkeypatch.setattr(Pieces, "__array__", lambda *_, **__: pytest.fail("an image was read whole"))
    found = evaluate(counter, read_dataset(tmp_path, page=1))
    assert [row.count for row in found.rows] == [row.count for row in expected.rows]
    assert [row.true for row in found.rows] == [row.true for row in expected.rows]
    assert all(row.known for row in found.rows)


def test_what_is_wrong_with_any_image_is_said_before_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = tiny.untrained()
    monkeypatch.setattr(counter, "count_pixels", lambda *_, **__: pytest.fail("it was counted"))
    data = tiny.dataset(tmp_path / "data")
    (data / "points" / "003.csv").write_text("x,y\n500,3\n")
    with pytest.raises(PointsError, match=r"003\.csv: 1 of 1 dots lie outside"):
        evaluate(counter, data)
    Image.fromarray(tiny.pixels(channels=1)[..., 0]).save(data / "images" / "003.png")
    (data / "points" / "003.csv").write_text("x,y\n5,3\n")
    with pytest.raises(DatasetError, match=r"003\.png has 1 channels"):
        evaluate(counter, data)


def test_images_that_the_counter_was_made_from_are_named_as_such(tmp_path: Path) -> None:
    counter = Counter.load(tiny.model_file(), device="cpu")
    samples = load_dataset(tiny.data())
    assert all(row.known for row in evaluate(counter, samples).rows)
    assert evaluate(counter, samples).known_note.startswith("all images are those that the counter learned from")
    new = [replace(sample, image=255 - sample.image) for sample in samples[1:]]
    some = evaluate(counter, [samples[0], *new])
    assert [row.known for row in some.rows] == [True] + [False] * len(new)
    others = np.mean([abs(row.error) for row in some.rows[1:]])
    assert some.known_note.startswith(f"1 of {len(samples)} images are among those")
    assert some.known_note.endswith(f"({samples[0].name}): the MAE of the other {len(new)} is {others:.2f}")
    assert [image["known"] for image in some.to_dict()["images"]] == [True] + [False] * len(new)
    some.write_csv(tmp_path / "errors.csv")
    with (tmp_path / "errors.csv").open(newline="") as stream:
        assert [row["known"] for row in csv.DictReader(stream)] == ["yes"] + [""] * len(new)
    assert some.to_dict()["known"] == pytest.approx(1 / len(samples))
    assert evaluate(counter, new).known_note == ""


def test_pictures_are_made_when_asked_for() -> None:
    counter = Counter.load(tiny.model_file(), device="cpu")
    assert all(row.picture is None for row in evaluate(counter, tiny.data()).rows)
    assert all(
        row.picture and row.picture[:3] == b"\xff\xd8\xff" for row in evaluate(counter, tiny.data(), pictures=True).rows
    )


def test_json_has_the_figures_and_null_for_what_is_undefined(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", evaluation([0.0, 0.0], [1.0, 2.0]).to_dict())
    values = json.loads((tmp_path / "a.json").read_text())
    assert set(values) == FIGURES | {
        "level",
        "intervals",
        "note",
        "flagged",
        "known",
        "points",
        "by_class",
        "against",
        "images",
    }
    assert values["intervals"][0] == {"level": 0.8, "coverage": None, "mean_width": None, "images": 0}
    assert values["points"] is None
    assert values["relative_error"] is None
    assert values["correlation"] is None
    assert values["mae"] == 1.5
    first = {"image": "1.png", "true": 0.0, "count": 2.0, "error": 2.0, "low": None, "high": None, "warning": ""}
    first["known"] = False
    assert values["images"][1] == first


def test_coverage_and_width_of_intervals_are_measured() -> None:
    result = evaluation([10.0, 20.0, 30.0, 40.0], [11.0, 19.0, 33.0, 40.0])
    ends = [(10, 12), (18, 20), (31, 35), (39, 41)]
    rows = [replace(row, intervals={0.8: Interval(*end)}) for row, end in zip(result.rows, ends, strict=True)]
    rows[0] = replace(rows[0], warning="darker")
    figures = replace(result, rows=tuple(rows), level=0.8).to_dict()
    assert figures["intervals"][0] == {"level": 0.8, "coverage": 0.75, "mean_width": 2.5, "images": 4}
    assert figures["intervals"][1] == {"level": 0.9, "coverage": None, "mean_width": None, "images": 0}
    assert figures["flagged"] == 0.25
    assert (figures["images"][2]["low"], figures["images"][2]["high"]) == (31, 35)


def test_intervals_are_those_of_the_counter_and_none_where_it_cannot_say() -> None:
    known = fit_intervals([20.0 + k for k in range(9)], [21.0 + 1.1 * k for k in range(9)])
    counter = tiny.untrained()
    sure = Counter(replace(counter.model, intervals=known), device="cpu")
    result = evaluate(sure, tiny.data(), level=0.85)
    for row, sample in zip(result.rows, load_dataset(tiny.data()), strict=True):
        count = sure.count(sample.image.transpose(1, 2, 0))
        assert row.intervals == {level: count.interval(level) for level in (0.8, 0.85, 0.9)}
    assert "only 9 validation images" in result.note
    assert "no 90 % intervals" in evaluate(counter, tiny.data()).note
    with pytest.raises(ConfigError, match="level"):
        evaluate(sure, tiny.data(), level=2)


def test_found_points_are_matched_with_the_dots_class_by_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = tiny.untrained(classes=2)
    true = np.array([[5.0, 5.0], [9.0, 9.0], [20.0, 7.0]])
    dots = Dots(true, np.array([0, 1, 1]), counter.model.class_names)
    found = Dots(true + np.array([3.0, 4.0]), np.array([0, 1, 0]), counter.model.class_names)
    real = counter.count_pixels
    monkeypatch.setattr(counter, "count_pixels", lambda image, **options: replace(real(image, **options), points=found))
    sample = Sample(tiny.pixels().transpose(2, 0, 1), dots, "a")
    figures = evaluate(counter, [sample], points=True).points
    assert figures is not None
    assert (figures.tolerance, figures.true, figures.found, figures.matched) == (8, 3, 3, 2)
    assert figures.precision == figures.recall == figures.f1 == pytest.approx(2 / 3)
    assert figures.mean_distance == 5
    far = evaluate(counter, [sample], points=True, tolerance=4.9)
    assert far.points is not None
    assert far.points.matched == 0
    assert far.to_dict()["points"]["mean_distance"] is None
    far.write_csv(tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv")
    assert (table["found"][0], table["matched"][0]) == (3, 0)
    assert evaluate(counter, [sample], tolerance=4.9).points == far.points, "a tolerance asks for points"


def test_pairs_name_dots_and_points_as_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = tiny.untrained(classes=2)
    true = np.array([[5.0, 5.0], [20.0, 7.0], [30.0, 30.0]])
    dots = Dots(true, np.array([1, 0, 1]), counter.model.class_names)
    found = Dots(true[[2, 1, 0]], np.array([1, 0, 1]), counter.model.class_names)
    real = counter.count_pixels
    monkeypatch.setattr(counter, "count_pixels", lambda image, **options: replace(real(image, **options), points=found))
    matching = evaluate(counter, [Sample(tiny.pixels().transpose(2, 0, 1), dots, "a")], points=True).rows[0].matching
    assert matching is not None
    assert sorted(matching.pairs.tolist()) == [[0, 2], [1, 1], [2, 0]]


def test_images_that_are_rescaled_are_checked_first_and_matched_in_the_training_images_pixels() -> None:
    loaded = Counter.load(tiny.model_file(), device="cpu")
    counter = Counter(replace(loaded.model, trained_on={**loaded.model.trained_on, "pixel_size": 1.0}), device="cpu")
    sample = replace(load_dataset(tiny.data())[0], pixel_size=1.0)
    large = replace(
        sample,
        image=sample.image.repeat(2, 1).repeat(2, 2),
        dots=replace(sample.dots, points=2 * sample.dots.points + 0.5),
        pixel_size=0.5,
    )
    small, twice = (evaluate(counter, [each], points=True, rescale=True) for each in (sample, large))
    assert small.points is not None
    assert twice.points is not None
    assert twice.points.tolerance == small.points.tolerance
    assert twice.points.mean_distance == pytest.approx(small.points.mean_distance, abs=0.7)
    seen: list[str] = []
    with pytest.raises(ImageError, match="unsaid: the image cannot be rescaled"):
        evaluate(
            counter,
            [sample, replace(sample, name="unsaid", pixel_size=None)],
            rescale=True,
            report=lambda _done, _of, name: seen.append(name),
        )
    assert not seen, "before anything is counted"


def test_points_may_be_off_by_a_share_of_the_distance_that_the_dots_had() -> None:
    model = replace(tiny.untrained().model, scale=0.5, trained_on={"spacing": 66.0})
    sample = Sample(np.zeros((3, 40, 40), np.uint8), Dots(np.array([[5.0, 5.0]])), "a")
    figures = evaluate(Counter(model), [sample], points=True).points
    assert figures is not None
    assert figures.tolerance == pytest.approx(24)
    by_hand = updated(model.config, {"scale.factor": 0.5})
    figures = evaluate(Counter(replace(model, config=by_hand)), [sample], points=True).points
    assert figures is not None
    assert figures.tolerance == pytest.approx(16)


def test_a_model_that_counts_other_classes_is_not_compared_with() -> None:
    both = tiny.untrained(classes=2)
    dots = Dots(np.array([[5.0, 5.0], [9.0, 9.0]]), np.array([0, 1]), both.model.class_names)
    sample = Sample(tiny.pixels().transpose(2, 0, 1), dots, "a")
    assert evaluate(both, [sample], against=both).comparison is not None
    other = Counter(replace(both.model, class_names=("kind1", "kind2")))
    for against, said in ((other, "has dots of class kind0"), (tiny.untrained(), "has dots of class kind0, kind1")):
        with pytest.raises(DatasetError, match=f"a {said}, but the classes are .*, as in the other model"):
            evaluate(both, [sample], against=against)


@pytest.mark.parametrize("tolerance", [-1.0, float("inf"), float("nan")])
def test_an_impossible_tolerance_is_refused_before_counting(monkeypatch: pytest.MonkeyPatch, tolerance: float) -> None:
    counter = tiny.untrained()
    monkeypatch.setattr(counter, "count_pixels", lambda *_, **__: pytest.fail("it was counted"))
    with pytest.raises(ConfigError, match="the tolerance must be 0 or more"):
        evaluate(counter, tiny.data(), points=True, tolerance=tolerance)


def test_the_average_of_a_model_of_unknown_training_is_undefined() -> None:
    result = evaluate(tiny.untrained(), tiny.data())
    assert result.to_dict()["predict_average_mae"] is None


def test_csv_has_true_counts_counts_and_errors(tmp_path: Path) -> None:
    evaluation([3.0, 12.0], [2.25, 13.0]).write_csv(tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv")
    assert list(table.columns) == ["image", "true", "count", "error", "low", "high", "warning", "known"]
    assert table["error"].tolist() == [-0.75, 1.0]
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()


def test_classes_are_compared_one_by_one(tmp_path: Path) -> None:
    counter = tiny.untrained(classes=2)
    dots = Dots(np.array([[5.0, 5.0], [9.0, 9.0], [20.0, 7.0]]), np.array([0, 1, 1]), counter.model.class_names)
    result = evaluate(counter, [Sample(tiny.pixels().transpose(2, 0, 1), dots, "a")])
    true = {name: pair[0] for name, pair in result.rows[0].by_class.items()}
    assert true == {"kind0": 1.0, "kind1": 2.0}
    assert sum(pair[1] for pair in result.rows[0].by_class.values()) == pytest.approx(result.rows[0].count)
    result.write_csv(tmp_path / "a.csv")
    assert list(pd.read_csv(tmp_path / "a.csv").columns[6:-2]) == [
        "true_kind0",
        "count_kind0",
        "true_kind1",
        "count_kind1",
    ]


def test_errors_of_each_class_do_not_cancel() -> None:
    rows = [EvaluatedImage(f"{k}", 10, 10, {"a": (6, 6 + k), "b": (4, 4 - k)}) for k in (1, 3)]
    result = Evaluation(metrics([10, 10], [10, 10]), tuple(rows), math.nan)
    assert {name: (each.mae, each.bias) for name, each in result.by_class.items()} == {"a": (2, 2), "b": (2, -2)}
    assert result.to_dict()["by_class"]["b"]["bias"] == -2
    assert evaluate(tiny.untrained(), tiny.data()).by_class == {}


def test_images_need_not_show_every_class() -> None:
    counter = tiny.untrained(classes=2)
    dots = Dots(np.array([[5.0, 5.0], [9.0, 9.0]]), class_names=counter.model.class_names[1:])
    (row,) = evaluate(counter, [Sample(tiny.pixels().transpose(2, 0, 1), dots, "a")]).rows
    assert [true for true, _ in row.by_class.values()] == [0, 2]


def test_dots_of_other_classes_are_refused() -> None:
    dots = Dots(np.array([[5.0, 5.0]]), np.array([0]), ("red", "white"))
    with pytest.raises(DatasetError, match="dots of class red, but the classes are kind0, kind1, as in the model"):
        evaluate(tiny.untrained(classes=2), [Sample(tiny.pixels().transpose(2, 0, 1), dots, "a")])


def test_images_of_other_channels_are_refused_by_name() -> None:
    with pytest.raises(ImageError, match=r"000.*3 channels.*images of 1"):
        evaluate(tiny.untrained(channels=1), tiny.data())


def test_the_plot_is_written(tmp_path: Path) -> None:
    evaluation([3.0, 12.0], [2.0, 13.0]).write_plot(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert min(picture.size) > 300
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        evaluation([3.0], [2.0]).write_plot(tmp_path / "file" / "a.png")
