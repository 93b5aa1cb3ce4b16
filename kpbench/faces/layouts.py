"""The layouts a data set at a path may have; the first that finds its files reads them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kpbench.errors import UsageError
from kpbench.faces import csv_files
from kpbench.faces.cache import cached
from kpbench.faces.files import DataFile, content_digest, files_at, shown
from kpbench.faces.parts import Parts, Progress

Find = Callable[[Mapping[str, DataFile]], dict[str, DataFile]]
"""From all files, by relative name, the files of a layout, by part; empty where the files are something else."""

Read = Callable[[Mapping[str, DataFile], Progress], Parts]
"""From the files of a layout, by part, the faces in them."""


@dataclass(frozen=True)
class Layout:
    """How files become parts; `expects` says in words what `find` looks for, `version` is part of the cache key."""

    expects: str
    version: int
    find: Find
    read: Read


LAYOUTS: dict[str, Layout] = {
    "csv_files": Layout(csv_files.EXPECTS, csv_files.VERSION, csv_files.find, csv_files.read),
}


def read_path(path: Path, progress: Progress) -> Parts:
    """The parts of the data set in a folder, a zip or a single file, from the cache where they were read before.

    Raises:
        UsageError: nothing is there, no layout knows it, or its layout cannot read it.
    """
    files = files_at(path)
    for name, layout in LAYOUTS.items():
        found = layout.find(files)
        if found:
            key = f"{name} {layout.version} {content_digest(found)}"
            return cached(key, partial(layout.read, found, progress))
    expected = "; or ".join(layout.expects for layout in LAYOUTS.values())
    if "" in files:
        raise UsageError(f"{shown(path)} is no data set: give a folder, a .zip or a .csv with {expected}")
    inside = ", ".join(map(shown, list(files)[:8])) + (f" and {len(files) - 8:,} more" if len(files) > 8 else "")
    packed = [shown(name) for name in files if name.endswith("training.zip")]
    way = "give" if path.is_dir() else "unpack it and give"
    remedy = f"; {way} {packed[0]}" if packed else ""
    raise UsageError(f"{shown(path)} lacks {expected}; it holds {inside or 'no file'}{remedy}")
