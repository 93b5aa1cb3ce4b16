"""The layers under study: what batch norm and dropout become in a convolutional network.

Each table maps a name to a function `(shape, ...) -> module`, where shape is that of one example: (C, H, W) in a
convolutional network, (F,) in a fully connected one.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]


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

    They are drawn from the global generator of x's device in the order of x's memory, as a seed cohort draws them too.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x with each value zeroed with probability p, the rest times 1 / (1 - p); in eval mode x."""
        if not self.training or self.p == 0:
            return x
        kept = torch.empty_like(x, dtype=torch.float32, requires_grad=False).uniform_().ge_(self.p).to(x.dtype)
        return x * kept * (1 / (1 - self.p))  # a mask of numbers: one of bool costs what it saves


def no_norm(shape: Shape) -> nn.Module:
    """The identity."""
    return nn.Identity()


def spatial_batch_norm(shape: Shape) -> nn.Module:
    """Batch norm with statistics over N, H and W and one gamma and beta for each channel (1502.03167, section 3.2).

    On a fully connected layer, a 1x1 picture, this is the per-activation formula.
    """
    return nn.BatchNorm2d(shape[0]) if len(shape) == 3 else nn.BatchNorm1d(shape[0])


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


NORMS: Mapping[str, Callable[[Shape], nn.Module]] = {
    "none": no_norm,
    "batch": PerActivationBatchNorm,
    "spatial_batch": spatial_batch_norm,
}

DROPOUTS: Mapping[str, Callable[[Shape, float], nn.Module]] = {
    "none": no_dropout,
    "standard": standard_dropout,
    "spatial": spatial_dropout,
}

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}

MONOTONE = frozenset({"relu", "leaky_relu"})
"""Activations that commute with max pooling, so that pooling may come first and leave them a quarter of the work."""
