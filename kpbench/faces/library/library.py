"""The data sets that a person added: one folder each, faces as arrays with a word on where they are from."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock, Timeout
from pydantic import ValidationError

from kpbench.cell import Value
from kpbench.errors import UsageError, nearest
from kpbench.faces.library.cache import read_parts, write_parts
from kpbench.faces.parts import Parts
from kpbench.faces.readers.files import file_sha256, os_errors, shown
from kpbench.version import __version__

ABOUT = "about.json"
LOCK = ".lock"
DRAFT = ".draft-"
LONGEST_NAME = 40
LOCK_SECONDS = 60.0
"""How long a second process waits for the first to write."""

READS = 5
"""How often a reader looks again where the arrays are gone: each time they may just have been replaced."""


class PartCounts(Value):
    """Faces in a part, those with all 15 keypoints, and the people on them (None where unknown)."""

    faces: int
    complete: int
    people: int | None


class About(Value):
    """Where an added data set is from and what is in it.

    Attributes:
        source: the path or address as it was given.
        layout: which of `LAYOUTS` read it.
        content: SHA-256 over the files that were read.
        download: SHA-256 of the downloaded file; None where nothing was downloaded.
        faces: name of the file with the arrays, which begins with a digest of what is in it.
        counts: by part.
        notes: one sentence for each thing that was done to the data.
        when: UTC, ISO 8601.
        version: of kpbench.
    """

    name: str
    source: str
    layout: str
    content: str
    download: str | None = None
    faces: str
    counts: dict[str, PartCounts]
    notes: tuple[str, ...]
    when: str
    version: str


def library_folder() -> Path:
    """`KPBENCH_DATA` if set, else the user's data folder for kpbench; `faces` inside it."""
    chosen = os.environ.get("KPBENCH_DATA")
    return (Path(chosen) if chosen else Path(platformdirs.user_data_dir("kpbench"))) / "faces"


def check_free(name: str, *, replace: bool) -> None:
    """Refuses what is no plain name or is taken and not to be replaced.

    Raises:
        UsageError: other than lowercase letters, digits, `_` and `-`, longer than `LONGEST_NAME`, begins with `-`, or
            there is an added data set of that name.
    """
    if not re.fullmatch(r"[a-z0-9_][a-z0-9_-]*", name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{shown(name)!r} is no name for a data set: use lowercase letters, digits, _ and -, at most {LONGEST_NAME}"
        )
    if has(name) and not replace:
        raise UsageError(f"a data set {name!r} is there already; choose another name, or give --replace")


def names() -> list[str]:
    """The names of the added data sets, damaged ones among them.

    Raises:
        UsageError: the library cannot be read.
    """
    folder = library_folder()
    with os_errors(f"read {shown(folder)}", "check KPBENCH_DATA"), suppress(FileNotFoundError, NotADirectoryError):
        return sorted(entry.name for entry in folder.iterdir() if (entry / ABOUT).is_file() and entry.name[0] != ".")
    return []


def has(name: str) -> bool:
    """Whether a data set of that name was added."""
    plain = re.fullmatch(r"[a-z0-9_-]+", name) is not None
    try:
        return plain and (library_folder() / name / ABOUT).is_file()
    except OSError:  # a name too long for any file
        return False


def _folder_of(name: str) -> Path:
    if not has(name):
        raise UsageError(f"no added data set {shown(name)!r}; {nearest(name, names())}")
    return library_folder() / name


def read_about(name: str) -> About:
    """What is known of an added data set.

    Raises:
        UsageError: there is none of that name, or its about.json is damaged.
    """
    file = _folder_of(name) / ABOUT
    try:
        return About.model_validate_json(file.read_bytes())
    except (OSError, ValidationError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise UsageError(f"{shown(file)}: {why}; add the data set again with --replace") from None


def read(name: str) -> Parts:
    """The faces of an added data set with its notes, rows that lack a keypoint among them.

    Raises:
        UsageError: there is none of that name, or its files are damaged.
    """
    for _ in range(READS):
        about = read_about(name)
        file = library_folder() / name / about.faces
        try:
            parts = read_parts(file)
        except FileNotFoundError:  # another process may just have replaced it
            continue
        except Exception:  # a damaged array file may raise nearly anything
            break
        if count_parts(parts) == about.counts:
            return parts
        break
    raise UsageError(f"{shown(file)} is gone or damaged; add the data set {name!r} again with --replace")


def write(
    name: str,
    parts: Parts,
    *,
    source: str,
    layout: str,
    content: str,
    download: str | None = None,
    replace: bool = False,
) -> About:
    """Keeps the parts under a name, whole or not at all; the other arguments are `About`'s.

    Written into a draft folder beside, then renamed. A data set that is replaced stays readable meanwhile: its new
    arrays get another file name, and about.json, which says which, is exchanged in one step.

    Raises:
        UsageError: the name is no name or is taken, another process writes for too long, or the library cannot be
            written.
    """
    check_free(name, replace=replace)  # before a folder is made for it
    with _locked() as folder:
        check_free(name, replace=replace)  # another process may have written it meanwhile
        draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder))
        try:
            with (draft / "faces.npz").open("wb") as stream:
                write_parts(stream, parts)
            about = About(
                name=name,
                source=source,
                layout=layout,
                content=content,
                download=download,
                faces=f"faces-{file_sha256(draft / 'faces.npz')[:12]}.npz",
                counts=count_parts(parts),
                notes=parts.notes,
                when=datetime.now(UTC).isoformat(timespec="seconds"),
                version=__version__,
            )
            (draft / "faces.npz").rename(draft / about.faces)
            (draft / ABOUT).write_text(about.model_dump_json(indent=2) + "\n", encoding="utf-8")
            draft.chmod(0o755)  # as any folder; mkdtemp makes private ones
            _publish(draft, folder / name, about)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return about


def _publish(draft: Path, place: Path, about: About) -> None:
    if not (place / ABOUT).exists():
        shutil.rmtree(place, ignore_errors=True)  # leavings without an about.json are no data set
        draft.rename(place)
        return
    (draft / about.faces).replace(place / about.faces)
    (draft / ABOUT).replace(place / ABOUT)
    for old in place.glob("faces-*.npz"):
        if old.name != about.faces:
            old.unlink(missing_ok=True)


def remove(name: str) -> None:
    """Takes an added data set out of the library.

    Raises:
        UsageError: there is none of that name, or the library cannot be written.
    """
    place = _folder_of(name)
    with _locked() as folder:
        gone = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder))
        place.rename(gone / name)  # at once for readers, however long the deleting takes
        shutil.rmtree(gone)


def count_parts(parts: Parts) -> dict[str, PartCounts]:
    """Faces, complete faces and people of each part."""
    return {
        part: PartCounts(
            faces=len(faces),
            complete=int(faces.complete().sum()),
            people=None if faces.subjects is None else len(np.unique(faces.subjects)),
        )
        for part, faces in parts.items()
    }


@contextmanager
def _locked() -> Iterator[Path]:
    """The library's folder, for one writer at a time; what a killed one left is swept out."""
    folder = library_folder()
    with os_errors(f"write to {shown(folder)}", "make room, or set KPBENCH_DATA to a folder"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / LOCK, timeout=LOCK_SECONDS):
                for stale in folder.glob(f"{DRAFT}*"):
                    shutil.rmtree(stale, ignore_errors=True)
                yield folder
        except Timeout:
            raise UsageError(f"another kpbench writes to {shown(folder)}; wait for it and try again") from None
