"""The paper's evaluation protocol for any method: seeded splits, a row per finished run, tables and plots from rows."""
