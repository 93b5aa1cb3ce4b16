"""Predictions of points in place of a model: an .npz, or a CSV in Kaggle's layouts or with a column a coordinate."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, Faces
from kpbench.task.benchmark import Coordinates

COLUMNS = [f"{name}_{axis}" for name in KEYPOINTS for axis in "xy"]
SUFFIXES = (".npz", ".csv")


class Predictions(nn.Module):
    """Answers with stored points, in the order of the faces: (N, 1, 96, 96) -> the next N rows of (., 30)."""

    def __init__(self, points: NDArray[np.float32], coordinates: Coordinates) -> None:
        super().__init__()
        scaled = (torch.tensor(points).reshape(len(points), -1) - coordinates.centre) / coordinates.scale
        self.register_buffer("points", scaled)
        self.next = 0

    def forward(self, x: Tensor) -> Tensor:
        """The next len(x) faces' points; after the last face it begins again."""
        points = self.get_buffer("points")
        found = points[self.next : self.next + len(x)]
        self.next = (self.next + len(x)) % len(points)
        return found


def read_predictions(path: Path, faces: Faces) -> NDArray[np.float32]:
    """Points in pixels for each of `faces`, (N, 15, 2), in their order.

    An `.npz` holds `keypoints` (N, 15, 2) or (N, 30); its `images`, where it has them, must be the faces. A CSV has
    `RowId, Location`, 30 rows a face in the order of the task's keypoints, or `ImageId, FeatureName, Location`, or 30
    columns `KEYPOINT_x`, `KEYPOINT_y` with or without `ImageId`; image 1 is the first face.

    Raises:
        UsageError: the file cannot be read, has other points, faces or order, or a value that is no number.
    """
    try:
        points = _npz(path, faces) if path.suffix == ".npz" else _csv(path, len(faces))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    if not (usable := np.isfinite(points)).all():
        face, keypoint, _ = np.argwhere(~usable)[0]
        raise UsageError(f"{path}: {KEYPOINTS[keypoint]} of face {face + 1} is no number")
    return points.astype(np.float32)


def _npz(path: Path, faces: Faces) -> NDArray[np.float64]:
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in ("keypoints", "images") if name in file.files}
            names = file.files
    except (ValueError, BadZipFile, EOFError, MemoryError) as error:
        raise UsageError(f"{path}: not an .npz of plain arrays: {error}") from error
    if "keypoints" not in held:
        raise UsageError(f"{path}: no array 'keypoints'; it holds {', '.join(names) or 'nothing'}")
    points: NDArray[np.float64] = held["keypoints"]
    n = len(faces)
    if points.shape not in ((n, len(KEYPOINTS), 2), (n, len(COLUMNS))) or points.dtype.kind not in "fiu":
        raise UsageError(
            f"{path}: 'keypoints' is {points.dtype} {points.shape}, not numbers ({n}, {len(KEYPOINTS)}, 2) "
            f"or ({n}, {len(COLUMNS)}) for these {n} faces"
        )
    if "images" in held:
        _refuse_other_order(path, held["images"], faces)
    return points.reshape(n, len(KEYPOINTS), 2)


def _refuse_other_order(path: Path, images: NDArray[np.uint8], faces: Faces) -> None:
    if images.size != faces.images.size or images.dtype != np.uint8:
        raise UsageError(f"{path}: 'images' is {images.dtype} {images.shape}, not uint8 {faces.images.shape}")
    same = (images.reshape(faces.images.shape) == faces.images).all(axis=(1, 2, 3))
    if not same.all():
        face = int(np.argmin(same))
        raise UsageError(
            f"{path}: picture {face + 1} is not face {face + 1} of the split; predict the split's faces in their order"
        )


def _csv(path: Path, n: int) -> NDArray[np.float64]:
    try:
        table = pd.read_csv(path, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:
        raise UsageError(f"{path}: not a CSV: {' '.join(str(error).split())}") from error
    if "Location" in table:
        return _long(path, table, n).reshape(n, len(KEYPOINTS), 2)
    if missing := [name for name in COLUMNS if name not in table]:
        raise UsageError(
            f"{path}: no column {missing[0]}; it wants RowId and Location (Kaggle's submission), ImageId, FeatureName "
            f"and Location, or the {len(COLUMNS)} columns {COLUMNS[0]}, {COLUMNS[1]} ..."
        )
    if "ImageId" in table:
        _refuse_other_ids(path, "ImageId", table["ImageId"], n)
        table = table.sort_values("ImageId")
    elif len(table) != n:
        raise UsageError(f"{path}: {len(table)} rows for {n} faces")
    return _numbers(path, table[COLUMNS]).reshape(n, len(KEYPOINTS), 2)


def _long(path: Path, table: pd.DataFrame, n: int) -> NDArray[np.float64]:
    """Kaggle's layouts, a row a coordinate, in the order of faces and coordinates."""
    if {"ImageId", "FeatureName"} <= set(table):
        if unknown := [name for name in table["FeatureName"].unique() if name not in COLUMNS]:
            raise UsageError(f"{path}: FeatureName '{unknown[0]}' is no coordinate of the task, {COLUMNS[0]} ...")
        place = table["FeatureName"].map({name: at for at, name in enumerate(COLUMNS)})
        image = pd.to_numeric(table["ImageId"], errors="coerce")
        rows = (image - 1) * len(COLUMNS) + place + 1
    elif "RowId" in table:
        rows = table["RowId"]
    else:
        raise UsageError(f"{path}: 'Location' without RowId, or without ImageId and FeatureName")
    _refuse_other_ids(path, "RowId", rows, n * len(COLUMNS))
    ordered = table.assign(row=rows.astype(int)).sort_values("row")
    return _numbers(path, ordered[["Location"]]).ravel()


def _refuse_other_ids(path: Path, name: str, ids: "pd.Series[Any]", n: int) -> None:
    found = pd.to_numeric(ids, errors="coerce")
    if len(found) != n or set(found) != set(range(1, n + 1)):
        wrong = next((one for one in range(1, n + 1) if (found == one).sum() != 1), None)
        why = f"{name} {wrong} comes {int((found == wrong).sum())} times" if wrong else f"{len(found)} rows"
        raise UsageError(f"{path}: {why}; each of 1 to {n} has to come once")


def _numbers(path: Path, table: pd.DataFrame) -> NDArray[np.float64]:
    try:
        return table.to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: a value that is no number: {error}") from error
