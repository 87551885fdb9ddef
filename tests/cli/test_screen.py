"""Names of files, classes and groups may be anything, and are shown as text."""

from __future__ import annotations

import pytest

from countception.cli.console import table
from countception.cli.progress import progress_bar
from countception.cli.screen import echo, printable

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202egnp.a"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x9b31m\x0d\u202egnp.a"


def test_names_are_no_commands_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    echo(HOSTILE)
    echo(f"countception: {HOSTILE}: is cut off", err=True)
    with progress_bar("counting") as show:
        show(1, HOSTILE)
    out, err = capsys.readouterr()
    assert out == f"{SHOWN}\n"
    assert f"countception: {SHOWN}: is cut off\n" in err
    assert err.endswith(f"{SHOWN}\n")


def test_a_name_is_on_one_line_of_a_table_and_as_wide_as_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    table(["image", "count"], [["a\nb", "7"], ["c", "12"]])
    assert capsys.readouterr().out.splitlines() == ["image   count", r"a\x0ab      7", "c          12"]


@pytest.mark.parametrize("text", ["two\n\tlines", "Zählung 細胞 e\u0301 👩\u200d🔬 می\u200cخواهم", "not UTF-8: \udcff"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
