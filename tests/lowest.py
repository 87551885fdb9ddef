"""The lowest versions that pyproject.toml allows, as constraints for pip: ``make lowest`` runs the tests with them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


def lowest(pyproject: str) -> list[str]:
    """``name==version`` of each requirement ``name>=version``, extras included."""
    project = tomllib.loads(pyproject)["project"]
    needed = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    ranges = [re.fullmatch(r"([\w.-]+)>=([\w.]+)", one) for one in needed]
    return [f"{found[1]}=={found[2]}" for found in ranges if found]


if __name__ == "__main__":
    print("\n".join(lowest(Path("pyproject.toml").read_text(encoding="utf-8"))))
