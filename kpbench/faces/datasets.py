"""The data sets known by name, and `load`: a name or a path in, splits out."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kpbench.errors import UsageError, nearest
from kpbench.faces import synthetic
from kpbench.faces.cache import cached
from kpbench.faces.faces import Splits
from kpbench.faces.files import shown
from kpbench.faces.layouts import read_path
from kpbench.faces.parts import Parts, Progress, complete_only, silent
from kpbench.faces.split import split

SYNTHETIC_FACES = 2140


@dataclass(frozen=True)
class DataSet:
    """A data set known by name: a title for lists, and how to read its parts."""

    title: str
    read: Callable[[Progress], Parts]


def _draw(progress: Progress) -> Parts:
    def build() -> Parts:
        progress("drawing faces", 0.0)
        parts = Parts(synthetic.generate(SYNTHETIC_FACES, seed=0))
        progress("drawing faces", 1.0)
        return parts

    return cached(f"synthetic {synthetic.VERSION} n={SYNTHETIC_FACES} seed=0", build)


DATASETS: dict[str, DataSet] = {
    "synthetic": DataSet(f"{SYNTHETIC_FACES:,} drawn faces, built in, no download", _draw),
}


def load(source: str, *, val_share: float, test_share: float, seed: int, progress: Progress | None = None) -> Splits:
    """The splits of a data set in `DATASETS`, or of the folder, zip or CSV at a path.

    Faces that lack a keypoint are dropped; a missing val or test is split off (`split.split`); the notes say both.

    Args:
        source: a name in the table, or a path: it has a separator, starts with `.` or `~`, ends in .zip or .csv,
            or exists.
        val_share, test_share, seed: how a missing split is made.
        progress: called with what is being done and the share done; not called where the cache has the faces.

    Raises:
        UsageError: an unknown name, or a path whose data cannot be used; the message names both thing and remedy.
    """
    report = silent if progress is None else progress
    if source in DATASETS:
        parts = DATASETS[source].read(report)
        name = where = source
    else:
        path = _as_path(source)
        parts = read_path(path, report)
        name, where = _slug(path), shown(path)
    return split(name, complete_only(where, parts), val_share=val_share, test_share=test_share, seed=seed)


def _as_path(source: str) -> Path:
    looks = any(mark in source for mark in "/\\") or source.startswith((".", "~"))
    named = source.lower().endswith((".zip", ".csv"))
    if not source.strip() or not (looks or named or _exists(source)):
        raise UsageError(f"unknown data set {shown(source)!r}: {nearest(source, DATASETS)}; or give a path")
    try:
        return Path(source).expanduser()
    except RuntimeError as error:
        raise UsageError(f"cannot find {shown(source)}: {error}; give the whole path") from None


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except OSError:  # a name too long for any file
        return False


def _slug(path: Path) -> str:
    """A name for folders and lists: the file's, or its folder's where the file's says nothing."""
    whole = path.absolute()
    stem = whole.stem if whole.suffix.lower() in (".zip", ".csv") else whole.resolve().name
    if stem.lower() in ("training", "train", "data", "archive") and whole.parent.name:
        stem = whole.parent.name
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain)[:40].strip("_") or "faces"
