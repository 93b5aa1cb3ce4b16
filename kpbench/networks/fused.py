"""The fused block: norm, 2x2 max pooling and activation of a training step in one autograd step.

The same function as the layers one by one, in fewer passes over the activation map. A monotone activation and an
affine map by channel commute with the maximum, up to a flip where gamma is negative, so that statistics and pooling
share one pass over the map and the rest works on a quarter of it; the backward pass reads the map once and writes its
gradient once. Statistics are summed in float32 a picture and in float64 over them, and nothing is rounded to bfloat16
between norm and activation, so results differ from the layers' by rounding alone.
"""

import importlib.util
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kpbench.networks import pictures
from kpbench.networks.layers import PerActivationBatchNorm
from kpbench.networks.maps import LONGEST, Norm, array, flat, tracking

COMPILERS = {"cpu": "numba", "cuda": "triton"}

AVAILABLE = {kind: importlib.util.find_spec(name) is not None for kind, name in COMPILERS.items()}
"""Whether the compiled passes can be used on a kind of device; without numba or Triton the layers run one by one."""


class Block(nn.Sequential):
    """conv - norm - pool - activation - dropout, in this order; trains in fused form where that is possible.

    That is on a CPU with numba or a CUDA card with Triton, where the norm is none, per-activation or spatial batch
    norm, and the activation is ReLU or leaky ReLU; on a card where the map's sides are even. Elsewhere, in eval mode
    always, its layers run one by one. `fused = False` does so everywhere.
    """

    fused = True

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H // 2, W // 2)."""
        conv, norm, pool, act, dropout = self
        weight = cast(Tensor, conv.weight)
        there = weight.device.type
        # bfloat16 is autocast's, or a copy of what it would cast
        fits = AVAILABLE.get(there, False) and (weight.dtype == torch.float32 or torch.is_autocast_enabled(there))
        fits = fits and _known(norm)
        fits = fits and not (there == "cuda" and card_fault())
        if not (self.fused and self.training and fits and isinstance(pool, nn.MaxPool2d)):
            return cast(Tensor, super().forward(x))  # type: ignore[no-untyped-call]
        slope = act.negative_slope if isinstance(act, nn.LeakyReLU) else 0.0
        if pictures.takes(x, conv, norm):
            return cast(Tensor, dropout(_of_pictures(x, conv, norm, slope)))
        y = _card().convolve(x, conv) if there == "cuda" else conv(x)
        takes = _card().takes(y, each=isinstance(norm, PerActivationBatchNorm)) if there == "cuda" else _takes(y)
        if not takes:
            return cast(Tensor, dropout(act(pool(norm(y)))))
        return cast(Tensor, dropout(norm_pool_act(y, norm, slope)))


def _takes(y: Tensor) -> bool:
    return y.shape[1] * (y.shape[3] // 2) <= LONGEST


def _known(norm: nn.Module) -> bool:
    """Whether a norm is of those whose function is compiled: exactly these, not what somebody derives from them."""
    if type(norm) is nn.BatchNorm2d:
        return norm.affine and norm.track_running_stats and norm.momentum is not None
    return type(norm) in (nn.Identity, PerActivationBatchNorm)


@cache
def card_fault() -> str:
    """Why the passes for a card cannot be used here, in a line; empty where they can. One is compiled to know."""
    try:
        _card().try_out()
    except Exception as error:  # no Triton, no C compiler, no headers of Python, a card that Triton does not know
        return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    return ""


def run_plain(network: nn.Module) -> nn.Module:
    """The network, its blocks set to run layer by layer."""
    for module in network.modules():
        if isinstance(module, Block):
            module.fused = False
    return network


def norm_pool_act(y: Tensor, norm: nn.Module, slope: float) -> Tensor:
    """Norm in train mode, 2x2 max pooling and (leaky) ReLU of a map, (N, C, H, W) -> (N, C, H // 2, W // 2).

    Running statistics move as the norm's own module would move them.

    Raises:
        ValueError: fewer than two values to take statistics over, as torch's batch norm does.
    """
    y = y.contiguous(memory_format=torch.channels_last)
    pool_act, spatial_step, each_step = _steps(y.device.type)
    if isinstance(norm, nn.Identity):
        return cast(Tensor, pool_act.apply(y, slope))
    spatial = isinstance(norm, nn.BatchNorm2d)
    own = norm if spatial else cast(PerActivationBatchNorm, norm).norm
    step = spatial_step if spatial else each_step
    return cast(Tensor, step.apply(y, own.weight, own.bias, own, slope))


def _of_pictures(x: Tensor, conv: nn.Module, norm: nn.Module, slope: float) -> Tensor:
    """The first block, (N, 1, S, S) -> (N, C, S // 2, S // 2)."""
    assert isinstance(conv, nn.Conv2d)
    if x.device.type == "cuda":
        return cast(Tensor, _card().conv_norm_pool_act(x, conv, norm, slope))
    if not isinstance(norm, nn.BatchNorm2d):
        return pictures.conv_pool_act(x, conv, slope)
    z, mean, var = pictures.conv_norm_pool_act(x, conv, norm, slope)
    _track(norm, mean, var, x.numel())
    return z


def _steps(kind: str) -> tuple[Any, Any, Any]:
    """The autograd steps of a kind of device: without a norm, with a spatial one, with one of single activations."""
    if kind == "cuda":
        steps: tuple[Any, Any, Any] = _card().steps()
        return steps
    return _PoolAct, _SpatialNormPoolAct, _EachNormPoolAct


@torch.no_grad()
def _track(norm: Norm, mean: Tensor, var: Tensor, count: int) -> None:
    """Moves running statistics towards those of a batch, taken over `count` values."""
    running_mean, running_var, batches, momentum, unbiased = tracking(norm, count)
    running_mean.lerp_(mean, momentum)
    running_var.lerp_(var * unbiased, momentum)
    batches.add_(1)


def _card() -> Any:
    from kpbench.networks import card  # noqa: PLC0415  # Triton is there where torch is built for a card

    return card


def _maps(gradient: Tensor, *maps: Tensor) -> list[NDArray[Any]]:
    return [flat(gradient.contiguous(memory_format=torch.channels_last)), *map(flat, maps)]


def _windows(y: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """An empty map of the windows of y."""
    n, c, h, w = y.shape
    return torch.empty(n, c, h // 2, w // 2, dtype=dtype or y.dtype, memory_format=torch.channels_last)


def _size(y: Tensor) -> tuple[int, int, int, int]:
    """n, h, w, c: the order of the kernels."""
    n, c, h, w = y.shape
    return n, h, w, c


def _kernels() -> Any:
    from kpbench.networks import kernels  # noqa: PLC0415  # numba is loaded where it is used

    return kernels


class _PoolAct(torch.autograd.Function):
    """Pooling and activation of a map without a norm."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, slope: float) -> Tensor:
        z, where = _windows(y), _windows(y, torch.uint8)
        c, (one, zero) = y.shape[1], (np.full(y.shape[1], value, np.float32) for value in (1, 0))
        _kernels().pool_and_sum(flat(y), *_size(y), one, zero, flat(z), flat(where), np.empty((2, c)))
        _kernels().affine_act(flat(z), c, one, zero, slope, flat(z), z.shape[3] * c)
        ctx.save_for_backward(z, where)
        ctx.shape, ctx.slope = y.shape, slope
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        z, where = ctx.saved_tensors
        out = torch.empty(ctx.shape, dtype=z.dtype, memory_format=torch.channels_last)
        maps, terms = _maps(gradient, z, where), [np.full(out.shape[1], value, np.float32) for value in (1, 0, 0, 0)]
        _kernels().pool_backward(*maps, maps[1], *_size(out), *terms, ctx.slope, False, flat(out))
        return out, None


class _SpatialNormPoolAct(torch.autograd.Function):
    """Spatial batch norm, pooling and activation."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, norm: Norm, slope: float) -> Tensor:
        n, h, w, c = _size(y)
        tracking(norm, n * h * w)  # before any work, whether there is a variance
        pooled, z, where = _windows(y), _windows(y), _windows(y, torch.uint8)
        # A pixel stands in for the mean, so that the sum of squares keeps its digits.
        pivot = y[0, :, h // 2, w // 2].float()
        sums = torch.empty(2, c, dtype=torch.float64)
        sign = torch.where(gamma.detach() < 0, -1.0, 1.0)
        kernels = _kernels()
        kernels.pool_and_sum(flat(y), n, h, w, c, *map(array, (sign, pivot)), *map(flat, (pooled, where)), array(sums))
        first, second = sums / (n * h * w)
        mean, var = (pivot + first).float(), (second - first.square()).clamp_(min=0.0).float()
        inverse = (var + norm.eps).rsqrt()
        scale = gamma.detach() * inverse
        shift = beta.detach() - mean * scale
        kernels.affine_act(flat(pooled), c, array(scale), array(shift), slope, flat(z), (w // 2) * c)
        _track(norm, mean, var, n * h * w)
        ctx.save_for_backward(y, gamma, mean, inverse, pooled, z, where)
        ctx.slope = slope
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        y, gamma, mean, inverse, pooled, z, where = ctx.saved_tensors
        n, h, w, c = _size(y)
        own, taken, places = _maps(gradient, z, where)
        sums = torch.empty(2, c, dtype=torch.float64)
        kernels = _kernels()
        kernels.sums_backward(own, taken, flat(pooled), c, array(mean), ctx.slope, array(sums), (w // 2) * c)
        d_beta, d_gamma = sums[0].float(), (sums[1] * inverse).float()
        scale, count = gamma.detach() * inverse, n * h * w
        terms = scale, scale * d_beta / count, scale * inverse * d_gamma / count, mean
        out = torch.empty_like(y)
        maps = own, taken, places, flat(y)
        kernels.pool_backward(*maps, n, h, w, c, *map(array, terms), ctx.slope, True, flat(out))
        return out, d_gamma, d_beta, None, None


class _EachNormPoolAct(torch.autograd.Function):
    """Per-activation batch norm, pooling and activation; parameters are flat in (H, W, C) order."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, norm: Norm, slope: float) -> Tensor:
        tracking(norm, len(y))
        z, where, mean, var = _windows(y), _windows(y, torch.uint8), torch.empty_like(gamma), torch.empty_like(gamma)
        given, found = map(array, (gamma, beta)), (*map(array, (mean, var)), *map(flat, (z, where)))
        _kernels().each_norm_pool_act(flat(y), *_size(y), *given, norm.eps, slope, *found)
        _track(norm, mean, var, len(y))
        ctx.save_for_backward(y, gamma, mean, var, z, where)
        ctx.eps, ctx.slope = norm.eps, slope
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        y, gamma, mean, var, z, where = ctx.saved_tensors
        out, d_gamma, d_beta = torch.empty_like(y), torch.empty_like(gamma), torch.empty_like(gamma)
        given, found = map(array, (gamma, mean, var)), map(array, (d_gamma, d_beta))
        maps = *_maps(gradient, z, where), flat(y)
        _kernels().each_backward(*maps, *_size(y), *given, ctx.eps, ctx.slope, *found, flat(out))
        return out, d_gamma, d_beta, None, None
