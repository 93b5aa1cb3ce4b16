"""Convolutions of few channels on a CUDA card: where a library pads channels or leaves the tensor cores idle.

Pictures lie in memory as (N, H, W, C) and weights as (C', K, K, C), so that what a kernel sees of a place is a row of
K K C numbers, and a convolution the product of two matrices.
"""

from typing import Any, cast

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

FEW = 16
"""Channels up to which a library is slower than these passes."""

LARGEST = 5
"""Side of the largest kernel: of larger ones Triton compiles too long."""

PLACES = 128
"""Places of a program."""

PARTS = 264
"""Programs over which gradients of weights are spread: two for each processor of an H100."""


def convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """What `conv` does with a map, (N, C, S, S): by the passes here where they are for it, else by itself.

    Under autocast they multiply in its type, add in float32 and read weights as they are, without a cast of their own.
    """
    on = torch.is_autocast_enabled("cuda")
    dtype = torch.get_autocast_dtype("cuda") if on else torch.float32
    few = not x.requires_grad if x.shape[1] == 1 else x.shape[1] <= FEW and dtype == torch.bfloat16
    if few and x.shape[2] == x.shape[3] and x.numel() > 0 and _keeps_size(conv):
        return cast(Tensor, _Convolution.apply(x, conv.weight, conv.bias, dtype))  # type: ignore[no-untyped-call]
    return cast(Tensor, conv(x))


def _keeps_size(conv: nn.Conv2d) -> bool:
    side = conv.kernel_size[0]
    usual = type(conv) is nn.Conv2d and conv.stride == conv.dilation == (1, 1) and conv.groups == 1
    same = conv.kernel_size == (side, side) and side % 2 == 1 and conv.padding == (side // 2, side // 2)
    return usual and same and conv.padding_mode == "zeros" and side <= LARGEST


class _Convolution(torch.autograd.Function):
    """A convolution that keeps the size of square maps, (N, C, S, S) -> (N, C', S, S)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
        x, own = (one.contiguous(memory_format=torch.channels_last) for one in (x, weight))
        n, c, size, _ = x.shape
        y = torch.empty(n, len(weight), size, size, dtype=dtype, device=x.device, memory_format=torch.channels_last)
        places, block_c = n * size * size, _block(len(weight))
        grid = triton.cdiv(places, PLACES), triton.cdiv(len(weight), block_c)
        given = x, own, weight if bias is None else bias, y, places, size, len(weight)
        sides = {"kernel": weight.shape[-1], "into": c, "block_p": PLACES, "block_k": 16, "block_c": block_c}
        forward[grid](*given, biased=bias is not None, **sides)
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        if x.shape[1] == 1:
            return None, *_of_grey_pictures(x, weight, gradient, biased=ctx.biased), None
        pad, shape = [weight.shape[-1] // 2] * 2, [len(weight)] if ctx.biased else None
        given = gradient, x.to(gradient.dtype), weight.to(gradient.dtype), shape, [1, 1], pad, [1, 1], False, [0, 0], 1
        d_x, d_weight, d_bias = torch.ops.aten.convolution_backward(*given, [True, True, ctx.biased])
        return d_x.to(x.dtype), d_weight.float(), d_bias.float() if ctx.biased else None, None


def _of_grey_pictures(x: Tensor, weight: Tensor, gradient: Tensor, *, biased: bool) -> tuple[Tensor, Tensor | None]:
    """The gradients of weight and bias; pictures have none."""
    c, taps, places = len(weight), weight.shape[-1] ** 2, x.numel()
    block_t, block_c = max(16, triton.next_power_of_2(taps + 1)), _block(c)
    tiles = triton.cdiv(places, PLACES)
    grid = min(PARTS, tiles), triton.cdiv(c, block_c)
    parts = torch.empty(grid[0], c, block_t, device=x.device)
    given = x, gradient.contiguous(memory_format=torch.channels_last), parts, places, x.shape[3], c, tiles
    backward[grid](*given, kernel=weight.shape[-1], block_p=PLACES, block_t=block_t, block_c=block_c)
    total = parts.sum(0)
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
    x, weights, bias, y, places, size, channels, biased: tl.constexpr,
    kernel: tl.constexpr, into: tl.constexpr, block_p: tl.constexpr, block_k: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Maps of `into` channels to maps of `channels`; `places` pixels in all of them."""
    p = tl.program_id(0).to(tl.int64) * block_p + tl.arange(0, block_p)
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    length: tl.constexpr = kernel * kernel * into
    known = c < channels
    kind: tl.constexpr = y.dtype.element_ty
    total = tl.zeros([block_p, block_c], tl.float32)
    for start in tl.static_range(0, length, block_k):
        k = start + tl.arange(0, block_k)
        used = (k < length)[:, None] & known[None, :]
        own = tl.load(weights + k[:, None] + c[None, :] * length, mask=used, other=0.0)
        seen = _seen(x, p, k, places, size, kernel, into)
        total = tl.dot(seen.to(kind), own.to(kind), total, input_precision="ieee")
    if biased:
        total += tl.load(bias + c, mask=known, other=0.0).to(kind).to(tl.float32)[None, :]
    tl.store(y + p[:, None] * channels + c[None, :], total, mask=(p < places)[:, None] & known[None, :])


@triton.jit
def backward(
    pictures, gradient, parts, places, size, channels, tiles,
    kernel: tl.constexpr, block_p: tl.constexpr, block_t: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Parts, (programs, C', T), of the gradients of the weights of grey pictures and, behind them, of the bias."""
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    t, known = tl.arange(0, block_t), c < channels
    total = tl.zeros([block_t, block_c], tl.float32)
    tile = tl.program_id(0)
    while tile < tiles:  # not range(): its interpreter and numpy 2.4 do not agree on it
        p = tile.to(tl.int64) * block_p + tl.arange(0, block_p)
        at = p[:, None] * channels + c[None, :]
        own = tl.load(gradient + at, mask=(p < places)[:, None] & known[None, :], other=0.0)
        seen = _seen(pictures, p, t, places, size, kernel, 1)
        seen = tl.where((t == kernel * kernel)[None, :], 1.0, seen)  # what the bias sees
        total = tl.dot(tl.trans(seen.to(own.dtype)), own, total, input_precision="ieee")
        tile += tl.num_programs(0)
    at = (tl.program_id(0) * channels + c)[None, :] * block_t + t[:, None]
    tl.store(parts + at, total, mask=known[None, :])
