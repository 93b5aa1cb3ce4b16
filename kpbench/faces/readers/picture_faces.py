"""Faces cut out of labelled picture files, one after the other, and what a person should know of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.faces import KEYPOINTS, SIZE, Faces
from kpbench.faces.parts import Progress
from kpbench.faces.readers.crop import Points, crop, sway_of
from kpbench.faces.readers.files import Content, DataFile
from kpbench.faces.readers.pictures import conversion_notes, read_picture

Subjects = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """A face in a picture file: its 15 points (15, 2) and box as `crop` takes them, and where the label stands."""

    file: DataFile
    where: str
    points: Points
    box: tuple[float, float, float, float] | None = None


def cut_faces(
    labelled: Sequence[Labelled], content: Content, progress: Progress, what: str, done: Counter[str]
) -> Faces:
    """The faces (N) without subjects; `done` counts pictures, conversions and cuts for `picture_notes`.

    Raises:
        UsageError: as `read_picture` and `crop`.
    """
    images = np.empty((len(labelled), 1, SIZE, SIZE), np.uint8)
    points = np.empty((len(labelled), len(KEYPOINTS), 2), np.float32)
    for i, face in enumerate(labelled):
        progress(what, i / len(labelled))
        where = f"{face.where}, {face.file.name}"
        grey = read_picture(content(face.file), where, done)
        done["pictures"] += 1
        if grey.shape != (SIZE, SIZE):
            done["cut by keypoints" if face.box is None else "cut by box"] += 1
        images[i, 0], points[i] = crop(grey, face.points, where=where, box=face.box, sway=sway_of(grey))
    progress(what, 1.0)
    return Faces(images, points)


def pictures_as_people(labelled: Mapping[str, Sequence[Labelled]], done: Counter[str]) -> dict[str, Subjects]:
    """For each part the number of each face's picture, in place of people nobody knows; empty where all have one face.

    Several faces cut out of one picture, or one cut out twice, may not come into two splits; `done` counts them.
    """
    faces = Counter(face.file for part in labelled.values() for face in part)
    done["shared pictures"] = sum(count > 1 for count in faces.values())
    if not done["shared pictures"]:
        return {}
    number = {file: at for at, file in enumerate(faces)}
    return {part: np.array([number[face.file] for face in found], np.int64) for part, found in labelled.items()}


def picture_notes(done: Mapping[str, int]) -> list[str]:
    """What was done to the pictures, one sentence a thing."""
    total = done.get("pictures", 0)
    notes = conversion_notes(done, total)
    if cut := done.get("cut by keypoints"):
        notes.append(
            f"{cut:,} of {total:,} faces cut out around their keypoints and resized to 96x96; place and size vary "
            "as in Kaggle's files"
        )
    if shared := done.get("shared pictures"):
        notes.append(f"{shared:,} pictures have several faces; those of a picture are kept together as one person's")
    if cut := done.get("cut by box"):
        notes.append(f"{cut:,} of {total:,} faces cut out by their box and resized to 96x96")
    return notes
