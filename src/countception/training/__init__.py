"""Training a counter from images and dots: data in, `Counter` out."""

from countception.training.fit import configure, train
from countception.training.gather import Data
from countception.training.loop import Progress, Report
from countception.training.state import Record, checkpoint_path

__all__ = ["Data", "Progress", "Record", "Report", "checkpoint_path", "configure", "train"]
