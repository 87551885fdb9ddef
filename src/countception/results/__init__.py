"""What is left of a batch: rows, tables, totals, reports, plots and pictures."""
