"""Write small sets of picture files with their keypoints, as the layouts for pictures expect them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kpbench.faces.faces import KEYPOINTS, Faces
from kpbench.faces.readers.csv_table import COORDINATES
from kpbench.faces.readers.image_csv import POINTS68
from tests.course_files import csv_text

PICKED68 = (None, None, 42, 45, 39, 36, 22, 26, 21, 17, 30, 54, 48, 51, 57)
"""The 68-point index of each of the 15 keypoints; the eye centres are means."""


def names(n: int, *, people: int = 4) -> list[str]:
    """`n` file names with a person and a number: Person_a_00.png."""
    return [f"Person_{'abcdefghij'[i % people]}_{i // people:02}.png" for i in range(n)]


def save(path: Path, grey: np.ndarray, *, mode: str = "L") -> None:
    """A grey picture in a file, made an RGB, RGBA, P or 16-bit one on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(grey).convert(mode).save(path)


def points68(points: np.ndarray) -> np.ndarray:
    """68 points (68, 2) whose reduction is these 15, all others far off."""
    wide = np.full((68, 2), -50.0)
    for k, at in enumerate(PICKED68):
        if at is not None:
            wide[at] = points[k]
    for centre, corners, others in ((0, (42, 45), (43, 44, 46, 47)), (1, (36, 39), (37, 38, 40, 41))):
        rest = 6 * points[centre] - wide[list(corners)].sum(axis=0)
        wide[list(others)] = rest / 4
    return wide


def table(names: Sequence[str], points: np.ndarray, *, first: str = "image", many: bool = False) -> str:
    """A CSV of points (N, 15, 2), as 136 columns where `many`."""
    columns = POINTS68 if many else COORDINATES
    rows = [points68(row) if many else row for row in points]
    fields = [["" if np.isnan(v) else repr(float(v)) for v in row.ravel()] for row in rows]
    return csv_text([[name, *row] for name, row in zip(names, fields, strict=True)], header=[first, *columns])


def write_pictures(
    folder: Path, faces: Faces, *, inside: str = "", csv: str = "keypoints.csv", many: bool = False, mode: str = "L"
) -> list[str]:
    """Pictures of faces below `inside` and their CSV; the names in it."""
    listed = names(len(faces))
    for name, image in zip(listed, faces.images, strict=True):
        save(folder / inside / name, image[0], mode=mode)
    (folder / csv).parent.mkdir(parents=True, exist_ok=True)
    (folder / csv).write_text(
        table(listed, faces.keypoints.astype(np.float64), first="" if many else "image", many=many), encoding="utf-8"
    )
    return listed


def coco(faces: Faces, names: Sequence[str], *, visible: int = 2) -> dict[str, list[dict[str, object]]]:
    """COCO's JSON of faces: keypoints called k0 to k14, a box around each whole picture."""
    return {
        "images": [{"id": i, "file_name": name, "width": 96, "height": 96} for i, name in enumerate(names)],
        "annotations": [
            {
                "id": i,
                "image_id": i,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [0.0, 0.0, 96.0, 96.0],
                "keypoints": [float(v) for x, y in points for v in (x, y, visible)],
            }
            for i, points in enumerate(faces.keypoints)
        ],
        "categories": [{"id": 1, "name": "face", "keypoints": [f"k{k}" for k in range(15)]}],
    }


MAPPING = "".join(f'{name} = "k{k}"\n' for k, name in enumerate(KEYPOINTS))


def write_coco(folder: Path, faces: Faces, *, mapping: str | None = MAPPING) -> dict[str, list[dict[str, object]]]:
    """A folder in COCO's layout; what is in its JSON."""
    listed = names(len(faces))
    for name, image in zip(listed, faces.images, strict=True):
        save(folder / "pictures" / name, image[0])
    content = coco(faces, listed)
    (folder / "faces.json").write_text(json.dumps(content))
    if mapping is not None:
        (folder / "mapping.toml").write_text(mapping)
    return content
