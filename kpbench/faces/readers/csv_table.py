"""A CSV with a header, read row by row; every refusal names file, line and column."""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import NoReturn

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, SIZE
from kpbench.faces.readers.files import DataFile, text_lines
from kpbench.faces.readers.row_faults import REMEDY, RowFaults

COORDINATES = tuple(f"{keypoint}_{axis}" for keypoint in KEYPOINTS for axis in "xy")
"""The 30 label columns, in the order of `Faces.keypoints`."""

IMAGE = "Image"
"""The column of grey values."""

LOWEST, HIGHEST = -float(SIZE), 2.0 * SIZE
"""Pixels a coordinate may have: up to one whole picture outside the picture, on either side."""

_DECIMAL_COMMA = re.compile(r"\A\s*([+-]?\d*),(\d+)\s*\Z")


def read_table(file: DataFile, faults: RowFaults | None = None) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The column names, and line number and fields of each row below them that is not empty.

    Where the header has semicolons and no comma, as of a spreadsheet of a country with decimal commas, semicolons
    separate the fields, and `12,5` is 12.5.

    Args:
        faults: keeps those of rows; without it the first is raised.

    Raises:
        UsageError: the file cannot be read, is no CSV or is empty; while the rows are taken also: one has other
            fields than the header, or there is none.
    """
    rows = _csv_rows(file)
    _, header = next(rows, (0, []))
    if not header:
        raise UsageError(f"{file.where} is empty: expected a header and a row for each face")
    return [name.strip() for name in header], _whole_rows(file, rows, len(header), faults)


def _csv_rows(file: DataFile) -> Iterator[tuple[int, list[str]]]:
    lines, head, first = text_lines(file), [], ""
    for line in lines:
        first = line.strip().lower()
        head.append("\n" if first == "sep=;" else line)  # Excel's hint, which is no row
        if first and first != "sep=;":
            break
    semicolons = ";" in first and "," not in first
    reader = csv.reader(chain(head, lines), delimiter=";" if semicolons else ",")
    try:
        for row in reader:
            if row and semicolons:
                yield reader.line_num, [_DECIMAL_COMMA.sub(r"\1.\2", field) for field in row]
            elif row:
                yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(f"{file.where}, line {reader.line_num}: not a CSV row ({error}); correct it") from None


def _whole_rows(
    file: DataFile, rows: Iterator[tuple[int, list[str]]], fields: int, faults: RowFaults | None
) -> Iterator[tuple[int, list[str]]]:
    line = 0
    for line, row in rows:
        if len(row) == fields:
            yield line, row
            continue
        with nullcontext() if faults is None else faults.kept():
            raise UsageError(
                f"{file.where}, line {line}: {len(row)} fields where the header has {fields}; "
                "the row may be cut short, correct or remove it"
            )
    if not line:
        raise UsageError(f"{file.where}: no row below the header; a data set needs at least one face")


def places_of(file: DataFile, header: list[str], columns: Sequence[str]) -> list[int]:
    """Where each of the columns is in the header.

    Raises:
        UsageError: one is there twice.
    """
    for name in columns:
        if header.count(name) > 1:
            raise UsageError(f"{file.where}, line 1: column {name} is there {header.count(name)} times; keep one")
    return [header.index(name) for name in columns]


def coordinate(
    file: DataFile, line: int, column: str, text: str, *, lowest: float = LOWEST, highest: float = HIGHEST
) -> float:
    """The number in a field; NaN where it is empty or says `nan`.

    Raises:
        UsageError: it is no finite number between `lowest` and `highest`.
    """
    text = text.strip()
    if not text or text.lower() == "nan":
        return math.nan
    try:
        value = float(text)
    except ValueError:
        refuse_value(file, line, column, text, "is not a number")
    if not text.isascii() or "_" in text:  # float() also reads 1_0 and digits of other scripts
        refuse_value(file, line, column, text, "is not a number")
    if not math.isfinite(value):
        refuse_value(file, line, column, text, "is not finite (leave the field empty where the label is missing)")
    if not lowest <= value <= highest:
        refuse_value(file, line, column, text, f"is outside {lowest:g} to {highest:g} pixels")
    return value


def refuse_value(file: DataFile, line: int, column: str, text: str, fault: str) -> NoReturn:
    """Raises the UsageError for a value in a field."""
    short = text if len(text) <= 24 else text[:24] + "..."
    raise UsageError(f"{file.where}, line {line}, column {column}: {short!a} {fault}{REMEDY}")
