"""`python -m countception`: the command line."""

from countception.cli import main

main()
