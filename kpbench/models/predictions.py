"""Predictions of points in place of a model: an .npz, or a CSV in Kaggle's layouts or with a column a coordinate."""

import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, SIZE, Faces
from kpbench.faces.readers.csv_table import COORDINATES
from kpbench.task.benchmark import Coordinates

SUFFIXES = (".npz", ".csv")

FARTHEST = 1e6
"""Pixels beyond which a point is no answer to a picture of 96; its square still fits float32."""

LISTED = 5
"""Names of arrays that a message lists."""


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


def read_predictions(path: Path, faces: Faces, which: str = "the split's") -> NDArray[np.float32]:
    """Points in pixels for each of `faces`, (N, 15, 2), in their order.

    An `.npz` holds `keypoints` (N, 15, 2) or (N, 30); its `images`, where it has them, must be the faces. A CSV has
    `RowId, Location`, 30 rows a face in the order of the task's keypoints, or `ImageId, FeatureName, Location`, or 30
    columns `KEYPOINT_x`, `KEYPOINT_y` with or without `ImageId`; image 1 is the first face.

    Args:
        which: says of the faces what they are, where the file has another number of them.

    Raises:
        UsageError: the file cannot be read, has other points, faces or order, or a value that is no number.
    """
    try:
        points = _npz(path, faces, which) if path.suffix == ".npz" else _csv(path, len(faces), which)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    if not (usable := np.isfinite(points)).all():
        face, keypoint, _ = np.argwhere(~usable)[0]
        raise UsageError(f"{path}: {KEYPOINTS[keypoint]} of face {face + 1} is no number")
    if (far := np.abs(points) > FARTHEST).any():
        face, keypoint, axis = np.argwhere(far)[0]
        where = f"{KEYPOINTS[keypoint]} of face {face + 1} lies at {points[face, keypoint, axis]:.3g} pixels"
        raise UsageError(f"{path}: {where}; a picture has {SIZE}")
    return points.astype(np.float32)


def _npz(path: Path, faces: Faces, which: str) -> NDArray[np.float64]:
    """The points; each array's header is judged before its values are unpacked, since 1 MB may hold 1 GB."""
    n = len(faces)
    try:
        with zipfile.ZipFile(path) as file:
            names = [name.removesuffix(".npy") for name in file.namelist()]
            if "keypoints.npy" not in file.namelist():
                held = ", ".join(names[:LISTED]) or "nothing"
                raise UsageError(f"{path}: no array 'keypoints'; it holds {held}")
            shape, dtype = _header(file, "keypoints")
            if shape not in ((n, len(KEYPOINTS), 2), (n, len(COORDINATES))) or dtype.kind not in "fiu":
                raise UsageError(
                    f"{path}: 'keypoints' is {dtype} {shape}, not numbers ({n}, {len(KEYPOINTS)}, 2) "
                    f"or ({n}, {len(COORDINATES)}) for {n} faces, {which}"
                )
            if "images" in names:
                shape, dtype = _header(file, "images")
                if math.prod(shape) != faces.images.size or min(shape, default=0) < 0 or dtype != np.uint8:
                    raise UsageError(f"{path}: 'images' is {dtype} {shape}, not uint8 {faces.images.shape}")
                _refuse_other_order(path, _array(file, "images"), faces)
            with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, which is refused
                return _array(file, "keypoints").astype(np.float64).reshape(n, len(KEYPOINTS), 2)
    except (OSError, UsageError):
        raise
    except Exception as error:  # a torn archive may raise anything
        raise UsageError(f"{path}: not an .npz of plain arrays: {' '.join(str(error).split())[:200]}") from error


def _header(file: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array, from at most 64 KB of it."""
    with file.open(f"{name}.npy") as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"'{name}' is no array as numpy.savez writes them")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    return shape, dtype


def _array(file: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with file.open(f"{name}.npy") as stream:
        found: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return found


def _refuse_other_order(path: Path, images: NDArray[np.uint8], faces: Faces) -> None:
    same = (images.reshape(faces.images.shape) == faces.images).all(axis=(1, 2, 3))
    if not same.all():
        face = int(np.argmin(same))
        raise UsageError(
            f"{path}: picture {face + 1} is not face {face + 1} of the split; predict the split's faces in their order"
        )


def _csv(path: Path, n: int, which: str) -> NDArray[np.float64]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the header loses its end
            table = pd.read_csv(path, encoding="utf-8-sig", index_col=False, low_memory=False)
    except pd.errors.ParserWarning as error:
        raise UsageError(f"{path}: its rows have more fields than its header") from error
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{path}: not a CSV: {' '.join(str(error).split())}") from error
    if "Location" in table:
        return _long(path, table, n, which).reshape(n, len(KEYPOINTS), 2)
    if missing := [name for name in COORDINATES if name not in table]:
        raise UsageError(
            f"{path}: no column {missing[0]}; it wants RowId and Location (Kaggle's submission), ImageId, FeatureName "
            f"and Location, or the {len(COORDINATES)} columns {COORDINATES[0]}, {COORDINATES[1]} ..."
        )
    if "ImageId" in table:
        table = table.iloc[_order(path, "ImageId", _ids(table["ImageId"]), n, f"{n} faces, {which}")]
    elif len(table) != n:
        raise UsageError(f"{path}: {len(table)} rows for {n} faces, {which}")
    return _numbers(path, table[list(COORDINATES)]).reshape(n, len(KEYPOINTS), 2)


def _long(path: Path, table: pd.DataFrame, n: int, which: str) -> NDArray[np.float64]:
    """Kaggle's layouts, a row a coordinate, in the order of faces and coordinates."""
    if {"ImageId", "FeatureName"} <= set(table):
        if unknown := [name for name in table["FeatureName"].unique() if name not in COORDINATES]:
            raise UsageError(f"{path}: FeatureName '{unknown[0]}' is no coordinate of the task, {COORDINATES[0]} ...")
        place = table["FeatureName"].map({name: at for at, name in enumerate(COORDINATES)})
        rows = (_ids(table["ImageId"]) - 1) * len(COORDINATES) + place + 1
    elif "RowId" in table:
        rows = _ids(table["RowId"])
    else:
        raise UsageError(f"{path}: 'Location' without RowId, or without ImageId and FeatureName")
    places = _order(path, "RowId", rows, n * len(COORDINATES), f"{n} faces, {which}")
    return _numbers(path, table[["Location"]].iloc[places]).ravel()


def _ids(column: "pd.Series[Any]") -> "pd.Series[float]":
    """As numbers; NaN where one is none. Through text, since pandas fails at integers beyond float64."""
    return pd.to_numeric(column.astype(str), errors="coerce").astype(float)


def _order(path: Path, name: str, ids: "pd.Series[float]", n: int, which: str) -> NDArray[np.intp]:
    """The places of ids 1 to n."""
    times = ids.value_counts()
    if len(ids) != n or any(times.get(one) != 1 for one in range(1, n + 1)):
        wrong = next((one for one in range(1, n + 1) if times.get(one) != 1), None)
        why = f"{name} {wrong} comes {times.get(wrong, 0)} times" if wrong else f"{len(ids)} rows"
        raise UsageError(f"{path}: {why}; each of 1 to {n} has to come once for {which}")
    return np.argsort(ids.to_numpy())


def _numbers(path: Path, table: pd.DataFrame) -> NDArray[np.float64]:
    try:
        return table.to_numpy(dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"{path}: a value that is no number: {str(error)[:200]}") from error
