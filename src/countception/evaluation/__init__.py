"""Errors of counts, and the evaluation of a counter on a data set."""
