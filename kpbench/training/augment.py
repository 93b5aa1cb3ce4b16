"""Batched augmentation on the device: moves pictures and their keypoints together."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kpbench.faces.faces import SIZE, mirrored_order

CENTRE = (SIZE - 1) / 2
"""The picture's centre in pixel coordinates: pixel i is centred on coordinate i."""


def augment(
    images: Tensor,
    keypoints: Tensor,
    generator: torch.Generator,
    *,
    shift: float,
    rotate: float,
    scale: float,
    brightness: float,
    contrast: float,
    flip: float,
) -> tuple[Tensor, Tensor]:
    """New pictures and keypoints, each face moved in its own way; the inputs are not written to.

    Draws come from a CPU generator and are then moved, so that a seed means the same moves on every device.

    Args:
        images: float (N, 1, 96, 96) in 0..1.
        keypoints: float (N, 15, 2) in pixels.
        shift: greatest shift along x and y, pixels.
        rotate: greatest rotation, degrees.
        scale: greatest relative change of size (0.1: 0.9 to 1.1).
        brightness: greatest value added to the picture.
        contrast: greatest relative change of contrast around the picture's mean.
        flip: probability of a mirrored face; its left and right keypoints are swapped.

    Returns:
        Pictures clamped to 0..1 and keypoints, which may leave the picture.
    """
    n, device = len(images), images.device

    def uniform(limit: float, columns: int = 1) -> Tensor:
        return ((torch.rand(n, columns, generator=generator) * 2 - 1) * limit).to(device)

    angle, size = uniform(math.radians(rotate)), 1 + uniform(scale)
    moved = uniform(shift, 2)
    mirrored = (torch.rand(n, 1, generator=generator) < flip).to(device)
    light, gain = uniform(brightness), 1 + uniform(contrast)
    side = torch.where(mirrored, -1.0, 1.0)

    # Forward, p' = A (p - centre) + centre + moved with A = size * R(angle) * diag(side, 1).
    cos, sin = angle.cos() * size, angle.sin() * size
    forward = torch.stack([torch.cat([cos * side, -sin], 1), torch.cat([sin * side, cos], 1)], 1)
    points = (keypoints - CENTRE) @ forward.mT + CENTRE + moved[:, None]
    points = torch.where(mirrored[:, :, None], points[:, list(mirrored_order())], points)

    # Backward, each output pixel asks the input: q = A^-1 (p' - moved), in units of half the picture.
    backward = torch.linalg.inv(forward)
    offset = -(backward @ moved[:, :, None]) / (SIZE / 2)
    grid = F.affine_grid(torch.cat([backward, offset], 2), list(images.shape), align_corners=False)
    pictures = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    pictures = (pictures - mean) * gain[:, :, None, None] + mean + light[:, :, None, None]
    return pictures.clamp_(0, 1), points
