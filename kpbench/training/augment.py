"""Batched augmentation on the device: moves pictures and their keypoints together."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kpbench.faces.faces import SIZE, mirrored_order
from kpbench.networks.fused import card_fault
from kpbench.training.device import put
from kpbench.training.faces import DeviceFaces

CENTRE = (SIZE - 1) / 2
"""The picture's centre in pixel coordinates: pixel i is centred on coordinate i."""

DRAWS = 7
"""Uniform numbers a face: angle, size, shift along x and y, light, contrast, mirrored or not."""


@dataclass(frozen=True, eq=False)
class Moves:
    """What happens to each of N faces in one epoch, on their device.

    Attributes:
        backward: (N, 2, 3), from a pixel of the moved picture to the picture, in units of half of it.
        keypoints: (N, 15, 2), moved, in pixels; they may leave the picture.
        light, gain: (N, 1, 1, 1), added to the picture, and its contrast around its own mean.
    """

    backward: Tensor
    keypoints: Tensor
    light: Tensor
    gain: Tensor


def draw_moves(
    keypoints: Tensor,
    generator: torch.Generator,
    *,
    shift: float,
    rotate: float,
    scale: float,
    brightness: float,
    contrast: float,
    flip: float,
) -> Moves:
    """A move for each face of a data set, its own, and the keypoints moved by it.

    All is drawn at once, from a CPU generator, so that a seed means the same moves on every device and nothing is
    copied to it while an epoch runs.

    Args:
        keypoints: float (N, 15, 2) in pixels; not written to.
        shift: greatest shift along x and y, pixels.
        rotate: greatest rotation, degrees.
        scale: greatest relative change of size (0.1: 0.9 to 1.1).
        brightness: greatest value added to the picture.
        contrast: greatest relative change of contrast around the picture's mean.
        flip: probability of a mirrored face; its left and right keypoints are swapped.
    """
    n = len(keypoints)
    drawn = put(torch.rand(DRAWS, n, 1, generator=generator), keypoints.device)
    angle, size, right, down, light, gain = drawn[:-1] * 2 - 1
    mirrored = drawn[-1] < flip
    angle, size = angle * math.radians(rotate), 1 + size * scale
    moved = torch.cat([right, down], 1) * shift
    side = torch.where(mirrored, -1.0, 1.0)

    # Forward, p' = A (p - centre) + centre + moved with A = size * R(angle) * diag(side, 1).
    cos, sin = angle.cos(), angle.sin()
    forward = torch.stack([torch.cat([cos * side, -sin], 1), torch.cat([sin * side, cos], 1)], 1) * size[:, :, None]
    points = (keypoints - CENTRE) @ forward.mT + CENTRE + moved[:, None]
    other_side = put(torch.tensor(mirrored_order()), points.device)
    points = torch.where(mirrored[:, :, None], points[:, other_side], points)

    # Backward, each pixel moved asks where it was: q = A^-1 (p' - moved), A^-1 = diag(side, 1) R(-angle) / size.
    back = torch.stack([torch.cat([cos * side, sin * side], 1), torch.cat([-sin, cos], 1)], 1) / size[:, :, None]
    offset = -(back @ moved[:, :, None]) / (SIZE / 2)
    return Moves(
        torch.cat([back, offset], 2),
        points,
        (light * brightness)[:, :, None, None],
        (1 + gain * contrast)[:, :, None, None],
    )


def move(pictures: Tensor, moves: Moves, index: Tensor) -> Tensor:
    """The pictures moved, clamped to 0..1; new ones, the inputs are not written to.

    Args:
        pictures: float (n, 1, 96, 96) in 0..1, those at `index`.
        index: (n,), which of the faces these are.
    """
    moved = F.grid_sample(pictures, _grid(moves.backward[index]), padding_mode="border", align_corners=False)
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    return ((moved - mean).mul_(moves.gain[index])).add_(mean + moves.light[index]).clamp_(0, 1)


def moved(faces: DeviceFaces, moves: Moves, index: Tensor) -> Tensor:
    """The pictures at `index`, (n,), moved: by a pass of its own on a card that has Triton, else by `move`."""
    if index.device.type == "cuda" and not card_fault():
        from kpbench.training import card_moves  # noqa: PLC0415  # Triton is there where torch is built for a card

        return card_moves.moved(faces, moves, index)
    return move(faces.pictures(index), moves, index)


def _grid(backward: Tensor) -> Tensor:
    """`F.affine_grid` without corner alignment, as outer sums: (n, 2, 3) -> (n, 96, 96, 2), x and y apart in memory."""
    steps = (torch.arange(SIZE, device=backward.device, dtype=backward.dtype) * 2 + 1) / SIZE - 1
    columns = backward[:, :, 0, None] * steps
    rows = backward[:, :, 1, None] * steps + backward[:, :, 2, None]
    return (columns[:, :, None] + rows[..., None]).permute(0, 2, 3, 1)
