"""The layout of one .npz: arrays images and keypoints, and subjects and split where they are known."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, Faces
from kpbench.faces.parts import PARTS, Parts, Progress
from kpbench.faces.readers.files import DataFile, contents, shown, zip_members
from kpbench.faces.readers.people import shared_people_notes
from kpbench.faces.readers.picture_faces import cut_faces, picture_notes
from kpbench.faces.readers.pictures import stack_conversion, stacked_picture
from kpbench.faces.readers.row_faults import RowFaults

Array = NDArray[np.generic]

EXPECTS = "one .npz with images (N, 96, 96), (N, 1, 96, 96) or (N, H, W, 3) and keypoints (N, 15, 2) or (N, 30)"


def find(files: Mapping[str, DataFile]) -> dict[str, DataFile]:
    """The only .npz, at the top or alone; empty where there is none.

    Raises:
        UsageError: there are several.
    """
    alone = files.get("")
    if alone is not None:
        return {"faces": alone} if alone.name.lower().endswith(".npz") else {}
    found = [name for name in files if name.lower().endswith(".npz") and "/" not in name]
    if len(found) > 1:
        raise UsageError(
            f"{files[found[0]].where} and {files[found[1]].where}: two data sets in one place; give the one you mean"
        )
    return {"faces": files[found[0]]} if found else {}


def read(files: Mapping[str, DataFile], progress: Progress) -> Parts:
    """The parts in the .npz that `find` found, rows in their order; a NaN among the keypoints is a missing label.

    Raises:
        UsageError: an array is missing, broken, of a wrong shape or type, or holds what `crop` or
            `stack_conversion` refuse; `split` has another word than train, val, test, or not one train.
    """
    file = files["faces"]
    arrays = read_arrays(file, ("images", "keypoints"), ("subjects", "split"))
    images = _images(file, arrays["images"])
    points = _points(file, arrays["keypoints"], len(images))
    conversion = stack_conversion(images, f"{file.where}, images")
    cuts = (
        (partial(stacked_picture, image, conversion), points[i], f"{file.where}, face {i}", None)
        for i, image in enumerate(images)
    )
    done: Counter[str] = Counter()
    faults = RowFaults()
    faces = cut_faces(cuts, len(images), progress, f"reading {file.name}", done, faults)
    faults.refuse()
    done[conversion] = len(images)
    done["colour"] = len(images) if images.ndim == 4 else 0
    if "subjects" in arrays:
        faces = replace(faces, subjects=_subjects(file, arrays["subjects"], len(images)))
    found = _split(file, faces, arrays["split"]) if "split" in arrays else {"train": faces}
    parts = Parts(found["train"], found.get("val"), found.get("test"))
    return replace(parts, notes=(*picture_notes(done), *shared_people_notes(parts)))


def read_arrays(file: DataFile, needed: Sequence[str], others: Sequence[str]) -> dict[str, Array]:
    """The arrays called so, in the byte order of this machine; those among `others` where they are there.

    Nothing is unpickled, and no header is believed before the bytes are counted.

    Raises:
        UsageError: the file is no whole .npz, lacks a needed array, or one is broken, packed as a zip bomb, or made
            of Python objects or records.
    """
    if file.member is not None:
        raise UsageError(f"{file.where}: an .npz inside a zip is not read; unpack it and give the .npz")
    members = {
        info.filename.removesuffix(".npy"): DataFile(file.disk, info.file_size, info.filename)
        for info in zip_members(file.disk, f"{file.where} is not a whole .npz", "write it again")
        if info.filename.endswith(".npy")
    }
    for name in needed:
        if name not in members:
            inside = ", ".join(sorted(map(shown, members))[:8])
            raise UsageError(f"{file.where}: no array {name!a}; it holds {inside or 'nothing'}")
    with contents() as content:
        return {name: _array(members[name], content(members[name])) for name in (*needed, *others) if name in members}


def _array(member: DataFile, content: bytes) -> Array:
    """The array of an .npy, after its header was compared with the bytes there are."""
    stream = BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = header(stream)
    except Exception as error:  # a broken header may raise nearly anything
        raise UsageError(f"{member.where} is no whole array ({type(error).__name__}); write it again") from None
    if dtype.hasobject or dtype.names:
        raise UsageError(f"{member.where}: Python objects or records, which are not read; store plain numbers or text")
    rest = content[stream.tell() :]
    if len(rest) != math.prod(shape) * dtype.itemsize:
        raise UsageError(
            f"{member.where}: {len(rest):,} bytes do not fill the shape {shape} of {dtype}; write it again"
        )
    flat = np.frombuffer(rest, dtype) if dtype.itemsize else np.zeros(shape, dtype).ravel()
    return flat.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="), copy=False)


def _images(file: DataFile, images: Array) -> Array:
    given = images.shape
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)) or 0 in images.shape:
        raise UsageError(
            f"{file.where}: images has shape {given}, expected (N, 96, 96), (N, 1, 96, 96) or (N, H, W, 3) with at "
            "least one face"
        )
    return images


def _points(file: DataFile, points: Array, n: int) -> NDArray[np.float64]:
    k = len(KEYPOINTS)
    if points.shape not in ((n, k, 2), (n, 2 * k)):
        raise UsageError(
            f"{file.where}: keypoints has shape {points.shape}, expected ({n}, {k}, 2) or ({n}, {2 * k}) for {n} images"
        )
    if points.dtype.kind != "f":
        raise UsageError(f"{file.where}: keypoints are of type {points.dtype}, expected float pixels")
    if np.isinf(points.astype(np.float64)).any():
        raise UsageError(f"{file.where}: an infinite keypoint; write NaN where a label is missing")
    return points.astype(np.float64).reshape(n, k, 2)


def _subjects(file: DataFile, subjects: Array, n: int) -> NDArray[np.int64]:
    if subjects.shape != (n,) or subjects.dtype.kind not in "iuU":
        raise UsageError(
            f"{file.where}: subjects is {subjects.dtype} {subjects.shape}, expected a whole number or a name for each "
            f"of {n} faces"
        )
    if subjects.dtype.kind == "U":
        subjects = np.unique(subjects, return_inverse=True)[1]
    return subjects.astype(np.int64)


def _split(file: DataFile, faces: Faces, words: Array) -> dict[str, Faces]:
    n = len(faces)
    if words.shape != (n,) or words.dtype.kind != "U":
        raise UsageError(
            f"{file.where}: split is {words.dtype} {words.shape}, expected train, val or test for each of {n} faces"
        )
    if unknown := sorted(set(words.tolist()) - set(PARTS)):
        raise UsageError(f"{file.where}: split has {unknown[0]!a}, expected train, val or test")
    if "train" not in words:
        raise UsageError(f"{file.where}: split has no train; a data set needs at least one face to train on")
    return {part: faces.take(np.flatnonzero(words == part)) for part in PARTS if part in words}
