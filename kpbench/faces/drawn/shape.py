"""The geometry of a face: 68 points with an expression, their reduction to 15, and the camera's view of them."""

import json
from dataclasses import dataclass
from functools import cache, reduce
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.faces import mirrored_order

Floats = NDArray[np.float64]

IDENTITY_MODES = slice(4, 20)
"""Modes that are the person and the expression; the first four are yaw, pitch and what is left of roll."""


def mirrored_order68() -> NDArray[np.intp]:
    """For each of the 68 points (iBUG order) the index of its mirror partner."""
    jaw, brows, nose, wings = range(16, -1, -1), range(26, 16, -1), range(27, 31), range(35, 30, -1)
    eyes = (45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40)
    lips = (*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1))
    return np.array([*jaw, *brows, *nose, *wings, *eyes, *lips])


def reduce_to_15(points: Floats) -> Floats:
    """The benchmark's 15 keypoints (..., 15, d) of the 68 iBUG points (..., 68, d).

    Eye centres are the mean of the six points of an eye; left is the subject's own left, which an unmirrored picture
    shows on the right.
    """
    picked = points[..., [0, 0, 42, 45, 39, 36, 22, 26, 21, 17, 30, 54, 48, 51, 57], :].copy()
    picked[..., 0, :] = points[..., 42:48, :].mean(axis=-2)
    picked[..., 1, :] = points[..., 36:42, :].mean(axis=-2)
    return picked


def mirror(points: Floats, order: NDArray[np.intp] | tuple[int, ...]) -> Floats:
    """Points (..., n, 2) centred on x = 0 seen in a mirror, renamed so that left stays the subject's left."""
    flipped = points[..., list(order), :].copy()
    flipped[..., 0] *= -1
    return flipped


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """The mean face and how faces differ; lengths in units of the RMS spread of the 15 keypoints.

    Attributes:
        mean: (68, 2) a symmetric frontal face whose 15 keypoints lie where Kaggle's lie on average.
        even: (16, 68, 2) symmetric shape changes, one sd each.
        odd: (16, 68, 2) one-sided shape changes, one sd each.
        depth: (68,) distance towards the camera, from the yaw mode: a point moves sideways by depth * sin(yaw).
    """

    mean: Floats
    even: Floats
    odd: Floats
    depth: Floats


@cache
def read_figures() -> dict[str, Floats]:
    """The figures in `shape68.json`: mean, modes, mode_sd, and Kaggle's moments under kaggle_mean, kaggle_sd, ..."""
    text = resources.files("kpbench.faces.drawn").joinpath("shape68.json").read_text(encoding="utf-8")
    raw = json.loads(text)
    figures = {name: np.asarray(raw[name], dtype=np.float64) for name in ("mean", "modes", "mode_sd")}
    for name, value in raw["kaggle"].items():
        figures[f"kaggle_{name}"] = np.asarray(value, dtype=np.float64)
    return figures


def _towards_kaggle(mean: Floats) -> Floats:
    """Where each of the 68 mean points must move so that the reduced points fall on Kaggle's mean."""
    figures = read_figures()
    target = (figures["kaggle_mean"] - figures["kaggle_centre_mean"]) / figures["kaggle_spread_mean"]
    target = (target + mirror(target, mirrored_order())) / 2
    return spread_to_68(target - reduce_to_15(mean))


def spread_to_68(miss: Floats) -> Floats:
    """Moves (68, 2) of all points that move the reduced 15 about as far as `miss` (15, 2) says, smoothly between."""
    move = np.zeros((68, 2))

    def between(points: range | list[int], first: int, last: int) -> None:
        share = np.linspace(0, 1, len(points))[:, None]
        move[list(points)] = miss[first] * (1 - share) + miss[last] * share

    between(range(17, 22), 9, 8)
    between(range(22, 27), 6, 7)
    for upper, lower, outer, inner, centre in (
        ((36, 37, 38, 39), (41, 40), 5, 4, 1),
        ((45, 44, 43, 42), (46, 47), 3, 2, 0),
    ):
        between(list(upper), outer, inner)
        between(list(lower), outer, inner)
        extra = (miss[centre] - (miss[outer] + miss[inner]) / 2) * 1.5
        move[[*upper[1:3], *lower]] += extra * np.array([1.0, 1.0, 0.4, 0.4])[:, None]
    move[27:31] = miss[10] * np.array([0.25, 0.5, 0.75, 1.0])[:, None]
    move[31:36] = miss[10]
    between([48, 49, 50, 51], 12, 13)
    between([54, 53, 52, 51], 11, 13)
    between([48, 59, 58, 57], 12, 14)
    between([54, 55, 56, 57], 11, 14)
    for inner_point, outer_point in zip(range(60, 68), (48, 50, 51, 52, 54, 56, 57, 58), strict=True):
        move[inner_point] = move[outer_point]
    return move


@cache
def shape_model() -> ShapeModel:
    """The model behind every synthetic face, read once."""
    figures = read_figures()
    order = mirrored_order68()
    mean = (figures["mean"] + mirror(figures["mean"], order)) / 2
    modes = figures["modes"] * figures["mode_sd"][:, None, None]
    even = (modes + mirror(modes, order)) / 2
    yaw = figures["modes"][0][:, 0]
    # 4.6 puts the front of the ear two units (about ten centimetres) behind the tip of the nose.
    depth = -4.6 * (yaw + yaw[order]) / 2
    return ShapeModel(mean + _towards_kaggle(mean), even[IDENTITY_MODES], (modes - even)[IDENTITY_MODES], depth)


def drawn_shape(rng: np.random.Generator, around: Floats, even: float, odd: float) -> Floats:
    """Random 68 points (68, 2) about given ones, with shares of the model's symmetric and one-sided variation."""
    model = shape_model()
    weights = rng.standard_normal((2, len(model.even))).clip(-2.2, 2.2) * [[even], [odd]]
    change = weights[0, :, None, None] * model.even + weights[1, :, None, None] * model.odd
    return np.asarray(around + change.sum(axis=0))


def expressed(points: Floats, factors: dict[str, NDArray[np.generic]]) -> Floats:
    """The 68 points (B, 68, 2) with each face's expression added: mouth_open, smile, pucker, brow_raise, eye_open."""
    expressions = ("mouth_open", "smile", "pucker", "brow_raise", "eye_open")
    value = {name: np.asarray(factors[name], dtype=np.float64)[:, None] for name in expressions}
    moved = points.copy()
    x, y = moved[..., 0], moved[..., 1]
    # Jaw and lower lip drop with the mouth, the upper lip rises a little.
    drop = np.zeros(68)
    drop[[55, 56, 57, 58, 59]] = (0.5, 0.95, 1.0, 0.95, 0.5)
    drop[[65, 66, 67]] = (0.95, 1.0, 0.95)
    drop[3:14] = (0.05, 0.2, 0.45, 0.7, 0.9, 1.0, 0.9, 0.7, 0.45, 0.2, 0.05)
    drop[[48, 54, 60, 64]] = 0.3
    drop[[50, 51, 52, 61, 62, 63]] = -0.05
    # First the lips are closed: the model's mean mouth and its modes leave them apart.
    gap = (y[:, 66] - y[:, 62])[:, None]
    y += 0.4 * value["mouth_open"] * drop - gap * np.maximum(drop, 0)
    # A smile pulls the corners out and up and thins the lips.
    pull = np.zeros(68)
    pull[[48, 60]], pull[[54, 64]] = -1.0, 1.0
    pull[[49, 59, 53, 55]] = (-0.6, -0.6, 0.6, 0.6)
    lift = np.abs(pull)
    x += pull * (0.13 * value["smile"] - 0.15 * value["pucker"])
    y -= lift * 0.1 * value["smile"]
    rise = np.zeros(68)
    rise[17:27] = (0.5, 0.8, 1.0, 1.0, 0.9, 0.9, 1.0, 1.0, 0.8, 0.5)
    y -= 0.12 * value["brow_raise"] * rise
    # Lids: 1 is the model's usual opening, 0 is shut.
    for upper, lower, corners in (((37, 38), (41, 40), (36, 39)), ((44, 43), (46, 47), (45, 42))):
        for share, top, bottom in zip((1 / 3, 2 / 3), upper, lower, strict=True):
            line = y[:, corners[0]] * (1 - share) + y[:, corners[1]] * share
            shut = line + 0.05
            opening = value["eye_open"][:, 0]
            y[:, top] = shut + (y[:, top] - shut) * opening
            y[:, bottom] = shut + (y[:, bottom] - shut) * np.minimum(1.0, 0.5 + 0.5 * opening)
    return moved


@dataclass(frozen=True, eq=False)
class View:
    """How the camera sees each head: pixel = centre + scale * roll(rotation(head) - middle).

    Attributes:
        rotation: (B, 3, 3), head frame (x right, y down, z to the camera) to camera frame, without roll.
        middle: (B, 2), what of the rotated head lies at `centre`.
        roll: (B, 2, 2), the rotation in the picture's plane.
        scale: (B,), pixels a unit.
        centre: (B, 2), pixels.
    """

    rotation: Floats
    middle: Floats
    roll: Floats
    scale: Floats
    centre: Floats

    def project(self, points: Floats) -> Floats:
        """Pixels (B, n, 2) of points (B, n, 3) in the head frame."""
        seen = _apply(self.rotation, points)[..., :2] - self.middle[:, None, :]
        return self.centre[:, None, :] + self.scale[:, None, None] * _apply(self.roll, seen)

    def only(self, index: NDArray[np.intp]) -> "View":
        """The views of some of the faces."""
        return View(self.rotation[index], self.middle[index], self.roll[index], self.scale[index], self.centre[index])

    def unproject(self, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Camera-frame x and y, each (B, size, size), of every pixel of a square picture."""
        grid = np.arange(size, dtype=np.float64)
        x = (grid[None, None, :] - self.centre[:, 0, None, None]) / self.scale[:, None, None]
        y = (grid[None, :, None] - self.centre[:, 1, None, None]) / self.scale[:, None, None]
        turn, middle = self.roll[:, :, :, None, None], self.middle[:, :, None, None]
        seen = [((turn[:, 0, i] * x + middle[:, i]).astype(np.float32), turn[:, 1, i] * y) for i in (0, 1)]
        return seen[0][0] + seen[0][1].astype(np.float32), seen[1][0] + seen[1][1].astype(np.float32)


def _apply(matrices: Floats, points: Floats) -> Floats:
    """Each face's matrix (B, d, d) times its points (B, n, d), as explicit sums so that no BLAS order matters."""
    terms = (points[..., None, j] * matrices[:, None, :, j] for j in range(points.shape[-1]))
    return reduce(np.add, terms)


def view_of(factors: dict[str, NDArray[np.generic]], keypoints: Floats) -> View:
    """The camera for each face, centred on its 15 keypoints (B, 15, 3) as they are seen.

    Reads yaw, pitch, roll (degrees; positive yaw turns to the picture's right, positive pitch looks up, positive roll
    turns clockwise), scale (pixels a unit), shift_x and shift_y (pixels from the picture's usual centre).
    """
    angle = {name: np.radians(np.asarray(factors[name], dtype=np.float64)) for name in ("yaw", "pitch", "roll")}
    cos, sin = {n: np.cos(a) for n, a in angle.items()}, {n: np.sin(a) for n, a in angle.items()}
    one, zero = np.ones_like(cos["yaw"]), np.zeros_like(cos["yaw"])
    nod = _matrix([[one, zero, zero], [zero, cos["pitch"], -sin["pitch"]], [zero, sin["pitch"], cos["pitch"]]])
    turn = _matrix([[cos["yaw"], zero, sin["yaw"]], [zero, one, zero], [-sin["yaw"], zero, cos["yaw"]]])
    rotation = sum(turn[:, :, j, None] * nod[:, None, j, :] for j in range(3))
    roll = _matrix([[cos["roll"], -sin["roll"]], [sin["roll"], cos["roll"]]])
    seen = _apply(np.asarray(rotation), keypoints)
    middle = seen[..., :2].mean(axis=1)
    # Crops hold on to the eyes more than to the mouth: the eyes are 0.37 above the middle on average.
    middle[:, 1] += 0.6 * (seen[:, :2, 1].mean(axis=1) + 0.37 - middle[:, 1])
    shift = np.stack([np.asarray(factors["shift_x"], np.float64), np.asarray(factors["shift_y"], np.float64)], axis=1)
    centre = read_figures()["kaggle_centre_mean"] + shift
    return View(np.asarray(rotation), middle, roll, np.asarray(factors["scale"], dtype=np.float64), centre)


def _matrix(rows: list[list[Floats]]) -> Floats:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
