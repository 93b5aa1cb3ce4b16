"""The light on a head: shading, cast shadows and shine over its height map."""

import numpy as np

from kpbench.faces.drawn.factors import Factors
from kpbench.faces.drawn.relief import GRID, Relief
from kpbench.faces.drawn.shape import View
from kpbench.faces.drawn.soft_shapes import Pixels, column, ramp, smooth


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
    hollow = smooth(smooth(height, 3.0, 1, reach=8), 3.0, 2, reach=8) - height
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
    return smooth(smooth(ramp(dark), 0.8, 1), 0.8, 2)
