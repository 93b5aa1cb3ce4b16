"""The layout of picture files with a CSV of their keypoints, 15 by name or the 68-point scheme by number."""

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from kpbench.errors import UsageError
from kpbench.faces.drawn.shape import reduce_to_15
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.parts import FEWER, PARTS, Parts, Progress
from kpbench.faces.readers.crop import Points
from kpbench.faces.readers.csv_table import COORDINATES, IMAGE, coordinate, places_of, read_table
from kpbench.faces.readers.files import DataFile, files_at
from kpbench.faces.readers.people import people, shared_people_notes
from kpbench.faces.readers.picture_faces import Labelled, PictureFiles, cut_parts, picture_notes, pictures_of
from kpbench.faces.readers.row_faults import RowFaults

EXPECTS = (
    "pictures and a CSV whose first column has their file names, followed by the 30 columns KEYPOINT_x, KEYPOINT_y or "
    "the 136 columns 0 to 135 of the 68-point scheme"
)


DEEPEST = 4
"""Folders below the top in which pictures are looked for."""

NAME_COLUMNS = ("", "image", "file", "filename", "file_name", "image_path", "image_name", "path", "name", "unnamed: 0")
"""Headers, in lower case, of the first column."""

MISSING_SHOWN = 3
"""Columns that are named where some are missing."""

POINTS68 = tuple(str(number) for number in range(136))
"""Columns of the 68-point scheme (iBUG order): x and y of a point after the other."""

FARTHEST = 1e6
"""Pixels; how far from its picture a keypoint may lie is checked when the picture is there."""


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


def wrong_with(file: DataFile) -> str:
    """Why a CSV whose first column seems to name pictures is no table of their keypoints; empty for any other."""
    try:
        header, _ = read_table(file)
    except UsageError:
        return ""
    if header[0].lower() not in NAME_COLUMNS or len(header) < 2:
        return ""
    names = min((COORDINATES, POINTS68), key=lambda one: len(set(one) - set(header)))
    missing = [name for name in names if name not in header]
    if missing:
        shown = ", ".join(missing[:MISSING_SHOWN]) + (
            f" and {len(missing) - MISSING_SHOWN} more" if len(missing) > MISSING_SHOWN else ""
        )
        return (
            f"its first column names pictures, and of the {len(names)} columns of keypoints it lacks {shown}; {FEWER}"
        )
    return f"its column {IMAGE} would hold grey values; call it {IMAGE.lower()} if it has the pictures' file names"


def label_rows(file: DataFile, faults: RowFaults) -> Iterator[tuple[int, str, Points]]:
    """A row's line, the picture's name in it and its 15 or 68 points (n, 2); an empty field is NaN.

    Rows that are cut short or have a coordinate that is no number are left out and kept in `faults`.

    Raises:
        UsageError: with file, line and remedy: a column is there twice, or there is no row.
    """
    header, rows = read_table(file, faults)
    names = label_columns(header)
    columns = list(zip(names, places_of(file, header, names), strict=True))
    for line, row in rows:
        values: list[float] = []
        with faults.kept():
            values += [
                coordinate(file, line, name, row[at], lowest=-FARTHEST, highest=FARTHEST) for name, at in columns
            ]
        if values:
            yield line, row[0].strip(), np.array(values).reshape(-1, 2)


def find(files: Mapping[str, DataFile]) -> dict[str, DataFile]:
    """The CSVs of keypoints and all pictures, by relative name; empty where there is no such CSV.

    A CSV alone is the train part, with the pictures in its folder.

    Raises:
        UsageError: the folder of a CSV alone cannot be read.
    """
    alone = files.get("")
    if alone is not None:
        if not (_is_csv(alone.disk.name) and names_pictures(alone)):
            return {}
        return {"training.csv": alone} | pictures_of(files_at(alone.disk.parent, deepest=DEEPEST))
    tables = {name: file for name, file in files.items() if _is_csv(name) and names_pictures(file)}
    return tables | pictures_of(files) if tables else {}


def _is_csv(name: str) -> bool:
    return name.lower().endswith(".csv")


def part_files(files: Mapping[str, DataFile], names: list[str]) -> dict[str, str]:
    """The names by part, train first: a name with test or val in it is of that part.

    Raises:
        UsageError: two are of the same part, or none is of train.
    """
    parts: dict[str, str] = {}
    for name in sorted(names):
        stem = posixpath.basename(name).lower()
        part = next((part for part in ("test", "val") if part in stem), "train")
        if part in parts:
            raise UsageError(
                f"{files[name].where} and {files[parts[part]].where} are both of the {part} part; keep one of them"
            )
        parts[part] = name
    if "train" not in parts:
        only = files[min(parts.values())].where
        raise UsageError(f"{only}: no file of the train part is with it; name that one training_keypoints")
    return {part: parts[part] for part in PARTS if part in parts}


def read(files: Mapping[str, DataFile], progress: Progress) -> Parts:
    """The parts in the files that `find` found, a CSV a part, faces cut out of the pictures.

    Raises:
        UsageError: with file, line and remedy: rows, labels or pictures are wrong or missing, all told together; two
            CSVs are of the same part, or none is of train.
    """
    tables = part_files(files, [name for name in files if _is_csv(name)])
    faults = RowFaults()
    rows = {part: list(label_rows(files[name], faults)) for part, name in tables.items()}
    pictures = PictureFiles(files)
    labelled: dict[str, list[Labelled]] = {part: [] for part in tables}
    reduced = False
    for part, name in tables.items():
        for line, wanted, points in rows[part]:
            if len(points) != len(KEYPOINTS):
                points, reduced = reduce_to_15(points), True
            where, label = (f"{place}, line {line}" for place in (files[name].where, files[name].name))
            with faults.kept():
                labelled[part].append(Labelled(pictures.of(wanted, name, part, where), where, label, points))
    numbers = people([name for part in rows.values() for _, name, _ in part])
    ends = np.cumsum([len(part) for part in rows.values()])[:-1]
    subjects = None if numbers is None or faults else dict(zip(rows, np.split(numbers, ends), strict=True))
    done: Counter[str] = Counter()
    faces = cut_parts(labelled, files, subjects, progress, done, faults)
    faults.refuse()
    parts = Parts(faces["train"], faces.get("val"), faces.get("test"))
    notes = picture_notes(done)
    if reduced:
        notes.append("the 68 points were reduced to 15; an eye's centre is the mean of its six points")
    if numbers is not None:
        notes.append(f"people are taken from the file names (Person_Name_12.jpg): {len(set(numbers.tolist())):,}")
    return replace(parts, notes=(*notes, *shared_people_notes(parts)))
