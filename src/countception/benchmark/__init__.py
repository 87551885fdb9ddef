"""The paper's evaluation protocol for any method: seeded splits, one row per finished run, tables and plots from rows.

Everything lazily imports what it needs: the command line reads `countception.cli.benchmark` at start-up.
"""
