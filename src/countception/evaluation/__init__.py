"""Counts beside the truth, and points beside dots."""
