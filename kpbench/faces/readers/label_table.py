"""A CSV with the keypoints of picture files: the name in the first column, then 15 points by name or 68 by number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kpbench.errors import UsageError
from kpbench.faces.drawn.shape import reduce_to_15
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.readers.crop import Points
from kpbench.faces.readers.csv_table import COORDINATES, IMAGE, coordinate, places_of, read_table
from kpbench.faces.readers.files import DataFile

NAME_COLUMNS = ("", "image", "file", "filename", "file_name", "image_path", "image_name", "path", "name", "unnamed: 0")
"""Headers, in lower case, of the first column."""

POINTS68 = tuple(str(number) for number in range(136))
"""Columns of the 68-point scheme (iBUG order): x and y of a point after the other."""

FARTHEST = 1e6
"""Pixels; how far from its picture a keypoint may lie is checked when the picture is there."""


@dataclass(frozen=True)
class Row:
    """A row of the CSV: its line, the picture's name in it and 15 points (15, 2) in pixels of the picture."""

    line: int
    name: str
    points: Points
    reduced: bool


def label_columns(header: Sequence[str]) -> tuple[str, ...]:
    """The columns with labels in the header of a CSV that names pictures; empty where it is something else."""
    if IMAGE in header or not header or header[0].lower() not in NAME_COLUMNS:
        return ()
    return next((names for names in (COORDINATES, POINTS68) if set(names) <= set(header)), ())


def names_pictures(file: DataFile) -> bool:
    """Whether the CSV has keypoints of picture files and no grey values; False where it cannot be read."""
    try:
        return bool(label_columns(read_table(file)[0]))
    except UsageError:
        return False


def label_rows(file: DataFile) -> Iterator[Row]:
    """The rows of a CSV that `names_pictures`; an empty field is NaN.

    Raises:
        UsageError: with file, line, column and remedy: a column is there twice, a row is cut short, a coordinate is
            no number, or there is no row.
    """
    header, rows = read_table(file)
    names = label_columns(header)
    columns = list(zip(names, places_of(file, header, names), strict=True))
    for line, row in rows:
        values = [coordinate(file, line, name, row[at], -FARTHEST, FARTHEST) for name, at in columns]
        points = np.array(values).reshape(-1, 2)
        reduced = len(points) != len(KEYPOINTS)
        yield Row(line, row[0].strip(), reduce_to_15(points) if reduced else points, reduced)
