"""The README's comparison is what the committed rows give."""

from __future__ import annotations

from pathlib import Path

from countception.benchmark.results import Results
from countception.benchmark.summary import END, START, comparison, with_summary
from countception.benchmark.tables import measured

ROOT = Path(__file__).parents[2]


def test_the_comparison_has_a_line_for_each_size_of_the_papers_tables() -> None:
    lines = comparison([]).splitlines()
    assert len(lines) == 2 + 10
    assert "| VGG Cells, N = 32 |  | 2.4 ± 0.4 |  |  |  |" in lines
    assert "| MBM Cells, N = 15 |  | 8.8 ± 2.3 | 3.7 ± 0.2 |  |  |" in lines


def test_only_what_lies_between_the_marks_is_changed() -> None:
    text = f"# Title\n\n{START}old\n{END}\n\nmore\n"
    made = with_summary(text, [])
    assert made == f"# Title\n\n{START}{comparison([])}\n{END}\n\nmore\n"
    assert with_summary(made, []) == made
    assert with_summary("# No marks\n", []) == "# No marks\n"


def test_the_readme_is_up_to_date() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    cells = measured(Results(ROOT / "benchmarks" / "results").rows())
    assert with_summary(readme, cells) == readme, "run: countception benchmark --tables"
