"""Pages made from the package's templates: they open from disk, need nothing else and run no scripts."""

from __future__ import annotations

import base64
import os
from typing import Any

from countception.files import whole_file
from countception.wording import percent, signed, whole


def render(path: str | os.PathLike[str], template: str, **values: Any) -> None:
    """Write a page from one of the package's templates, whole or not at all.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("countception.results"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": _unbroken, "whole": whole, "signed": signed, "place": _place, "jpeg": jpeg}
    page = environment.get_template(template).render(**values)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")  # names of files may be no UTF-8


def data_url(data: bytes, kind: str = "png") -> str:
    """A picture as text that a page can hold."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def jpeg(data: bytes | None) -> str | None:
    """The same of a JPEG picture, where there is one."""
    return None if data is None else data_url(data, "jpeg")


def _unbroken(share: float | None) -> str:
    """Per cent on one line."""
    return percent(share).replace(" ", "\N{NO-BREAK SPACE}")


def _place(value: float, highest: float) -> str:
    """Where a value lies between 0 and the highest, in per cent."""
    return f"{100 * max(0.0, value) / highest:.2f}" if highest > 0 else "0"
