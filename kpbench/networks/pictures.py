"""The first block on a CPU: convolution of grey pictures, norm, pooling and activation in one autograd step.

The convolution's map is never written, nor its gradient. Spatial batch norm is part of the weights: the mean of a
channel over the map, and its variance, follow from the moments of the nine pixels that a place sees,

    mean = w . m + bias,    var = w . (M / n - m m^T) w,    m = sums / n,

so that scale and shift are known before the pass. Backward, what reaches the places that pooling took is summed up with
their nine pixels; all gradients follow from these sums and the moments. It is the same function as the layers one by
one, in float32 and float64 where they round to bfloat16.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from kpbench.faces.faces import SIZE
from kpbench.networks.maps import array, flat


def takes(x: Tensor, conv: nn.Module, norm: nn.Module) -> bool:
    """Whether a block is such a one: grey pictures that nothing is learnt from, 3x3 weights that keep their size."""
    same = type(conv) is nn.Conv2d and conv.kernel_size == (3, 3) and conv.padding == (1, 1)
    usual = same and conv.stride == conv.dilation == (1, 1) and conv.groups == 1 and conv.padding_mode == "zeros"
    pictures = x.shape[1:] == (1, SIZE, SIZE) and len(x) > 0 and not x.requires_grad
    return bool(usual and pictures and type(norm) in (nn.Identity, nn.BatchNorm2d))


def conv_pool_act(x: Tensor, conv: nn.Conv2d, slope: float) -> Tensor:
    """Convolution, 2x2 max pooling and (leaky) ReLU: (N, 1, S, S) -> (N, C, S // 2, S // 2)."""
    return cast(Tensor, _Pictures.apply(x, conv.weight, conv.bias, None, None, 0.0, slope)[0])  # type: ignore[no-untyped-call]


def conv_norm_pool_act(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d, slope: float) -> tuple[Tensor, ...]:
    """The same with spatial batch norm in train mode, and the map's mean and biased variance, (C,) each."""
    found = _Pictures.apply(x, conv.weight, conv.bias, norm.weight, norm.bias, norm.eps, slope)  # type: ignore[no-untyped-call]
    return cast(tuple[Tensor, ...], found)


def _kernels() -> Any:
    from kpbench.networks import picture_kernels  # noqa: PLC0415  # numba is loaded where it is used

    return picture_kernels


class _Pictures(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        gamma: Tensor | None,
        beta: Tensor | None,
        eps: float,
        slope: float,
    ) -> tuple[Tensor, ...]:
        kernels, n, c = _kernels(), len(x), len(weight)
        pixels, w = x.detach().float().contiguous().reshape(-1), weight.detach().double().reshape(c, 9)
        shift = torch.zeros(c, dtype=torch.float64) if bias is None else bias.detach().double()
        moments: tuple[Tensor, ...] = ()
        own, offset, found = w, shift, (shift, shift)
        if gamma is not None and beta is not None:
            first, second = torch.empty(9, dtype=torch.float64), torch.empty(9, 9, dtype=torch.float64)
            kernels.moments(array(pixels), n, array(first), array(second))
            first, second = first / (n * SIZE * SIZE), second / (n * SIZE * SIZE)
            mean = w @ first
            var = ((w @ (second - first.outer(first))) * w).sum(1).clamp_(min=0.0)
            scale = gamma.detach().double() * (var + eps).rsqrt()
            own, offset, found = w * scale[:, None], beta.detach().double() - mean * scale, (mean + shift, var)
            moments = first, second, mean, var
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        z = torch.empty(n, c, SIZE // 2, SIZE // 2, dtype=dtype, memory_format=torch.channels_last)
        where = torch.empty(n * c * kernels.PLANE, dtype=torch.uint8)
        kernels.forward(array(pixels), n, c, array(own.float()), array(offset.float()), slope, flat(z), array(where))
        ctx.save_for_backward(pixels, weight, z, where, *moments, *(() if gamma is None else (gamma,)))
        ctx.eps, ctx.slope, ctx.biased = eps, slope, bias is not None
        outputs = tuple(one.float() for one in found)
        ctx.mark_non_differentiable(*outputs)
        return z, *outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        pixels, weight, z, where, *normed = ctx.saved_tensors
        n, c = z.shape[:2]
        sums = torch.empty(c, 10, dtype=torch.float64)
        own = flat(gradient.contiguous(memory_format=torch.channels_last))
        _kernels().backward(array(pixels), own, flat(z), array(where), n, c, ctx.slope, array(sums))
        taken, total = sums[:, :9], sums[:, 9]
        if not normed:
            return None, taken.float().reshape(weight.shape), total.float() if ctx.biased else None, *[None] * 4
        first, second, mean, var, gamma = normed
        w, inverse = weight.detach().double().reshape(c, 9), (var + ctx.eps).rsqrt()
        d_gamma = inverse * ((w * taken).sum(1) - mean * total)
        # The sum of the normed map with each of the nine pixels, over its count.
        along = inverse[:, None] * (w @ second - mean[:, None] * first)
        d_weight = taken - total[:, None] * first - d_gamma[:, None] * along
        d_weight *= (gamma.detach().double() * inverse)[:, None]
        d_bias = torch.zeros(c) if ctx.biased else None  # a norm takes every shift away
        d_norm = d_gamma.float(), total.float()
        return None, d_weight.float().reshape(weight.shape), d_bias, *d_norm, None, None
