"""The layout of one .npz: arrays images and keypoints, and subjects and split where they are known."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, Faces
from kpbench.faces.parts import PARTS, Parts, Progress
from kpbench.faces.readers.files import DataFile
from kpbench.faces.readers.npz_arrays import Array, read_arrays
from kpbench.faces.readers.people import shared_people_notes
from kpbench.faces.readers.picture_faces import cut_faces, picture_notes
from kpbench.faces.readers.pictures import stack_conversion, stacked_picture

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
    images = _images(file, arrays)
    points = _points(file, arrays, len(images))
    conversion = stack_conversion(images, f"{file.where}, images")
    cuts = (
        (stacked_picture(image, conversion), points[i], f"{file.where}, face {i}", None)
        for i, image in enumerate(images)
    )
    done: Counter[str] = Counter()
    faces = cut_faces(cuts, len(images), progress, f"reading {file.name}", done)
    done[conversion] = len(images)
    done["colour"] = len(images) if images.ndim == 4 else 0
    faces = replace(faces, subjects=_subjects(file, arrays, len(images)))
    parts = _split(file, faces, arrays)
    return replace(parts, notes=(*picture_notes(done), *shared_people_notes(parts)))


def _images(file: DataFile, arrays: Mapping[str, Array]) -> Array:
    images = arrays["images"]
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)) or 0 in images.shape:
        raise UsageError(
            f"{file.where}: images has shape {arrays['images'].shape}, expected (N, 96, 96), (N, 1, 96, 96) or "
            "(N, H, W, 3) with at least one face"
        )
    return images


def _points(file: DataFile, arrays: Mapping[str, Array], n: int) -> NDArray[np.float64]:
    points = arrays["keypoints"]
    if points.shape not in ((n, len(KEYPOINTS), 2), (n, 2 * len(KEYPOINTS))):
        raise UsageError(
            f"{file.where}: keypoints has shape {points.shape}, expected ({n}, {len(KEYPOINTS)}, 2) or "
            f"({n}, {2 * len(KEYPOINTS)}) for {n} images"
        )
    if points.dtype.kind != "f":
        raise UsageError(f"{file.where}: keypoints are of type {points.dtype}, expected float pixels")
    if np.isinf(points.astype(np.float64)).any():
        raise UsageError(f"{file.where}: an infinite keypoint; write NaN where a label is missing")
    return points.astype(np.float64).reshape(n, len(KEYPOINTS), 2)


def _subjects(file: DataFile, arrays: Mapping[str, Array], n: int) -> NDArray[np.int64] | None:
    if "subjects" not in arrays:
        return None
    subjects = arrays["subjects"]
    if subjects.shape != (n,) or subjects.dtype.kind not in "iuU":
        raise UsageError(
            f"{file.where}: subjects is {subjects.dtype} {subjects.shape}, expected a whole number or a name for each "
            f"of {n} faces"
        )
    if subjects.dtype.kind == "U":
        return np.unique(subjects, return_inverse=True)[1].astype(np.int64)
    return subjects.astype(np.int64)


def _split(file: DataFile, faces: Faces, arrays: Mapping[str, Array]) -> Parts:
    if "split" not in arrays:
        return Parts(faces)
    words = arrays["split"]
    if words.shape != (len(faces),) or words.dtype.kind != "U":
        raise UsageError(
            f"{file.where}: split is {words.dtype} {words.shape}, expected train, val or test for each of "
            f"{len(faces)} faces"
        )
    if unknown := sorted(set(words.tolist()) - set(PARTS)):
        raise UsageError(f"{file.where}: split has {unknown[0]!a}, expected train, val or test")
    found = {part: faces.take(np.flatnonzero(words == part)) for part in PARTS if (words == part).any()}
    if "train" not in found:
        raise UsageError(f"{file.where}: split has no train; a data set needs at least one face to train on")
    return Parts(found["train"], found.get("val"), found.get("test"))
