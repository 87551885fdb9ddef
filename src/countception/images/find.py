"""Which files are images: by name, in folders and by patterns."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from countception.errors import ImageError
from countception.images.decoders import RAW_SUFFIXES
from countception.images.read import StrPath
from countception.wording import count_of

TIFF_SUFFIXES = frozenset({".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk", ".svs", ".ndpi", ".scn", ".qptiff"})
"""Of TIFF files, those of microscopes and of scanners of slides among them."""
SUFFIXES = TIFF_SUFFIXES | {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp"}
"""Suffixes, in lower case, of the files that count as images when a folder is read."""
OTHER_SUFFIXES = RAW_SUFFIXES.union(
    {".gif", ".webp", ".jp2", ".jxl", ".avif", ".heic", ".heif", ".hif", ".cr3", ".psd", ".dcm", ".mrxs"}
    | {".czi", ".lif", ".nd2", ".vsi", ".oib", ".oif", ".oir", ".zvi", ".ims", ".dv", ".mrc", ".ets"}
)
"""Suffixes of images that are not read: what is passed over is told."""
CURVES = (".curve.csv", ".curve.png")
"""How the names of training curves end (`countception.results.curve.write_curve`)."""


def find_images(paths: StrPath | Iterable[StrPath]) -> list[Path]:
    """Image files named by files, folders and patterns, each once, in the order named.

    A folder stands for the images in it (not in its subfolders), sorted as people count: ``2.png`` before ``10.png``.
    Hidden files are skipped; links to files that are not there are not, lest images be missing without a word. ``*``,
    ``?``, ``[...]`` and ``**`` are patterns unless a file has that very name.

    Raises
    ------
    ImageError
        Nothing is named, or a name matches no image.
    """
    names = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not names:
        raise ImageError("no images are named; name files, folders or patterns such as 'plate1/*.tif'")
    found: dict[Path, Path] = {}
    for path in _all(names):
        found.setdefault(path.resolve(), path)
    return list(found.values())


def linked(names: Iterable[StrPath]) -> dict[Path, Path]:
    """Images that `find_images` leaves out, as they are links to others, or in folders that are, and these others."""
    first: dict[Path, Path] = {}
    pairs = ((path, first.setdefault(path.resolve(), path)) for path in _all(names))
    return {path: other for path, other in pairs if _absolute(path) != _absolute(other)}


def _absolute(path: Path) -> str:
    """With links as they are."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps ..


def _all(names: Iterable[StrPath]) -> Iterator[Path]:
    return (path for name in names for path in _matches(os.fspath(name)))


def images_in(folder: Path) -> list[Path]:
    """Image files in a folder by suffix, in natural order, but for those that are `left_alone`."""
    return _files(folder, SUFFIXES)


def unread_in(folder: Path) -> list[Path]:
    """Files in a folder that are images of a kind that is not read, by suffix, in natural order."""
    return _files(folder, OTHER_SUFFIXES)


def unread_by(name: StrPath) -> list[Path]:
    """The same of a folder, or of files that a pattern matches; none of a name that is neither.

    Raises
    ------
    OSError
        The folder cannot be looked into.
    """
    path = Path(name)
    if path.is_dir():
        return unread_in(path)
    return [] if path.exists() else _of(_matched(os.fspath(name)), OTHER_SUFFIXES)


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    files = (path for path in folder.iterdir() if path.suffix.lower() in suffixes and not left_alone(path.name))
    return sorted(filter(_is_file, files), key=lambda path: natural_key(path.name))


def _is_file(path: Path) -> bool:
    """Whether it is a file, or a link to one that is not there any more, which whoever reads it says."""
    return path.is_file() or (path.is_symlink() and not os.path.lexists(os.path.realpath(path)))


def why_unread(files: Sequence[Path]) -> str:
    """What to do about images of kinds that are not read, to go on a sentence with; empty without any."""
    are = "is" if len(files) == 1 else "are"
    return f"; {count_of(files, 'image')} {are} of a kind that is not read: export as TIFF" if files else ""


def closed_to(name: StrPath) -> list[Path]:
    """Folders that a pattern goes through, and that may not be looked into; none of a name that is no pattern.

    Raises
    ------
    OSError
        As for `unread_by`.
    """
    path = Path(name)
    if not glob.has_magic(os.fspath(name)) or path.exists():
        return []
    parts = Path(_pattern(path)).parts
    levels = (str(Path(*parts[:number])) for number in range(1, len(parts)))
    found = dict.fromkeys(each for level in levels for each in glob.glob(level, recursive=True))  # noqa: PTH207 - as in _matched
    return [Path(each) for each in found if Path(each).is_dir() and not os.access(each, os.R_OK | os.X_OK)]


def why_closed(folders: Sequence[Path]) -> str:
    """That patterns match nothing in some folders, to go on a sentence with; empty without any."""
    return f"; {count_of(folders, 'folder')} may not be looked into" if folders else ""


def left_alone(name: str) -> bool:
    """Whether a file is nobody's image or dots, by its name: hidden, or a training curve that lies beside its model."""
    return name.startswith(".") or name.endswith(CURVES)


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Sort key that compares runs of digits as numbers."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(False, int(part), part) if part[0] in "0123456789" else (True, 0, part) for part in parts]


def _matches(name: str) -> list[Path]:
    path = Path(name)
    try:
        if path.is_dir():
            found = images_in(path)
            if not found:
                below = any(each.is_dir() for each in path.iterdir())
                ending = next((each.suffix for each in path.glob("*/*") if each.suffix.lower() in SUFFIXES), ".tif")
                hint = f"; name those of its folders by a pattern such as '{path}/*/*{ending}'" if below else ""
                hint += why_unread(unread_in(path))
                raise ImageError(f"{path}: the folder has no images in it ({', '.join(sorted(SUFFIXES))}){hint}")
            return found
        if path.exists() or _is_file(path):
            return [path]
        if glob.has_magic(name):
            files = _matched(name)
            found = _of(files, SUFFIXES)
            if found:
                return found
            hint = _in_other_case(name) or why_unread(_of(files, OTHER_SUFFIXES)) or why_closed(closed_to(name))
            raise ImageError(f"{name}: no image matches the pattern{hint}")
    except OSError as error:
        raise ImageError(f"{name}: cannot be read: {error.strerror or error}") from error
    raise ImageError(f"{name}: there is no such file or folder")


def _in_other_case(name: str) -> str:
    """That a pattern would match with other letters in its last part, as microscopes write .TIF; empty otherwise."""
    place, last = os.path.split(name)
    if "[" in last:
        return ""
    anyhow = "".join(f"[{each.lower()}{each.upper()}]" if each.isalpha() else each for each in last)
    found = _of(_matched(str(Path(place, anyhow))), SUFFIXES)
    return f"; upper and lower case differ, and there is {found[0].name}" if found else ""


def _matched(name: str) -> list[Path]:
    """Files that a pattern matches; none of a name that is no pattern."""
    if not glob.has_magic(name):
        return []
    return [Path(match) for match in glob.glob(_pattern(Path(name)), recursive=True)]  # noqa: PTH207 - Path.glob knows no absolute patterns


def _pattern(path: Path) -> str:
    """The same, with folders that are there under that very name taken as they are: run[1] is not run1."""
    there = next((folder for folder in path.parents if folder.is_dir()), Path())
    return str(Path(glob.escape(str(there)), *path.parts[len(there.parts) :]))


def _of(files: Iterable[Path], suffixes: frozenset[str]) -> list[Path]:
    """Those of some suffixes, in natural order, but for training curves."""
    found = [f for f in files if f.suffix.lower() in suffixes and not f.name.endswith(CURVES) and _is_file(f)]
    return sorted(found, key=lambda file: natural_key(str(file)))
