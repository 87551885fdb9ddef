"""Count objects in images after learning from a few dots.

>>> import countception
>>> counter = countception.train("cells/", out="cells.count")        # doctest: +SKIP
>>> counter.count("new.png").value                                   # doctest: +SKIP

The names below are the public interface. They are imported when first used, so that `import countception` is quick and
needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from countception._version import __version__
from countception.errors import CountceptionError

if TYPE_CHECKING:
    from countception.config import Config, recipe
    from countception.counting.count import Count
    from countception.counting.counter import Counter
    from countception.data.dataset import Sample, load_dataset, read_dataset
    from countception.data.inspection import inspect
    from countception.evaluation.evaluation import evaluate
    from countception.points import Dots
    from countception.regions import read_regions
    from countception.results.batch import count_files
    from countception.results.dot_pictures import draw_dots
    from countception.results.groups import find_groups, group_totals
    from countception.simulation.simulate import simulate, simulate_dataset
    from countception.training import train

_HOMES = {
    "Config": "config",
    "Count": "counting.count",
    "Counter": "counting.counter",
    "count_files": "results.batch",
    "draw_dots": "results.dot_pictures",
    "evaluate": "evaluation.evaluation",
    "find_groups": "results.groups",
    "Dots": "points",
    "Sample": "data.dataset",
    "group_totals": "results.groups",
    "inspect": "data.inspection",
    "load_dataset": "data.dataset",
    "read_dataset": "data.dataset",
    "read_regions": "regions",
    "recipe": "config",
    "simulate": "simulation.simulate",
    "simulate_dataset": "simulation.simulate",
    "train": "training",
}

__all__ = [  # noqa: RUF022 - in the order of use
    "train",
    "Counter",
    "Count",
    "count_files",
    "find_groups",
    "group_totals",
    "read_regions",
    "evaluate",
    "inspect",
    "draw_dots",
    "read_dataset",
    "load_dataset",
    "Sample",
    "Dots",
    "simulate",
    "simulate_dataset",
    "Config",
    "recipe",
    "CountceptionError",
    "__version__",
]


if not TYPE_CHECKING:  # type checkers know the names from above, and would take any other for one, too

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
