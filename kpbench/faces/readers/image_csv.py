"""The layout of picture files with a CSV of their keypoints, 15 by name or the 68-point scheme by number."""

import posixpath
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kpbench.errors import UsageError
from kpbench.faces.parts import PARTS, Parts, Progress
from kpbench.faces.readers.files import DataFile, files_at
from kpbench.faces.readers.label_table import label_rows, names_pictures
from kpbench.faces.readers.people import people, shared_people_notes
from kpbench.faces.readers.picture_faces import Labelled, PictureFiles, cut_parts, picture_notes, pictures_of

EXPECTS = (
    "pictures and a CSV whose first column has their file names, followed by the 30 columns KEYPOINT_x, KEYPOINT_y or "
    "the 136 columns 0 to 135 of the 68-point scheme"
)


DEEPEST = 4
"""Folders below the top in which pictures are looked for."""


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
        UsageError: with file, line and remedy: a row, a label or a picture is wrong or missing, two CSVs are of the
            same part, or none is of train.
    """
    tables = part_files(files, [name for name in files if _is_csv(name)])
    rows = {part: list(label_rows(files[name])) for part, name in tables.items()}
    pictures = PictureFiles(files)
    labelled: dict[str, list[Labelled]] = {part: [] for part in tables}
    for part, name in tables.items():
        for row in rows[part]:
            where = f"{files[name].where}, line {row.line}"
            labelled[part].append(Labelled(pictures.of(row.name, name, part, where), where, row.points))
    numbers = people([row.name for part in rows.values() for row in part])
    ends = np.cumsum([len(part) for part in rows.values()])[:-1]
    subjects = None if numbers is None else dict(zip(rows, np.split(numbers, ends), strict=True))
    done: Counter[str] = Counter()
    faces = cut_parts(labelled, subjects, progress, done)
    parts = Parts(faces["train"], faces.get("val"), faces.get("test"))
    notes = picture_notes(done)
    if any(row.reduced for part in rows.values() for row in part):
        notes.append("the 68 points were reduced to 15; an eye's centre is the mean of its six points")
    if numbers is not None:
        notes.append(f"people are taken from the file names (Person_Name_12.jpg): {len(set(numbers.tolist())):,}")
    return replace(parts, notes=(*notes, *shared_people_notes(parts)))
