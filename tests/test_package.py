from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import countception

ROOT = Path(__file__).parent.parent


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


def test_type_checkers_know_the_public_names_and_no_others() -> None:
    """They believe a module that has `__getattr__` to have any name, misspelt ones too."""
    seen = ast.parse((ROOT / "src" / "countception" / "__init__.py").read_text(encoding="utf-8")).body
    assert not any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in seen)
    types = next(node for node in seen if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    known = {alias.name for node in types.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert known | {"CountceptionError", "__version__"} == set(countception.__all__)


@pytest.mark.parametrize("name", countception.__all__)
def test_a_public_name_is_not_a_module_too(name: str) -> None:
    """Importing that module would hide the public name."""
    assert not isinstance(getattr(countception, name), ModuleType)
    assert importlib.util.find_spec(f"countception.{name}") is None


def test_each_room_is_on_the_page_for_contributors_and_no_other() -> None:
    source, page = ROOT / "src" / "countception", (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    table = page.split("## Where things are")[1].split("## To add")[0]
    told = {name for line in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)}
    there = {path.stem for path in source.iterdir() if not path.name.startswith("_") and path.suffix != ".typed"}
    assert told == there


def rooms_imported(module: ast.Module) -> list[str]:
    found = []
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module == "countception":
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("countception."):
            found.append(str(node.module).split(".")[1])
    return found


def test_rooms_know_nothing_of_what_stands_above_them() -> None:
    """Imports that run when a module is; types and what is imported late may look up."""
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    table = page.split("## Where things are")[1].split("## To add")[0]
    floors = [re.findall(r"`(\w+)`", line) for line in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)]
    floor = {name: number for number, names in enumerate(floors) for name in names}
    looking_up = []
    for path in sorted((ROOT / "src" / "countception").rglob("*.py")):
        room = path.relative_to(ROOT / "src" / "countception").parts[0].removesuffix(".py")
        imported = rooms_imported(ast.parse(path.read_text(encoding="utf-8")))
        looking_up += [f"{path.name}: {name}" for name in imported if floor.get(name, -1) > floor.get(room, 99)]
    assert looking_up == []
