"""`kpbench predict`: points of a trained model on a person's own pictures."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.parts import Progress, silent
from kpbench.faces.pictures.boxes import check_inside
from kpbench.faces.readers.crop import Box, Points, Square, box_square, resample
from kpbench.faces.readers.csv_table import COORDINATES
from kpbench.faces.readers.files import DataFile, contents, os_errors, shown
from kpbench.faces.readers.pictures import LARGEST_PICTURE, Grey, read_upright
from kpbench.models.reading import Model
from kpbench.networks.own import told
from kpbench.task.benchmark import read_benchmark
from kpbench.training.predict import predict_images

BATCH = 32
"""Faces, or pictures, that are collected before the network sees them."""

COLUMNS = ("picture", "face", "x", "y", "w", "h", *COORDINATES)
"""The columns of the table: which face of which picture, its box, the points."""

SQUARE = 1.25
"""Up to this ratio of its sides a picture counts as about square."""

Find = Callable[[Path, Grey], Sequence[Box]]
"""From a picture's path and its grey values (H, W) to the boxes of its faces."""

Network = Callable[[NDArray[np.uint8]], Points]
"""From faces (N, 1, 96, 96) to their points (N, 15, 2) in pixels of the faces."""


@dataclass(frozen=True, eq=False)
class PictureFaces:
    """The faces of an upright picture of `width` x `height` pixels: N boxes, and points (N, 15, 2) in its pixels."""

    picture: Path
    width: int
    height: int
    boxes: tuple[Box, ...]
    points: Points

    def rows(self) -> Iterator[tuple[str | int | float, ...]]:
        """The lines of the table, as `COLUMNS`; coordinates to a thousandth of a pixel."""
        for number, (box, points) in enumerate(zip(self.boxes, self.points, strict=True), start=1):
            numbers = (round(float(value), 3) for value in (*box, *points.ravel()))
            yield shown(self.picture), number, *numbers

    def as_json(self) -> Iterator[dict[str, Any]]:
        """The faces as `--json` has them."""
        for picture, number, x, y, w, h, *points in self.rows():
            named = zip(KEYPOINTS, zip(points[::2], points[1::2], strict=True), strict=True)
            yield {"picture": picture, "face": number, "box": [x, y, w, h], "points": dict(named)}


@dataclass(frozen=True)
class Skipped:
    """A picture without points, and why, in a sentence that names it."""

    picture: Path
    why: str


def network_of(model: Model) -> Network:
    """A model as a function of faces; it raises UsageError where a point is no finite number."""
    coordinates = read_benchmark().coordinates

    def points(images: NDArray[np.uint8]) -> Points:
        with told(model.name):
            found = predict_images(model.network, images, coordinates).astype(np.float64)
        if not np.isfinite(found).all():
            raise UsageError(f"{model.name} gives points that are no finite numbers; train it again or take another")
        return found

    return points


def whole_picture(path: Path, grey: Grey) -> list[Box]:
    """The picture's own edge, as the box of the only face."""
    height, width = grey.shape
    return [(0.0, 0.0, float(width), float(height))]


def predict_pictures(
    network: Network, pictures: Sequence[Path], find: Find, progress: Progress = silent
) -> Iterator[PictureFaces | Skipped]:
    """The faces of each picture that can be used, and why the others cannot; one picture is in memory at a time.

    Raises:
        UsageError: the network gives no finite numbers.
    """
    waiting: list[_Cut] = []
    for at, picture in enumerate(pictures):
        progress("finding points", at / len(pictures))
        try:
            waiting.append(_cut(picture, find))
        except UsageError as error:
            yield Skipped(picture, str(error))
        if len(waiting) >= BATCH or sum(len(one.faces) for one in waiting) >= BATCH:
            yield from _with_points(network, waiting)
            waiting = []
    yield from _with_points(network, waiting)
    progress("finding points", 1.0)


@dataclass(frozen=True, eq=False)
class _Cut:
    picture: Path
    width: int
    height: int
    boxes: tuple[Box, ...]
    squares: tuple[Square, ...]
    faces: tuple[Grey, ...]


def picture_bytes(picture: Path) -> bytes:
    """The bytes of a picture's file; UsageError where it cannot be read or is too large."""
    with os_errors(f"read {shown(picture)}", "check the path"), contents(largest=LARGEST_PICTURE) as content:
        return content(DataFile(picture, picture.stat().st_size))


def _cut(picture: Path, find: Find) -> _Cut:
    grey, _ = read_upright(picture_bytes(picture), shown(picture))
    height, width = grey.shape
    boxes = tuple(find(picture, grey))
    for box in boxes:
        check_inside(box, width, height, shown(picture))
    squares = tuple(box_square(box) for box in boxes)
    return _Cut(picture, width, height, boxes, squares, tuple(resample(grey, square) for square in squares))


def _with_points(network: Network, cuts: Sequence[_Cut]) -> Iterator[PictureFaces]:
    faces = [face for cut in cuts for face in cut.faces]
    points = iter(network(np.stack(faces)[:, None]) if faces else ())
    for cut in cuts:
        own = [square.back(next(points)) for square in cut.squares]
        yield PictureFaces(
            cut.picture, cut.width, cut.height, cut.boxes, np.array(own).reshape(len(own), len(KEYPOINTS), 2)
        )


def table(found: Iterable[PictureFaces]) -> str:
    """The faces as a CSV with the columns `COLUMNS`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row for one in found for row in one.rows())
    return text.getvalue()


def notes_on(found: Sequence[PictureFaces], *, whole: bool) -> list[str]:
    """What a person should know of the pictures, a sentence a thing; `whole`: nobody said where the faces are."""
    wide = [one for one in found if max(one.width, one.height) > SQUARE * min(one.width, one.height)]
    notes = []
    if whole and wide:
        notes.append(
            f"{_some(wide, len(found))}: far from square, so taken as a face with the short side filled up by its "
            "edge; say where the face is by --box, --boxes or --detect"
        )
    if bare := [one for one in found if not one.boxes]:
        notes.append(f"no face on {_some(bare, len(found))}")
    return notes


def _some(pictures: Sequence[PictureFaces], total: int) -> str:
    if total == 1:
        return str(pictures[0].picture)
    return f"{len(pictures):,} of {total:,} pictures, the first {pictures[0].picture}"
