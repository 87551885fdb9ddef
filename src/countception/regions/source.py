"""Regions of many images: one file for all of them, or a folder with a file for each."""

from __future__ import annotations

import os
import re
from collections import Counter as Tally
from collections.abc import Mapping
from pathlib import Path

from countception.errors import RegionsError
from countception.files import OME, same_name
from countception.regions.files import SUFFIXES, planes_drawn_on, read_regions
from countception.regions.shapes import Region

WORD = re.compile(r"[-_. ](?:regions?|rois?|roiset|labels?|masks?)$", re.IGNORECASE)
"""What may follow the image's name in the name of its regions."""


class RegionFiles:
    """Where the regions of each image are.

    Parameters
    ----------
    path
        A file of regions that all images have, or a folder. In a folder the regions of ``a.tif`` are called ``a`` or
        ``a.tif`` and then, if one likes, ``_regions``, ``_rois``, ``_labels`` or ``_masks``, with any suffix that
        `read_regions` knows.
    images
        The images, each with the name that its regions have: its stem, or what makes it different where two images
        share one (`countception.files.unique_names`).

    Raises
    ------
    RegionsError
        The file is not as `read_regions` needs it; a folder cannot be read, has two files for an image, or none for
        any.
    """

    def __init__(self, path: str | os.PathLike[str], images: Mapping[Path, str]) -> None:
        path = self.path = Path(path)
        try:
            self.common = None if path.is_dir() else read_regions(path)
            if self.common == []:
                raise RegionsError(f"{path}: there is no region in it")
            self.files = _in_folder(path, images) if self.common is None else {}
            self.paths = [path, *self.files.values()]
        except OSError as error:
            raise RegionsError(f"{path}: cannot be read: {error.strerror or error}") from error

    def file_of(self, image: Path) -> Path:
        """The file with the regions of an image; the folder if there is none."""
        return self.files.get(image, self.path)

    def drawn_on(self) -> dict[Path, int]:
        """On how many planes of a stack the regions of a file were drawn, by the file, where these are several.

        Raises
        ------
        RegionsError
            A file cannot be read.
        """
        files = self.files.values() if self.common is None else [self.path]
        found = {file: planes_drawn_on(file) for file in files}
        return {file: number for file, number in found.items() if number > 1}

    def of(self, image: Path) -> list[Region]:
        """The regions of an image; none if the folder has no file for it.

        Raises
        ------
        RegionsError
            Its file is not as `read_regions` needs it.
        """
        if self.common is not None:
            return self.common
        return read_regions(self.files[image]) if image in self.files else []


def _in_folder(folder: Path, images: Mapping[Path, str]) -> dict[Path, Path]:
    originals = {image.resolve() for image in images}
    times = Tally(image.name for image in images)
    owners = {same_name(image.name): image for image in images if times[image.name] == 1}
    owners |= {same_name(name + ending): image for image, name in images.items() for ending in ("", image.suffix)}
    owners = {key.removesuffix(OME): image for key, image in owners.items()} | owners
    found: dict[Path, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in SUFFIXES or file.name.startswith(".") or file.resolve() in originals:
            continue
        stem = same_name(file.stem)
        owner = owners.get(stem) or owners.get(WORD.sub("", stem))
        if owner in found:
            raise RegionsError(f"{found[owner]} and {file} are both regions of {owner}; keep one of them")
        if owner is not None:
            found[owner] = file
    if not found:
        image, name = next(iter(images.items()))
        raise RegionsError(
            f"{folder}: has no regions of any of the images; call those of {image.name} {name}.roi, {name}.zip, "
            f"{name}.geojson or {name}.tif"
        )
    return found
