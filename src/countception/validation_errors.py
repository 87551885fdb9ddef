"""What pydantic says of wrong values, in words for people who know nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

WRONG = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a word",
    "tuple_type": "a list",
    "too_short": "a list of at least {min_length}",
    "model_type": "a group of settings",
    "dict_type": "a group of settings",
    "literal_error": "{expected}",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
}
"""What a value must be, by pydantic's name of the error."""


def in_words(error: ValidationError, *, whole: str = "", hint: Callable[[str], str] | None = None) -> str:
    """The first of pydantic's errors as a sentence.

    Parameters
    ----------
    error
        What pydantic raised.
    whole
        What is wrong where no single value is.
    hint
        What to say of an unknown setting, by its dotted name.
    """
    first = error.errors()[0]
    kind, value = first["type"], first["input"]
    parts = [part for part in first["loc"] if isinstance(part, str)]  # which of several numbers, its value says
    if kind == "extra_forbidden":
        name = ".".join([*parts, *_unknown_parts(value)])
        return f"there is no setting {name}" + (f": {hint(name)}" if hint else "")
    where = ".".join(parts) or whole
    if kind == "missing":
        return f"{where} is missing"
    if kind in WRONG:
        return f"{where} must be {WRONG[kind].format(**first.get('ctx', {}))}, not {value!r}"
    got = "" if isinstance(value, dict) else f" (got {value!r})"
    return (f"{where}: " if where else "") + first["msg"].removeprefix("Value error, ") + got


def _unknown_parts(value: Any) -> list[str]:
    """Of an unknown group, what was set in it."""
    parts = []
    while isinstance(value, dict) and value:
        part, value = next(iter(value.items()))
        parts.append(str(part))
    return parts
