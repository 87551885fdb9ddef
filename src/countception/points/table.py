"""Tables of dots: CSV files with one row per object.

The header says what the columns are, in any order and case: ``x`` and ``y``, or napari's ``axis-0`` (y) and ``axis-1``
(x); then, if there is one, ``class``, and one that names the image, where a table holds the dots of several (`whose`).
Other columns are left alone: ``label`` or ``type`` may as well hold numbers of objects. Columns are parted by commas,
semicolons or tabs, or by spaces where there is none of these; where commas do not part columns they may be decimal
signs, as spreadsheets write in much of Europe. The text is UTF-8 or UTF-16; headings that are not read may be in any
encoding. Coordinates are in pixels; a whole number is a pixel's centre.
"""

from __future__ import annotations

import csv
import functools
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from countception.errors import PointsError
from countception.files import CSVLines, whole_file
from countception.points.cells import NO_TEXT, Table, read_table
from countception.points.dots import Dots
from countception.points.format import Format, Order, ReadOptions, counted, named_dots
from countception.points.planes import COLUMNS, plane_of_page, refuse_planes
from countception.points.whose import Group, ImageColumn, Row, grouped, image_columns, images_in, rows_of

COORDINATES = (("y", "x"), ("axis-0", "axis-1"))
"""The second are napari's, whose last two are y and x."""
CLASS = "class"
COUNTER = "counter"
COUNTERS = {COUNTER, "count"}
"""What ImageJ measures of its multi-point tool: the counter of a point, and how many that has."""
CONFIDENCE = "confidence"
"""The column that points have in which a counter found them, and dots that people place have not."""
CHANCE = 1e-6
"""Improbable enough to be no coincidence."""
BOXES = ({"width", "height"}, {"w", "h"}, {"x2", "y2"})
"""Columns of boxes beside x and y, which are a corner there."""
NUMBERED = 5
"""So many rows begin with numbers that a few words below them stand for something else; of ImageJ, one is enough."""
YOLO = 5
"""Numbers in a row of YOLO: a class and a box, in shares of the image's sides."""
VERTEX = "vertex-index"
"""napari's number of a corner of a shape."""
IMAGEJ_BOXES = {"bx", "by"}
"""ImageJ's corners, beside which x and y are the middle."""


@dataclass(frozen=True)
class _Columns:
    y: int
    x: int
    label: int | None = None
    names: tuple[str, ...] = ()
    planes: tuple[int, ...] = ()
    """Columns that say which plane of a stack a dot lies on."""
    measured: bool = False
    """Whether ImageJ wrote the table, whose first column has no heading."""
    images: tuple[ImageColumn, ...] = ()
    """Columns that say which image a dot lies on."""
    counters: bool = False
    """Whether the classes are the counters of ImageJ's multi-point tool."""


def read(path: Path, options: ReadOptions) -> Dots:
    """Read the dots of a table.

    Raises
    ------
    PointsError
        No header and no `order`, unknown columns, rows of several images but not of this one, or a row that is no dot;
        the sentence gives the line.
    """
    table = read_table(path, foreign=True)
    columns, rows = _columns(table, options.order)
    if options.image is not None and columns.images:
        chosen = rows_of(path, _groups(table, columns.images), options.image)
        rows = rows if chosen is None else chosen
    _refuse_sums(table, columns, rows)
    said = {k: {_plane(table, cells[k]) for _, cells in rows if k < len(cells)} for k in columns.planes}
    planes = {columns.names[k]: numbers for k, numbers in said.items()}
    if plane := plane_of_page(path, planes, options, measured=columns.measured):
        k, number = columns.names.index(plane[0]), plane[1]
        rows = [row for row in rows if k < len(row[1]) and _plane(table, row[1][k]) == number]
    else:
        refuse_planes(path, planes, options, measured=columns.measured)
    dots: list[tuple[tuple[float, float], str]] = []
    for line, cells in rows:
        if columns.names and table.delimiter == " " and len(cells) != len(columns.names):
            raise PointsError(
                f"{path}, line {line}: has {len(cells)} values for {len(columns.names)} columns, "
                "which spaces part; leave none in headings, or part columns by commas"
            )
        if columns.names and any(cells[len(columns.names) :]):
            raise PointsError(
                f"{path}, line {line}: has {len(cells)} values for {len(columns.names)} columns; "
                "are there decimal commas in a file that commas part?"
            )
        place = _number(table, line, cells, columns.y), _number(table, line, cells, columns.x)
        name = "" if columns.label is None else _cell(table, line, cells, columns.label)
        if columns.label is not None and not name:
            raise PointsError(f"{path}, line {line}: the class is missing; every dot must have one, or none")
        dots.append((place, name))
    if columns.measured and dots:
        _refuse_units(path, [place for place, _ in dots], options)
    found_dots = named_dots(path, dots)
    return counted(found_dots) if columns.counters else found_dots


def _refuse_sums(table: Table, columns: _Columns, rows: Sequence[Row]) -> None:
    """A spreadsheet may have a sum or mean below the dots: there is a word where the rows above have their numbers."""
    if not rows or 0 in (
        columns.y,
        columns.x,
        columns.label,
        *columns.planes,
        *(each.index for each in columns.images),
    ):
        return
    numbered = list(itertools.takewhile(lambda row: _is_number(row[1][0], table.delimiter), rows))
    below = rows[len(numbered) :]
    enough = 1 if columns.measured else NUMBERED
    if len(numbered) >= enough and 0 < len(below) < NUMBERED and all(_is_word(cells[0]) for _, cells in below):
        line, cells = below[0]
        raise PointsError(
            f"{table.path}, line {line}: seems to be no dot but a sum or mean of those above, as it begins with "
            f"{cells[0]} and they with numbers; remove it"
        )


def _is_word(text: str) -> bool:
    return any(map(str.isalpha, text)) and not any(map(str.isdigit, text))


def images_named(path: Path, images: Iterable[Path]) -> dict[str, list[Path]]:
    """Which of these images the rows of a table of dots are of, by what they are called there.

    Nothing where the file is no table of dots, or has no column that names images. More than one image by one name is
    unclear.
    """
    try:
        table = read_table(path, foreign=True)
        columns, _ = _columns(table, None)
    except PointsError:
        return {}
    return images_in(_groups(table, columns.images), images)


def says_planes(path: Path) -> bool:
    """Whether a file is a table that says on which plane of a stack its dots lie."""
    try:
        return bool(_columns(read_table(path, foreign=True), None)[0].planes)
    except PointsError:
        return False


def names_in(path: Path) -> list[str] | None:
    """What the images are called whose dots a table holds; None where it has no column for that.

    Raises
    ------
    PointsError
        The file is no table of dots.
    """
    table = read_table(path, foreign=True)
    columns, _ = _columns(table, None)
    groups = _groups(table, columns.images).values()
    return None if not groups else next((names for group in groups if (names := list(filter(None, group)))), [])


@functools.lru_cache(maxsize=1)
def _groups(table: Table, columns: tuple[ImageColumn, ...]) -> dict[ImageColumn, Group]:
    """The rows below the header by image, kept for the next image of the same table."""
    return {column: grouped(table.rows[1:], column) for column in columns}


def _refuse_units(path: Path, places: Sequence[tuple[float, float]], options: ReadOptions) -> None:
    """ImageJ measures in the unit of the image: so do these dots, if by chance they would not all lie in one corner."""
    size = options.pixel_size()
    if size is None or options.image_shape is None or not 0 < size < 1:
        return
    farthest = max(max(y / height, x / width) for (height, width) in [options.image_shape] for y, x in places)
    if farthest <= size and size ** (2 * len(places)) < CHANCE:
        raise PointsError(
            f"{path}: its X and Y seem to be in µm and not in pixels, which are {size:g} µm wide by the image, as all "
            f"dots would lie in its upper left {100 * size:.0f} %: remove the scale in ImageJ (Analyze > Set Scale) "
            "and measure again, or save the points themselves as .roi or .zip"
        )


def write(path: Path, dots: Dots, extra: Mapping[str, Sequence[object]]) -> None:
    """Write columns ``x,y``, then the class where classes have names, then `extra`; numbers read back exactly."""
    header = ["x", "y", *(["class"] if dots.named else []), *extra]
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(CSVLines(stream), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        writer.writerow(header)
        for i, (y, x) in enumerate(dots.points.tolist()):
            label = [dots.class_names[dots.labels[i]]] if dots.named else []
            writer.writerow([repr(x), repr(y), *label, *(column[i] for column in extra.values())])


def _columns(table: Table, order: Order | None) -> tuple[_Columns, list[tuple[int, list[str]]]]:
    """Find which columns are what, and the rows below the header."""
    if order not in (None, "xy", "yx"):
        raise PointsError(f"{table.path}: the order of the columns cannot be {order!r}; it is 'xy' or 'yx'")
    if not table.rows:
        if order is not None:
            return _Columns(0, 1), []
        raise PointsError(f"{table.path}: the file is empty; an image without objects has the header x,y alone")
    line, first = table.rows[0]
    if not all(_is_number(cell, table.delimiter) for cell in first if cell):
        return _header(table.path, first), table.rows[1:]
    if len(first) == YOLO and all(cell and 0 <= float(_decimal(cell, table.delimiter)) <= 1 for cell in first[1:]):
        raise PointsError(
            f"{table.path}: seems to be YOLO's, with boxes in shares of the image's sides; write a table with header "
            "x,y of their centres in pixels: the second number times the image's width, the third times its height"
        )
    if order is None:
        raise PointsError(
            f"{table.path}: has no header; put x,y or y,x in its first line, or say the order of the columns (xy or yx)"
        )
    if any(len([cell for cell in cells if cell]) > 2 for _, cells in table.rows):
        raise PointsError(
            f"{table.path}, line {line}: has no header and more than two columns; put a header such as x,y,class first"
        )
    return _Columns(order.index("y"), order.index("x"), names=("", "")), table.rows


def _header(path: Path, cells: list[str]) -> _Columns:
    names = tuple(cell.lower() for cell in cells)
    pairs = [pair for pair in COORDINATES if set(pair) <= set(names)]
    if len(pairs) != 1 or any(names.count(name) > 1 for name in (*pairs[0], CLASS)):
        if any(map(_is_foreign, cells)):
            raise PointsError(f"{path}: {NO_TEXT}")
        if any(_is_number(cell, ",") for cell in cells):
            raise PointsError(
                f"{path}: has no header, as its first line is {', '.join(cells)}; put one that says what the columns "
                "are first, such as x,y or class,x,y,image"
            )
        raise PointsError(
            f"{path}: its columns are {', '.join(cells)}, where x and y once each (or axis-0 and axis-1) are needed: "
            "rename those that hold positions in pixels"
        )
    if VERTEX in names:
        raise PointsError(
            f"{path}: is of a shapes layer of napari, whose rows are corners of shapes and no dots: mark the objects "
            "in a points layer"
        )
    measured = names[0] == "" and "X" in cells  # which ImageJ writes so; tables of pandas begin like that, too
    box = next((sorted(sides, key=names.index) for sides in BOXES if set(names) >= sides), None)
    if box and not (measured or set(names) >= IMAGEJ_BOXES):
        raise PointsError(
            f"{path}: its columns x, y, {box[0]} and {box[1]} seem to be boxes, whose x and y are a corner; give the "
            f"centres of the objects as x and y, and leave out {box[0]} and {box[1]}"
        )
    stack = sorted((name for name in names if re.fullmatch(r"axis-\d+", name)), key=lambda name: int(name[5:]))
    *above, y, x = stack if pairs[0][0] in stack else pairs[0]  # napari's, of a stack: z, y, x
    counters = measured and CLASS not in names and set(names) >= COUNTERS
    label = names.index(COUNTER if counters else CLASS) if counters or CLASS in names else None
    planes = tuple(names.index(name) for name in (*COLUMNS, *above) if names.count(name) == 1)
    images = image_columns(cells, measured=measured)
    return _Columns(names.index(y), names.index(x), label, names, planes, measured, images, counters)


def _cell(table: Table, line: int, cells: list[str], column: int) -> str:
    if column >= len(cells):
        raise PointsError(f"{table.path}, line {line}: has only {len(cells)} values; is the file cut off?")
    if _is_foreign(cells[column]):
        raise PointsError(f"{table.path}, line {line}: {NO_TEXT}")
    return cells[column]


def _is_foreign(text: str) -> bool:
    """Whether it holds bytes of another encoding that `read_table` let pass."""
    return any("\udc80" <= character <= "\udcff" for character in text)


def _number(table: Table, line: int, cells: list[str], column: int) -> float:
    text = _cell(table, line, cells, column)
    if not _is_number(text, table.delimiter):
        raise PointsError(f"{table.path}, line {line}: {text!r} is no number; mend or remove that row")
    value = float(_decimal(text, table.delimiter))
    if not math.isfinite(value):
        raise PointsError(f"{table.path}, line {line}: {text!r} is no place in an image; mend or remove that row")
    return value


def _is_number(text: str, delimiter: str) -> bool:
    try:
        float(_decimal(text, delimiter))
    except ValueError:
        return False
    return "_" not in text  # which Python would read over


def _plane(table: Table, text: str) -> float | str:
    return float(_decimal(text, table.delimiter)) if _is_number(text, table.delimiter) else text


def _decimal(text: str, delimiter: str) -> str:
    return text if delimiter == "," else text.replace(",", ".", 1)


def _is_of_dots(path: Path) -> bool:
    """Whether a text is a table of dots: it can be read as one, and has rows or a header that says nothing else."""
    try:
        if len(read(path, ReadOptions(order="xy"))):
            return True
        header = {cell.lower() for _, cells in read_table(path, foreign=True).rows for cell in cells}
        return any(set(pair) <= header <= {*pair, CLASS} for pair in COORDINATES)
    except PointsError:
        return False


def _image(path: Path) -> str:
    names = names_in(path) or []
    return names[0] if len(names) == 1 else ""


FORMAT = Format("table", (".csv", ".tsv"), read, write, image=_image)
TEXT = Format("text", (".txt",), read, recognises=_is_of_dots, image=_image)
"""Such as ImageJ's XY Coordinates. Notes are called so, too."""
