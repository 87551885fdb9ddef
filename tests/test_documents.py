"""What help and documents list is what there is: columns, keys, commands, protocols."""

from __future__ import annotations

import io
import re
import tomllib
from dataclasses import fields
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

import tiny
from countception.cli.commands import app
from countception.counting.counter import Counter
from countception.data.inspection import Inspection
from countception.evaluation.evaluation import EvaluatedImage, Evaluation
from countception.results.facts import details
from countception.results.row import Row
from countception.results.tables import write_rows
from countception.trust.metrics import metrics

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_every_command() -> None:
    for name in get_command(app).list_commands(None):  # type: ignore[attr-defined, arg-type]
        assert f"| `countception {name}" in README


def test_the_readme_measures_on_images_that_took_no_part() -> None:
    taking_part = re.findall(r'(?:train\(|valid=)"(.+?)"', README)
    assert set(re.findall(r'evaluate\(counter, "(.+?)"', README)).isdisjoint(taking_part)


def test_the_page_of_benchmarks_names_every_experiment_and_kind_of_result() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for protocol in sorted((ROOT / "benchmarks" / "protocols").glob("*.toml")):
        titled = "title" in tomllib.loads(protocol.read_text(encoding="utf-8"))
        assert not titled or f"`{protocol.name}`" in page, protocol.name
    for folder in (ROOT / "benchmarks" / "results").iterdir():
        assert not folder.is_dir() or folder.name.startswith(".") or f"`results/{folder.name}/`" in page, folder.name


def listed(section: str) -> set[str]:
    """What stands in backticks in the first column of the table in a section of the reference."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8").split(f"\n## {section}")[1].split("\n## ")[0]
    firsts = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for first in firsts for name in re.findall(r"`(.+?)`", first)}


def test_the_reference_names_the_keys_of_all_figures() -> None:
    assert listed("Data sets for programs") == {each.name for each in fields(Inspection)}
    assert listed("Errors") == set(evaluation().to_dict())
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    told = text.split("## Models for programs")[1].split("\n## ")[0]
    assert set(details(Counter.load(tiny.model_file()).model)) <= set(re.findall(r"`(\w+)`", told))


def evaluation() -> Evaluation:
    return Evaluation(metrics([1.0], [2.0]), (EvaluatedImage("a", 1.0, 2.0),), 0.0)


def test_the_help_of_count_names_every_column() -> None:
    told = CliRunner().invoke(app, ["count", "--help"]).stdout.split("with columns")[1].split("The true count")[0]
    stream = io.StringIO()
    row = Row(
        "a.tif", 1.0, group="g", by_class={"red": 1.0, "white": 0.0}, area_mm2=1.0, overlay="o", map="m", points="p"
    )
    write_rows(stream, [row, Row("b.tif", page=0, missing=0, missing_by_class={"red": 0, "white": 0})])
    for column in stream.getvalue().splitlines()[0].split(","):
        name = re.sub("_(red|white)$", "_<class>", column)
        assert re.search(rf"(?<![\w<]){re.escape(name)}(?![\w>])", told), column
