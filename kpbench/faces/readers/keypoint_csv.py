"""Read one CSV of Kaggle's columns: 30 coordinates in any order and `Image`, 9,216 grey values, a row a face."""

import csv
import math
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, SIZE, Faces
from kpbench.faces.parts import Progress, silent
from kpbench.faces.readers.files import DataFile, text_lines

COORDINATES = tuple(f"{keypoint}_{axis}" for keypoint in KEYPOINTS for axis in "xy")
"""The 30 label columns, in the order of `Faces.keypoints`."""

IMAGE = "Image"

LOWEST, HIGHEST = -float(SIZE), 2.0 * SIZE
"""Pixels a coordinate may have: up to one whole picture outside the picture, on either side."""

_PIXELS = SIZE * SIZE
_GREY = {str(value): value for value in range(256)}


def carries_labels(file: DataFile) -> bool:
    """Whether the header names at least one of the 30 coordinate columns (Kaggle's test.csv has none).

    Raises:
        UsageError: the file is empty or cannot be read.
    """
    return not set(COORDINATES).isdisjoint(csv_header(file, csv_rows(file)))


def read_keypoint_csv(file: DataFile, *, progress: Progress = silent) -> Faces:
    """All rows of the file as faces, read row by row; a coordinate left empty is NaN.

    Raises:
        UsageError: with file, line, column and remedy: the file is empty, not text or has no row; a column is
            missing or there twice; a row has other fields than the header; a picture has not 9,216 whole numbers
            0 to 255; a coordinate is not a finite number between `LOWEST` and `HIGHEST`.
    """
    rows = csv_rows(file)
    header = csv_header(file, rows)
    columns = _columns(file, header)
    at_image = header.index(IMAGE)
    images: list[bytes] = []
    points: list[list[float]] = []
    done = percent = 0
    what = f"reading {file.name}"
    progress(what, 0.0)
    for line, row in rows:
        if len(row) != len(header):
            raise UsageError(
                f"{file.where}, line {line}: {len(row)} fields where the header has {len(header)}; "
                "the row may be cut short, correct or remove it"
            )
        points.append([coordinate(file, line, name, row[at]) for name, at in columns])
        images.append(_picture(file, line, row[at_image]))
        done += sum(map(len, row)) + len(row)
        if (now := min(100 * done // max(file.size, 1), 99)) > percent:
            percent = now
            progress(what, percent / 100)
    if not images:
        raise UsageError(f"{file.where}: no row below the header; a data set needs at least one face")
    progress(what, 1.0)
    pixels = np.frombuffer(b"".join(images), np.uint8).reshape(-1, 1, SIZE, SIZE)
    return Faces(pixels, np.array(points, np.float32).reshape(-1, len(KEYPOINTS), 2))


def csv_rows(file: DataFile) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each row that is not empty, the header among them.

    Raises:
        UsageError: the file cannot be read or is no CSV.
    """
    reader = csv.reader(text_lines(file))
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(f"{file.where}, line {reader.line_num}: not a CSV row ({error}); correct it") from None


def csv_header(file: DataFile, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The column names, taken off `rows`.

    Raises:
        UsageError: the file is empty.
    """
    _, row = next(rows, (0, []))
    if not row:
        raise UsageError(f"{file.where} is empty: expected a header and a row for each face")
    return [name.strip() for name in row]


def _columns(file: DataFile, header: list[str]) -> list[tuple[str, int]]:
    wanted: Sequence[str] = (*COORDINATES, IMAGE)
    missing = [name for name in wanted if name not in header]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(
            f"{file.where}, line 1: missing column {missing[0]}{more}; a keypoint CSV has {len(COORDINATES)} columns "
            f"KEYPOINT_x, KEYPOINT_y and {IMAGE}, separated by commas"
        )
    for name in wanted:
        if header.count(name) > 1:
            raise UsageError(f"{file.where}, line 1: column {name} is there {header.count(name)} times; keep one")
    return [(name, header.index(name)) for name in COORDINATES]


def coordinate(
    file: DataFile, line: int, column: str, text: str, *, lowest: float = LOWEST, highest: float = HIGHEST
) -> float:
    """The number in a field; NaN where it is empty.

    Raises:
        UsageError: it is no finite number between `lowest` and `highest`.
    """
    text = text.strip()
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        _refuse(file, line, column, text, "is not a number")
    if not text.isascii() or "_" in text:  # float() also reads 1_0 and digits of other scripts
        _refuse(file, line, column, text, "is not a number")
    if not math.isfinite(value):
        _refuse(file, line, column, text, "is not finite (leave the field empty where the label is missing)")
    if not lowest <= value <= highest:
        _refuse(file, line, column, text, f"is outside {lowest:g} to {highest:g} pixels")
    return value


def _picture(file: DataFile, line: int, text: str) -> bytes:
    values = text.split()
    if len(values) != _PIXELS:
        raise UsageError(
            f"{file.where}, line {line}, column {IMAGE}: {len(values):,} grey values, expected {_PIXELS:,} "
            f"({SIZE} x {SIZE}) separated by spaces; correct or remove the row"
        )
    try:
        return bytes(map(_GREY.__getitem__, values))
    except KeyError:
        pass
    for value in values:
        if (value.lstrip("0") or "0") not in _GREY:
            _refuse(file, line, IMAGE, value, "is not a whole number 0 to 255")
    return bytes(int(value) for value in values)


def _refuse(file: DataFile, line: int, column: str, text: str, fault: str) -> NoReturn:
    short = text if len(text) <= 24 else text[:24] + "..."
    raise UsageError(f"{file.where}, line {line}, column {column}: {short!a} {fault}; correct or remove the row")
