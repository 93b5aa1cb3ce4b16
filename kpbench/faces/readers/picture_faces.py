"""Faces cut out of labelled pictures, where a label's picture file is, and what was done to them, in words."""

import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError, plural
from kpbench.faces.faces import KEYPOINTS, SIZE, Faces
from kpbench.faces.parts import Progress
from kpbench.faces.readers.crop import Box, Points, crop, sway_of
from kpbench.faces.readers.files import Content, DataFile, contents, shown
from kpbench.faces.readers.pictures import CONVERSIONS, LARGEST_PICTURE, SUFFIXES, Grey, read_picture
from kpbench.faces.readers.row_faults import RowFaults

FOLDERS = {"train": ("training", "train"), "val": ("validation", "valid", "val"), "test": ("test", "testing")}
"""Folders in which the pictures of a part are looked for, beside its labels; then those named for pictures."""

Subjects = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """A face in a picture file: its 15 points (15, 2) and box as `crop` takes them, and where the label stands.

    Attributes:
        where: path and place of the label, for messages; `label` is the same in short, without folders.
    """

    file: DataFile
    where: str
    label: str
    points: Points
    box: Box | None = None


def pictures_of(files: Mapping[str, DataFile]) -> dict[str, DataFile]:
    """The files whose names end as a picture's does."""
    return {name: file for name, file in files.items() if name.lower().endswith(SUFFIXES)}


class PictureFiles:
    """The picture files of a data set, found by the names that labels give them; nothing outside is ever opened."""

    def __init__(self, files: Mapping[str, DataFile]) -> None:
        self._files = pictures_of(files)
        self._by_base = defaultdict(list)
        for name in self._files:
            self._by_base[posixpath.basename(name)].append(name)

    def of(self, wanted: str, labels: str, part: str, where: str) -> DataFile:
        """The picture called `wanted` in the label file `labels` of a part.

        First beside the labels, then in the folders of the part and of pictures there, then anywhere by its own name
        where that is there once.

        Raises:
            UsageError: there is none, or several; the message begins with `where`.
        """
        beside, stem = posixpath.dirname(labels), posixpath.splitext(posixpath.basename(labels))[0]
        place = posixpath.normpath(wanted.replace("\\", "/"))
        for folder in ("", *FOLDERS[part], "images", "imgs", stem):
            if file := self._files.get(posixpath.normpath(posixpath.join(beside, folder, place))):
                return file
        others = self._by_base.get(posixpath.basename(place), [])
        if len(others) > 1:
            raise UsageError(
                f"{where}: {wanted!a} is there more than once ({shown(others[0])}, {shown(others[1])}); "
                "write the folder before the name"
            )
        if not others:
            raise UsageError(f"{where}: no picture {wanted!a} is there; add it or remove the row")
        return self._files[others[0]]


def cut_parts(
    labelled: Mapping[str, Sequence[Labelled]],
    files: Mapping[str, DataFile],
    subjects: Mapping[str, Subjects] | None,
    progress: Progress,
    done: Counter[str],
    faults: RowFaults,
) -> dict[str, Faces]:
    """The faces of each part; `done` counts what `picture_notes` puts into words.

    Args:
        files: by relative name, which the faces keep as their origin.
        subjects: the person on each face, or None.
        faults: what `read_picture` and `crop` refuse; then the faces are not whole, and are to be refused.
    """
    _count_repeats(labelled, done)
    names = {file: shown(name) if name else file.name for name, file in files.items()}
    faces = {}
    with contents(largest=LARGEST_PICTURE) as content:
        for part, found in labelled.items():
            places = (f"{face.where}, {face.file.name}" for face in found)
            cuts = (
                (partial(_read, content, face.file, where, done), face.points, where, face.box)
                for face, where in zip(found, places, strict=True)
            )
            cut = cut_faces(cuts, len(found), progress, f"reading the pictures of {part}", done, faults)
            origins = np.array([(names[face.file], face.label) for face in found], np.str_)
            faces[part] = replace(cut, subjects=None if subjects is None else subjects[part], origins=origins)
    return faces


def cut_faces(
    cuts: Iterable[tuple[Callable[[], Grey], Points, str, Box | None]],
    n: int,
    progress: Progress,
    what: str,
    done: Counter[str],
    faults: RowFaults,
) -> Faces:
    """The faces in `n` pictures (H, W) with their points, place for messages and box, as `crop` cuts them.

    What a picture or `crop` refuses is kept in `faults`; then the faces are not whole.
    """
    images = np.empty((n, 1, SIZE, SIZE), np.uint8)
    points = np.empty((n, len(KEYPOINTS), 2), np.float32)
    progress(what, 0.0)
    for i, (read, labels, where, box) in enumerate(cuts):
        with faults.kept():
            grey = read()
            images[i, 0], points[i] = crop(grey, labels, where=where, box=box, sway=sway_of(grey))
            done["pictures"] += 1
            if grey.shape != (SIZE, SIZE):
                done["cut by keypoints" if box is None else "cut by box"] += 1
        progress(what, (i + 1) / n)
    return Faces(images, points)


def _read(content: Content, file: DataFile, where: str, done: Counter[str]) -> Grey:
    return read_picture(content(file), where, done)


def _count_repeats(labelled: Mapping[str, Sequence[Labelled]], done: Counter[str]) -> None:
    """Counts rows that are there before, with the same picture, points and box, and pictures with several faces."""
    rows = [(face.file, face.points.tobytes(), face.box) for part in labelled.values() for face in part]
    done["repeated rows"] = len(rows) - len(set(rows))
    done["shared pictures"] = sum(count > 1 for count in Counter(file for file, _, _ in set(rows)).values())


def picture_notes(done: Mapping[str, int]) -> list[str]:
    """What was done to the pictures, one sentence a thing."""
    total = done.get("pictures", 0)
    notes = [f"{done[kind]:,} of {total:,} pictures {words}" for kind, words in CONVERSIONS.items() if done.get(kind)]
    if cut := done.get("cut by keypoints"):
        notes.append(
            f"{cut:,} of {total:,} faces cut out around their keypoints and resized to 96x96; place and size vary "
            "as in Kaggle's files"
        )
    if shared := done.get("shared pictures"):
        have = "has" if shared == 1 else "have"
        notes.append(f"{plural(shared, 'picture')} {have} several faces; those of a picture are kept in one split")
    if repeated := done.get("repeated rows"):
        again = "repeats another row" if repeated == 1 else "repeat other rows"
        notes.append(f"{plural(repeated, 'row')} {again} exactly: the same picture with the same points; remove it")
    if cut := done.get("cut by box"):
        notes.append(f"{cut:,} of {total:,} faces cut out by their box and resized to 96x96")
    return notes
