"""Which picture file a label means, among the files of a data set."""

import posixpath
from collections import defaultdict
from collections.abc import Mapping

from kpbench.errors import UsageError
from kpbench.faces.readers.files import DataFile, shown
from kpbench.faces.readers.pictures import SUFFIXES

FOLDERS = {"train": ("training", "train"), "val": ("validation", "valid", "val"), "test": ("test", "testing")}
"""Folders in which the pictures of a part are looked for, beside its labels; then those named for pictures."""


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
        beside = posixpath.dirname(labels)
        stem = posixpath.splitext(posixpath.basename(labels))[0]
        place = posixpath.normpath(wanted.replace("\\", "/"))
        for folder in ("", *FOLDERS[part], "images", "imgs", stem):
            file = self._files.get(posixpath.normpath(posixpath.join(beside, folder, place)))
            if file is not None:
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
