"""The head as a height map: its relief, its normals and shadows under a light, and where each pixel's ray meets it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kpbench.faces.face_factors import Factors
from kpbench.faces.face_shape import Floats, View, shape_model
from kpbench.faces.soft_shapes import Grid, Pixels, bump, column, inside, mix, ramp, segment_distance

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
        hair_width: (B, H) the same with the hair.
    """

    height: Pixels
    half_width: NDArray[np.float32]
    hair_width: NDArray[np.float32]

    def at(self, points: Floats) -> Floats:
        """Heights (B, n) at points (B, n, 2)."""
        x, y = (points[..., None, i].astype(np.float32) for i in (0, 1))
        return GRID.sample([self.height], x, y)[0][..., 0].astype(np.float64)


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
        crown = (
            np.sqrt(np.clip(1 - np.clip((ear_y - rows) / (ear_y - top + volume[i] * 1.3), 0, 1) ** 2.4, 0, 1))
            * ear_width
        )
        curtain = np.where(rows < ear_y, crown, ear_width * (1 - 0.03 * (rows - ear_y) ** 2))
        hair[i] = np.where(fade > 0, curtain + volume[i] * fade, 0.0)
    smooth = gaussian_filter1d(face, 1.0, axis=1)
    return smooth.astype(np.float32), hair.astype(np.float32), back.astype(np.float32)


def raise_relief(points: Floats, factors: Factors) -> Relief:
    """The relief of each head with its 68 frontal points (B, 68, 2) and its features' sizes in `factors`."""
    face, hair, back = _outline(points, factors)
    x, y = GRID.x[None, None, :], GRID.y[None, :, None]
    p = points.astype(np.float32)

    def at(index: int, axis: int) -> Pixels:
        return p[:, index, axis][:, None, None]

    brow, chin = (at(21, 1) + at(22, 1)) / 2, at(8, 1)
    lip, wing = at(51, 1), at(33, 1)
    middle = _profile(points)[:, :, None]
    width = np.maximum(face, np.float32(0.02))[:, :, None]
    off = np.clip(np.abs(x) / width, 0, 1)
    round_off = np.sqrt(
        np.maximum(np.float32(1) - off * off * (np.float32(0.75) + np.float32(0.25) * off), np.float32(0))
    )
    height = back[:, :, None] + (middle - back[:, :, None]) * round_off

    def add(
        size: float | Pixels, cx: Pixels | float, cy: Pixels | float, sx: float | Pixels, sy: float | Pixels
    ) -> None:
        """A bump, and its mirror image when it lies off the middle line."""
        across = bump(((x - cx) / sx) ** 2)
        if not (isinstance(cx, float) and cx == 0.0):
            across = across + bump(((x + cx) / sx) ** 2)
        np.add(height, size * bump(((y - cy) / sy) ** 2) * across, out=height)

    eye_x = (at(42, 0) + at(45, 0) - at(36, 0) - at(39, 0)) / 4
    eye_y = (at(36, 1) + at(39, 1) + at(42, 1) + at(45, 1)) / 4
    ridge, nose = column(np.asarray(factors["ridge"], float)), column(np.asarray(factors["nose_size"], float))
    cheek, smile = column(np.asarray(factors["cheek"], float)), column(np.asarray(factors["smile"], float))
    nose_width = column(np.asarray(factors["nose_width"], float))
    add(0.07 * ridge, eye_x, brow + 0.06, 0.34, 0.13)
    add(-0.17, eye_x, eye_y, 0.27, 0.15)
    add(-0.12, eye_x * 0.42, eye_y - 0.02, 0.12, 0.14)
    add(0.09, eye_x, eye_y, 0.19, 0.11)
    add(0.08 + 0.03 * cheek + 0.05 * np.maximum(smile, 0), eye_x * 1.25, at(29, 1) + 0.1, 0.3, 0.24)
    add(-0.07 + 0.04 * cheek, eye_x * 1.35, lip - 0.05, 0.24, 0.3)
    tip_y = at(30, 1)
    along = np.clip((y - eye_y) / (tip_y - eye_y), 0, 1)
    under = inside(y - (tip_y + wing) * 0.5, 0.36)
    bridge_width = (np.float32(0.13) + np.float32(0.04) * along) * nose_width
    height += (
        nose
        * (np.float32(0.09) + np.float32(0.28) * along)
        * under
        * ramp((y - eye_y + 0.2) * 3)
        * bump(((x - at(30, 0) * along) / bridge_width) ** 2)
    )
    add(0.13 * nose, 0.0, tip_y + 0.02, 0.14, 0.12)
    add(0.15 * nose, 0.2 * nose_width, wing - 0.07, 0.085, 0.085)
    add(-0.04, 0.0, (wing + lip) / 2, 0.05, 0.09)
    add(0.06, 0.0, lip + 0.06, 0.3, 0.08)
    add(0.08, 0.0, at(57, 1) - 0.07, 0.26, 0.08)
    add(-0.09, 0.0, at(57, 1) + 0.13, 0.26, 0.09)
    add(-0.05, (at(54, 0) - at(48, 0)) / 2, (at(54, 1) + at(48, 1)) / 2, 0.09, 0.09)
    add(0.1, 0.0, chin - 0.3, 0.26, 0.17)
    fold = (np.float32(0.02) + 0.03 * column(np.asarray(factors["age"], float)) + 0.04 * np.maximum(smile, 0)) * ramp(
        (y - wing + 0.1) * 4
    )
    line = segment_distance(np.abs(x), y, (0.32 * nose_width, wing - 0.08), (0.16 + at(54, 0), at(54, 1) + 0.05))
    height -= fold * bump((line / np.float32(0.06)) ** 2)

    beyond = np.abs(x) - face[:, :, None]
    neck_width = np.float32(0.8) + 0.18 * column(np.asarray(factors["male"], float))
    neck = np.float32(-1.35) + np.float32(0.85) * np.sqrt(
        np.maximum(np.float32(1) - (x / neck_width) ** 2, np.float32(0))
    )
    neck = np.where((np.abs(x) < neck_width) & (y > 0.8), neck, np.float32(NOTHING))
    curtain = (np.abs(x) < hair[:, :, None]) & ((np.abs(x) > 0.86) | (y < 0.8))
    locks = np.where(curtain, np.float32(-1.15) - beyond * np.float32(0.9), np.float32(NOTHING))
    ear = ((np.abs(x) - face[:, 48][:, None, None] - 0.03) / 0.16) ** 2 + ((y - 0.0) / 0.36) ** 2
    locks = np.maximum(locks, np.where(ear < 1, np.float32(-1.3), np.float32(NOTHING)))
    height = np.where(beyond < 0, height, np.maximum(neck, locks)).astype(np.float32)
    return Relief(height, face, np.maximum(hair, face))


def _profile(points: Floats) -> NDArray[np.float32]:
    """Height of the middle line (B, H) without nose and lips."""
    rows = GRID.y.astype(np.float64)
    heights = np.array([-1.2, -0.45, -0.03, 0.13, 0.2, 0.14, 0.15, 0.2, 0.21, 0.18, 0.16, -0.2])
    out = np.empty((len(points), len(rows)))
    for i, p in enumerate(points):
        brow, chin = p[[21, 22], 1].mean(), p[8, 1]
        places = [brow - 1.9, brow - 1.4, brow - 0.85, brow - 0.4, brow, p[27, 1], p[30, 1], p[51, 1], p[57, 1]]
        out[i] = np.interp(rows, [*places, p[57, 1] + 0.2, chin - 0.2, chin], heights)
    return gaussian_filter1d(out, 2.0, axis=1).astype(np.float32)


def light_relief(relief: Relief, factors: Factors, view: View) -> tuple[Pixels, Pixels]:
    """How bright a white surface would be at each cell, and the shine, both (B, H, W).

    Lambert's law for one key light and its fill, cast shadows by a march towards the light, hollows darker.
    """
    height = np.maximum(relief.height, np.float32(-1.8))
    step = np.float32(2 * GRID.step)
    slope_x, slope_y = np.zeros_like(height), np.zeros_like(height)
    slope_x[:, :, 1:-1] = (height[:, :, 2:] - height[:, :, :-2]) / step
    slope_y[:, 1:-1] = (height[:, 2:] - height[:, :-2]) / step
    length = np.sqrt(slope_x * slope_x + slope_y * slope_y + np.float32(1))
    angle, rise = (np.radians(np.asarray(factors[n], dtype=np.float64)) for n in ("light_angle", "light_height"))
    camera = np.stack([np.sin(angle) * np.cos(rise), -np.sin(rise), np.cos(angle) * np.cos(rise)], axis=1)
    head = np.einsum("bij,bi->bj", view.rotation, camera)
    lx, ly, lz = (column(head[:, i]) for i in range(3))
    facing = (lz - slope_x * lx - slope_y * ly) / length
    fill = (np.float32(0.9) - slope_y * np.float32(-0.25) + slope_x * lx * np.float32(0.4)) / length
    lit = np.float32(1) - column(np.asarray(factors["shadow"], float)) * _shadow(height, lx, ly, lz)
    hollow = gaussian_filter1d(gaussian_filter1d(height, 3.0, axis=1), 3.0, axis=2) - height
    hollow = np.clip(hollow, np.float32(-0.05), np.float32(0.13))
    key, ambient = column(np.asarray(factors["key"], float)), column(np.asarray(factors["ambient"], float))
    soft = ramp(facing * np.float32(0.8) + np.float32(0.2)) * np.float32(0.35) + np.maximum(
        facing, np.float32(0)
    ) * np.float32(0.65)
    bounce = np.float32(0.16) * key * np.maximum(slope_y * np.float32(-1) / length, 0)
    bright = (
        key * soft * lit
        + bounce
        + ambient * np.maximum(fill, np.float32(0.25)) * (np.float32(1) - np.float32(3.0) * hollow)
    )
    half = np.stack([camera[:, 0], camera[:, 1], camera[:, 2] + 1], axis=1)
    half = np.einsum("bij,bi->bj", view.rotation, half / np.sqrt((half * half).sum(axis=1, keepdims=True)))
    gloss = (column(half[:, 2]) - slope_x * column(half[:, 0]) - slope_y * column(half[:, 1])) / length
    gloss = np.maximum(gloss, np.float32(0)) ** 2
    gloss = gloss * gloss
    gloss = gloss * gloss
    return np.maximum(bright, np.float32(0.03)), gloss * gloss * key * lit


def _shadow(height: Pixels, lx: Pixels, ly: Pixels, lz: Pixels) -> Pixels:
    """1 where another part of the head stands between a cell and the light, 0 where none does, soft between."""
    x, y = np.broadcast_arrays(GRID.x[None, None, :], GRID.y[None, :, None])
    dark = np.zeros_like(height)
    flat = np.maximum(np.sqrt(lx * lx + ly * ly), np.float32(0.15))
    for reach in (0.08, 0.16, 0.26, 0.4, 0.6, 0.85):
        far = np.float32(reach)
        there = GRID.nearest(height, x + far * lx / flat, y + far * ly / flat)
        rise = height + far * np.maximum(lz, np.float32(-0.5)) / flat
        np.maximum(dark, (there - rise) / (np.float32(0.05) + np.float32(0.25) * far), out=dark)
    return gaussian_filter1d(gaussian_filter1d(ramp(dark), 0.8, axis=1), 0.8, axis=2)


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


__all__ = ["GRID", "NOTHING", "Relief", "light_relief", "meet", "mix", "raise_relief"]
