"""Write small data sets in the course's layout: drawn blob faces whose keypoints sit where the picture says."""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kpbench.faces.faces import KEYPOINTS, SIZE, Faces

COLUMNS = [f"{name}_{axis}" for name in KEYPOINTS for axis in "xy"]

_MEAN_FACE = np.array(
    [
        (66, 37), (30, 37), (59, 38), (73, 38), (37, 38), (23, 38), (57, 29), (80, 29),
        (39, 29), (16, 29), (48, 60), (63, 74), (33, 74), (48, 71), (48, 80),
    ],
    dtype=np.float64,
)  # fmt: skip


def blob_faces(n: int, *, seed: int = 0, people: int | None = None) -> Faces:
    """`n` faces, each the mean face moved, scaled and turned, a bright oval with a dark blob on every keypoint.

    With `people` the faces carry subjects 0 to people - 1 in turn.
    """
    rng = np.random.default_rng(seed)
    scale, angle = rng.uniform(0.8, 1.05, n), rng.uniform(-0.2, 0.2, n)
    shift = rng.uniform(-6, 6, (n, 1, 2))
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(n, 2, 2)
    flat = _MEAN_FACE[None] - 48 + rng.normal(0, 1.0, (n, len(KEYPOINTS), 2))
    points = np.einsum("nij,nkj->nki", turn, flat) * scale[:, None, None] + 48 + shift
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
    picture = rng.uniform(30, 110, (n, 1, 1)) + rng.uniform(-0.4, 0.4, (n, 1, 1)) * (x - 48)
    middle = points.mean(axis=1)
    oval = ((x - middle[:, 0, None, None]) / 38) ** 2 + ((y - middle[:, 1, None, None]) / 44) ** 2
    picture = np.where(oval < 1, rng.uniform(150, 220, (n, 1, 1)), picture)
    for k in range(len(KEYPOINTS)):
        distance = (x - points[:, k, 0, None, None]) ** 2 + (y - points[:, k, 1, None, None]) ** 2
        picture = picture - 90 * np.exp(-distance / (2 * 2.5**2))
    picture = np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255)
    return Faces(
        picture.astype(np.uint8)[:, None],
        points.round(3).astype(np.float32),
        None if people is None else np.arange(n, dtype=np.int64) % people,
    )


def csv_rows(faces: Faces) -> list[list[str]]:
    """One list of 30 coordinates and one picture for each face, as text; a NaN is an empty field."""
    return [
        ["" if np.isnan(value) else repr(float(value)) for value in points.ravel()]
        + [" ".join(map(str, picture.ravel().tolist()))]
        for picture, points in zip(faces.images, faces.keypoints, strict=True)
    ]


def csv_text(rows: Iterable[Sequence[str]], *, header: Sequence[str] = (*COLUMNS, "Image")) -> str:
    """The rows below the header, as a CSV."""
    return "".join(",".join(line) + "\n" for line in [header, *rows])


def write_course(folder: Path, *, train: int = 24, val: int = 8, test: int = 8, seed: int = 0) -> Path:
    """Write training.csv, val.csv and test.csv of blob faces, a file for each count above 0; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for offset, (name, n) in enumerate({"training": train, "val": val, "test": test}.items()):
        if n:
            faces = blob_faces(n, seed=1000 * seed + offset)
            (folder / f"{name}.csv").write_text(csv_text(csv_rows(faces)), encoding="utf-8")
    return folder


def write_zip(path: Path, folder: Path, *, inside: str = "") -> Path:
    """Pack the files of `folder` into a zip, below the folder `inside` where given; the zip's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inside}/{file.name}" if inside else file.name)
    return path
