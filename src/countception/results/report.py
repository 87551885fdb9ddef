"""One HTML page about a counter and its counts beside the truth."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from countception.results import curve, plots
from countception.results.facts import facts, put_aside
from countception.results.html import data_url, jpeg, render
from countception.wording import sentence, whole

if TYPE_CHECKING:
    from countception.counting.counter import Counter
    from countception.evaluation.evaluation import Evaluation

StrPath = str | os.PathLike[str]


def write_report(
    path: StrPath, evaluation: Evaluation, counter: Counter, *, title: str = "Counts beside the truth"
) -> None:
    """Write a self-contained HTML report.

    Parameters
    ----------
    path
        File to write.
    evaluation
        Of `counter`; with `pictures`, an overlay of each image is shown.
    counter
        Where it was just trained, its training curve is shown too.
    title
        Of the page.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    level, comparison = evaluation.level, evaluation.comparison
    some_new = evaluation.known < len(evaluation.rows)
    rows = [(row, row.intervals.get(level)) for row in sorted(evaluation.rows, key=lambda row: -abs(row.error))]
    render(
        path,
        "report.html.jinja",
        title=title,
        level=level,
        metrics=evaluation.metrics,
        classes=evaluation.by_class,
        average_mae=evaluation.predict_average_mae,
        intervals=evaluation.intervals if any(row.intervals for row in evaluation.rows) else [],
        note=sentence(evaluation.note),
        points=evaluation.points,
        flagged=evaluation.flagged,
        known=sentence(evaluation.known_note),
        against=sentence(comparison.note("the other model")) if comparison else "",
        bars=any(interval for _, interval in rows),
        rows=[
            {
                "image": row.image,
                "true": row.true,
                "count": row.count,
                "interval": f"{whole(interval.low)} to {whole(interval.high)}" if interval else "–",
                "error": row.error,
                "warning": row.warning,
                "known": row.known and some_new,
                "picture": jpeg(row.picture),
            }
            for row, interval in rows
        ],
        scatter=data_url(plots.png(evaluation.plot())),
        curve=data_url(plots.png(curve.plot(counter))) if counter.history else None,
        put_aside=put_aside(counter.model),
        facts=facts(counter.model),
    )
