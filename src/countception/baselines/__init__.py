"""The methods that the paper compares with, one small module each; `countception.benchmark` measures them.

Those that are no networks need the extra `baselines` (scikit-learn, cvxpy). What a module does otherwise than its
paper, it says under "Deviations".
"""
