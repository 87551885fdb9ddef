from __future__ import annotations

import pytest

from countception.cli.console import table


def test_columns_line_up_under_names_of_any_script(capsys: pytest.CaptureFixture[str]) -> None:
    table(["image", "count"], [["a.png", "7"], ["細胞.png", "12"], ["e\u0301.png", "3"]])
    assert capsys.readouterr().out.splitlines() == [
        "image     count",
        "a.png         7",
        "細胞.png     12",
        "e\u0301.png         3",
    ]
