"""Which file of dots belongs to which image.

Four ways of laying out a data set are read; `read_dataset` finds out which it is.

beside each other
    One folder: ``001cell.png`` and ``001dots.png``; ``field_000.png`` and ``field_dots_000.png``; ``a.png`` and
    ``a.csv``, ``a_dots.png``, ``a_points.csv``, ``a.roi``, ``CellCounter_a.xml`` or ``a.geojson``.
two folders
    ``images/`` and one of ``points/``, ``annotations/``, ``dots/``, ``labels/`` and ``masks/``, with the same names
    in both.
a manifest
    A CSV file with columns ``image`` and ``dots``, ``group`` where some images are not independent (tiles of one field,
    fields of one slide), and ``page`` where images are pages of stacks. Paths are relative to the manifest. A folder's
    ``manifest.csv`` goes before its files.
one table
    Any of the first two, where a table names in a column the images that its dots lie on (`countception.points.whose`):
    it holds the dots of all that have no file of their own.

Files are paired by stem, upper and lower case kept apart, never by order. A file that could belong to two is an error;
a file that belongs to none is listed. Hidden files, the training curves that `train` writes beside a model
(``*.curve.csv``, ``*.curve.png``), and XML, JSON and ImageJ files that hold no points are left alone.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from countception import points
from countception.data.exports import export_kind, why_export
from countception.data.names import DOTS_FOLDERS, Paired, is_table, listing, pair, why_case, why_within
from countception.data.shared import why_unnamed
from countception.errors import DatasetError, PointsError
from countception.images.find import SUFFIXES, images_in, left_alone, natural_key, unread_in, why_unread
from countception.images.pixel_size import checked_size
from countception.images.planes import called, is_stack
from countception.images.projection import Page
from countception.points.cells import read_table
from countception.points.table import says_planes
from countception.wording import NAMED, count_of, why_alike

CONVENTIONS = (
    "name them a.png and a.csv, a_dots.png, a_points.csv, a.roi, CellCounter_a.xml or a.geojson in one folder, or "
    "alike in images/ and points/ (annotations/, dots/, labels/, masks/), put the dots of all into one CSV with "
    "columns image, x and y, list the files in a CSV with columns image and dots, or say how their names end "
    "(--image-suffix, --dots-suffix; image_suffix and dots_suffix of read_dataset)"
)


@dataclass(frozen=True)
class Item:
    """One image and the file of its dots."""

    image: Path
    dots: Path
    name: str
    """What the image is called in tables: its stem, or its path in the manifest."""
    group: str | None = None
    """Images of one group are not independent, and are kept together when a data set is split."""
    box: tuple[tuple[int, int], tuple[int, int]] | None = None
    """Rows and columns of the part that it stands for, the last ones not included; None for the whole image."""
    pixel_size: float | None = None
    """Side of a pixel in micrometres, where it is said and not left to the file."""
    page: int | None = None
    """Page of a stack, from 0, where the manifest says it; goes before what is to be read of all."""
    listed: tuple[int, ...] = ()
    """The pages of its image for which the manifest lists its dots."""

    def page_or(self, page: Page | None) -> Page | None:
        """Its own page, or else what is read of all."""
        return page if self.page is None else self.page

    def asked(self) -> int | None:
        """Its own page, for whoever asks for it when it matters."""
        return self.page


@dataclass(frozen=True)
class Dataset:
    """What `read_dataset` found; no pixels are read yet."""

    items: tuple[Item, ...]
    """In natural order of their names, or as in the manifest; at least one."""
    classes: tuple[str, ...]
    """Names of the classes of all dots, in natural order."""
    unmatched_images: tuple[Path, ...]
    unmatched_dots: tuple[Path, ...]
    root: Path
    order: points.Order | None = None
    """Order of coordinates in tables without a header."""
    passed_over: tuple[Path, ...] = ()
    """Files called as the dots of an image without any would be, but that hold no dots."""
    unread: tuple[Path, ...] = ()
    """Images in the folder that are of kinds that are not read."""
    shared: Path | None = None
    """The table that holds the dots of all images without a file of their own."""
    page: Page | None = None
    axis: int | str | None = None
    """What is read of stacks, as `countception.images.read.read_image` takes it."""

    @property
    def alike(self) -> str | None:
        """What to do where classes, or the groups of a manifest, are spelled almost alike; None where they are not."""
        groups = [item.group for item in self.items if item.group is not None and item.group != str(item.image)]
        told = (why_alike(self.classes, "classes"), why_alike(groups, "groups"))
        return "; ".join(filter(None, told)) or None

    def without_unmatched(self) -> Dataset:
        """The same without the files that have no partner."""
        return replace(self, unmatched_images=(), unmatched_dots=())

    def with_pixel_size(self, micrometres: float) -> Dataset:
        """The same with images whose pixels are of this size, whatever their files say."""
        return replace(self, items=tuple(replace(item, pixel_size=checked_size(micrometres)) for item in self.items))

    def within(self, regions: str | os.PathLike[str]) -> Dataset:
        """The parts of its images in which all objects are marked, each as an image of its own.

        Parts of one image stay together when the data set is split, unless it is the only one.

        Parameters
        ----------
        regions
            Upright rectangles: a file that holds for all images, or a folder with a file for each, as
            `countception.regions.RegionFiles` takes them. What is marked outside them is passed over.

        Raises
        ------
        RegionsError
            They cannot be read, an image has none, or one is no upright rectangle.
        """
        from countception.files import unique_names
        from countception.regions.rectangles import rectangles

        images = list(dict.fromkeys(item.image for item in self.items))  # several pages of one have the same parts
        several = len(images) > 1
        parts = rectangles(regions, dict(zip(images, unique_names(images), strict=True)))
        items: list[Item] = []
        for item in self.items:
            group = item.group or (str(item.image) if several else None)
            named = parts[item.image].items()
            items += [replace(item, name=f"{item.name} {name}", box=box, group=group) for name, box in named]
        return replace(self, items=tuple(items))


def read_dataset(
    path: str | os.PathLike[str],
    *,
    order: points.Order | None = None,
    image_suffix: str | None = None,
    dots_suffix: str | None = None,
    page: Page | None = None,
    axis: int | str | None = None,
) -> Dataset:
    """Find the images and dots of a data set.

    Parameters
    ----------
    path
        A folder, or a manifest.
    order
        ``"xy"`` or ``"yx"``: what the two columns of tables without a header are.
    image_suffix, dots_suffix
        How the names of images and of dots end, such as ``"cell.png"`` and ``"dots.png"``, where the names follow no
        convention above; what comes before is what they are paired by.
    page, axis
        What to read of stacks, as `countception.images.read.read_image` takes it.

    Raises
    ------
    DatasetError
        There is no such folder or manifest, nothing pairs, or a pairing is ambiguous; the sentence names the files.
    """
    root = Path(path)
    try:
        if root.is_dir() and not (root / "manifest.csv").is_file():
            found = pair(*listing(root, image_suffix, dots_suffix))
            items = tuple(Item(image, dots, image.stem) for image, dots in found.pairs)
            unread = _unread(root)
        elif root.exists():
            root, items = _manifest(root / "manifest.csv" if root.is_dir() else root)
            found, unread = Paired([], [], [], []), []
        else:
            raise DatasetError(f"{root}: there is no such folder or manifest")
    except OSError as error:
        raise DatasetError(f"{root}: cannot be read: {error.strerror or error}") from error
    if not items:
        raise DatasetError(_nothing_pairs(root, found, order) + why_unread(unread))
    classes = _classes(items, order)
    return Dataset(
        items,
        classes,
        unmatched_images=tuple(found.images_left),
        unmatched_dots=tuple(found.dots_left),
        root=root,
        order=order,
        passed_over=tuple(found.passed),
        unread=tuple(unread),
        shared=found.shared,
        page=page,
        axis=axis,
    )


def is_part_of(data: str | os.PathLike[str], file: Path) -> bool:
    """Whether a file that is there is a manifest, or an image or dots of a data set, or would be taken for them.

    Raises
    ------
    DatasetError
        The data set cannot be looked into.
    """
    root = Path(data)
    try:
        return _is_part_of(root, file)
    except OSError as error:
        raise DatasetError(f"{root}: cannot be read: {error.strerror or error}") from error


def _is_part_of(root: Path, file: Path) -> bool:
    if not file.is_file() or not root.exists():
        return False
    manifest = root / "manifest.csv" if root.is_dir() else root
    if manifest.is_file():
        listed = (each for item in _manifest(manifest)[1] for each in (item.image, item.dots))
        return any(file.samefile(each) for each in (manifest, *listed))
    if left_alone(file.name) or not any(file.parent.samefile(folder) for folder in _folders(root)):
        return False
    return file.suffix.lower() in SUFFIXES or points.holds_dots(file)


def _unread(root: Path) -> list[Path]:
    """Images of other kinds in a folder of images with dots, or in its folder of images."""
    folders = [root, *(entry for entry in root.iterdir() if entry.name.lower() == "images" and entry.is_dir())]
    return [file for folder in folders for file in unread_in(folder)]


def why_passed_over(files: Sequence[Path], order: points.Order | None) -> str:
    """What is wrong with the first of them, to go on a sentence with; empty without any."""
    return "".join(f"; {why_no_dots(file, order)}" for file in files[:1])


def why_no_dots(file: Path, order: points.Order | None) -> str:
    """What is wrong with a file that is called as dots would be."""
    kind = export_kind(file)
    return f"{file}: is {kind}, which is not read" if kind else _wrong(file, order) or f"{file}: holds no points"


def _wrong(file: Path, order: points.Order | None) -> str:
    """Why a file of dots cannot be read; nothing if it can."""
    try:
        points.read_points(file, order=order)
    except PointsError as error:
        return str(error)
    return ""


def _manifest(path: Path) -> tuple[Path, tuple[Item, ...]]:
    try:
        rows = read_table(path).rows
    except PointsError as error:
        raise DatasetError(f"{error}, with columns image and dots") from error
    header = [cell.lower() for cell in rows[0][1]] if rows else []
    if "image" not in header or "dots" not in header:
        if {"x", "y"} <= set(header):
            raise DatasetError(
                f"{path}: is a table of dots and no manifest; name the folder that it and its images lie in"
            )
        raise DatasetError(f"{path}: is no manifest of a data set; its first line must name columns image and dots")
    items: list[Item] = []
    seen: set[tuple[Path, int | None]] = set()
    for line, cells in rows[1:]:
        row, where = dict(zip(header, cells, strict=False)), f"{path}, line {line}"
        files = [path.parent / row[column] for column in ("image", "dots") if row.get(column)]
        if len(files) < 2:
            raise DatasetError(f"{where}: needs both an image and a dots file")
        page = _page(row.get("page", ""), where)
        for file in files:
            if not file.is_file():
                raise DatasetError(f"{where}: there is no file {file}; paths are relative to the manifest")
            its = page if page is None or file == files[0] or _of_pages(file) else None
            if (file.resolve(), its) in seen:
                stack = file == files[0] and page is None
                more = "; of a stack, a column page says which page a row is of" if stack else ""
                raise DatasetError(f"{where}: {file.name} is listed before; each file belongs in one row{more}")
            seen.add((file.resolve(), its))
        # pages of one stack are no more independent than parts of one image
        group = row.get("group") or (str(files[0]) if page is not None else None)
        items.append(Item(files[0], files[1], called(row["image"], page), group, page=page))
    if not items:
        raise DatasetError(f"{path}: lists no images; give it a row with the image and the dots of each")
    return path.parent, _with_listed(items)


def _with_listed(items: Sequence[Item]) -> tuple[Item, ...]:
    """The same, that know for which pages of their images their dots are listed."""
    pages: defaultdict[tuple[Path, Path], list[int]] = defaultdict(list)
    for item in items:
        if item.page is not None:
            pages[item.image, item.dots].append(item.page)
    return tuple(replace(item, listed=tuple(pages[item.image, item.dots])) for item in items)


def _of_pages(file: Path) -> bool:
    """Whether a file may hold the dots of several pages: a table that says so, or a stack of masks."""
    return says_planes(file) if is_table(file) else is_stack(file)


def _page(text: str, where: str) -> int | None:
    """The number of a page, from 0; None where there is none."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise DatasetError(f"{where}: {text!r} is no page; give its number, from 0, or leave it empty")
    return int(text)


def _classes(items: Iterable[Item], order: points.Order | None) -> tuple[str, ...]:
    """Names of all classes; files that cannot be read say so when they are loaded, or inspected."""
    names: set[str] = set()
    counters: set[str] = set()
    for item in items:
        if is_table(item.dots):
            with suppress(PointsError):
                dots = points.read_points(item.dots, order=order, image=item.image, page=item.asked, listed=item.listed)
                if dots.named:
                    names |= dots.used_names
                elif dots.class_names != points.DEFAULT_CLASSES:
                    counters |= dots.used_names
    if names and all(name.isdigit() for name in names):  # ImageJ's first counter is a class beside the others only
        names |= counters
    return tuple(sorted(names, key=natural_key)) or points.DEFAULT_CLASSES


def _nothing_pairs(root: Path, found: Paired, order: points.Order | None) -> str:
    """What there is instead, and the likeliest reason."""
    images_left, dots_left = found.images_left, found.dots_left
    has = f"has {count_of(images_left, 'image')} and {count_of(dots_left, 'dots file')}, but no pairs"
    if not images_left and not dots_left:
        has = "has no images and no dots in it"
    elif not dots_left:
        has = f"has {count_of(images_left, 'image')}, but no dots for any of them"
    with suppress(OSError):  # of a folder or file beside, which nobody needs
        if export := why_export(_folders(root)):
            return f"{export}, as {root} {has}"
        if hint := why_case(images_left, dots_left) or ("" if images_left else _below(root)):
            return f"{root}: {has}{hint}"
    wrong = [why for file in dots_left[:NAMED] if is_table(file) and (why := _wrong(file, order))]
    return f"{root}: {has}; {CONVENTIONS}" + (
        why_passed_over(found.passed, order)
        or "".join(f"; {w}" for w in wrong[:1])
        or why_unnamed(dots_left, images_left)
        or why_within(images_left)
    )


def _folders(root: Path) -> list[Path]:
    """The folder, and those in it that may hold images or dots."""
    names = ("images", *DOTS_FOLDERS)
    return [root, *(entry for entry in root.iterdir() if entry.name.lower() in names and entry.is_dir())]


def _below(root: Path) -> str:
    """Where in a folder without images they are, to go on a sentence with; empty if nowhere."""
    folders = [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    folders = sorted(folders, key=lambda folder: natural_key(folder.name))
    beside = next((folder for folder in folders if folder.name.lower() == "images"), None)
    if beside is not None and any(is_table(file) and points.holds_dots(file) for file in beside.iterdir()):
        return f"; name {beside}, which has files of dots beside the images"
    if beside is not None:
        return f"; the dots of {beside} belong into {root / 'points'}"
    found = [folder for folder in folders if images_in(folder) or (folder / "images").is_dir()]
    return f"; name one of its folders, such as {found[0]}" if found else ""
