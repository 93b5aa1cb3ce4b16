"""Cut a square face of 96x96 pixels out of a grey picture of any size, and move its keypoints along.

Coordinates: (x, y) = (0, 0) is the centre of the upper left pixel, so pixel i spans i - 0.5 to i + 0.5. A square whose
left edge lies at `left`, measured from the picture's left edge, with sides of `side` pixels takes x to
(x + 0.5 - left) * 96 / side - 0.5, and y alike.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kpbench.errors import UsageError
from kpbench.faces.drawn.shape import read_figures
from kpbench.faces.faces import SIZE
from kpbench.faces.readers.csv_table import HIGHEST, LOWEST

SMALLEST_SIDE, LARGEST_SIDE = 8, 16_384
"""Pixels of the picture along a side of the square."""

Points = NDArray[np.float64]
Box = tuple[float, float, float, float]

STILL = np.zeros(3)


@dataclass(frozen=True)
class Square:
    """Part of a picture; `left`, `top`, `side` in pixels from the picture's upper left edge, not its pixel centre."""

    left: float
    top: float
    side: float

    def move(self, points: Points) -> Points:
        """Where points (..., 2) of the picture lie in the 96x96 face."""
        return np.asarray((points + 0.5 - np.array([self.left, self.top])) * (SIZE / self.side) - 0.5)

    def back(self, points: Points) -> Points:
        """Where points (..., 2) of the 96x96 face lie in the picture."""
        return np.asarray((points + 0.5) * (self.side / SIZE) + np.array([self.left, self.top]) - 0.5)


def sway_of(grey: NDArray[np.uint8]) -> Points:
    """How far the square leaves the one that centres its keypoints: x, y and scale (3,) in Kaggle's deviations.

    It follows from the picture alone: standard normal, clipped at 2. Without it every face would have its keypoints'
    centre and spread at the same place, which a detector's faces do not, and which makes the task easier than it is.
    """
    digest = hashlib.sha256(f"{grey.shape}".encode() + grey.tobytes()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal(3).clip(-2, 2)


def crop(
    grey: NDArray[np.uint8],
    points: Points,
    *,
    where: str,
    box: Box | None = None,
    sway: Points = STILL,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A face (96, 96) uint8 and its keypoints (15, 2) float32; a picture of 96x96 is given back as it is.

    Args:
        grey: (H, W).
        points: (15, 2) in pixels of the picture, NaN where a label is missing.
        where: the picture, for messages.
        box: left, top, width and height of the face in pixels from the picture's edge; the square has its centre and
            its longer side. Without a box the keypoints say where the face is (`labelled_square`).
        sway: moves and scales the square found from the keypoints, as `sway_of`.

    What lies outside the picture repeats its edge; pillow's Lanczos filter resizes.

    Raises:
        UsageError: a keypoint lies more than one picture outside the picture or the face, or the square is too small
            or too large.
    """
    height, width = grey.shape
    _within(points, np.array([width, height]), f"the picture of {width} x {height} pixels", where)
    if grey.shape == (SIZE, SIZE):
        return grey, points.astype(np.float32)
    square = labelled_square(points, width, height, sway) if box is None else box_square(box)
    if not SMALLEST_SIDE <= square.side <= LARGEST_SIDE:
        relative = "labels are pixels, so multiply x by the picture's width and y by its height"
        raise UsageError(
            f"{where}: the face would be a square of {square.side:.3g} pixels, expected {SMALLEST_SIDE} to "
            f"{LARGEST_SIDE:,}; {relative if np.nanmax(np.abs(points)) < 2 else 'correct or remove the row'}"
        )
    moved = square.move(points)
    _within(moved, np.array([SIZE, SIZE]), "the face cut out of the picture", where)
    return resample(grey, square), moved.astype(np.float32)


def box_square(box: Box) -> Square:
    """The square with the centre and the longer side of a box."""
    left, top, wide, high = box
    side = max(wide, high)
    return Square(left + (wide - side) / 2, top + (high - side) / 2, side)


def labelled_square(points: Points, width: int, height: int, sway: Points) -> Square:
    """The square in which the known keypoints have the centre and the RMS spread that Kaggle's have on average.

    Figures: mean and standard deviation of both over Kaggle's label rows, `kaggle` in `shape68.json`. Where fewer than
    two points are known, or all are one, the square around the whole picture.
    """
    known = np.isfinite(points).all(axis=1)
    spread = _spread(points[known]) if known.any() else 0.0
    if known.sum() < 2 or spread < 1e-6:
        side = float(max(width, height))
        return Square((width - side) / 2, (height - side) / 2, side)
    figures = read_figures()
    mean = figures["kaggle_mean"]
    centre = figures["kaggle_centre_mean"] + mean[known].mean(axis=0) - mean.mean(axis=0)
    centre = centre + figures["kaggle_centre_sd"] * sway[:2]
    target = float(figures["kaggle_spread_mean"]) * (1 + float(figures["kaggle_spread_cv"]) * float(sway[2]))
    side = SIZE * spread / (target * _spread(mean[known]) / _spread(mean))
    left, top = points[known].mean(axis=0) + 0.5 - (centre + 0.5) * side / SIZE
    return Square(float(left), float(top), side)


def _spread(points: Points) -> float:
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _within(points: Points, size: Points | NDArray[np.intp], what: str, where: str) -> None:
    known = points[np.isfinite(points).all(axis=1)]
    out = (known < LOWEST / SIZE * size) | (known > HIGHEST / SIZE * size)
    if out.any():
        x, y = known[out.any(axis=1)][0]
        raise UsageError(
            f"{where}: the keypoint ({x:.6g}, {y:.6g}) lies more than one picture outside {what}; "
            "correct or remove the row"
        )


def resample(grey: NDArray[np.uint8], square: Square) -> NDArray[np.uint8]:
    """The square of a picture (H, W) as a face (96, 96): what lies outside repeats the edge; Lanczos filter."""
    reach = int(np.ceil(3 * max(1.0, square.side / SIZE))) + 1  # of the Lanczos filter, in pixels of the picture
    starts, index = [], []
    for edge, length in ((square.top, grey.shape[0]), (square.left, grey.shape[1])):
        first = int(np.floor(edge)) - reach
        last = int(np.ceil(edge + square.side)) + reach
        starts.append(edge - first)
        index.append(np.arange(first, last).clip(0, length - 1))
    window = Image.fromarray(grey[np.ix_(*index)])
    top, left = starts
    box = (left, top, left + square.side, top + square.side)
    return np.array(window.resize((SIZE, SIZE), Image.Resampling.LANCZOS, box=box))
