"""Text on the screen, in which names of files, classes and groups are no commands to the terminal."""

from __future__ import annotations

import typer

_ODD = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}
"""Characters that move the cursor, colour or hide what is there, name the window, or turn the order of letters around,
and how they are shown instead."""
_LINES = {ord("\n"), ord("\t")}
_KEPT = {code: shown for code, shown in _ODD.items() if code not in _LINES}


def printable(text: str, *, lines: bool = True) -> str:
    """The same as it can be shown; line breaks are kept where there may be several `lines`."""
    return text.translate(_KEPT if lines else _ODD)


def echo(text: str, *, err: bool = False) -> None:
    """Print lines on standard output, or standard error."""
    typer.echo(printable(text), err=err)
