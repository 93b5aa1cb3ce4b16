"""Augmentation of how a picture looks: what a camera or an obstacle does to it, the points unmoved."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kpbench.faces.faces import SIZE
from kpbench.training.device import put

DRAWS = 8
"""Uniform numbers a face: blurred, sharpened, how much; exponent; cut or not; centre and side of the cut."""

SIDES = (8.0, 32.0)
"""Least and greatest side of a cut-out square, pixels."""

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Binomial: a Gaussian of one pixel."""


@dataclass(frozen=True, eq=False)
class Looks:
    """What happens to the look of each of N faces in one epoch, on their device: (N, 1, 1, 1) but for the last.

    Attributes:
        blur: share of the way to the blurred picture; below 0 away from it, which sharpens.
        gamma: the exponent of the pixels, which lie in 0..1.
        left, right, top, bottom: the edges of what is cut out, in pixels; right < left where nothing is.
        kernel: (5,), `KERNEL`.
    """

    blur: Tensor
    gamma: Tensor
    left: Tensor
    right: Tensor
    top: Tensor
    bottom: Tensor
    kernel: Tensor


def draw_looks(
    n: int,
    generator: torch.Generator,
    device: torch.device,
    *,
    blur: float,
    sharpen: float,
    gamma: float,
    cutout: float,
) -> Looks | None:
    """A look for each of n faces, drawn at once from a CPU generator; None where nothing is asked for.

    Args:
        blur: probability that a face is blurred, by anything up to a Gaussian of one pixel.
        sharpen: probability that a face is sharpened; of one that is not blurred.
        gamma: greatest change of the exponent: it lies between 1 / (1 + gamma) and 1 + gamma, on a logarithmic scale.
        cutout: probability that a square of 8 to 32 pixels is replaced by the picture's mean.
    """
    if not (blur or sharpen or gamma or cutout):
        return None
    drawn = put(torch.rand(DRAWS, n, 1, 1, 1, generator=generator), device)
    blurred, sharpened, much, exponent, cut, across, down, size = drawn
    share = torch.where(blurred < blur, much, torch.where(sharpened < sharpen, -much, 0.0))
    half = torch.where(cut < cutout, (SIDES[0] + (SIDES[1] - SIDES[0]) * size) / 2, -1.0)
    across, down = across * SIZE - 0.5, down * SIZE - 0.5
    power = torch.pow(put(torch.tensor(1 + gamma), device), exponent * 2 - 1)
    edges = across - half, across + half, down - half, down + half
    return Looks(share, power, *edges, put(torch.tensor(KERNEL), device))


def look(pictures: Tensor, looks: Looks, index: Tensor) -> Tensor:
    """The pictures with their new looks, in 0..1.

    Args:
        pictures: float (n, 1, 96, 96) in 0..1, those at `index`.
        index: (n,), which of the faces these are.
    """
    seen = pictures.clone()
    share, gamma = looks.blur[index], looks.gamma[index]
    some = _chosen(share != 0)
    if some is not None:
        row = looks.kernel
        padded = F.pad(pictures[some], [2] * 4, mode="replicate")
        blurred = F.conv2d(F.conv2d(padded, row.view(1, 1, 1, 5)), row.view(1, 1, 5, 1))
        seen[some] = torch.lerp(pictures[some], blurred, share[some]).clamp_(0, 1)
    if _chosen(gamma != 1) is not None:
        seen = seen.pow(gamma)
    some = _chosen(looks.right[index] >= looks.left[index])
    if some is not None:
        mine = index[some]
        at = torch.arange(SIZE, device=pictures.device, dtype=pictures.dtype)
        x, y = at.view(1, 1, 1, -1), at.view(1, 1, -1, 1)
        columns = (x >= looks.left[mine]) & (x <= looks.right[mine])
        rows = (y >= looks.top[mine]) & (y <= looks.bottom[mine])
        seen[some] = torch.where(columns & rows, seen[some].mean(dim=(2, 3), keepdim=True), seen[some])
    return seen


def _chosen(faces: Tensor) -> Tensor | slice | None:
    """Which faces are to be changed, or None: the others are left as they are, which takes a fifth of the time.

    On a card all, those not chosen to what they are: counting them would make it wait.
    """
    if faces.is_cuda:
        return slice(None)
    (some,) = faces.flatten().nonzero(as_tuple=True)
    return some if len(some) else None
