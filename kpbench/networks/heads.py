"""Heads of `keypoint_net`: from feature maps to 15 points.

A head that reads points off maps knows where each cell of the map lies in the picture, so that what moves the maps
moves the points. Its own loss, where it has one, is a divergence of its distribution over cells from a Gaussian around
the label; `fit` adds it to the loss of the points.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kpbench.faces.faces import KEYPOINTS, SIZE
from kpbench.networks.layers import Shape

POINTS = len(KEYPOINTS)
OUTPUTS = 2 * POINTS
BOTH = slice(0, 2)
"""The axes x and y."""


@dataclass(frozen=True)
class HeadOptions:
    """The numbers of a head.

    Attributes:
        width: hidden units of `fc` (0: none), channels of the joined map of the others.
        map_size: side of the map that points are read from.
        temperature: `learnt`, one scale for the logits of each map, or `fixed` at 1.
        bins: of each axis, of `simcc`.
        own_loss: weight of the head's own loss.
        sigma: spread of the Gaussian around a label, in pixels of the picture.
        act: makes an activation.
    """

    width: int
    map_size: int
    temperature: str
    bins: int
    own_loss: float
    sigma: float
    act: Callable[[], nn.Module]


class HasOwnLoss(nn.Module):
    """A module that adds a term to the loss of a training step; `fit` asks for it after each forward pass."""

    def own_loss(self, target: Tensor) -> Tensor:
        """The term for the batch of the last forward pass in train mode; `target` (N, 15, 2), NaN where unlabelled."""
        raise NotImplementedError


class Fc(nn.Sequential):
    """The last map flattened, a hidden layer where `width` is not 0, 30 numbers."""

    def __init__(self, shapes: Sequence[Shape], options: HeadOptions) -> None:
        features = math.prod(shapes[-1])
        hidden = [nn.Linear(features, options.width), options.act()] if options.width else []
        super().__init__(nn.Flatten(), *hidden, nn.Linear(options.width or features, OUTPUTS))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps of each stage -> (N, 30)."""
        out: Tensor = super().forward(maps[-1])  # type: ignore[no-untyped-call]
        return out


class GlobalPool(nn.Module):
    """The mean of each channel of the last map, then 30 numbers."""

    def __init__(self, shapes: Sequence[Shape], options: HeadOptions) -> None:
        super().__init__()
        self.out = nn.Linear(shapes[-1][0], OUTPUTS)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps of each stage -> (N, 30)."""
        out: Tensor = self.out(maps[-1].mean(dim=(2, 3)))
        return out


class Joined(nn.Module):
    """The maps of all stages as one: each by a 1x1 convolution to `width` channels, resized, and summed."""

    def __init__(self, shapes: Sequence[Shape], options: HeadOptions, maps: int) -> None:
        super().__init__()
        self.size, width = options.map_size, options.width
        self.sides = nn.ModuleList(nn.Conv2d(shape[0], width, 1, bias=False) for shape in shapes)
        self.first = nn.Sequential(nn.BatchNorm2d(width), options.act())
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), options.act()
        )
        self.out = nn.Conv2d(width, maps, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps of each stage -> (N, `maps`, `size`, `size`) in fp32."""
        total: Tensor | float = 0.0
        for side, found in zip(self.sides, maps, strict=True):
            own = side(found)
            if own.shape[-1] != self.size:
                own = F.interpolate(own, size=(self.size, self.size), mode="bilinear", align_corners=False)
            total = total + own
        out: Tensor = self.out(self.second(self.first(total)))
        return out.float()


def cell_centres(size: int, device: torch.device) -> Tensor:
    """Where the cells of a row lie, in the coordinates of the task: (k - 48) / 48 of pixel coordinates."""
    pixels = (torch.arange(size, device=device) + 0.5) * (SIZE / size) - 0.5
    return (pixels - SIZE / 2) / (SIZE / 2)


class FromMaps(HasOwnLoss):
    """What heads share that read points from a distribution of each keypoint over places."""

    def __init__(self, options: HeadOptions) -> None:
        super().__init__()
        self.weight, self.sigma = options.own_loss, options.sigma / (SIZE / 2)
        fixed = options.temperature == "fixed"
        self.log_scale = None if fixed else nn.Parameter(torch.zeros(POINTS))
        self.kept: list[tuple[Tensor, Tensor, slice]] = []

    def scaled(self, logits: Tensor) -> Tensor:
        """Logits (N, 15, ...) over the temperature."""
        if self.log_scale is None:
            return logits
        return logits * self.log_scale.exp().view(-1, *[1] * (logits.ndim - 2))

    def keep(self, *distributions: tuple[Tensor, Tensor, slice]) -> None:
        """Keeps for the loss: logarithms of chances, (N, 15, P), the places, (P, axes), and which axes these are."""
        self.kept = list(distributions) if self.training and self.weight > 0 else []

    def own_loss(self, target: Tensor) -> Tensor:
        """The weighted divergence from a Gaussian around each label, averaged over labels and distributions."""
        labelled, total = torch.isfinite(target).all(dim=2), target.new_zeros(())
        for logs, places, axes in self.kept:
            away = (torch.nan_to_num(target)[:, :, None, axes] - places).square().sum(dim=3)
            each = self.divergence(logs, (-away / (2 * self.sigma**2)).log_softmax(dim=2))
            total = total + torch.where(labelled, each, 0.0).sum() / labelled.sum().clamp(min=1) / len(self.kept)
        self.kept = []
        return total * self.weight

    def divergence(self, logs: Tensor, gaussian: Tensor) -> Tensor:
        """(N, 15) from logarithms (N, 15, places): the Kullback-Leibler divergence of the prediction from the label."""
        return (gaussian.exp() * (gaussian - logs)).sum(dim=2)


class SoftArgmax(FromMaps):
    """Integral regression: the expectation of the cell under a softmax over a map (Sun et al. 2018, 1711.08229).

    Its own loss is DSNT's Jensen-Shannon regulariser (Nibali et al. 2018, 1801.07372, equation 8).
    """

    def __init__(self, shapes: Sequence[Shape], options: HeadOptions) -> None:
        super().__init__(options)
        self.maps = Joined(shapes, options, POINTS)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps of each stage -> (N, 30)."""
        return self.points(self.maps(maps)).flatten(1)

    def points(self, logits: Tensor) -> Tensor:
        """(N, 15, S, S) -> (N, 15, 2)."""
        size = logits.shape[-1]
        logs = self.scaled(logits).flatten(2).log_softmax(dim=2)
        chance, centres = logs.exp().unflatten(2, (size, size)), cell_centres(size, logits.device)
        self.keep((logs, grid(centres), BOTH))
        return torch.stack([chance.sum(dim=2) @ centres, chance.sum(dim=3) @ centres], dim=2)

    def divergence(self, logs: Tensor, gaussian: Tensor) -> Tensor:
        """(N, 15) from logarithms (N, 15, places): the Jensen-Shannon divergence."""
        middle = torch.logaddexp(logs, gaussian) - math.log(2)
        both = logs.exp() * (logs - middle) + gaussian.exp() * (gaussian - middle)
        return both.sum(dim=2) / 2


class SimCC(FromMaps):
    """Each axis as a classification into bins, read as the expectation (after Li et al. 2022, 2107.03332).

    The map of a keypoint, flattened, goes through one linear layer for each axis, shared over keypoints. The paper
    takes the best bin; the expectation is what has the smallest squared error. Its own loss is the paper's
    Kullback-Leibler divergence from a Gaussian of bins.
    """

    def __init__(self, shapes: Sequence[Shape], options: HeadOptions) -> None:
        super().__init__(options)
        self.maps = Joined(shapes, options, POINTS)
        self.axes = nn.ModuleList(nn.Linear(options.map_size**2, options.bins) for _ in range(2))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps of each stage -> (N, 30)."""
        flat = self.maps(maps).flatten(2)
        logs = [self.scaled(axis(flat).float()).log_softmax(dim=2) for axis in self.axes]
        centres = cell_centres(logs[0].shape[2], flat.device)
        self.keep(*((one, centres[:, None], slice(axis, axis + 1)) for axis, one in enumerate(logs)))
        return torch.stack([one.exp() @ centres for one in logs], dim=2).flatten(1)


class HeatmapOffset(FromMaps):
    """A heat map and an offset from each cell, read as the expectation of cell plus offset.

    After Papandreou et al. 2017 (1701.01779), who add offsets to cells and let cells vote; here the votes are the
    softmax of the heat map. Its own loss is the Kullback-Leibler divergence from a Gaussian heat map.
    """

    def __init__(self, shapes: Sequence[Shape], options: HeadOptions) -> None:
        super().__init__(options)
        self.maps = Joined(shapes, options, 3 * POINTS)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps of each stage -> (N, 30)."""
        return self.points(self.maps(maps)).flatten(1)

    def points(self, found: Tensor) -> Tensor:
        """(N, 45, S, S): heat, then offsets along x and y in cells -> (N, 15, 2)."""
        heat, *offsets = found.flatten(2).split(POINTS, dim=1)
        size = found.shape[-1]
        logs, places = self.scaled(heat).log_softmax(dim=2), grid(cell_centres(size, found.device))
        self.keep((logs, places, BOTH))
        votes = (places[:, axis] + offset * (2 / size) for axis, offset in enumerate(offsets))
        return torch.stack([(logs.exp() * one).sum(dim=2) for one in votes], dim=2)


def grid(centres: Tensor) -> Tensor:
    """The centres, (x, y), of the cells of a flattened map of len(centres) rows: (S * S, 2)."""
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], dim=1)


HEADS: Mapping[str, Callable[[Sequence[Shape], HeadOptions], nn.Module]] = {
    "fc": Fc,
    "global_pool": GlobalPool,
    "softargmax": SoftArgmax,
    "simcc": SimCC,
    "heatmap_offset": HeatmapOffset,
}
