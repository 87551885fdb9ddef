from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import ModuleType

import pytest

import countception


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, countception; print(sorted({'torch', 'numpy', 'pydantic', 'matplotlib'} & set(sys.modules)))"
    assert python(code) == "[]"


@pytest.mark.parametrize("name", countception.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(countception, name)
    assert name in dir(countception)
    if name != "__version__":
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        countception.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", countception.__all__)
def test_a_public_name_is_not_a_module_too(name: str) -> None:
    """Importing that module would hide the public name."""
    assert not isinstance(getattr(countception, name), ModuleType)
    assert importlib.util.find_spec(f"countception.{name}") is None
