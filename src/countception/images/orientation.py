"""How images are turned for the screen: by the EXIF orientation of JPEG and PNG, which not every program follows.

Cameras and phones store pixels as the sensor lies and say how to turn them. This package reads them upright, as
browsers and viewers show them; ImageJ, Fiji and napari show them as they are stored, so that what is placed there lies
elsewhere.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from countception.images import decoders
from countception.images.read import first_bytes
from countception.wording import images

UPRIGHT = 1
SIDEWAYS = frozenset({5, 6, 7, 8})
"""Orientations whose stored rows are columns of the upright image."""
MEND = "set the orientation to 1 in all copies of the images (exiftool -n -Orientation=1 FILES)"

_PNG_KEPT = (b"IHDR", b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""Chunks that may say an orientation, or must be there."""
_PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"


def read_orientation(path: str | os.PathLike[str]) -> int:
    """EXIF orientation of an image file, 1 to 8, without reading its pixels; 1 is upright.

    Also 1 of a file that does not say or cannot be read, and of TIFF, which is read as it is stored.
    """
    path = Path(path)
    try:
        found = _orientation(path, first_bytes(path))
    except Exception:  # of damaged files anything may be raised; reading the pixels will say so
        return UPRIGHT
    return found if found in range(1, 9) else UPRIGHT


def why_turned(number: int, of: int) -> str | None:
    """What to do about so many images whose orientation is another than 1; None where there are none."""
    if not number:
        return None
    are = "is" if number == 1 else "are"
    return (
        f"{images(number)} of {of} {are} turned by EXIF orientation: upright here, but shown as stored by ImageJ, Fiji "
        f"and napari; where dots or regions were placed there, {MEND}, so that they fit and all programs agree, or "
        "turn the pixels before placing any (mogrify -auto-orient FILES)"
    )


def _orientation(path: Path, head: bytes) -> int:
    """What `decoders.decode` turns a file by that begins with `head`, without its pixels."""
    if decoders.is_tiff(head):
        return UPRIGHT
    if not head.startswith(decoders.PNG_MAGIC):
        with decoders.pillow_file(path, head) as image:
            return int(image.getexif().get(decoders.EXIF_ORIENTATION, UPRIGHT))
    from PIL.Image import Image
    from PIL.PngImagePlugin import PngImageFile

    with PngImageFile(io.BytesIO(_png_without_pixels(path))) as image:
        return int(Image.getexif(image).get(decoders.EXIF_ORIENTATION, UPRIGHT))  # its own looks for pixels


def _png_without_pixels(path: Path) -> bytes:
    """The chunks of a PNG file that may say its orientation, which may stand after the pixels."""
    kept = [decoders.PNG_MAGIC]
    with path.open("rb") as stream:
        stream.seek(len(decoders.PNG_MAGIC))
        while len(start := stream.read(8)) == 8:
            size = int.from_bytes(start[:4], "big") + 4  # with its check sum
            if start[4:] in _PNG_KEPT:
                kept += [start, stream.read(size)]
            else:
                stream.seek(size, os.SEEK_CUR)
    return b"".join([*kept, _PNG_END])
