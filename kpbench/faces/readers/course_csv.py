"""The layout of the course and of Kaggle: training.csv, with val.csv and test.csv where they are there with labels."""

import posixpath
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, SIZE, Faces
from kpbench.faces.parts import FEWER, Parts, Progress, silent
from kpbench.faces.readers.csv_table import COORDINATES, IMAGE, coordinate, places_of, read_table, refuse_value
from kpbench.faces.readers.files import DataFile, shown
from kpbench.faces.readers.image_csv import names_pictures
from kpbench.faces.readers.pictures import SUFFIXES
from kpbench.faces.readers.row_faults import RowFaults

EXPECTS = "training.csv, and val.csv and test.csv where there are such (course or Kaggle)"

_PIXELS = SIZE * SIZE
_GREY = {str(value): value for value in range(256)}
_NAMES = {"train": "training.csv", "val": "val.csv", "test": "test.csv"}


def find(files: Mapping[str, DataFile]) -> dict[str, DataFile]:
    """The files of this layout by part (train, val, test), empty where `files` is something else.

    They lie at the top or together in one folder; a CSV alone is the train part. A training.csv that names picture
    files is of another layout.

    Raises:
        UsageError: more than one folder holds a training.csv.
    """
    if (alone := files.get("")) is not None:
        return {"train": alone} if alone.disk.suffix.lower() == ".csv" and not names_pictures(alone) else {}
    found = [name for name in files if posixpath.basename(name) == _NAMES["train"]]
    if len(found) > 1:
        disk = files[found[0]].disk if files[found[0]].member else files[found[0]].disk.parent
        raise UsageError(
            f"{shown(disk)} holds more than one data set: {' and '.join(map(shown, found))}; give the one you mean"
        )
    if not found or names_pictures(files[found[0]]):
        return {}
    places = {part: posixpath.join(posixpath.dirname(found[0]), name) for part, name in _NAMES.items()}
    return {part: files[place] for part, place in places.items() if place in files}


def read(files: Mapping[str, DataFile], progress: Progress) -> Parts:
    """The parts in the files that `find` found, rows with missing labels among them.

    Raises:
        UsageError: as `read_keypoint_csv`.
    """
    labelled = [part for part, file in files.items() if part == "train" or carries_labels(file)]
    faces = {part: read_keypoint_csv(files[part], progress=progress) for part in labelled}
    unused = [file.name for part, file in files.items() if part not in labelled]
    notes = tuple(f"{name} has no keypoint columns (as Kaggle's test.csv) and is not used" for name in unused)
    return Parts(faces["train"], faces.get("val"), faces.get("test"), notes)


def carries_labels(file: DataFile) -> bool:
    """Whether the header names at least one of the 30 coordinate columns (Kaggle's test.csv has none).

    Raises:
        UsageError: the file is empty or cannot be read.
    """
    return not set(COORDINATES).isdisjoint(read_table(file)[0])


def read_keypoint_csv(file: DataFile, *, progress: Progress = silent) -> Faces:
    """All rows of the file as faces, read row by row; a coordinate left empty is NaN.

    Raises:
        UsageError: a column is missing or there twice, or rows are wrong: all told together.
    """
    faults = RowFaults()
    header, rows = read_table(file, faults)
    if missing := [name for name in (*COORDINATES, IMAGE) if name not in header]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(
            f"{file.where}, line 1: missing column {missing[0]}{more}; a keypoint CSV has {len(COORDINATES)} columns "
            f"KEYPOINT_x, KEYPOINT_y and {IMAGE}" + (f"; {FEWER}" if missing != [IMAGE] else "")
        )
    *places, at_image = places_of(file, header, (*COORDINATES, IMAGE))
    columns = list(zip(COORDINATES, places, strict=True))
    images: list[bytes] = []
    points: list[list[float]] = []
    done = percent = 0
    what = f"reading {file.name}"
    progress(what, 0.0)
    for line, row in rows:
        with faults.kept():
            points.append([coordinate(file, line, name, row[at]) for name, at in columns])
            images.append(_picture(file, line, row[at_image]))
        done += sum(map(len, row)) + len(row)
        if (now := min(100 * done // max(file.size, 1), 99)) > percent:
            percent = now
            progress(what, percent / 100)
    progress(what, 1.0)
    faults.refuse()
    pixels = np.frombuffer(b"".join(images), np.uint8).reshape(-1, 1, SIZE, SIZE)
    return Faces(pixels, np.array(points, np.float32).reshape(-1, len(KEYPOINTS), 2))


def _picture(file: DataFile, line: int, text: str) -> bytes:
    values = text.split()
    if text.strip().lower().endswith(SUFFIXES):
        refuse_value(file, line, IMAGE, text.strip(), "names a picture; call the column image, and make it the first")
    if len(values) != _PIXELS:
        raise UsageError(
            f"{file.where}, line {line}, column {IMAGE}: {len(values):,} grey values, expected {_PIXELS:,} "
            f"({SIZE} x {SIZE}) separated by spaces; correct or remove the row"
        )
    with suppress(KeyError):
        return bytes(map(_GREY.__getitem__, values))
    for value in values:
        if (value.lstrip("0") or "0") not in _GREY:
            refuse_value(file, line, IMAGE, value, "is not a whole number 0 to 255")
    return bytes(int(value) for value in values)
