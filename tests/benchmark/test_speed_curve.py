from pathlib import Path

import pytest

from countception.data.dataset import Sample
from helpers_blobs import blobs

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_curve_tests_the_weights_of_every_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import speed_curve

    monkeypatch.setattr(speed_curve, "load", _shown)
    settings = {"network": "boxnet", "data": "vgg", "n": "8", "seconds": "2", "evaluations": "3"}
    rows = speed_curve.curve(settings, None)
    *evaluated, final = rows
    seconds = [row["train_s"] for row in evaluated]
    assert len(evaluated) >= 1
    assert seconds == sorted(seconds)
    assert seconds[-1] >= 2
    assert final["final"]
    assert final["test_mae"] == pytest.approx(evaluated[-1]["test_mae"], rel=1e-6), "the last weights are the counter's"


def _shown(name: str, root: None) -> list[Sample]:
    assert (name, root) == ("vgg", None)
    return blobs(200, side=32)
