"""The layers under study: what batch norm and dropout become in a convolutional network.

Each table maps a name to a function `(shape, ...) -> module`, where shape is that of one example: (C, H, W) in a
convolutional network, (F,) in a fully connected one.
"""

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kpbench.errors import UsageError

Shape = tuple[int, ...]

GROUPS = 8
"""Most groups of a group norm."""

BLOCK = 5
"""Side of what DropBlock zeroes, in pixels of the map; of a smaller map its side."""


class PerActivationBatchNorm(nn.Module):
    """Batch norm with statistics over N alone for each of the C*H*W activations (each F, if fully connected).

    The fully connected formula of Ioffe & Szegedy (2015, 1502.03167, algorithm 1) applied to every activation:
    y = gamma * (x - mean_N) / sqrt(var_N + eps) + beta, with gamma and beta of their own for each activation, the
    biased variance in training, and running statistics r <- 0.9 r + 0.1 b (b the batch's mean, and its unbiased
    variance, as torch.nn.BatchNorm1d keeps them) in eval mode. Parameters and statistics of a (C, H, W) layer are
    stored flat in (H, W, C) order: that is how channels_last memory lies, so nothing has to be copied.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(math.prod(shape))

    def forward(self, x: Tensor) -> Tensor:
        """(N, *shape) -> (N, *shape); in train mode N must be at least 2."""
        last = x.movedim(1, -1)
        normed: Tensor = self.norm(last.flatten(1)).view(last.shape)
        return normed.movedim(-1, 1)


class UnitDropout(nn.Dropout):
    """Torch's dropout with its mask from uniform numbers: on a CPU half the time of Bernoulli draws.

    They are drawn from the global generator of x's device.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x with each value zeroed with probability p, the rest times 1 / (1 - p); in eval mode x."""
        if not self.training or self.p == 0:
            return x
        kept = torch.empty_like(x, dtype=torch.float32, requires_grad=False).uniform_().ge_(self.p).to(x.dtype)
        return x * kept * (1 / (1 - self.p))  # a mask of numbers: one of bool costs what it saves


class DropBlock(nn.Module):
    """Zeroes squares of a map's pixels, the same in no two maps (Ghiasi et al. 2018, 1810.12890, algorithm 1).

    Centres are drawn so that a share `rate` of the map is zeroed on average, were no two squares to overlap; what is
    left is scaled by the batch's share of it, so that the expectation stays.
    """

    def __init__(self, rate: float, side: int) -> None:
        super().__init__()
        self.rate, self.side = rate, side

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W); in eval mode x."""
        if not self.training or self.rate == 0:
            return x
        height, width = x.shape[2:]
        inner = (height - self.side + 1, width - self.side + 1)
        chance = self.rate / self.side**2 * (height * width) / math.prod(inner)
        corners = torch.rand(*x.shape[:2], *inner, device=x.device).lt_(chance)
        kept = 1 - F.max_pool2d(F.pad(corners, [self.side - 1] * 4), self.side, stride=1)
        return x * (kept * (kept.numel() / kept.sum().clamp_(min=1))).to(x.dtype)


class DropPath(nn.Module):
    """Stochastic depth: zeroes a residual branch of single examples, the rest times 1 / (1 - rate) (1603.09382)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...); in eval mode x."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device).ge_(self.rate)
        return x * (kept / (1 - self.rate)).to(x.dtype)


def no_norm(shape: Shape) -> nn.Module:
    """The identity."""
    return nn.Identity()


def spatial_batch_norm(shape: Shape) -> nn.Module:
    """Batch norm with statistics over N, H and W and one gamma and beta for each channel (1502.03167, section 3.2).

    On a fully connected layer, a 1x1 picture, this is the per-activation formula.
    """
    return nn.BatchNorm2d(shape[0]) if len(shape) == 3 else nn.BatchNorm1d(shape[0])


def fixed_scale_batch_norm(shape: Shape) -> nn.Module:
    """Spatial batch norm whose gamma stays 1 and is not trained: what follows it can scale as well."""
    norm = spatial_batch_norm(shape)
    assert isinstance(norm.weight, nn.Parameter)
    norm.weight.requires_grad_(False)
    return norm


def group_norm(shape: Shape) -> nn.Module:
    """Statistics of one example over groups of channels, at most 8, with their pixels (Wu & He 2018, 1803.08494).

    The groups are as many as divide the channels and hold two values or more each.
    """
    channels, pixels = shape[0], math.prod(shape[1:])
    most = min(GROUPS, channels * pixels // 2)
    return nn.GroupNorm(max((g for g in range(1, most + 1) if channels % g == 0), default=1), channels)


def layer_norm(shape: Shape) -> nn.Module:
    """Statistics of one example over all it has, gamma and beta for each channel: a group norm of one group."""
    return nn.GroupNorm(1, shape[0])


def instance_norm(shape: Shape) -> nn.Module:
    """Statistics of each map of each example, with gamma and beta for each channel (Ulyanov et al. 2016, 1607.08022).

    Raises:
        UsageError: on a fully connected layer, where a map would be a single value.
    """
    if math.prod(shape[1:]) < 2:
        raise UsageError("network.norm 'instance' needs feature maps of two pixels or more")
    return nn.GroupNorm(shape[0], shape[0])


def no_dropout(shape: Shape, rate: float) -> nn.Module:
    """The identity."""
    return nn.Identity()


def standard_dropout(shape: Shape, rate: float) -> nn.Module:
    """Zeroes single units with probability `rate` and scales the rest by 1 / (1 - rate) (Srivastava et al. 2014)."""
    return UnitDropout(rate)


def spatial_dropout(shape: Shape, rate: float) -> nn.Module:
    """Zeroes whole feature maps with probability `rate`, the rest scaled by 1 / (1 - rate) (Tompson 2015, 1411.4280).

    On a fully connected layer a map is a single unit, so this is standard dropout.
    """
    return nn.Dropout2d(rate) if len(shape) == 3 else UnitDropout(rate)


def block_dropout(shape: Shape, rate: float) -> nn.Module:
    """Zeroes squares of single maps, `DropBlock`; on a fully connected layer standard dropout."""
    return DropBlock(rate, min(BLOCK, *shape[1:])) if len(shape) == 3 else UnitDropout(rate)


NORMS: Mapping[str, Callable[[Shape], nn.Module]] = {
    "none": no_norm,
    "batch": PerActivationBatchNorm,
    "spatial_batch": spatial_batch_norm,
    "spatial_batch_fixed_scale": fixed_scale_batch_norm,
    "group": group_norm,
    "layer": layer_norm,
    "instance": instance_norm,
}

DROPOUTS: Mapping[str, Callable[[Shape, float], nn.Module]] = {
    "none": no_dropout,
    "standard": standard_dropout,
    "spatial": spatial_dropout,
    "block": block_dropout,
}

OF_MAPS = frozenset({"spatial_batch", "spatial_batch_fixed_scale", "instance", "spatial", "block"})
"""Norms and dropouts that are something of their own on feature maps alone."""

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}

MONOTONE = frozenset({"relu", "leaky_relu"})
"""Activations that commute with max pooling, so that pooling may come first and leave them a quarter of the work."""
