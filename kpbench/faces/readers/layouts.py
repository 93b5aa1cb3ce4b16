"""The layouts a data set at a path may have; the first that finds its files reads them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from kpbench.errors import UsageError
from kpbench.faces.library.cache import cached
from kpbench.faces.parts import Parts, Progress
from kpbench.faces.readers import coco_json, course_csv, image_csv, npz_file
from kpbench.faces.readers.files import MAPPING, DataFile, content_digest, files_at, os_errors, shown

FARTHEST = 100
"""Folders below the top in which files are looked for that nothing reads, to say where they are."""

Find = Callable[[Mapping[str, DataFile]], dict[str, DataFile]]
"""From all files, by relative name, the files of a layout, by names that its `read` knows; empty where the files are
something else."""

Read = Callable[[Mapping[str, DataFile], Progress], Parts]
"""From the files of a layout the faces in them."""


@dataclass(frozen=True)
class Layout:
    """How files become parts.

    Attributes:
        expects: what `find` looks for, in words.
        deepest: how many folders below the top `find` looks.
        mapped: whether a mapping of keypoint names may be given.
        version: part of the cache key; raised when the same files are read into other arrays or notes.
    """

    expects: str
    find: Find
    read: Read
    deepest: int = 1
    mapped: bool = False
    version: int = 1


LAYOUTS: dict[str, Layout] = {
    "csv_files": Layout(course_csv.EXPECTS, course_csv.find, course_csv.read),
    "image_csv": Layout(image_csv.EXPECTS, image_csv.find, image_csv.read, deepest=image_csv.DEEPEST, version=2),
    "coco_json": Layout(
        coco_json.EXPECTS, coco_json.find, coco_json.read, deepest=image_csv.DEEPEST, mapped=True, version=2
    ),
    "npz_file": Layout(npz_file.EXPECTS, npz_file.find, npz_file.read),
}


@dataclass(frozen=True, eq=False)
class Found:
    """A data set at a path, not yet read: the name of its layout, its files and the digest of what is in them."""

    layout: str
    files: Mapping[str, DataFile]
    digest: str

    def read(self, progress: Progress) -> Parts:
        """The parts, read anew; UsageError where the layout cannot read the files."""
        return LAYOUTS[self.layout].read(self.files, progress)


def find_path(path: Path, *, mapping: Path | None = None) -> Found:
    """The data set in a folder, a zip or a single file.

    Args:
        mapping: a file that maps keypoint names, for a layout that needs one.

    Raises:
        UsageError: nothing is there, no layout knows it, or the layout takes no mapping.
    """
    extra = {} if mapping is None else {MAPPING: _plain_file(mapping)}
    listed: dict[int, dict[str, DataFile]] = {}
    for name, layout in LAYOUTS.items():
        if layout.deepest not in listed:
            listed[layout.deepest] = files_at(path, deepest=layout.deepest)
        found = layout.find(listed[layout.deepest] | (extra if layout.mapped else {}))
        if found:
            if extra and not layout.mapped:
                raise UsageError(
                    f"{shown(path)} needs no mapping: its keypoints have the benchmark's names; leave it out"
                )
            return Found(name, found, content_digest(found))
    raise UsageError(_unknown(path, listed[1]))


def read_path(path: Path, progress: Progress) -> Parts:
    """The parts of the data set in a folder, a zip or a single file, from the cache where they were read before.

    Raises:
        UsageError: nothing is there, no layout knows it, or its layout cannot read it.
    """
    found = find_path(path)
    version = LAYOUTS[found.layout].version
    return cached(f"{found.layout} {version} {found.digest}", partial(found.read, progress))


def _plain_file(path: Path) -> DataFile:
    with os_errors(f"read {shown(path)}", "check its permissions"):
        if path.is_file():
            return DataFile(path, path.stat().st_size)
    raise UsageError(f"no file at {shown(path)}: --mapping is the path of a TOML file")


def _unknown(path: Path, files: Mapping[str, DataFile]) -> str:
    for file in files.values():
        if file.name.lower().endswith(".csv") and (fault := image_csv.wrong_with(file)):
            return f"{file.where}, line 1: {fault}"
    expected = "; or ".join(layout.expects for layout in LAYOUTS.values())
    if "" in files:
        return (
            f"{shown(path)} is no data set: give a folder, .zip, .csv or .npz; pictures, COCO's JSON and a mapping lie "
            "together in a folder, give that"
        )
    if not files:
        deeper = next(iter(files_at(path, deepest=FARTHEST)), "")
        if not deeper:
            return f"{shown(path)} holds no file"
        folder = deeper.rpartition("/")[0]
        way = f"give {shown(path / folder)}" if path.is_dir() else f"unpack it and give its folder {shown(folder)}"
        return f"{shown(path)} has its files further below, as {shown(deeper)}: {way}"
    seen = [name for name in files if not PurePosixPath(name).name.startswith(".")] or list(files)
    inside = ", ".join(map(shown, seen[:3])) + (f" and {len(seen) - 3:,} more" if len(seen) > 3 else "")
    packed = [name for name in files if name.lower().endswith(".zip")]
    if packed:
        which = next((name for name in packed if name.endswith("training.zip")), packed[0])
        way = f"give {shown(path / which)}" if path.is_dir() else f"unpack it and give {shown(which)}"
        return f"{shown(path)} holds {inside}, and no data set beside the zip: {way}"
    return f"{shown(path)} holds {inside}; it lacks {expected}"
