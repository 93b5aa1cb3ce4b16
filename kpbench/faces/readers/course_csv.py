"""The layout of the course and of Kaggle: training.csv, with val.csv and test.csv where they are there with labels."""

import posixpath
from collections.abc import Mapping

from kpbench.errors import UsageError
from kpbench.faces.parts import Parts, Progress
from kpbench.faces.readers.files import DataFile, shown
from kpbench.faces.readers.image_csv import names_pictures
from kpbench.faces.readers.keypoint_csv import carries_labels, read_keypoint_csv

EXPECTS = "training.csv, and val.csv and test.csv where there are such (course or Kaggle)"

_NAMES = {"train": "training.csv", "val": "val.csv", "test": "test.csv"}


def find(files: Mapping[str, DataFile]) -> dict[str, DataFile]:
    """The files of this layout by part (train, val, test), empty where `files` is something else.

    They lie at the top or together in one folder; a CSV alone is the train part. A training.csv that names picture
    files is of another layout.

    Raises:
        UsageError: more than one folder holds a training.csv.
    """
    alone = files.get("")
    if alone is not None:
        return {"train": alone} if alone.disk.suffix.lower() == ".csv" and not names_pictures(alone) else {}
    found = [name for name in files if posixpath.basename(name) == _NAMES["train"]]
    if len(found) > 1:
        disk = files[found[0]].disk if files[found[0]].member else files[found[0]].disk.parent
        raise UsageError(
            f"{shown(disk)} holds more than one data set: {' and '.join(map(shown, found))}; give the one you mean"
        )
    if not found or names_pictures(files[found[0]]):
        return {}
    folder = posixpath.dirname(found[0])
    places = {part: posixpath.join(folder, name) for part, name in _NAMES.items()}
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
