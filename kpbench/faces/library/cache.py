"""Parts kept as arrays in the user's cache folder, so that a text is parsed and a face is drawn only once."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import platformdirs

from kpbench.faces.library.parts_file import read_parts, write_parts
from kpbench.faces.parts import Parts
from kpbench.faces.readers.files import shown

_FORMAT = 1


def cache_folder() -> Path:
    """`KPBENCH_CACHE` if set, else the user's cache folder for kpbench; `faces` inside it."""
    chosen = os.environ.get("KPBENCH_CACHE")
    return (Path(chosen) if chosen else Path(platformdirs.user_cache_dir("kpbench"))) / "faces"


def cached(key: str, build: Callable[[], Parts]) -> Parts:
    """The parts kept under `key`, else those that `build` makes, which are then kept.

    `key` names everything the parts depend on. A broken cache file is built again; where nothing can be written
    the parts come with a note that says so. Errors of `build` pass through and leave nothing behind.
    """
    file = cache_folder() / (hashlib.sha256(f"{_FORMAT} {key}".encode()).hexdigest()[:32] + ".npz")
    parts = _read(file)
    if parts is not None:
        return parts
    parts = build()
    try:
        _write(file, parts)
    except OSError as error:
        why = error.strerror or error
        note = f"the faces could not be kept in {shown(file.parent)} ({why}): the next start takes as long"
        return replace(parts, notes=(*parts.notes, note))
    return parts


def _read(file: Path) -> Parts | None:
    try:
        return read_parts(file)
    except Exception:  # whatever ails a cache file, its source is still there
        return None


def _write(file: Path, parts: Parts) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as stream:
        draft = Path(stream.name)
        try:
            write_parts(stream, parts)
            stream.close()
            draft.replace(file)  # readers see the old file or the new one, never half of it
        finally:
            draft.unlink(missing_ok=True)
