"""`augment.move` on a CUDA card in one pass, in Triton, which comes with torch there."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kpbench.faces.faces import SIZE
from kpbench.training.augment import Moves
from kpbench.training.faces import DeviceFaces


def moved(faces: DeviceFaces, moves: Moves, index: Tensor) -> Tensor:
    """The pictures at `index`, (n,), moved: (n, 1, 96, 96) in 0..1. Differs from `move` by rounding alone."""
    out = torch.empty(len(index), 1, SIZE, SIZE, device=faces.images.device)
    given = faces.images, index, moves.backward, moves.light, moves.gain, out, faces.image_divisor
    _move[(len(index),)](*given, size=SIZE, block=triton.next_power_of_2(SIZE * SIZE), num_warps=16)
    return out


@triton.jit
def _move(images, index, backward, light, gain, out, divisor, size: tl.constexpr, block: tl.constexpr):
    """A program a picture: each pixel asks where it was, and is interpolated there; the edge goes on outside."""
    face = tl.load(index + tl.program_id(0))
    pixel = tl.arange(0, block)
    known = pixel < size * size
    x, y = ((pixel % size) * 2 + 1.0) / size - 1, ((pixel // size) * 2 + 1.0) / size - 1
    own = backward + face * 6
    right = _place(tl.load(own), tl.load(own + 1), tl.load(own + 2), x, y, size)
    down = _place(tl.load(own + 3), tl.load(own + 4), tl.load(own + 5), x, y, size)
    left, top = tl.floor(right), tl.floor(down)
    row, column = top.to(tl.int32), left.to(tl.int32)
    # Beyond the last row and column the weight is 0, and the pixel itself is read.
    next_row, next_column = tl.minimum(row + 1, size - 1) * size, tl.minimum(column + 1, size - 1)
    at, right, down = images + face * (size * size), right - left, down - top
    row = row * size
    upper = tl.load(at + row + column, mask=known, other=0).to(tl.float32) / divisor * (1 - right)
    upper += tl.load(at + row + next_column, mask=known, other=0).to(tl.float32) / divisor * right
    lower = tl.load(at + next_row + column, mask=known, other=0).to(tl.float32) / divisor * (1 - right)
    lower += tl.load(at + next_row + next_column, mask=known, other=0).to(tl.float32) / divisor * right
    value = upper * (1 - down) + lower * down
    mean = tl.sum(tl.where(known, value, 0.0), axis=0) / (size * size)
    value = (value - mean) * tl.load(gain + face) + (mean + tl.load(light + face))
    tl.store(out + tl.program_id(0) * (size * size) + pixel, tl.clamp(value, 0.0, 1.0), mask=known)


@triton.jit
def _place(along, across, offset, x, y, size: tl.constexpr):
    """A coordinate in the picture, in pixels, from one in -1..1."""
    place = ((along * x + (across * y + offset) + 1) * size - 1) / 2
    return tl.clamp(place, 0.0, size - 1.0)
