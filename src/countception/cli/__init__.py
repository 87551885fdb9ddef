"""The commands: their options, and what they show on the screen."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from countception.cli.commands import main as run  # what it imports, imports this package

    run()
