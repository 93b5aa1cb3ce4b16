"""`augment.move` on a CUDA card in one pass, in Triton, which comes with torch there."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kpbench.faces.faces import SIZE
from kpbench.training.augment import Moves
from kpbench.training.faces import DeviceFaces

TILES = 9
"""Programs of a picture."""


def moved(faces: DeviceFaces, moves: Moves, index: Tensor) -> Tensor:
    """The pictures at `index`, (n,), moved: (n, 1, 96, 96) in 0..1. Differs from `move` by rounding alone."""
    n, device = len(index), faces.images.device
    out, parts = torch.empty(n, 1, SIZE, SIZE, device=device), torch.empty(n, TILES, device=device)
    block = triton.next_power_of_2(triton.cdiv(SIZE * SIZE, TILES))
    sample[n, TILES](faces.images, index, moves.backward, out, parts, faces.image_divisor, size=SIZE, block=block)
    light[n, TILES](out, index, parts, moves.light, moves.gain, tiles=TILES, size=SIZE, block=block, most=16)
    return out


@triton.jit
def sample(images, index, backward, out, parts, divisor, size: tl.constexpr, block: tl.constexpr):
    """Each pixel asks where it was, and is interpolated there; the edge goes on outside. Parts of sums of pictures."""
    face = tl.load(index + tl.program_id(0))
    pixel = tl.program_id(1) * block + tl.arange(0, block)
    known = pixel < size * size
    x, y = ((pixel % size) * 2 + 1.0) / size - 1, ((pixel // size) * 2 + 1.0) / size - 1
    own = backward + face * 6
    right = _place(tl.load(own), tl.load(own + 1), tl.load(own + 2), x, y, size)
    down = _place(tl.load(own + 3), tl.load(own + 4), tl.load(own + 5), x, y, size)
    left, top = tl.floor(right), tl.floor(down)
    row, column = top.to(tl.int32), left.to(tl.int32)
    right, down = right - left, down - top
    upper, lower = images + face * (size * size) + row * size, images + face * (size * size)
    lower += tl.minimum(row + 1, size - 1) * size  # beyond the last row and column the weight is 0
    value = (1 - down) * _between(upper, column, right, known, size)
    value += down * _between(lower, column, right, known, size)
    value = tl.where(known, value / divisor, 0.0)
    tl.store(parts + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1), tl.sum(value, axis=0))
    tl.store(out + tl.program_id(0) * (size * size) + pixel, value, mask=known)


@triton.jit
def _place(along, across, offset, x, y, size: tl.constexpr):
    """A coordinate in the picture, in pixels, from one in -1..1."""
    place = ((along * x + (across * y + offset) + 1) * size - 1) / 2
    return tl.clamp(place, 0.0, size - 1.0)


@triton.jit
def _between(row, column, right, known, size: tl.constexpr):
    one = tl.load(row + column, mask=known, other=0).to(tl.float32)
    other = tl.load(row + tl.minimum(column + 1, size - 1), mask=known, other=0).to(tl.float32)
    return one * (1 - right) + other * right


@triton.jit
def light(
    out, index, parts, light, gain, tiles: tl.constexpr, size: tl.constexpr, block: tl.constexpr, most: tl.constexpr
):
    """Contrast around each picture's mean, and light."""
    face, part = tl.load(index + tl.program_id(0)), tl.arange(0, most)
    sums = tl.load(parts + tl.program_id(0) * tiles + part, mask=part < tiles, other=0.0)
    mean = tl.sum(sums, axis=0) / (size * size)
    pixel = tl.program_id(1) * block + tl.arange(0, block)
    at = out + tl.program_id(0) * (size * size) + pixel
    value = tl.load(at, mask=pixel < size * size, other=0.0)
    value = (value - mean) * tl.load(gain + face) + (mean + tl.load(light + face))
    tl.store(at, tl.clamp(value, 0.0, 1.0), mask=pixel < size * size)
