"""Parts as arrays in an .npz, and a cache of such files, so that a text is parsed and a face is drawn only once."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import platformdirs
from numpy.typing import NDArray

from kpbench.faces.faces import Faces
from kpbench.faces.parts import PARTS, Parts
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
    file = _file_of(key)
    with suppress(Exception):  # whatever ails a cache file, its source is still there
        return read_parts(file)
    parts = build()
    try:
        _keep(file, lambda stream: write_parts(stream, parts))
    except OSError as error:
        why = error.strerror or error
        note = f"the faces could not be kept in {shown(file.parent)} ({why}): the next start takes as long"
        return replace(parts, notes=(*parts.notes, note))
    return parts


def cached_numbers(key: str, build: Callable[[], NDArray[np.intp]]) -> NDArray[np.intp]:
    """The array kept under `key`, else the one that `build` makes, which is then kept where that can be done."""
    file = _file_of(key)
    with suppress(Exception), np.load(file, allow_pickle=False) as arrays:
        return np.asarray(arrays["numbers"], dtype=np.intp)
    numbers = build()
    with suppress(OSError):  # the faces themselves say so
        _keep(file, lambda stream: np.savez(stream, numbers=numbers))
    return numbers


def _file_of(key: str) -> Path:
    return cache_folder() / (hashlib.sha256(f"{_FORMAT} {key}".encode()).hexdigest()[:32] + ".npz")


def _keep(file: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Writes a file of the cache: readers see the old one or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as stream:
        draft = Path(stream.name)
        try:
            write(stream)
            stream.close()
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


def write_parts(stream: IO[bytes], parts: Parts) -> None:
    """Writes each part's arrays and the notes as an .npz; OSError as of files."""
    arrays: dict[str, NDArray[np.generic]] = {"notes": np.array(parts.notes, dtype=np.str_)}
    for part, faces in parts.items():
        own = {name: getattr(faces, name) for name in ("images", "keypoints", "subjects", "origins")}
        own |= {f"conditions/{name}": values for name, values in faces.conditions.items()}
        arrays |= {f"{part}/{name}": array for name, array in own.items() if array is not None}
    np.savez(stream, **arrays)  # type: ignore[arg-type]


def read_parts(file: Path) -> Parts:
    """The parts that `write_parts` wrote; an Exception of any kind where the file is gone, broken or something else."""
    with np.load(file, allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    faces = {part: _unpack(part, stored) for part in PARTS if f"{part}/images" in stored}
    return Parts(faces["train"], faces.get("val"), faces.get("test"), notes=tuple(map(str, stored["notes"])))


def _unpack(part: str, stored: dict[str, NDArray[np.generic]]) -> Faces:
    prefix = f"{part}/conditions/"
    conditions = {name.removeprefix(prefix): array for name, array in stored.items() if name.startswith(prefix)}
    return Faces(
        stored[f"{part}/images"],  # type: ignore[arg-type]  # Faces checks what it gets
        stored[f"{part}/keypoints"],  # type: ignore[arg-type]
        stored.get(f"{part}/subjects"),  # type: ignore[arg-type]
        conditions,
        stored.get(f"{part}/origins"),  # type: ignore[arg-type]
    )
