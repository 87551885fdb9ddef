"""Errors that people can act on: one clear sentence each.

Whatever is wrong with a user's files or options is raised as a `CountceptionError` whose text says which file, what is
wrong and what would fix it. The command line prints the sentence and exits with a non-zero status; everything else is a
bug and keeps its traceback.
"""

from __future__ import annotations


class CountceptionError(Exception):
    """Something a user can mend; `str(error)` is one clear sentence."""


class ImageError(CountceptionError):
    """An image file or array that cannot be used."""


class PointsError(CountceptionError):
    """A file of dots that cannot be used."""


class RegionsError(CountceptionError):
    """A file of regions that cannot be used."""


class DatasetError(CountceptionError):
    """A folder or manifest that does not make a data set."""


class ModelFileError(CountceptionError):
    """A file that is not a whole, unaltered countception model."""


class ConfigError(CountceptionError):
    """A configuration or option that makes no sense."""


class OutputError(CountceptionError):
    """A result that could not be written."""


class DataWarning(UserWarning):
    """Data that can be learned from, but in which something is doubtful; in one sentence, as of errors."""
