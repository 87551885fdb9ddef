"""Counts inside regions of an image: polygons or masks, from GeoJSON, ImageJ ROI or label images.

Regions that divide an image among themselves share its count without loss: each cell of the density counts with the
share of it that a region covers, computed exactly.
"""

from countception.errors import RegionsError
from countception.regions.files import SUFFIXES, read_regions
from countception.regions.shapes import Mask, Polygon, Region, RegionCount, count_regions, why_astray
from countception.regions.source import RegionFiles

__all__ = [
    "SUFFIXES",
    "Mask",
    "Polygon",
    "Region",
    "RegionCount",
    "RegionFiles",
    "RegionsError",
    "count_regions",
    "read_regions",
    "why_astray",
]
