"""Parts in an .npz: images, keypoints, subjects and conditions of each part, and the notes."""

from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts


def write_parts(stream: IO[bytes], parts: Parts) -> None:
    """Writes the parts as an .npz.

    Raises:
        OSError: the disk is full or refuses.
    """
    arrays: dict[str, NDArray[np.generic]] = {"notes": np.array(parts.notes, dtype=np.str_)}
    for part, faces in parts.items():
        arrays[f"{part}/images"] = faces.images
        arrays[f"{part}/keypoints"] = faces.keypoints
        if faces.subjects is not None:
            arrays[f"{part}/subjects"] = faces.subjects
        arrays.update({f"{part}/conditions/{name}": values for name, values in faces.conditions.items()})
    np.savez(stream, **arrays)  # type: ignore[arg-type]


def read_parts(file: Path) -> Parts:
    """The parts that `write_parts` wrote.

    Raises:
        Exception: of any kind, where the file is gone, broken or something else.
    """
    with np.load(file, allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    faces = {part: _unpack(part, stored) for part in ("train", "val", "test") if f"{part}/images" in stored}
    return Parts(faces["train"], faces.get("val"), faces.get("test"), notes=tuple(map(str, stored["notes"])))


def _unpack(part: str, stored: dict[str, NDArray[np.generic]]) -> Faces:
    prefix = f"{part}/conditions/"
    conditions = {name.removeprefix(prefix): array for name, array in stored.items() if name.startswith(prefix)}
    return Faces(
        stored[f"{part}/images"],  # type: ignore[arg-type]  # Faces checks what it gets
        stored[f"{part}/keypoints"],  # type: ignore[arg-type]
        stored.get(f"{part}/subjects"),  # type: ignore[arg-type]
        conditions,
    )
