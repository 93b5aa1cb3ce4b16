"""The head as a height map, and where each pixel's ray meets it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.drawn.factors import Factors
from kpbench.faces.drawn.shape import Floats, View, shape_model
from kpbench.faces.drawn.soft_shapes import Grid, Pixels, bump, column, inside, ramp, segment_distance, smooth

GRID = Grid(-2.15, -2.7, 0.05, 109, 87)
"""The cells of the height map in the head frame, right and down from its upper left corner."""

NOTHING = -4.0
"""The height where there is no head."""

_FINE = Grid(GRID.x0, GRID.y0, GRID.step / 2, 2 * GRID.height - 1, 2 * GRID.width - 1)


@dataclass(frozen=True, eq=False)
class Relief:
    """Heights of a batch of heads.

    Attributes:
        height: (B, H, W) over `GRID`, units towards the camera of a frontal view.
        half_width: (B, H) half the face's width at each row of `GRID`, without ears and hair; 0 below the chin.
    """

    height: Pixels
    half_width: NDArray[np.float32]

    def lift(self, points: Floats) -> Floats:
        """Points (B, n, 2) of a frontal face put onto the relief, (B, n, 3)."""
        x, y = (points[..., None, i].astype(np.float32) for i in (0, 1))
        height = GRID.sample([self.height], x, y)[0]
        return np.concatenate([points, height.astype(np.float64)], axis=-1)

    def half_width_at(self, y: Pixels) -> Pixels:
        """Half the width of the face (B, H, W) at heights y (B, H, W) of the head's frame."""
        rows = np.clip((y - GRID.y0) / np.float32(GRID.step), 0, GRID.height - 1).astype(np.intp)
        return self.half_width[np.arange(len(y))[:, None, None], rows]


def _outline(points: Floats, factors: Factors) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Half widths of face and hair and the height of the outline, for each row of the grid."""
    rows = GRID.y.astype(np.float64)
    depth = shape_model().depth
    face = np.zeros((len(points), len(rows)))
    hair = np.zeros_like(face)
    back = np.zeros_like(face)
    volume, length = np.asarray(factors["hair_volume"], float), np.asarray(factors["hair_length"], float)
    for i, p in enumerate(points):
        jaw = (p[16:8:-1] - p[0:8]) / 2 * [1, 0] + (p[16:8:-1] + p[0:8]) / 2 * [0, 1]
        ear_width, ear_y, chin = jaw[0, 0], jaw[0, 1], p[8, 1]
        y = np.maximum.accumulate(np.r_[jaw[:, 1], chin - 0.04, chin])
        face[i] = np.interp(rows, y, np.r_[jaw[:, 0], jaw[-1, 0] * 0.62, 0.0], right=0.0)
        top = ear_y - 2.35
        skull = np.sqrt(np.clip(1 - np.clip((ear_y - rows) / (ear_y - top), 0, 1) ** 2.4, 0, 1)) * ear_width
        face[i] = np.where(rows < ear_y, skull, face[i])
        back[i] = np.interp(rows, y, np.r_[(depth[0:8] + depth[16:8:-1]) / 2, depth[8], depth[8]])
        fade = np.clip((length[i] + 0.25 - rows) / 0.35, 0, 1)
        up = np.clip((ear_y - rows) / (ear_y - top + volume[i] * 1.3), 0, 1)
        crown = np.sqrt(np.clip(1 - up**2.4, 0, 1)) * ear_width
        curtain = np.where(rows < ear_y, crown, ear_width * (1 - 0.03 * (rows - ear_y) ** 2))
        hair[i] = np.where(fade > 0, curtain + volume[i] * fade, 0.0)
    soft = smooth(face.astype(np.float32)[:, :, None], 1.0, 1)[:, :, 0]
    return soft, hair.astype(np.float32), back.astype(np.float32)


def raise_relief(points: Floats, factors: Factors) -> Relief:
    """The relief of each head with its 68 frontal points (B, 68, 2) and its features' sizes in `factors`."""
    face, hair, back = _outline(points, factors)
    aside = np.abs(GRID.x)[None, None, :]
    off = np.minimum(aside / np.maximum(face, np.float32(0.02))[:, :, None], np.float32(1))
    round_off = np.sqrt(np.maximum(1 - off * off * (np.float32(0.75) + np.float32(0.25) * off), np.float32(0)))
    height = back[:, :, None] + (_profile(points)[:, :, None] - back[:, :, None]) * round_off
    _add_bumps(height, points.astype(np.float32), factors)
    _add_nose_and_folds(height, points.astype(np.float32), factors)
    height = np.where(aside < face[:, :, None], height, _beside(face, hair, factors))
    return Relief(height.astype(np.float32), face)


def _of(factors: Factors, name: str) -> Pixels:
    return column(factors[name].astype(np.float64))


def _add_bumps(height: Pixels, points: NDArray[np.float32], factors: Factors) -> None:
    """Brow ridge, eye sockets and eyeballs, cheeks, lips, corners of the mouth, chin."""
    p = points[:, :, :, None, None]
    eye_x = (p[:, 42, 0] + p[:, 45, 0] - p[:, 36, 0] - p[:, 39, 0]) / 4
    eye_y = (p[:, 36, 1] + p[:, 39, 1] + p[:, 42, 1] + p[:, 45, 1]) / 4
    brow, lip, below, chin = (p[:, 21, 1] + p[:, 22, 1]) / 2, p[:, 51, 1], p[:, 57, 1], p[:, 8, 1]
    mouth_x, mouth_y = (p[:, 54, 0] - p[:, 48, 0]) / 2, (p[:, 54, 1] + p[:, 48, 1]) / 2
    ridge, cheek, smile = _of(factors, "ridge"), _of(factors, "cheek"), np.maximum(_of(factors, "smile"), 0)
    x, y, zero = GRID.x[None, None, :], GRID.y[None, :, None], np.zeros_like(eye_x)
    for size, cx, cy, sx, sy in (
        (0.07 * ridge, eye_x, brow + 0.06, 0.34, 0.13),
        (-0.18, eye_x, eye_y, 0.27, 0.16),
        (-0.13, eye_x * 0.42, eye_y - 0.02, 0.12, 0.14),
        (0.08, eye_x, eye_y, 0.19, 0.11),
        (0.08 + 0.03 * cheek + 0.05 * smile, eye_x * 1.25, p[:, 29, 1] + 0.1, 0.3, 0.24),
        (-0.07 + 0.04 * cheek, eye_x * 1.35, lip - 0.05, 0.24, 0.3),
        (-0.06, mouth_x, mouth_y, 0.11, 0.1),
        (-0.02, zero, (p[:, 33, 1] + lip) / 2, 0.05, 0.09),
        (0.015, zero, lip + 0.06, 0.3, 0.08),
        (0.04, zero, below - 0.07, 0.26, 0.08),
        (-0.045, zero, below + 0.13, 0.26, 0.09),
        (0.05, zero, chin - 0.3, 0.26, 0.17),
    ):
        # Each bump and its mirror image; one on the middle line is added twice, hence its half size.
        across = bump(((x - cx) / np.float32(sx)) ** 2) + bump(((x + cx) / np.float32(sx)) ** 2)
        height += size * bump(((y - cy) / np.float32(sy)) ** 2) * across


def _add_nose_and_folds(height: Pixels, points: NDArray[np.float32], factors: Factors) -> None:
    """The nose's ridge, tip and wings, and the folds that run from it past the mouth."""
    p = points[:, :, :, None, None]
    x, y = GRID.x[None, None, :], GRID.y[None, :, None]
    size, wide = _of(factors, "nose_size"), _of(factors, "nose_width")
    eye_y, tip, wing = (p[:, 39, 1] + p[:, 42, 1]) / 2, p[:, 30, 1], p[:, 33, 1]
    along = np.clip((y - eye_y) / (tip - eye_y), 0, 1)
    rise = (np.float32(0.09) + np.float32(0.28) * along) * inside(y - (tip + wing) * 0.5, 0.36)
    rise = size * rise * ramp((y - eye_y + 0.2) * 3)
    height += rise * bump(((x - p[:, 30, 0] * along) / ((np.float32(0.13) + np.float32(0.04) * along) * wide)) ** 2)
    height += 0.13 * size * bump((x / 0.14) ** 2) * bump(((y - tip - 0.02) / 0.12) ** 2)
    wings = bump(((np.abs(x) - 0.2 * wide) / 0.085) ** 2)
    height += 0.15 * size * wings * bump(((y - wing + 0.07) / 0.085) ** 2)
    fold = 0.02 + 0.03 * _of(factors, "age") + 0.04 * np.maximum(_of(factors, "smile"), 0)
    line = segment_distance(np.abs(x), y, (0.32 * wide, wing - 0.08), (0.16 + p[:, 54, 0], p[:, 54, 1] + 0.05))
    height -= fold * ramp((y - wing + 0.1) * 4) * bump((line / np.float32(0.06)) ** 2)


def _beside(face: NDArray[np.float32], hair: NDArray[np.float32], factors: Factors) -> Pixels:
    """Heights beyond the outline of the face: hair, ears, neck, and `NOTHING` elsewhere."""
    aside, y, nothing = np.abs(GRID.x)[None, None, :], GRID.y[None, :, None], np.float32(NOTHING)
    neck_width = 0.8 + 0.18 * _of(factors, "male")
    neck = 0.85 * np.sqrt(np.maximum(1 - (aside / neck_width) ** 2, np.float32(0))) - np.float32(1.35)
    neck = np.where((aside < neck_width) & (y > 0.8), neck, nothing)
    curtain = (aside < hair[:, :, None]) & ((aside > 0.86) | (y < 0.8))
    locks = np.where(curtain, np.float32(-1.15) - (aside - face[:, :, None]) * np.float32(0.9), nothing)
    level = int((0 - GRID.y0) / GRID.step)
    ear = ((aside - face[:, level][:, None, None] - 0.03) / 0.16) ** 2 + (y / np.float32(0.36)) ** 2
    return np.maximum(np.maximum(locks, np.where(ear < 1, np.float32(-1.3), nothing)), neck)


def _profile(points: Floats) -> NDArray[np.float32]:
    """Height of the middle line (B, H) without nose and lips."""
    rows = GRID.y.astype(np.float64)
    heights = np.array([-1.2, -0.45, -0.03, 0.13, 0.2, 0.14, 0.15, 0.2, 0.21, 0.18, 0.16, -0.2])
    out = np.empty((len(points), len(rows)))
    for i, p in enumerate(points):
        brow, chin = p[[21, 22], 1].mean(), p[8, 1]
        places = [brow - 1.9, brow - 1.4, brow - 0.85, brow - 0.4, brow, p[27, 1], p[30, 1], p[51, 1], p[57, 1]]
        out[i] = np.interp(rows, [*places, p[57, 1] + 0.2, chin - 0.2, chin], heights)
    return smooth(out.astype(np.float32)[:, :, None], 2.0, 1)[:, :, 0]


def meet(relief: Relief, view: View, seen_x: Pixels, seen_y: Pixels) -> tuple[Pixels, Pixels, NDArray[np.bool_]]:
    """Where each pixel's ray first meets the head: x, y in the head frame, and whether it does.

    The ray is marched from the front in steps of 0.2 units, then the step that crosses is halved.
    """
    turn = view.rotation.astype(np.float32)[:, :, :, None, None]
    x0, y0, z0 = (turn[:, 0, i] * seen_x + turn[:, 1, i] * seen_y for i in range(3))
    dx, dy, dz = (turn[:, 2, i] for i in range(3))
    # In cells of the doubled grid, half a cell on so that cutting off the decimals picks the nearest one.
    per_cell = np.float32(1 / _FINE.step)
    column0 = (x0 - np.float32(_FINE.x0)) * per_cell + np.float32(0.5)
    row0 = (y0 - np.float32(_FINE.y0)) * per_cell + np.float32(0.5)
    heights = _doubled(relief.height).ravel()
    first = (np.arange(len(x0), dtype=np.int32) * (_FINE.height * _FINE.width))[:, None, None]
    place, index, cell = np.empty_like(x0), np.empty(x0.shape, np.int32), np.empty(x0.shape, np.int32)

    def cells(start: Pixels, slope: Pixels, depth: Pixels | np.float32, count: int, out: NDArray[np.int32]) -> None:
        np.add(start, slope * (depth * per_cell), out=place)
        np.maximum(place, np.float32(0), out=place)
        np.minimum(place, np.float32(count - 1), out=place)
        np.copyto(out, place, casting="unsafe")

    def within(depth: Pixels | np.float32) -> NDArray[np.bool_]:
        """Whether the point at this depth of each ray is inside the head."""
        cells(row0, dy, depth, _FINE.height, index)
        cells(column0, dx, depth, _FINE.width, cell)
        np.multiply(index, np.int32(_FINE.width), out=index)
        np.add(index, cell, out=index)
        np.add(index, first, out=index)
        return np.asarray(heights.take(index) >= z0 + depth * dz)

    low = np.full_like(x0, np.float32(NOTHING))
    for depth in np.arange(-2.6, 0.81, 0.2, dtype=np.float32):
        np.copyto(low, depth, where=within(depth))
    hit = low > np.float32(NOTHING)
    np.maximum(low, np.float32(-2.6), out=low)
    for width in (0.1, 0.05, 0.025, 0.0125):
        low += np.float32(width) * within(low + np.float32(width))
    low += np.float32(0.00625)
    return x0 + low * dx, y0 + low * dy, hit


def _doubled(field: Pixels) -> Pixels:
    """The map on a grid of half the step, by straight lines."""
    n, height, width = field.shape
    out = np.empty((n, 2 * height - 1, 2 * width - 1), dtype=np.float32)
    out[:, ::2, ::2] = field
    out[:, ::2, 1::2] = (field[:, :, 1:] + field[:, :, :-1]) * np.float32(0.5)
    out[:, 1::2] = (out[:, 2::2] + out[:, :-2:2]) * np.float32(0.5)
    return out
