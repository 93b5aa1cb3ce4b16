"""Soft shapes and look-ups on batches of pictures, in arithmetic that every machine rounds alike."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pixels = NDArray[Any]
"""float32 (B, H, W): one value a pixel for a batch of B faces. `Any`, as numpy types a float32 times 0.5 as float64."""


def column(values: ArrayLike) -> Pixels:
    """One value a face, (B,), as (B, 1, 1) that broadcasts over pixels."""
    return np.asarray(np.asarray(values, dtype=np.float32).reshape(-1, 1, 1))


def bump(squared: Pixels) -> Pixels:
    """A bell of unit height, 0.85 wide (sd) and 0 beyond 2.83, given the squared distance.

    (1 - r2/8)^4 stands for exp(-r2/2): only products, which IEEE rounds alike on every processor; exp is not.
    """
    value: Pixels = np.maximum(np.float32(1) - squared * np.float32(0.125), np.float32(0))
    value *= value
    value *= value
    return value


def ramp(value: Pixels) -> Pixels:
    """The smooth step 3x^2 - 2x^3 from 0 at x <= 0 to 1 at x >= 1."""
    x = np.maximum(value, np.float32(0))
    np.minimum(x, np.float32(1), out=x)
    rest = np.float32(3) - np.float32(2) * x
    rest *= x
    rest *= x
    return rest


def inside(distance: Pixels, soft: float) -> Pixels:
    """1 where the signed distance is negative and 0 where positive, with an edge `soft` wide."""
    return ramp(np.float32(0.5) - distance * np.float32(1 / soft))


def mix(below: Pixels, above: Pixels | float, cover: Pixels) -> Pixels:
    """`above` laid over `below` with opacity `cover`."""
    out = above - below
    out *= cover
    out += below
    return out


def segment_distance(x: Pixels, y: Pixels, start: tuple[Pixels, Pixels], end: tuple[Pixels, Pixels]) -> Pixels:
    """Distance of each pixel from the segment between two points."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy + np.float32(1e-6)), np.float32(0), np.float32(1))
    px = px - along * dx
    py = py - along * dy
    return np.asarray(np.sqrt(px * px + py * py))


def curve(table: Pixels, position: Pixels) -> Pixels:
    """Heights of one curve a face, sampled at K even steps over 0..1 in `table` (B, K), at `position` (B, H, W)."""
    faces, steps = table.shape
    place = np.clip(position, np.float32(0), np.float32(1)) * np.float32(steps - 1)
    left = np.minimum(place.astype(np.int32), steps - 2)
    place -= left
    left += (np.arange(faces, dtype=np.int32) * steps)[:, None, None]
    flat = table.ravel()
    low = flat.take(left)
    left += 1
    return np.asarray(low + (flat.take(left) - low) * place)


class Grid:
    """Bilinear look-up of maps (B, H, W) whose cell (i, j) lies at (x0 + j*step, y0 + i*step)."""

    def __init__(self, x0: float, y0: float, step: float, height: int, width: int) -> None:
        self.x0, self.y0, self.step, self.height, self.width = x0, y0, step, height, width
        self.x = (x0 + step * np.arange(width)).astype(np.float32)
        self.y = (y0 + step * np.arange(height)).astype(np.float32)

    def _place(self, x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
        scale = np.float32(1 / self.step)
        column_, row = (x - np.float32(self.x0)) * scale, (y - np.float32(self.y0)) * scale
        for place, cells in ((column_, self.width), (row, self.height)):
            np.maximum(place, np.float32(0), out=place)
            np.minimum(place, np.float32(cells - 1.001), out=place)
        return column_, row

    def nearest(self, field: Pixels, x: Pixels, y: Pixels) -> Pixels:
        """The value of the nearest cell, clamped at the borders."""
        column_, row = self._place(x, y)
        column_ += np.float32(0.5)
        row += np.float32(0.5)
        index = row.astype(np.int32)
        index *= np.int32(self.width)
        index += column_.astype(np.int32)
        index += (np.arange(len(field), dtype=np.int32) * (self.height * self.width)).reshape(-1, *[1] * (x.ndim - 1))
        return field.ravel().take(index)

    def sample(self, fields: list[Pixels], x: Pixels, y: Pixels) -> list[Pixels]:
        """Bilinear values of several maps at the same places, clamped at the borders."""
        column_, row = self._place(x, y)
        left, top = column_.astype(np.int32), row.astype(np.int32)
        column_, row = column_ - left, row - top
        index = top * np.int32(self.width) + left
        index += (np.arange(len(x), dtype=np.int32) * (self.height * self.width)).reshape(-1, *[1] * (x.ndim - 1))
        weights = ((1 - row) * (1 - column_), (1 - row) * column_, row * (1 - column_), row * column_)
        offsets = (0, 1, self.width, self.width + 1)
        out = []
        for field in fields:
            flat = field.ravel()
            total = flat.take(index) * weights[0]
            for offset, weight in zip(offsets[1:], weights[1:], strict=True):
                total += flat.take(index + np.int32(offset)) * weight
            out.append(total)
        return out


def enlarge(small: Pixels, size: int) -> Pixels:
    """A coarse field (B, k, k) stretched to (B, size, size) by straight lines between its values."""
    cells = small.shape[-1]
    place = (np.arange(size) * ((cells - 1) / (size - 1))).astype(np.float32)
    low = np.minimum(place.astype(np.intp), cells - 2)
    part = ramp(place - low)
    rows = small[:, low] + (small[:, low + 1] - small[:, low]) * part[None, :, None]
    return np.asarray(rows[:, :, low] + (rows[:, :, low + 1] - rows[:, :, low]) * part[None, None, :])


def smooth(field: Pixels, sd: float | Pixels, axis: int, *, reach: int = 5) -> Pixels:
    """A field (B, H, W) blurred along axis 1 or 2 by a bell of `sd` cells, one for all or (B, 1, 1), cut at `reach`."""
    turned = field.swapaxes(1, axis)
    length = turned.shape[1]
    padded = np.pad(turned, ((0, 0), (reach, reach), (0, 0)), mode="edge")
    spread: Pixels = np.asarray(sd, dtype=np.float32).reshape(-1, 1, 1)
    # The bell's own sd is the square root of 8/11.
    weights = [bump(np.float32(8 / 11 * k * k) / (spread * spread)) for k in range(reach + 1)]
    total = weights[0] + 2 * sum(weights[1:], start=np.zeros_like(spread))
    out = turned * (weights[0] / total)
    for k in range(1, reach + 1):
        if (weights[k] > 0).any():
            both = padded[:, reach + k : reach + k + length] + padded[:, reach - k : reach - k + length]
            both *= weights[k] / total
            out += both
    return np.asarray(out.swapaxes(1, axis))
