"""Dots: one small module per file format behind one reader and one writer."""

from countception.points.dots import DEFAULT_CLASSES, Dots
from countception.points.format import Order
from countception.points.formats import (
    FORMATS,
    SUFFIXES,
    find_format,
    find_writer,
    holds_dots,
    image_of,
    read_points,
    write_points,
)
from countception.points.scale import find_scale, spacing

__all__ = [
    "DEFAULT_CLASSES",
    "FORMATS",
    "SUFFIXES",
    "Dots",
    "Order",
    "find_format",
    "find_scale",
    "find_writer",
    "holds_dots",
    "image_of",
    "read_points",
    "spacing",
    "write_points",
]
