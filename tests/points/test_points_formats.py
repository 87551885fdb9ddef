from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from countception.errors import PointsError
from countception.points import Dots, formats, read_points
from countception.points.format import Format, ReadOptions

OTHER = "other"


def _read(path: Path, options: ReadOptions) -> Dots:  # noqa: ARG001
    return Dots(np.array([[1.0, 2.0]]))


def _recognises(path: Path) -> bool:
    return path.read_text() == OTHER


def test_formats_may_share_a_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is of neither is read by the first, which says what is wrong with it."""
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, Format("other", (".json",), _read, None, _recognises)))
    path = tmp_path / "a.json"
    path.write_text(OTHER)
    assert read_points(path).points.tolist() == [[1, 2]]
    path.write_text('{"type": "Point", "coordinates": [3.5, 4.5]}')
    assert read_points(path).points.tolist() == [[4, 3]]
    path.write_text("{")
    with pytest.raises(PointsError, match=r"a\.json: cannot be read as JSON .*; export it again"):
        read_points(path)
