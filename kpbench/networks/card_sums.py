"""Sums in two stages on a CUDA card: parts by many programs, then over the parts; the same each time."""

import torch
import triton
import triton.language as tl
from torch import Tensor

PARTS = 264
"""Programs over which a sum is spread: two for each processor of an H100."""


def added(parts: Tensor, dtype: torch.dtype) -> Tensor:
    """The sum over the first dimension of parts, (N, ...), in float64, as `dtype`."""
    out = torch.empty(parts.shape[1:], dtype=dtype, device=parts.device)
    add[(triton.cdiv(out.numel(), 16),)](parts, out, len(parts), out.numel(), block_r=256, block_c=16)
    return out


@triton.jit
def add(parts, out, n_parts, length, block_r: tl.constexpr, block_c: tl.constexpr):
    """Sums of `length` columns over `n_parts` rows."""
    c = tl.program_id(0) * block_c + tl.arange(0, block_c)
    known = c < length
    total = tl.zeros([block_r, block_c], tl.float64)
    start = 0
    while start < n_parts:  # not range(): its interpreter and numpy 2.4 do not agree on it
        row = start + tl.arange(0, block_r)
        inside = (row < n_parts)[:, None] & known[None, :]
        total += tl.load(parts + row[:, None] * length + c[None, :], mask=inside, other=0.0).to(tl.float64)
        start += block_r
    tl.store(out + c, tl.sum(total, axis=0), mask=known)
