"""What help and documents list is what there is: columns, keys, commands, protocols."""

from __future__ import annotations

import io
import re
from pathlib import Path

from typer.testing import CliRunner

from countception.cli.commands import app
from countception.results.row import Row
from countception.results.tables import write_rows

ROOT = Path(__file__).parent.parent


def test_the_help_of_count_names_every_column() -> None:
    told = CliRunner().invoke(app, ["count", "--help"]).stdout.split("with columns")[1].split("The true count")[0]
    stream = io.StringIO()
    row = Row("a.tif", 1.0, by_class={"red": 1.0, "white": 0.0}, area_mm2=1.0, overlay="o", map="m", points="p")
    write_rows(stream, [row, Row("b.tif", page=0, missing=0, missing_by_class={"red": 0, "white": 0})])
    for column in stream.getvalue().splitlines()[0].split(","):
        name = re.sub("_(red|white)$", "_<class>", column)
        assert re.search(rf"(?<![\w<]){re.escape(name)}(?![\w>])", told), column
