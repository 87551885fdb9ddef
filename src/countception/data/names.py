"""Which files belong together by their names, and which hold images and which dots.

The ways that names may follow stand in `countception.data.pairing`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from countception import points
from countception.data.exports import export_kind
from countception.data.shared import find_shared, named_by
from countception.errors import DatasetError
from countception.files import OME, same_name
from countception.imagej import points_within
from countception.images.find import SUFFIXES, left_alone, natural_key

DOTS_FOLDERS = ("points", "annotations", "dots", "labels", "masks")
TABLES = points.SUFFIXES - SUFFIXES
NOTES = points.table.TEXT.suffixes


def _word(words: str) -> re.Pattern[str]:
    """Finds one of these words in a name, parted from the rest."""
    return re.compile(rf"(?:^|[-_. ]|(?<=[0-9]))(?:{words})(?=$|[-_. 0-9])", re.IGNORECASE)


_DOTS_WORDS = "dots?|points?|annotations?|labels?|masks?"
_DOTS_WORD = _word(_DOTS_WORDS)
_TABLE_WORD = _word(f"{_DOTS_WORDS}|cellcounter|markers?|roiset|rois?")
_IMAGE_WORD = _word("cells?|images?|img")


@dataclass(frozen=True)
class Named:
    """A file, and what it is paired by."""

    path: Path
    stem: str
    loose: tuple[str, ...]
    """The stem without the word that says what kind of file it is; several where that could be one of several."""


def listing(
    root: Path, image_suffix: str | None, dots_suffix: str | None
) -> tuple[list[Named], list[Named], list[Named]]:
    """Tell images from dots, in one folder or two; and from files whose suffix dots can have, but that hold none."""
    folders = {entry.name.lower(): entry for entry in root.iterdir() if entry.is_dir()}
    beside = [folders[name] for name in DOTS_FOLDERS if name in folders]
    if "images" not in folders or not beside:
        files, doubtful = _files(root)
        if image_suffix or dots_suffix:
            return *_by_suffix(files, files, image_suffix, dots_suffix), []
        return *_by_word(files), doubtful
    if len(beside) > 1:
        raise DatasetError(
            f"{root}: dots could be in {' or in '.join(f'{folder.name}/' for folder in beside)}; "
            "keep one of them, or list the files in a manifest"
        )
    (image_files, _), (dots_files, doubtful) = _files(folders["images"]), _files(beside[0])
    if image_suffix or dots_suffix:
        return *_by_suffix(image_files, dots_files, image_suffix, dots_suffix), []
    plain = [_image(file) for file in image_files if not is_table(file)]
    return plain, [_dots(file) for file in dots_files], doubtful


def _files(folder: Path) -> tuple[list[Path], list[Named]]:
    """Images and dots in natural order, and files whose suffix dots can have, but that hold none."""
    known = SUFFIXES | points.SUFFIXES
    entries = (entry for entry in folder.iterdir() if entry.suffix.lower() in known and entry.is_file())
    kept = sorted((e for e in entries if not left_alone(e.name)), key=lambda e: natural_key(e.name))
    found: list[Path] = []
    doubtful: list[Named] = []
    for entry in kept:
        if entry.suffix.lower() in SUFFIXES or points.holds_dots(entry):
            found.append(entry)
        else:
            doubtful.append(_dots(entry))
    return found, doubtful


def _by_suffix(
    image_files: list[Path], dots_files: list[Path], image_suffix: str | None, dots_suffix: str | None
) -> tuple[list[Named], list[Named]]:
    """Tell images from dots by how their names are said to end."""
    one_folder = image_files is dots_files

    def chosen(files: list[Path], mine: str | None, other: str | None) -> list[Path]:
        more_telling = other if one_folder and len(other or "") > len(mine or "") else None
        ending = [file for file in files if file.name.endswith(mine or "")]
        return [file for file in ending if more_telling is None or not file.name.endswith(more_telling)]

    def named(file: Path, suffix: str) -> Named:
        key = same_name(file.name.removesuffix(suffix))
        return Named(file, key, (key,))

    pictures = [file for file in chosen(image_files, image_suffix, dots_suffix) if not is_table(file)]
    dots = chosen(dots_files, dots_suffix, image_suffix)
    return (
        [named(file, image_suffix) if image_suffix else _image(file) for file in pictures],
        [named(file, dots_suffix) if dots_suffix else _dots(file) for file in dots],
    )


def _by_word(files: list[Path]) -> tuple[list[Named], list[Named]]:
    """Tell masks from images in one folder by a word such as ``dots`` in the name."""
    tables = [_dots(file) for file in files if is_table(file)]
    marked = [_dots(file) for file in files if not is_table(file) and _DOTS_WORD.search(file.stem)]
    plain = [_image(file) for file in files if not is_table(file) and not _DOTS_WORD.search(file.stem)]
    # "quantum_dots_1.png" is an image if dots ask for one of that name and no other will do
    keys = {key for each in plain for key in (each.stem, *each.loose)}
    wanted = {name for each in marked + tables if keys.isdisjoint(each.loose) for name in each.loose}
    wanted |= {each.stem for each in tables if keys.isdisjoint((each.stem, *each.loose))}
    alone = [each for each in marked if each.stem not in wanted and keys.isdisjoint((each.stem, *each.loose))]
    lists = [each.path for each in tables if keys.isdisjoint((each.stem, *each.loose))]
    promoted = {each.path for each in marked if each.stem in wanted}.union(
        named_by(lists, [each.path for each in alone])
    )
    images = [_image(each.path) for each in marked if each.path in promoted]
    return plain + images, tables + [each for each in marked if each.path not in promoted]


@dataclass(frozen=True)
class Paired:
    """What `pair` found."""

    pairs: list[tuple[Path, Path]]
    """Images with their dots, in natural order."""
    images_left: list[Path]
    dots_left: list[Path]
    passed: list[Path]
    """Called as the dots of an image without any would be, but without any in them."""
    shared: Path | None = None
    """The table whose rows are the dots of all images that have no file of their own."""


def pair(image_files: list[Named], dots_files: list[Named], doubtful: list[Named]) -> Paired:
    """Pair by name, and images without dots with the rows of a table that names them.

    What is called as dots but holds none is dots all the same in a folder of these, and reading it says what is wrong,
    unless it is an export of another tool. What is called as notes are is taken for dots only where an image has no
    others.

    Raises
    ------
    DatasetError
        A file could belong to two others, or a table of many images be meant in two ways.
    """
    notes: list[Named] = []
    others: list[Named] = []
    for dots in dots_files:
        (notes if dots.path.suffix.lower() in NOTES else others).append(dots)
    pairs, images_left, dots_left = _match(image_files, others)
    left = set(images_left)
    more, images_left, _ = _match([image for image in image_files if image.path in left], notes)
    pairs += more
    used = {dots for _, dots in pairs}
    tables = [dots.path for dots in dots_files if is_table(dots.path) and dots.path not in used]
    shared, named = find_shared(tables, images_left, [image for image, _ in pairs])
    pairs += [(image, shared) for image in named if shared is not None]
    left = set(images_left).difference(named)
    meant = _meant([image for image in image_files if image.path in left], doubtful)
    damaged = {image: file for image, file in meant.items() if file.parent != image.parent and not export_kind(file)}
    return Paired(
        sorted([*pairs, *damaged.items()], key=lambda pair: natural_key(pair[0].name)),
        [image for image in images_left if image in left and image not in damaged],
        [dots for dots in dots_left if dots != shared],
        [file for image, file in meant.items() if image not in damaged],
        shared,
    )


def _match(image_files: list[Named], dots_files: list[Named]) -> tuple[list[tuple[Path, Path]], list[Path], list[Path]]:
    """Pair by name: pairs, images left over, dots left over."""
    by_stem: dict[str, dict[Path, None]] = defaultdict(dict)
    by_loose: dict[str, dict[Path, None]] = defaultdict(dict)
    for image in image_files:
        by_stem[image.stem][image.path] = None
        for name in image.loose:
            by_loose[name][image.path] = None
    dots_of: dict[Path, list[Path]] = defaultdict(list)
    unmatched_dots = []
    for dots in dots_files:
        called = {path: None for name in dots.loose for path in (*by_stem.get(name, {}), *by_loose.get(name, {}))}
        hits = list(by_stem.get(dots.stem) or called)
        if len(hits) > 1:
            raise DatasetError(
                f"{dots.path}: could belong to {' or to '.join(hit.name for hit in hits)}; rename one of the images"
            )
        if hits:
            dots_of[hits[0]].append(dots.path)
        else:
            unmatched_dots.append(dots.path)
    for path, found in dots_of.items():
        if len(found) > 1:
            names = " and ".join(dots.name for dots in found)
            raise DatasetError(f"{path}: has more than one dots file, {names}; keep the right one")
    pairs = [(image.path, dots_of[image.path][0]) for image in image_files if image.path in dots_of]
    return pairs, [image.path for image in image_files if image.path not in dots_of], unmatched_dots


def _meant(left: Sequence[Named], doubtful: Sequence[Named]) -> dict[Path, Path]:
    """For images without dots the first file that is called as those would be."""
    called = {name: image.path for image in left for name in (image.stem, *image.loose)}
    found: dict[Path, Path] = {}
    for file in doubtful:
        image = next((called[name] for name in (file.stem, *file.loose) if name in called), None)
        if image is not None:
            found.setdefault(image, file.path)
    return found


def why_within(images: Sequence[Path]) -> str:
    """That the first of these images without dots has points in it, to go on a sentence with; empty if it has none."""
    first = next((image for image in images if image.suffix.lower() in (".tif", ".tiff")), None)
    if first is None or not points_within(first):
        return ""
    return (
        f"; {first} has points in it, as ImageJ saves a selection with its image, and these are not read: open it "
        f"there, and save them as {first.stem}.roi (File > Save As > Selection)"
    )


def why_case(image_files: Sequence[Path], dots_files: Sequence[Path]) -> str:
    """Which image and dots would pair but for upper and lower case, to go on a sentence with; empty without any."""
    called = {name.lower(): (name, each.path) for each in map(_image, image_files) for name in (each.stem, *each.loose)}
    for dots in map(_dots, dots_files):
        for name in filter(None, (dots.stem, *dots.loose)):
            other, image = called.get(name.lower(), (name, dots.path))
            if other != name:
                return f"; {image.name} and {dots.path.name} differ in upper and lower case only: rename one"
    return ""


def is_table(path: Path) -> bool:
    """Whether it can hold dots and nothing else, by its suffix."""
    return path.suffix.lower() in TABLES


def _image(path: Path) -> Named:
    """Of OME-TIFF, called ``a.ome.tif``, dots may be called ``a`` or ``a.ome``."""
    stem = same_name(path.stem)
    bare = stem.removesuffix(OME)
    return Named(path, stem, tuple(dict.fromkeys((_without(bare, _IMAGE_WORD)[-1], bare))))


def _dots(path: Path) -> Named:
    """Programs put a word of their own before the name of the image, which may have such words, or its suffix."""
    stem = same_name(path.stem)
    if not is_table(path):
        return Named(path, stem, (_without(stem, _DOTS_WORD)[-1],))
    whole = Path(stem)
    stems = (stem, whole.stem) if whole.suffix.lower() in SUFFIXES else (stem,)
    names = (name for each in stems for name in (each, *_without(each, _TABLE_WORD)))
    return Named(path, stem, tuple(dict.fromkeys(names)))


def _without(stem: str, word: re.Pattern[str]) -> list[str]:
    """The stem without each occurrence of a word, one at a time, and the separator before it; else the stem itself."""
    found = word.finditer(stem)
    return [(stem[: each.start()] + stem[each.end() :]).lstrip("-_. ") for each in found] or [stem]
