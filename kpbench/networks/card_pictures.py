"""The first block on a CUDA card, in Triton: the function of `pictures`, whose formulas are told there.

A program has a tile of windows by channels, and reads the 16 pixels that a window sees. Nothing is rounded before the
result is stored. Sums are taken in two stages, as in `card_kernels`.
"""

from typing import Any, cast

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from kpbench.faces.faces import SIZE
from kpbench.networks.card_kernels import _track
from kpbench.networks.card_sums import PARTS, added
from kpbench.networks.maps import tracking

WINDOWS, CHANNELS = 32, 16
"""Windows and channels of a tile."""

PLACES = 64
"""Places of a tile of the moments."""

SUMS = 10
"""Sums of a channel on the way back: with each of the nine pixels, and of what reaches them."""

ONE_BY_ONE = {"num_stages": 1}
"""Tiles are not read ahead: single pixels through shared memory cost more than they save, 39 microseconds for 19."""


def conv_norm_pool_act(x: Tensor, conv: nn.Conv2d, norm: nn.Module, slope: float) -> Tensor:
    """Convolution, spatial batch norm in train mode or none, 2x2 max pooling and (leaky) ReLU of grey pictures.

    (N, 1, S, S) -> (N, C, S // 2, S // 2). Running statistics move as the norm's own module would move them.
    """
    own = norm if isinstance(norm, nn.BatchNorm2d) else None
    scale, shift = (None, None) if own is None else (own.weight, own.bias)
    return cast(Tensor, _Pictures.apply(x, conv.weight, conv.bias, scale, shift, own, slope))  # type: ignore[no-untyped-call]


class _Pictures(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        gamma: Tensor | None,
        beta: Tensor | None,
        norm: nn.BatchNorm2d | None,
        slope: float,
    ) -> Tensor:
        n, c = len(x), len(weight)
        x, own = x.detach().contiguous(), weight.detach().contiguous()
        folded, moments, statistics = x.new_empty(16, c), x.new_empty(0), x.new_empty(0)
        known: tuple[Tensor, ...] = tuple(own if one is None else one for one in (bias, gamma, beta))
        if norm is not None:
            tiles = triton.cdiv(x.numel(), PLACES)
            parts = x.new_empty(min(2 * PARTS, tiles), 16, 16)
            rounds = triton.cdiv(tiles, len(parts))
            sum_moments[(len(parts),)](x, parts, x.numel(), rounds=rounds, size=SIZE, block_p=PLACES, **ONE_BY_ONE)
            moments, statistics = added(parts, torch.float64), x.new_empty(2, c)
            given = moments, own, *known, statistics, folded, *tracking(norm, x.numel()), x.numel(), c, norm.eps
            fold[(triton.cdiv(c, CHANNELS),)](*given, biased=bias is not None, block_c=CHANNELS)
        on = torch.is_autocast_enabled("cuda")
        dtype = torch.get_autocast_dtype("cuda") if on else torch.float32
        shape = n, c, SIZE // 2, SIZE // 2
        z, where = (
            torch.empty(shape, dtype=kind, device=x.device, memory_format=torch.channels_last)
            for kind in (dtype, torch.uint8)
        )
        grid = triton.cdiv(z.numel() // c, WINDOWS), triton.cdiv(c, CHANNELS)
        kinds = {
            "norm": norm is not None,
            "biased": bias is not None,
            "size": SIZE,
            "block_p": WINDOWS,
            "block_c": CHANNELS,
        }
        forward[grid](x, folded, own, known[0], z, where, z.numel() // c, c, slope, **kinds)
        ctx.save_for_backward(x, own, known[1], z, where, moments, statistics)
        ctx.slope, ctx.normed, ctx.biased = slope, norm is not None, bias is not None
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, gamma, z, where, moments, statistics = ctx.saved_tensors
        c, windows = len(weight), z.numel() // len(weight)
        tiles, blocks = triton.cdiv(windows, WINDOWS), triton.cdiv(c, CHANNELS)
        parts = x.new_empty(min(PARTS, tiles), blocks * CHANNELS, SUMS)
        given = x, gradient.contiguous(memory_format=torch.channels_last), z, where, parts, windows, c, ctx.slope
        rounds = triton.cdiv(tiles, len(parts))
        kinds = {"rounds": rounds, "size": SIZE, "block_p": WINDOWS, "block_c": CHANNELS}
        backward[len(parts), blocks](*given, **kinds, **ONE_BY_ONE)
        d_weight, d_shift, d_gamma = torch.empty_like(weight), x.new_empty(c), x.new_empty(c)
        given = added(parts, torch.float64), weight, gamma, moments, statistics, d_weight, d_shift, d_gamma
        spread[(blocks,)](*given, x.numel(), c, norm=ctx.normed, block_c=CHANNELS)
        if not ctx.normed:
            return None, d_weight, d_shift if ctx.biased else None, *[None] * 4
        d_bias = torch.zeros_like(d_shift) if ctx.biased else None  # a norm takes every shift away
        return None, d_weight, d_bias, d_gamma, d_shift, None, None


@triton.jit
def sum_moments(pictures, parts, places, rounds: tl.constexpr, size: tl.constexpr, block_p: tl.constexpr):
    """Parts, (programs, 16, 16), of the sums of products of the nine pixels that a place sees; the tenth is 1."""
    t = tl.arange(0, 16)
    down, right = t // 3 - 1, t % 3 - 1
    total = tl.zeros([16, 16], tl.float32)
    for turn in tl.range(rounds):
        p = (turn * tl.num_programs(0) + tl.program_id(0)) * block_p + tl.arange(0, block_p)
        row, column = (p // size % size)[:, None] + down[None, :], (p % size)[:, None] + right[None, :]
        inside = (row >= 0) & (row < size) & (column >= 0) & (column < size) & (t < 9)[None, :]
        at = p[:, None] + (down * size + right)[None, :]
        seen = tl.load(pictures + at, mask=inside & (p < places)[:, None], other=0.0)
        seen = tl.where((p < places)[:, None] & (t == 9)[None, :], 1.0, seen)
        total = tl.dot(tl.trans(seen), seen, total, input_precision="tf32x3")
    tl.store(parts + tl.program_id(0) * 256 + t[:, None] * 16 + t[None, :], total)


@triton.jit
def _weights(weights, c, known):
    """The nine weights of each channel, (C, 16)."""
    t = tl.arange(0, 16)
    own = tl.load(weights + c[:, None] * 9 + t[None, :], mask=known[:, None] & (t < 9)[None, :], other=0.0)
    return own.to(tl.float64)


@triton.jit
def fold(
    moments, weights, bias, gamma, beta, statistics, folded, running_mean, running_var, batches, momentum, unbiased,
    count, channels, eps, biased: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """The norm in the weights: folded, (16, C), nine weights and the shift. Also what `spread` needs, and tracking.

    Moments, (16, 16), are sums over places, their tenth row those of single pixels; statistics, (2, C), the mean
    without the bias and 1 / deviation.
    """
    c, t = tl.program_id(0) * block_c + tl.arange(0, block_c), tl.arange(0, 16)
    known = c < channels
    if tl.program_id(0) == 0:
        tl.store(batches, tl.load(batches) + 1)
    first = tl.load(moments + 9 * 16 + t) / count
    second = tl.load(moments + t[:, None] * 16 + t[None, :]) / count
    spread = second - first[:, None] * first[None, :]
    own = _weights(weights, c, known)
    mean = tl.sum(own * first[None, :], axis=1)
    var = tl.sum(tl.sum(own[:, :, None] * spread[None, :, :] * own[:, None, :], axis=2), axis=1)
    var = tl.where(var < 0, 0.0, var)
    inverse = 1.0 / tl.sqrt(var + eps)
    scale = tl.load(gamma + c, mask=known, other=0.0) * inverse
    shift = tl.load(beta + c, mask=known, other=0.0) - mean * scale
    tl.store(statistics + c, mean, mask=known)
    tl.store(statistics + channels + c, inverse, mask=known)
    found = tl.where((t == 9)[None, :], shift[:, None], own * scale[:, None])
    tl.store(folded + t[None, :] * channels + c[:, None], found, mask=known[:, None])
    if biased:
        mean += tl.load(bias + c, mask=known, other=0.0)
    _track(mean.to(tl.float32), var.to(tl.float32), running_mean, running_var, c, known, momentum, unbiased)


@triton.jit
def _line(picture, row, column, known, size: tl.constexpr):
    """Four pixels of a row from `column` on, (P, 1) each, zero outside of the picture."""
    known = known & (row >= 0) & (row < size)
    at = picture + row * size + column
    a = tl.load(at, mask=known & (column >= 0), other=0.0)
    b, c = tl.load(at + 1, mask=known, other=0.0), tl.load(at + 2, mask=known, other=0.0)
    d = tl.load(at + 3, mask=known & (column + 3 < size), other=0.0)
    return a[:, None], b[:, None], c[:, None], d[:, None]


@triton.jit
def _place(p, n, size: tl.constexpr):
    """Of windows: which exist, the beginning of the picture, and the row and column of the first pixel seen."""
    row, column = p // (size // 2) % (size // 2), p % (size // 2)
    return p < n, p // (size // 2 * (size // 2)) * (size * size), 2 * row - 1, 2 * column - 1


@triton.jit
def _better(value, best, k: tl.constexpr, place):
    better = (value > best) | (value != value)  # NaN is passed on
    return tl.where(better, value, best), tl.where(better, k, place)


@triton.jit
def forward(
    pictures, folded, weights, bias, z, where, n, channels, slope, norm: tl.constexpr, biased: tl.constexpr,
    size: tl.constexpr, block_p: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Activation of the greatest of each window, and its place; n windows."""
    p = tl.program_id(0) * block_p + tl.arange(0, block_p)
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    known = c < channels
    own, step = weights + c * 9, 1
    shift = tl.zeros([block_c], tl.float32)
    if norm:
        own, step = folded + c, channels
        shift = tl.load(own + 9 * step, mask=known, other=0.0)
    elif biased:
        shift = tl.load(bias + c, mask=known, other=0.0).to(tl.float32)
    exists, picture, row, column = _place(p, n, size)
    p0 = tl.broadcast_to(shift[None, :], [block_p, block_c])
    p1, p2, p3 = p0, p0, p0
    for i in tl.static_range(3):
        a0, a1, a2, a3 = _line(pictures + picture, row + i, column, exists, size)
        b0, b1, b2, b3 = _line(pictures + picture, row + i + 1, column, exists, size)
        w0 = tl.load(own + 3 * i * step, mask=known, other=0.0).to(tl.float32)[None, :]
        w1 = tl.load(own + (3 * i + 1) * step, mask=known, other=0.0).to(tl.float32)[None, :]
        w2 = tl.load(own + (3 * i + 2) * step, mask=known, other=0.0).to(tl.float32)[None, :]
        p0 += w0 * a0 + w1 * a1 + w2 * a2
        p1 += w0 * a1 + w1 * a2 + w2 * a3
        p2 += w0 * b0 + w1 * b1 + w2 * b2
        p3 += w0 * b1 + w1 * b2 + w2 * b3
    best, place = p0, tl.zeros([block_p, block_c], tl.int32)
    best, place = _better(p1, best, 1, place)
    best, place = _better(p2, best, 2, place)
    best, place = _better(p3, best, 3, place)
    best = tl.where(best < 0, best * slope, best)
    inside, at = exists[:, None] & known[None, :], p[:, None] * channels + c[None, :]
    tl.store(z + at, best, mask=inside)
    tl.store(where + at, place, mask=inside)


@triton.jit
def _pull(g, place, a0, a1, a2, a3, b0, b1, b2, b3):
    """g times the three pixels of one row of the kernel at each window's greatest."""
    upper, left = place < 2, place % 2 == 0
    x0, x1 = tl.where(upper, a0, b0), tl.where(upper, a1, b1)
    x2, x3 = tl.where(upper, a2, b2), tl.where(upper, a3, b3)
    return g * tl.where(left, x0, x1), g * tl.where(left, x1, x2), g * tl.where(left, x2, x3)


@triton.jit
def backward(
    pictures, gradient, z, where, parts, n, channels, slope,
    rounds: tl.constexpr, size: tl.constexpr, block_p: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Parts, (programs, C, 10), of what reaches the places that pooling took: with nine pixels, and itself."""
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    known = c < channels
    s0 = tl.zeros([block_p, block_c], tl.float32)
    s1, s2, s3, s4, s5, s6, s7, s8, s9 = s0, s0, s0, s0, s0, s0, s0, s0, s0
    for turn in tl.range(rounds):
        p = (turn * tl.num_programs(0) + tl.program_id(0)) * block_p + tl.arange(0, block_p)
        exists, picture, row, column = _place(p, n, size)
        inside, at = exists[:, None] & known[None, :], p[:, None] * channels + c[None, :]
        g = tl.load(gradient + at, mask=inside, other=0.0).to(tl.float32)
        g = tl.where(tl.load(z + at, mask=inside, other=0.0) > 0, g, g * slope)
        place = tl.load(where + at, mask=inside, other=0).to(tl.int32)
        own = pictures + picture
        a0, a1, a2, a3 = _line(own, row, column, exists, size)
        b0, b1, b2, b3 = _line(own, row + 1, column, exists, size)
        c0, c1, c2, c3 = _line(own, row + 2, column, exists, size)
        d0, d1, d2, d3 = _line(own, row + 3, column, exists, size)
        t0, t1, t2 = _pull(g, place, a0, a1, a2, a3, b0, b1, b2, b3)
        t3, t4, t5 = _pull(g, place, b0, b1, b2, b3, c0, c1, c2, c3)
        t6, t7, t8 = _pull(g, place, c0, c1, c2, c3, d0, d1, d2, d3)
        s0, s1, s2, s3, s4 = s0 + t0, s1 + t1, s2 + t2, s3 + t3, s4 + t4
        s5, s6, s7, s8, s9 = s5 + t5, s6 + t6, s7 + t7, s8 + t8, s9 + g
    own = parts + (tl.program_id(0) * tl.num_programs(1) * block_c + c) * 10
    tl.store(own, tl.sum(s0, axis=0))
    tl.store(own + 1, tl.sum(s1, axis=0))
    tl.store(own + 2, tl.sum(s2, axis=0))
    tl.store(own + 3, tl.sum(s3, axis=0))
    tl.store(own + 4, tl.sum(s4, axis=0))
    tl.store(own + 5, tl.sum(s5, axis=0))
    tl.store(own + 6, tl.sum(s6, axis=0))
    tl.store(own + 7, tl.sum(s7, axis=0))
    tl.store(own + 8, tl.sum(s8, axis=0))
    tl.store(own + 9, tl.sum(s9, axis=0))


@triton.jit
def spread(
    taken, weights, gamma, moments, statistics, d_weights, d_shift, d_gamma, count, channels,
    norm: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """The gradients of weights and shift, and through the norm of its scale."""
    c, t = tl.program_id(0) * block_c + tl.arange(0, block_c), tl.arange(0, 16)
    known = c < channels
    total = tl.load(taken + c * 10 + 9)
    taken = tl.load(taken + c[:, None] * 10 + t[None, :], mask=(t < 9)[None, :], other=0.0)
    tl.store(d_shift + c, total, mask=known)
    if norm:
        second = tl.load(moments + t[:, None] * 16 + t[None, :]) / count
        first = tl.load(moments + 9 * 16 + t) / count
        mean = tl.load(statistics + c, mask=known, other=0.0).to(tl.float64)
        inverse = tl.load(statistics + channels + c, mask=known, other=0.0).to(tl.float64)
        own = _weights(weights, c, known)
        of_gamma = inverse * (tl.sum(own * taken, axis=1) - mean * total)
        tl.store(d_gamma + c, of_gamma, mask=known)
        along = tl.sum(own[:, :, None] * second[None, :, :], axis=1) - mean[:, None] * first[None, :]
        scale = tl.load(gamma + c, mask=known, other=0.0) * inverse
        taken = taken - total[:, None] * first[None, :] - (of_gamma * inverse)[:, None] * along
        taken = taken * scale[:, None]
    tl.store(d_weights + c[:, None] * 9 + t[None, :], taken, mask=known[:, None] & (t < 9)[None, :])
