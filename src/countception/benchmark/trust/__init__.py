"""More than counts: where the objects are found, how well intervals hold, and which images are flagged.

A run of the benchmark is examined before its row is written (`measure`), and leaves tables in the folder of results
(`tables`), from which the page is made (`page`). ``python -m countception.benchmark.trust`` does both.
"""
