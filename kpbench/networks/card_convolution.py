"""Convolutions of few channels on a CUDA card: where a library pads channels or leaves the tensor cores idle.

Pictures lie in memory as (N, H, W, C) and weights as (C', K, K, C), so that what a kernel sees of a place is a row of
K K C numbers, and a convolution the product of two matrices.
"""

from typing import Any, cast

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from kpbench.networks.card_sums import PARTS, added

FEW = 32
"""Channels up to which a library is slower than these passes."""

LARGEST = 5
"""Side of the largest kernel for grey pictures: of larger ones Triton compiles too long."""

PLACES = 64
"""Places of a tile."""


def convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """What `conv` does with a map, (N, C, S, S): by the passes here where they are for it, else by itself.

    Under autocast they multiply in its type, add in float32 and read weights as they are, without a cast of their own.
    """
    on = torch.is_autocast_enabled("cuda")
    dtype = torch.get_autocast_dtype("cuda") if on else torch.float32
    side = conv.kernel_size[0]
    grey = x.shape[1] == 1 and not x.requires_grad and side <= LARGEST
    few = 1 < x.shape[1] <= FEW and side == 3 and dtype == torch.bfloat16
    if (grey or few) and x.shape[2] == x.shape[3] and x.numel() > 0 and _keeps_size(conv):
        return cast(Tensor, _Convolution.apply(x, conv.weight, conv.bias, dtype))  # type: ignore[no-untyped-call]
    return cast(Tensor, conv(x))


def _keeps_size(conv: nn.Conv2d) -> bool:
    side = conv.kernel_size[0]
    usual = type(conv) is nn.Conv2d and conv.stride == conv.dilation == (1, 1) and conv.groups == 1
    same = conv.kernel_size == (side, side) and side % 2 == 1 and conv.padding == (side // 2, side // 2)
    return usual and same and conv.padding_mode == "zeros"


class _Convolution(torch.autograd.Function):
    """A convolution that keeps the size of square maps, (N, C, S, S) -> (N, C', S, S)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
        x, own = (one.contiguous(memory_format=torch.channels_last) for one in (x, weight))
        ctx.save_for_backward(x, own)
        ctx.biased = bias is not None
        return _convolved(x, own, bias, dtype, turned=False)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        if x.shape[1] == 1:
            return None, *_of_grey_pictures(x, weight, gradient, biased=ctx.biased), None
        d_bias = gradient.sum((0, 2, 3), dtype=torch.float32).to(weight.dtype) if ctx.biased else None
        return _convolved(gradient, weight, None, x.dtype, turned=True), _of_weights(x, weight, gradient), d_bias, None


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, *, turned: bool) -> Tensor:
    """The convolution of a map; `turned`, its transpose: the gradient at what went into it."""
    n, c, size, _ = x.shape
    channels = weight.shape[1] if turned else len(weight)
    y = torch.empty(n, channels, size, size, dtype=dtype, device=x.device, memory_format=torch.channels_last)
    places, block_c = n * size * size, _block(channels)
    grid = triton.cdiv(places, PLACES), triton.cdiv(channels, block_c)
    given = x, weight, weight if bias is None else bias, y, places, size, channels
    kinds = {"biased": bias is not None, "turned": turned, "kernel": weight.shape[-1], "into": c}
    forward[grid](*given, **kinds, block_p=PLACES, block_k=32 if c % 32 == 0 else 16, block_c=block_c)
    return y


def _of_weights(x: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of 3x3 weights."""
    c, into, places = len(weight), x.shape[1], x.numel() // x.shape[1]
    block_i, block_c, tiles = max(16, triton.next_power_of_2(into)), _block(c), triton.cdiv(places, PLACES)
    parts = torch.empty(min(PARTS // 2, tiles), c, 9 * into, device=x.device)
    grid = len(parts), 3, triton.cdiv(c, block_c)
    kinds = {"rounds": triton.cdiv(tiles, len(parts)), "into": into, "block_p": PLACES}
    weigh[grid](x, gradient, parts, places, x.shape[3], c, **kinds, block_i=block_i, block_c=block_c)
    total = added(parts, weight.dtype)
    return total.view(c, 3, 3, into).permute(0, 3, 1, 2)


def _of_grey_pictures(x: Tensor, weight: Tensor, gradient: Tensor, *, biased: bool) -> tuple[Tensor, Tensor | None]:
    """The gradients of weight and bias; pictures have none."""
    c, taps, places = len(weight), weight.shape[-1] ** 2, x.numel()
    block_t, block_c = max(16, triton.next_power_of_2(taps + 1)), _block(c)
    tiles = triton.cdiv(places, PLACES)
    grid = min(PARTS, tiles), triton.cdiv(c, block_c)
    parts = torch.empty(grid[0], c, block_t, device=x.device)
    kinds = {"rounds": triton.cdiv(tiles, len(parts)), "kernel": weight.shape[-1], "block_p": PLACES}
    # One stage: single pixels read ahead through shared memory cost more than they save.
    backward[grid](x, gradient, parts, places, x.shape[3], c, **kinds, block_t=block_t, block_c=block_c, num_stages=1)
    total = added(parts, weight.dtype)
    return total[:, :taps].reshape(weight.shape), total[:, taps] if biased else None


def _block(channels: int) -> int:
    return int(min(64, max(16, triton.next_power_of_2(channels))))


@triton.jit
def _seen(x, p, k, places, size, kernel: tl.constexpr, into: tl.constexpr):
    """Rows of what the kernel sees at each place, (P, K), zero outside of the picture."""
    tap, channel = k // into, k % into
    down, right = tap // kernel - kernel // 2, tap % kernel - kernel // 2
    row, column = (p // size % size)[:, None] + down[None, :], (p % size)[:, None] + right[None, :]
    inside = (row >= 0) & (row < size) & (column >= 0) & (column < size) & (tap < kernel * kernel)[None, :]
    at = p[:, None] * into + ((down * size + right) * into + channel)[None, :]
    return tl.load(x + at, mask=inside & (p < places)[:, None], other=0.0)


@triton.jit
def forward(
    x, weights, bias, y, places, size: tl.constexpr, channels, biased: tl.constexpr, turned: tl.constexpr,
    kernel: tl.constexpr, into: tl.constexpr, block_p: tl.constexpr, block_k: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Maps of `into` channels to maps of `channels`; `places` pixels in all of them.

    `turned`: weights are those of a convolution from `channels` to `into`, of which this is the transpose.
    """
    p = tl.program_id(0).to(tl.int64) * block_p + tl.arange(0, block_p)
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    taps: tl.constexpr = kernel * kernel
    length: tl.constexpr = taps * into
    known = c < channels
    kind: tl.constexpr = y.dtype.element_ty
    total = tl.zeros([block_p, block_c], tl.float32)
    for start in tl.static_range(0, length, block_k):
        k = start + tl.arange(0, block_k)
        at = k[:, None] + c[None, :] * length
        if turned:
            at = ((k % into * taps + taps - 1 - k // into) * channels)[:, None] + c[None, :]
        own = tl.load(weights + at, mask=(k < length)[:, None] & known[None, :], other=0.0)
        seen = _seen(x, p, k, places, size, kernel, into)
        total = tl.dot(seen.to(kind), own.to(kind), total, input_precision="ieee")
    if biased:
        total += tl.load(bias + c, mask=known, other=0.0).to(kind).to(tl.float32)[None, :]
    tl.store(y + p[:, None] * channels + c[None, :], total, mask=(p < places)[:, None] & known[None, :])


@triton.jit
def weigh(
    x, gradient, parts, places, size: tl.constexpr, channels, rounds: tl.constexpr, into: tl.constexpr,
    block_p: tl.constexpr, block_i: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Parts, (programs, C', 3, 3, C), of the gradients of weights; a program has one row of the kernel."""
    down, i = tl.program_id(1) - 1, tl.arange(0, block_i)
    c = tl.program_id(2) * block_c + tl.arange(0, block_c)
    known, used = (c < channels)[None, :], (i < into)[None, :]
    left = tl.zeros([block_c, block_i], tl.float32)
    middle, right = left, left
    for turn in tl.range(rounds):
        p = (turn * tl.num_programs(0) + tl.program_id(0)).to(tl.int64) * block_p + tl.arange(0, block_p)
        row, column = p // size % size + down, p % size
        own = tl.load(gradient + p[:, None] * channels + c[None, :], mask=(p < places)[:, None] & known, other=0.0)
        own = tl.trans(own)
        inside = (row >= 0) & (row < size) & (p < places)
        at = x + (p + down * size)[:, None] * into + i[None, :]
        seen = tl.load(at - into, mask=(inside & (column > 0))[:, None] & used, other=0.0)
        left = tl.dot(own, seen.to(own.dtype), left, input_precision="ieee")
        seen = tl.load(at, mask=inside[:, None] & used, other=0.0)
        middle = tl.dot(own, seen.to(own.dtype), middle, input_precision="ieee")
        seen = tl.load(at + into, mask=(inside & (column < size - 1))[:, None] & used, other=0.0)
        right = tl.dot(own, seen.to(own.dtype), right, input_precision="ieee")
    at = (tl.program_id(0) * channels + c)[:, None] * 9 * into + (tl.program_id(1) * 3 * into + i)[None, :]
    inside = (c < channels)[:, None] & used
    tl.store(parts + at, left, mask=inside)
    tl.store(parts + at + into, middle, mask=inside)
    tl.store(parts + at + 2 * into, right, mask=inside)


@triton.jit
def backward(
    pictures, gradient, parts, places, size: tl.constexpr, channels, rounds: tl.constexpr,
    kernel: tl.constexpr, block_p: tl.constexpr, block_t: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Parts, (programs, C', T), of the gradients of the weights of grey pictures and, behind them, of the bias."""
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    t, known = tl.arange(0, block_t), c < channels
    total = tl.zeros([block_t, block_c], tl.float32)
    for turn in tl.range(rounds):
        p = (turn * tl.num_programs(0) + tl.program_id(0)).to(tl.int64) * block_p + tl.arange(0, block_p)
        at = p[:, None] * channels + c[None, :]
        own = tl.load(gradient + at, mask=(p < places)[:, None] & known[None, :], other=0.0)
        seen = _seen(pictures, p, t, places, size, kernel, 1)
        seen = tl.where((t == kernel * kernel)[None, :], 1.0, seen)  # what the bias sees
        total = tl.dot(tl.trans(seen.to(own.dtype)), own, total, input_precision="ieee")
    at = (tl.program_id(0) * channels + c)[None, :] * block_t + t[:, None]
    tl.store(parts + at, total, mask=known[None, :])
