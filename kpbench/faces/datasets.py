"""The data sets known by name, and `load`: a name or a path in, splits out."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kpbench.errors import UsageError, nearest
from kpbench.faces.checks.checks import faults_in_words
from kpbench.faces.checks.near_copies import copies_in
from kpbench.faces.drawn import synthetic
from kpbench.faces.faces import Splits
from kpbench.faces.library import library
from kpbench.faces.library.cache import cached
from kpbench.faces.library.sources import SOURCES
from kpbench.faces.partial import LABELS, with_partial_faces
from kpbench.faces.parts import PARTS, Parts, Progress, complete_only, silent
from kpbench.faces.readers.files import shown
from kpbench.faces.readers.layouts import read_path
from kpbench.faces.split import split

SYNTHETIC_FACES = 2140

SUFFIXES = (".zip", ".csv", ".npz")
"""What the path of a file that is a data set ends in."""


@dataclass(frozen=True)
class DataSet:
    """A data set known by name: a title for lists, and how to read its parts."""

    title: str
    read: Callable[[Progress], Parts]


def drawn(n: int, seed: int, progress: Progress = silent, *, version: int | None = None) -> Parts:
    """n drawn faces as train, kept once drawn; another seed draws other people, another version other pictures.

    Args:
        version: of `synthetic.VERSIONS`; None for the latest.
    """
    version = synthetic.VERSION if version is None else version

    def build() -> Parts:
        progress("drawing faces", 0.0)
        parts = Parts(synthetic.generate(n, seed=seed, version=version))
        progress("drawing faces", 1.0)
        return parts

    return cached(f"synthetic {version} n={n} seed={seed}", build)


DATASETS: dict[str, DataSet] = {
    "synthetic": DataSet(
        f"{SYNTHETIC_FACES:,} drawn faces, version {synthetic.VERSION}, built in, no download",
        partial(drawn, SYNTHETIC_FACES, 0),
    ),
    "synthetic@2": DataSet(
        f"{SYNTHETIC_FACES:,} drawn faces, version 2: easier, exact labels; `synthetic` of earlier studies",
        partial(drawn, SYNTHETIC_FACES, 0, version=2),
    ),
}


def load(
    source: str,
    *,
    val_share: float,
    test_share: float,
    seed: int,
    labels: str = "complete",
    progress: Progress = silent,
) -> Splits:
    """The splits of a data set in `DATASETS` or in the library, or of what lies at a path.

    Faces that lack a keypoint are dropped, from train only where `labels` is `complete`; a missing val or test is
    split off (`split.split`); the notes say both.

    Args:
        source: as `read_parts` takes it.
        val_share, test_share, seed: how a missing split is made; the same for all `labels`.
        labels: `complete` or `partial`, as in `partial.LABELS`.
        progress: called with what is being done and the share done; not called where the cache has the faces.

    Raises:
        UsageError: an unknown name, a path whose data cannot be used, or labels that are not in pixels; the message
            names both thing and remedy.
    """
    if labels not in LABELS:
        raise UsageError(f"labels are {' or '.join(LABELS)}, not {labels!r}")
    name, where, parts = read_parts(source, progress)
    kept = complete_only(where, parts)
    built_in = source in DATASETS  # drawn by people, and checked by the tests
    copies = None if built_in else copies_in(kept, progress)
    splits = split(name, kept, val_share=val_share, test_share=test_share, seed=seed, copies=copies)
    if not built_in:
        splits = replace(splits, faults=faults_in_words(kept if labels == "complete" else parts, where))
    if labels != "partial":
        return splits
    made = len(kept.items()) < len(PARTS) and not built_in
    return with_partial_faces(splits, parts, copies=copies_in(parts, progress) if made else None)


def read_parts(source: str, progress: Progress = silent) -> tuple[str, str, Parts]:
    """A name for folders and lists, where the faces lie, and the parts as the source brings them, NaN labels too.

    Args:
        source: a name in the table or the library, or a path: it has a separator, starts with `.` or `~`, ends in
            .zip, .csv or .npz, or exists.

    Raises:
        UsageError: as `load`.
    """
    if source in DATASETS:
        return source, source, DATASETS[source].read(progress)
    if library.has(source):
        return source, source, library.read(source)
    path = _as_path(source)
    parts = read_path(path, progress)  # first, as it refuses what is no path
    return _slug(path), shown(path), parts


def _as_path(source: str) -> Path:
    exists = _exists(source)
    if source in SOURCES and not exists:
        raise UsageError(f"data set '{source}' is not here yet: kpbench data get {source}")
    looks = "/" in source or "\\" in source or source.startswith((".", "~")) or source.lower().endswith(SUFFIXES)
    if not source.strip() or not (looks or exists):
        raise UsageError(
            f"unknown data set {shown(source)!r}; {nearest(source, [*DATASETS, *library.names()])}; or give a path"
        )
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
    stem = whole.stem if whole.suffix.lower() in SUFFIXES else whole.resolve().name
    if stem.lower() in ("training", "train", "data", "archive") and whole.parent.name:
        stem = whole.parent.name
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain)[:40].strip("_") or "faces"
