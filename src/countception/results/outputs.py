"""The files that are written for each counted image: pictures, count maps, points."""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from countception.errors import OutputError
from countception.files import check_writable, unique_names, whole_file
from countception.images.planes import Plane
from countception.points import find_writer, write_points
from countception.points.table import CONFIDENCE
from countception.results.tables import DECIMALS

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from countception.counting.count import Count
    from countception.results.row import Row

StrPath = str | os.PathLike[str]


class Outputs:
    """Where the pictures, maps and points of each image go.

    Their names are those of the images, made different where two images share theirs.

    Parameters
    ----------
    planes
        The images.
    overlays, maps, points
        Folders; None writes none.
    points_as
        Suffix of the files of points.
    overwrite
        Whether points may replace others: these may have been corrected by hand.
    """

    def __init__(
        self,
        planes: Sequence[Plane],
        *,
        overlays: StrPath | None = None,
        maps: StrPath | None = None,
        points: StrPath | None = None,
        points_as: str = "csv",
        overwrite: bool = False,
    ) -> None:
        self.kept: Collection[Plane] = ()
        self.own: Collection[Plane] = ()
        self.files = list(dict.fromkeys(each.path for each in planes))
        self.points_as, self.overwrite = points_as, overwrite
        self.names = dict(zip(planes, unique_names([each.alias for each in planes]), strict=True))
        self.overlays, self.maps, self.points = (
            None if folder is None else Path(folder) for folder in (overlays, maps, points)
        )

    def take_over(self, kept: Collection[Plane], own: Collection[Plane]) -> None:
        """Allow for files from before the batch was interrupted.

        Parameters
        ----------
        kept
            Images of which nothing is written any more.
        own
            Others, whose points are this batch's if there are any, and may be replaced.
        """
        self.kept, self.own = kept, own

    def holds(self, plane: Plane, row: Row) -> bool:
        """Whether all that would be written of an image is there, as its row says."""
        places = self._places(plane)
        written = {kind: getattr(row, kind) for kind in places}
        return written == places and all(Path(place).is_file() for place in places.values() if place)

    def check(self, *tables: StrPath | None, others: Iterable[StrPath] = (), classes: Sequence[str] = ()) -> None:
        """Refuse to write over an image or another result, or over points, and places that cannot be written to.

        Parameters
        ----------
        *tables
            Files that are written beside these; None is no file.
        others
            Files that are read, or written by others.
        classes
            Names of the classes of points.

        Raises
        ------
        OutputError
            Says which.
        PointsError
            Points cannot be written like that.
        """
        try:
            check_tables(*tables)
            self._check([Path(place) for place in tables if place is not None], list(map(Path, others)), classes)
        except OSError as error:  # such as of a folder that may not be looked into, or a name that is too long
            raise OutputError(f"cannot write {error.filename}: {error.strerror}; choose another place") from error

    def _check(self, tables: Sequence[Path], others: Sequence[Path], classes: Sequence[str]) -> None:
        if self.points is not None:
            find_writer(self.points / f"points.{self.points_as}", classes)
        inputs = {file.resolve() for file in self.files}
        taken = {place.resolve() for place in (*tables, *others)}
        for plane in self.names:
            for target in (self.overlay(plane), self.map(plane), self.points_file(plane)):
                place = target and target.resolve()
                if target is not None and _too_long(target):
                    raise OutputError(
                        f"{target} has too long a name for a file: rename {plane.path}, or the folders that it is in"
                    )
                if place in inputs:
                    raise OutputError(
                        f"{target} would be overwritten, and it is one of the images: name another folder"
                    )
                if place in taken:
                    raise OutputError(f"{target} would be overwritten, as another file has that place: name another")
            self._keep_points(plane)
        self._refuse_among_images()
        folders = {folder.resolve(): folder for folder in (self.overlays, self.maps, self.points) if folder is not None}
        for folder in folders.values():
            if folder.exists() and not folder.is_dir():
                raise OutputError(f"{folder} is no folder: name another for the files of each image")
            _refuse_within(taken, folder, folder.resolve())
        check_places(self.files, *tables)
        for folder in folders.values():  # one may hold all three
            _check_folder(folder)

    def _keep_points(self, plane: Plane) -> None:
        """Refuse to replace points, unless that is allowed."""
        table = self.points_file(plane)
        if table is None or self.overwrite or plane in self.kept or plane in self.own:
            return
        if table.exists():
            raise OutputError(
                f"{table} is there already, and may hold points that were corrected: name another folder, or allow "
                "to replace it (overwrite, --overwrite)"
            )

    def _refuse_among_images(self) -> None:
        """Overlays and maps are images by their names, and would be counted with those beside them."""
        sources = {folder for file in self.files for folder in (file.parent.resolve(), file.resolve().parent)}
        for kind, folder in (("overlays", self.overlays), ("maps", self.maps)):
            if folder is not None and folder.resolve() in sources:
                raise OutputError(
                    f"{folder} is a folder that images are read from, and {kind} in it would be counted as images the "
                    f"next time: name another folder for the {kind}"
                )

    def overlay(self, plane: Plane) -> Path | None:
        """Of the picture."""
        return self.overlays and self.overlays / f"{self.names[plane]}.png"

    def map(self, plane: Plane) -> Path | None:
        """Of the count map."""
        return self.maps and self.maps / f"{self.names[plane]}.tif"

    def points_file(self, plane: Plane) -> Path | None:
        """Of the points."""
        return self.points and self.points / f"{self.names[plane]}.{self.points_as}"

    def write(self, plane: Plane, count: Count, picture: Picture | None) -> dict[str, str]:
        """Write what was asked for and is not there yet; the names of the files by kind, empty where there is none.

        Raises
        ------
        OutputError
            A place cannot be written to.
        """
        if plane in self.kept:
            return self._places(plane)
        place, map_file, table = self.overlay(plane), self.map(plane), self.points_file(plane)
        if place is not None and picture is not None:
            from countception.results.pictures import save_picture

            save_picture(picture, place)
        if map_file is not None:
            write_map(map_file, count, image=str(plane.path), page=plane.page)
        if table is not None and count.points is not None and count.confidence is not None:
            self._keep_points(plane)  # of another batch, or of whoever corrects points, since this one began
            write_points(table, count.points, extra={CONFIDENCE: count.confidence.round(DECIMALS)})
        return self._places(plane)

    def _places(self, plane: Plane) -> dict[str, str]:
        """The names of its files by kind, as a row has them; empty where there is none."""
        files = {"overlay": self.overlay(plane), "map": self.map(plane), "points": self.points_file(plane)}
        return {kind: str(file or "") for kind, file in files.items()}


SHEETS = frozenset(
    {".xlsx", ".xls", ".ods", ".parquet", ".feather", ".json", ".tsv", ".tab", ".gz", ".bz2", ".xz", ".zst", ".zip"}
)
"""How names of tables end that are no CSV, or none that is unpacked."""


def check_tables(*places: StrPath | None) -> None:
    """Refuse names of CSV files that promise another format.

    Raises
    ------
    OutputError
        Says which.
    """
    for place in places:
        if place is not None and Path(place).suffix.lower() in SHEETS:
            plain = Path(place).stem.removesuffix(".csv")
            raise OutputError(f"{place} would be a CSV file by another name: call it {plain}.csv")


def check_places(inputs: Sequence[Path], *places: StrPath | None) -> None:
    """Refuse files to write that are also to be read, or are named twice, and places that cannot be written to.

    Parameters
    ----------
    inputs
        Images, and whatever else is read.
    places
        Files to write; None is no file.

    Raises
    ------
    OutputError
        Says which.
    """
    taken = {file.resolve() for file in inputs}
    written: dict[Path, Path] = {}
    for place in (Path(place) for place in places if place is not None):
        if str(place) == "-":
            raise OutputError("- would be a file of that name: leave the option out, or name /dev/stdout")
        resolved = place.resolve()
        if resolved in taken:
            raise OutputError(f"{place} would be overwritten, and it is one of the files to read: name another file")
        if resolved in written:
            raise OutputError(f"{place} would be written twice: name another file for one of the results")
        written[resolved] = place
    for resolved, place in written.items():
        _refuse_within(written.keys(), place, resolved.parent)
        check_writable(place)


def _refuse_within(files: Collection[Path], place: Path, folder: Path) -> None:
    """Refuse a place in a folder that is to be a file itself; all but `place` resolved."""
    for each in (folder, *folder.parents):
        if each in files:
            raise OutputError(f"{place} cannot be written where {each} is a file: name another place for one of them")


def _check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written to."""
    name = f".{secrets.token_hex(8)}"  # that nobody has
    try:
        check_writable(folder / name)
    except OutputError as error:
        raise OutputError(str(error).replace(str(folder / name), str(folder))) from None


def _too_long(file: Path) -> bool:
    """Whether no file can have such a name where it is to be, or where its folder is to be made."""
    folder = next((each for each in file.parents if each.is_dir()), Path())
    try:
        os.lstat(folder / file.name)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def write_map(path: StrPath, count: Count, *, image: str = "", page: int | None = None) -> None:
    """Write a count map as a float32 TIFF, ``(y, x)`` or, of several classes, ``(class, y, x)``.

    Its ImageDescription is a JSON object: the sum of all values over `redundancy` is `count`; entry ``(j, i)`` counts
    in a square of `window` working pixels whose centre lies ``(j, i) * stride / scale`` image pixels from `origin`.

    Raises
    ------
    OutputError
        The place cannot be written to.
    """
    import tifffile

    description = {
        "image": image,
        **({} if page is None else {"page": page}),
        "count": count.value,
        "by_class": count.by_class,
        "redundancy": count.redundancy,
        "window": count.window,
        "stride": count.stride,
        "scale": count.scale,
        "origin": count.origin(),
        "image_shape": count.shape,
    }
    values = count.map[0] if len(count.map) == 1 else count.map
    stream = io.BytesIO()  # in memory, as numpy's own writing to a full disk does not say that the disk is full
    tifffile.imwrite(stream, values, photometric="minisblack", description=json.dumps(description), metadata=None)
    with whole_file(path) as temporary:
        temporary.write_bytes(stream.getvalue())
