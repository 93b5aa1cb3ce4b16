"""The fused block's autograd steps on a CUDA card; the passes are in `card_kernels`."""

from typing import Any

import torch
import triton
from torch import Tensor

from kpbench.networks import card_kernels as kernels
from kpbench.networks.card_convolution import convolve as convolve
from kpbench.networks.card_pictures import conv_norm_pool_act as conv_norm_pool_act
from kpbench.networks.maps import Norm, tracking

TILE = 4096
"""Windows times channels of a program."""

SUMS = {"block_r": 512, "block_c": 16, "num_warps": 8}
"""Parts and channels of a sum that a program adds at once."""

MOST = 128
"""Faces of a batch whose values of one activation a program holds at once."""

MAP_TYPES = {torch.float32, torch.bfloat16}


def takes(y: Tensor, *, each: bool) -> bool:
    """Whether there are passes for a map, (N, C, H, W); `each`: for a norm of single activations."""
    even = y.shape[2] % 2 == 0 and y.shape[3] % 2 == 0
    return y.dtype in MAP_TYPES and even and y.numel() > 0 and (not each or len(y) <= MOST)


def try_out() -> None:
    """Runs a pass on the smallest map.

    Raises:
        Exception: whatever Triton raises where it cannot compile.
    """
    _PoolAct.apply(torch.zeros(1, 1, 2, 2, device="cuda"), 0.0)  # type: ignore[no-untyped-call]


def steps() -> tuple[Any, Any, Any]:
    """The autograd steps: without a norm, with a spatial one, with one of single activations."""
    return _PoolAct, _SpatialNormPoolAct, _EachNormPoolAct


def _blocks(y: Tensor) -> tuple[tuple[int, int], dict[str, int]]:
    """The grid over windows and channels of a map, and the sizes of a program's tile."""
    n, c, h, w = y.shape
    block_c = min(triton.next_power_of_2(c), 64)
    block_p = TILE // block_c
    grid = triton.cdiv(n * (h // 2) * (w // 2), block_p), triton.cdiv(c, block_c)
    return grid, {"block_p": block_p, "block_c": block_c}


def _quarter(y: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    n, c, h, w = y.shape
    shape = n, c, h // 2, w // 2
    return torch.empty(shape, dtype=dtype or y.dtype, device=y.device, memory_format=torch.channels_last)


def _layout(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)


class _PoolAct(torch.autograd.Function):
    """Pooling and activation of a map without a norm."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, slope: float) -> Tensor:
        _, c, _, w = y.shape
        z, where, (grid, tile) = _quarter(y), _quarter(y, torch.uint8), _blocks(y)
        kernels.pool[grid](y, y, z, where, y, z.numel() // c, w // 2, c, 0, slope, norm=False, **tile)
        ctx.save_for_backward(z, where)
        ctx.shape, ctx.slope = y.shape, slope
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        z, where = ctx.saved_tensors
        _, c, _, w = ctx.shape
        out = torch.empty(ctx.shape, dtype=z.dtype, device=z.device, memory_format=torch.channels_last)
        grid, tile = _blocks(out)
        maps = _layout(gradient), z, where, z, z, z, out
        kernels.pool_backward[grid](*maps, z.numel() // c, w // 2, c, ctx.slope, norm=False, **tile)
        return out, None


class _SpatialNormPoolAct(torch.autograd.Function):
    """Spatial batch norm, pooling and activation."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, norm: Norm, slope: float) -> Tensor:
        n, c, h, w = y.shape
        moving = tracking(norm, n * h * w)
        pooled, z, where, (grid, tile) = _quarter(y), _quarter(y), _quarter(y, torch.uint8), _blocks(y)
        parts = torch.empty(grid[0], 2, c, device=y.device)
        statistics = torch.empty(4, c, device=y.device)
        windows, pivot_at = n * (h // 2) * (w // 2), (h // 2) * w + w // 2
        kernels.pool[grid](y, gamma, pooled, where, parts, windows, w // 2, c, pivot_at, slope, norm=True, **tile)
        given = y, gamma, beta, parts, statistics, *moving, grid[0], n * h * w, c, pivot_at, norm.eps
        kernels.statistics[(triton.cdiv(c, SUMS["block_c"]),)](*given, **SUMS)
        kernels.affine_act[grid](pooled, statistics, z, windows, c, slope, **tile)
        ctx.save_for_backward(y, pooled, z, where, statistics)
        ctx.slope = slope
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        y, pooled, z, where, statistics = ctx.saved_tensors
        n, c, h, w = y.shape
        grid, tile = _blocks(y)
        windows = n * (h // 2) * (w // 2)
        own, out = _layout(gradient), torch.empty_like(y)
        parts, terms = torch.empty(grid[0], 2, c, device=y.device), torch.empty(4, c, device=y.device)
        kernels.sums_backward[grid](own, z, pooled, statistics, parts, windows, c, ctx.slope, **tile)
        kernels.terms[(triton.cdiv(c, SUMS["block_c"]),)](parts, statistics, terms, grid[0], n * h * w, c, **SUMS)
        maps = own, z, where, y, statistics, terms, out
        kernels.pool_backward[grid](*maps, windows, w // 2, c, ctx.slope, norm=True, **tile)
        return out, terms[1], terms[0], None, None


class _EachNormPoolAct(torch.autograd.Function):
    """Per-activation batch norm, pooling and activation; parameters are flat in (H, W, C) order."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, norm: Norm, slope: float) -> Tensor:
        z, where, mean, var = _quarter(y), _quarter(y, torch.uint8), torch.empty_like(gamma), torch.empty_like(gamma)
        grid, tile, size = _each_blocks(y)
        given = y, gamma, beta, z, where, mean, var, *tracking(norm, len(y))
        kernels.each[grid](*given, *size, norm.eps, slope, **tile)
        ctx.save_for_backward(y, gamma, mean, var, z, where)
        ctx.eps, ctx.slope = norm.eps, slope
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        y, gamma, mean, var, z, where = ctx.saved_tensors
        out, d_gamma, d_beta = torch.empty_like(y), torch.empty_like(gamma), torch.empty_like(gamma)
        grid, tile, size = _each_blocks(y)
        given = _layout(gradient), z, where, y, gamma, mean, var
        kernels.each_backward[grid](*given, d_gamma, d_beta, out, *size, ctx.eps, ctx.slope, **tile)
        return out, d_gamma, d_beta, None, None


def _each_blocks(y: Tensor) -> tuple[tuple[int, int], dict[str, int], tuple[int, int, int, int]]:
    """The grid over windows and channels, the sizes of a program's tile, and n, half of h and w, c."""
    n, c, h, w = y.shape
    block_c = min(triton.next_power_of_2(c), 16)
    grid = (h // 2) * (w // 2), triton.cdiv(c, block_c)
    return grid, {"block_n": triton.next_power_of_2(n), "block_c": block_c}, (n, h // 2, w // 2, c)
