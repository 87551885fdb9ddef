"""The size of an image's pixels, as far as the file says it in a way that can be trusted.

OME-TIFF
    ``PhysicalSizeX`` and ``PhysicalSizeY`` of the first image, with their units (micrometres if none is given).
ImageJ
    The resolution in the TIFF tags, where ImageJ's unit is a length.
Aperio's SVS, Zeiss's LSM
    ``MPP``, micrometres per pixel; ``VoxelSizeX`` and ``VoxelSizeY``, in metres.
GeoTIFF
    The size on the ground, of maps whose coordinates are lengths (`countception.images.geotiff`).
other TIFF
    A resolution in pixels per centimetre. Resolutions per inch are passed over, in all formats: programs write 72, 96
    or 300 there that mean nothing; and so are these where they were converted, and the 10 per centimetre that others
    write.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from countception.errors import ConfigError, ImageError
from countception.images.decoders import LSM
from countception.images.geotiff import ground_sides
from countception.images.projection import Page
from countception.images.tiff_file import open_tiff
from countception.wording import length

if TYPE_CHECKING:
    from tifffile import TiffFile

MICROMETRES = {
    "µm": 1.0,  # micro sign
    "μm": 1.0,  # Greek letter
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
MAGNIFIED = 1.25
"""Ratio of sizes of pixels from which images are of another magnification."""
FARTHEST = 8.0
"""Ratio up to which images are rescaled."""
SMALLEST, LARGEST = 1e-6, 1e12
"""Micrometres between which the sides of all pixels are, of atoms and of maps."""
PER_CENTIMETRE = 3
"""TIFF's ResolutionUnit."""
MEANINGLESS = (10.0, *(dpi / 2.54 for dpi in (72, 96, 100, 150, 200, 300, 400, 600)))
"""Pixels per centimetre that programs write by themselves."""


def checked_size(micrometres: float) -> float:
    """The side of a pixel, if it can be one.

    Raises
    ------
    ConfigError
        It cannot.
    """
    if not 0 < micrometres < math.inf:
        raise ConfigError(f"a pixel size of {micrometres} µm makes no sense: it must be above 0")
    if not SMALLEST <= micrometres <= LARGEST:
        raise ConfigError(
            f"a pixel size of {micrometres:g} µm makes no sense: it must be from {SMALLEST:g} to {LARGEST:g} µm"
        )
    return float(micrometres)


def enlargement(size: float | None, wanted: float) -> float:
    """How many times larger an image with pixels of `size` is to be made to have pixels of the size that is `wanted`.

    Raises
    ------
    ImageError
        Its size is not known, or so far from that, that no detail or no memory would be left.
    """
    if size is None:
        raise ImageError(
            "the image cannot be rescaled, as the size of its pixels is not known: say it (--pixel-size, or pixel_size "
            "of count_pixels)"
        )
    if not 1 / FARTHEST <= size / wanted <= FARTHEST:
        raise ImageError(
            f"its pixels are of {length(size)} and those of the training images of {length(wanted)}, too far from each "
            "other to rescale the image: is that right? --pixel-size says another"
        )
    return size / wanted


def magnified(sizes: Collection[float]) -> bool:
    """Whether images with pixels of these sizes, one or more, are of several magnifications."""
    return max(sizes) >= MAGNIFIED * min(sizes)


def read_pixel_size(path: str | os.PathLike[str], *, page: Page | str | None = None) -> float | None:
    """Side of a pixel in micrometres, or None where the file does not say.

    Of pixels that are not square the side of a square of the same area. A file that cannot be read does not say, nor
    does one that says what no pixel is, or one of images of several kinds where its `page` is not the first.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            if stream.read(2) not in (b"II", b"MM"):
                return None
        with open_tiff(path) as tiff:
            if len(tiff.series) > 1 and tiff.series[0].kind != LSM and isinstance(page, int) and page > 0:
                return None
            sides = _sides(tiff)
    except Exception:  # of damaged files anything may be raised; reading the pixels will say so
        return None
    area = sides[0] * sides[1] if sides else 0.0
    return math.sqrt(area) if SMALLEST**2 <= area <= LARGEST**2 else None


def _sides(tiff: TiffFile) -> tuple[float, float] | None:
    if tiff.ome_metadata:
        return _ome(tiff.ome_metadata)
    if tiff.is_svs:
        return _aperio(tiff)
    if tiff.is_lsm:
        voxel: Any = tiff.lsm_metadata
        return 1e6 * float(voxel["VoxelSizeX"]), 1e6 * float(voxel["VoxelSizeY"])
    tags: Any = tiff.pages[0].tags  # type: ignore[union-attr, unused-ignore]
    if sides := ground_sides(tags):
        return sides
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    if tiff.is_imagej:
        unit = str((tiff.imagej_metadata or {}).get("unit", "")).strip().replace("\\u00B5", "µ").lower()
        one = MICROMETRES.get(unit)
    else:
        one = 1e4 if "ResolutionUnit" in tags and int(tags["ResolutionUnit"].value) == PER_CENTIMETRE else None
    if one is None:
        return None
    per_unit = [tags[name].value[0] / tags[name].value[1] for name in ("XResolution", "YResolution")]
    if not tiff.is_imagej and any(math.isclose(per_unit[0], each, rel_tol=0.005) for each in MEANINGLESS):
        return None
    return one / per_unit[0], one / per_unit[1]


def _aperio(tiff: TiffFile) -> tuple[float, float] | None:
    from tifffile.tifffile import svs_description_metadata

    side = svs_description_metadata(tiff.pages.first.description).get("MPP")
    return None if side is None else (float(side), float(side))


def _ome(text: str) -> tuple[float, float] | None:
    pixels = ElementTree.fromstring(text).find(".//{*}Image/{*}Pixels")  # expat expands no outside entities
    if pixels is None:
        return None
    sides = []
    for axis in "XY":
        size, unit = pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")
        if size is None or unit not in MICROMETRES:
            return None
        sides.append(float(size) * MICROMETRES[unit])
    return sides[0], sides[1]
