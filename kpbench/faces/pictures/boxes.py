"""Boxes of faces on pictures: left, top, width and height in pixels from the picture's upper left edge."""

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from kpbench.errors import UsageError, nearest
from kpbench.faces.readers.crop import LARGEST_SIDE, SMALLEST_SIDE, Box, box_square
from kpbench.faces.readers.csv_table import coordinate, places_of, read_table
from kpbench.faces.readers.files import DataFile, os_errors, shown

COLUMNS = ("picture", "x", "y", "w", "h")
"""What a CSV of boxes has to have, among other columns."""

FARTHEST = 1e6
"""Pixels that any number of a box may have."""


def parse_box(word: str) -> Box:
    """`x,y,w,h` as a box.

    Raises:
        UsageError: these are not four finite numbers, or width or height is not positive.
    """
    try:
        x, y, w, h = (float(number) for number in word.split(","))
    except ValueError:
        raise UsageError(f"--box must be x,y,w,h in pixels such as 120,80,200,200, got '{word}'") from None
    return _checked((x, y, w, h), f"--box {word}")


def _checked(box: Box, where: str) -> Box:
    if not (np.isfinite(box).all() and np.abs(box).max() <= FARTHEST and box[2] > 0 and box[3] > 0):
        raise UsageError(
            f"{where}: no box; x and y are its upper left corner, w and h its width and height, above 0 and at most "
            f"{FARTHEST:,.0f} pixels"
        )
    return box


def read_boxes(path: Path, pictures: Sequence[Path]) -> tuple[dict[Path, list[Box]], list[str]]:
    """The boxes of each picture in a CSV with the columns `COLUMNS`, and the names there that are no picture's.

    A name is a picture's path or the end of it: `a.png` and `two/a.png` are both `one/two/a.png`. A path that does not
    print, such as one that is no UTF-8, is named as `shown` writes it.

    Raises:
        UsageError: the file is no such CSV, a row holds no box, a name could be several pictures, or none is a picture.
    """
    with os_errors(f"read {shown(path)}", "check the path"):
        file = DataFile(path, path.stat().st_size)
    header, rows = read_table(file)
    for column in COLUMNS:
        if column not in header:
            raise UsageError(
                f"{file.where}: no column {column} in the first line ({nearest(column, header)}); "
                f"a file of boxes begins with {','.join(COLUMNS)}"
            )
    picture, *numbers = places_of(file, header, COLUMNS)
    by_name = defaultdict(list)
    for one in pictures:
        by_name[one.name].append(one)
    escaped = {shown(one): [one] for one in pictures if shown(one) != str(one)}
    boxes: dict[Path, list[Box]] = {}
    others = []
    for line, fields in rows:
        where = f"{file.where}, line {line}"
        x, y, w, h = (
            coordinate(file, line, name, fields[at], lowest=-FARTHEST, highest=FARTHEST)
            for name, at in zip(COLUMNS[1:], numbers, strict=True)
        )
        box = _checked((x, y, w, h), where)
        wanted = PurePosixPath(posixpath.normpath(fields[picture].strip().replace("\\", "/")))
        ends = escaped.get(fields[picture].strip()) or [
            one for one in by_name[wanted.name] if one.parts[-len(wanted.parts) :] == wanted.parts
        ]
        if len(ends) > 1:
            raise UsageError(
                f"{where}: {shown(wanted)} could be {shown(ends[0])} or {shown(ends[1])}; write the folder before it"
            )
        if ends:
            boxes.setdefault(ends[0], []).append(box)
        else:
            others.append(shown(wanted))
    if not boxes:
        raise UsageError(f"{file.where}: no row names one of the pictures; the first names {others[0]}")
    return boxes, others


def widened(box: Box, margin: float) -> Box:
    """A box made larger on each side by the share `margin` of its width and height."""
    x, y, w, h = box
    return x - margin * w, y - margin * h, w * (1 + 2 * margin), h * (1 + 2 * margin)


def check_inside(box: Box, width: int, height: int, where: str) -> None:
    """UsageError where a box has no pixel of its picture, or is too small or too large to be cut out."""
    x, y, w, h = box
    words = f"the box {','.join(f'{number:.6g}' for number in box)}"
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise UsageError(f"{where}: {words} lies outside of the picture of {width} x {height} pixels; correct it")
    if not SMALLEST_SIDE <= box_square(box).side <= LARGEST_SIDE:
        raise UsageError(
            f"{where}: {words} has a longer side of {box_square(box).side:.6g} pixels, expected {SMALLEST_SIDE} to "
            f"{LARGEST_SIDE:,}; correct it"
        )
