"""The fused block's passes on a CUDA card, in Triton, which comes with torch there.

The same functions as in `kernels`: maps lie in memory as (N, H, W, C), H and W are even, and a program has a tile of
windows by channels. Sums are taken in two stages, a part of each program and then over parts in float64, never by
atomic additions, so that a result is the same each time.
"""

import triton
import triton.language as tl


@triton.jit
def _tile(n, out_w, channels, block_p: tl.constexpr, block_c: tl.constexpr):
    """Of a program's windows and channels: which exist, where each window lies in the quarter map and in the map."""
    p = tl.program_id(0).to(tl.int64) * block_p + tl.arange(0, block_p)
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    inside = (p < n)[:, None] & (c < channels)[None, :]
    quarter = p[:, None] * channels + c[None, :]
    corner = (4 * (p // out_w) * out_w + 2 * (p % out_w))[:, None] * channels + c[None, :]
    return c, inside, quarter, corner


@triton.jit
def pool(
    y, gamma, pooled, where, parts, n, out_w, channels, pivot_at, slope,
    norm: tl.constexpr, block_p: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """The greatest of each window, the least where gamma is negative, and sums for the statistics around a pivot."""
    c, inside, quarter, corner = _tile(n, out_w, channels, block_p, block_c)
    known = c < channels
    sign = tl.full([block_c], 1.0, tl.float32)
    pivot = tl.zeros([block_c], tl.float32)
    if norm:
        sign = tl.where(tl.load(gamma + c, mask=known, other=1.0) < 0, -1.0, 1.0)
        pivot = tl.load(y + pivot_at * channels + c, mask=known, other=0.0).to(tl.float32)
    best = tl.full([block_p, block_c], float("-inf"), tl.float32)
    place = tl.zeros([block_p, block_c], tl.int32)
    total = tl.zeros([block_p, block_c], tl.float32)
    squares = tl.zeros([block_p, block_c], tl.float32)
    for k in tl.static_range(4):
        value = tl.load(y + corner + ((k // 2) * 2 * out_w + k % 2) * channels, mask=inside, other=0.0).to(tl.float32)
        signed = value * sign[None, :]
        better = (signed > best) | (signed != signed)  # NaN is passed on
        best = tl.where(better, signed, best)
        place = tl.where(better, k, place)
        if norm:
            away = tl.where(inside, value - pivot[None, :], 0.0)
            total += away
            squares += away * away
    if norm:
        part = parts + tl.program_id(0) * 2 * channels + c
        tl.store(part, tl.sum(total, axis=0), mask=known)
        tl.store(part + channels, tl.sum(squares, axis=0), mask=known)
        best = best * sign[None, :]
    else:
        best = tl.where(best < 0, best * slope, best)
    tl.store(pooled + quarter, best, mask=inside)
    tl.store(where + quarter, place, mask=inside)


@triton.jit
def _summed(parts, n_parts, channels, c, known, block_r: tl.constexpr, block_c: tl.constexpr):
    """Both sums of each channel over the parts."""
    first = tl.zeros([block_c], tl.float64)
    second = tl.zeros([block_c], tl.float64)
    start = 0
    while start < n_parts:  # not range(): its interpreter and numpy 2.4 do not agree on it
        row = start + tl.arange(0, block_r)
        at = (row * 2 * channels)[:, None] + c[None, :]
        inside = (row < n_parts)[:, None] & known[None, :]
        one = tl.load(parts + at, mask=inside, other=0.0)
        other = tl.load(parts + at + channels, mask=inside, other=0.0)
        first += tl.sum(one.to(tl.float64), axis=0)
        second += tl.sum(other.to(tl.float64), axis=0)
        start += block_r
    return first, second


@triton.jit
def _track(mean, var, running_mean, running_var, at, known, momentum, unbiased):
    """Moves running statistics towards those of a batch."""
    kept = tl.load(running_mean + at, mask=known, other=0.0)
    tl.store(running_mean + at, kept + momentum * (mean - kept), mask=known)
    kept = tl.load(running_var + at, mask=known, other=0.0)
    tl.store(running_var + at, kept + momentum * (var * unbiased - kept), mask=known)


@triton.jit
def statistics(
    y, gamma, beta, parts, out, running_mean, running_var, batches, momentum, unbiased,
    n_parts, count, channels, pivot_at, eps, block_r: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Out, (4, C): mean, 1 / deviation, and the affine map that a norm is, scale and shift. Moves the running ones."""
    c = tl.program_id(0) * block_c + tl.arange(0, block_c)
    known = c < channels
    first, second = _summed(parts, n_parts, channels, c, known, block_r, block_c)
    first, second = first / count, second / count
    pivot = tl.load(y + pivot_at * channels + c, mask=known, other=0.0).to(tl.float64)
    mean = (pivot + first).to(tl.float32)
    var = (second - first * first).to(tl.float32)
    var = tl.where(var < 0, 0.0, var)
    inverse = 1.0 / tl.sqrt(var + eps)
    scale = tl.load(gamma + c, mask=known, other=0.0) * inverse
    shift = tl.load(beta + c, mask=known, other=0.0) - mean * scale
    tl.store(out + c, mean, mask=known)
    tl.store(out + channels + c, inverse, mask=known)
    tl.store(out + 2 * channels + c, scale, mask=known)
    tl.store(out + 3 * channels + c, shift, mask=known)
    _track(mean, var, running_mean, running_var, c, known, momentum, unbiased)
    if tl.program_id(0) == 0:
        tl.store(batches, tl.load(batches) + 1)


@triton.jit
def affine_act(pooled, statistics, z, n, channels, slope, block_p: tl.constexpr, block_c: tl.constexpr):
    """The norm as its affine map, and the activation, of the quarter map."""
    c, inside, quarter, _ = _tile(n, 1, channels, block_p, block_c)
    known = c < channels
    scale = tl.load(statistics + 2 * channels + c, mask=known, other=0.0)
    shift = tl.load(statistics + 3 * channels + c, mask=known, other=0.0)
    value = tl.load(pooled + quarter, mask=inside, other=0.0).to(tl.float32) * scale[None, :] + shift[None, :]
    tl.store(z + quarter, tl.where(value < 0, value * slope, value), mask=inside)


@triton.jit
def _back_through_act(gradient, z, quarter, inside, slope):
    own = tl.load(gradient + quarter, mask=inside, other=0.0).to(tl.float32)
    taken = tl.load(z + quarter, mask=inside, other=0.0)
    return tl.where(taken > 0, own, own * slope)


@triton.jit
def sums_backward(
    gradient, z, pooled, statistics, parts, n, channels, slope, block_p: tl.constexpr, block_c: tl.constexpr
):
    """Parts of the sums of g and of g (p - mean), g the gradient at the norm's output."""
    c, inside, quarter, _ = _tile(n, 1, channels, block_p, block_c)
    known = c < channels
    mean = tl.load(statistics + c, mask=known, other=0.0)
    own = _back_through_act(gradient, z, quarter, inside, slope)
    away = tl.load(pooled + quarter, mask=inside, other=0.0).to(tl.float32) - mean[None, :]
    part = parts + tl.program_id(0) * 2 * channels + c
    tl.store(part, tl.sum(own, axis=0), mask=known)
    tl.store(part + channels, tl.sum(tl.where(inside, own * away, 0.0), axis=0), mask=known)


@triton.jit
def terms(parts, statistics, out, n_parts, count, channels, block_r: tl.constexpr, block_c: tl.constexpr):
    """Out, (4, C): gradients of beta and gamma, and what the backward pass subtracts, constant and by distance."""
    c = tl.program_id(0) * block_c + tl.arange(0, block_c)
    known = c < channels
    inverse = tl.load(statistics + channels + c, mask=known, other=0.0)
    scale = tl.load(statistics + 2 * channels + c, mask=known, other=0.0)
    first, second = _summed(parts, n_parts, channels, c, known, block_r, block_c)
    d_beta, d_gamma = first.to(tl.float32), second.to(tl.float32) * inverse
    tl.store(out + c, d_beta, mask=known)
    tl.store(out + channels + c, d_gamma, mask=known)
    tl.store(out + 2 * channels + c, scale * d_beta / count, mask=known)
    tl.store(out + 3 * channels + c, scale * inverse * d_gamma / count, mask=known)


@triton.jit
def pool_backward(
    gradient, z, where, y, statistics, terms, out, n, out_w, channels, slope,
    norm: tl.constexpr, block_p: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """The gradient at the map, written once: from the window's greatest, and by the statistics from all of it."""
    c, inside, quarter, corner = _tile(n, out_w, channels, block_p, block_c)
    known = c < channels
    own = _back_through_act(gradient, z, quarter, inside, slope)
    place = tl.load(where + quarter, mask=inside, other=0).to(tl.int32)
    if norm:
        mean = tl.load(statistics + c, mask=known, other=0.0)
        own = own * tl.load(statistics + 2 * channels + c, mask=known, other=0.0)[None, :]
        constant = tl.load(terms + 2 * channels + c, mask=known, other=0.0)
        by_distance = tl.load(terms + 3 * channels + c, mask=known, other=0.0)
    for k in tl.static_range(4):
        at = corner + ((k // 2) * 2 * out_w + k % 2) * channels
        found = tl.where(place == k, own, 0.0)
        if norm:
            away = tl.load(y + at, mask=inside, other=0.0).to(tl.float32) - mean[None, :]
            found = found - constant[None, :] - away * by_distance[None, :]
        tl.store(out + at, found, mask=inside)


@triton.jit
def each(
    y, gamma, beta, z, where, mean_out, var_out, running_mean, running_var, batches, momentum, unbiased,
    n, out_h, out_w, channels, eps, slope, block_n: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """Norm of single activations, pooling and activation of one window of all faces; parameters lie as (H, W, C).

    Moves the running statistics.
    """
    window = tl.program_id(0)
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    face = tl.arange(0, block_n).to(tl.int64)
    known = c < channels
    inside = (face < n)[:, None] & known[None, :]
    row, column = window // out_w, window % out_w
    best = tl.full([block_n, block_c], float("-inf"), tl.float32)
    place = tl.zeros([block_n, block_c], tl.int32)
    for k in tl.static_range(4):
        at = ((2 * row + k // 2) * 2 * out_w + 2 * column + k % 2) * channels + c
        faces = face[:, None] * (4 * out_h * out_w * channels)
        value = tl.load(y + faces + at[None, :], mask=inside, other=0.0).to(tl.float32)
        mean = tl.sum(value, axis=0) / n
        away = tl.where(inside, value - mean[None, :], 0.0)
        var = tl.sum(away * away, axis=0) / n
        scale = tl.load(gamma + at, mask=known, other=0.0) / tl.sqrt(var + eps)
        normed = away * scale[None, :] + tl.load(beta + at, mask=known, other=0.0)[None, :]
        better = (normed > best) | (normed != normed)
        best = tl.where(better, normed, best)
        place = tl.where(better, k, place)
        tl.store(mean_out + at, mean, mask=known)
        tl.store(var_out + at, var, mask=known)
        _track(mean, var, running_mean, running_var, at, known, momentum, unbiased)
    quarter = (face[:, None] * (out_h * out_w) + window) * channels + c[None, :]
    tl.store(z + quarter, tl.where(best < 0, best * slope, best), mask=inside)
    tl.store(where + quarter, place, mask=inside)
    if (window == 0) & (tl.program_id(1) == 0):
        tl.store(batches, tl.load(batches) + 1)


@triton.jit
def each_backward(
    gradient, z, where, y, gamma, mean_in, var_in, d_gamma, d_beta, out, n, out_h, out_w, channels, eps, slope,
    block_n: tl.constexpr, block_c: tl.constexpr,
):  # fmt: skip
    """The backward pass of `each`, of one window of all faces."""
    window = tl.program_id(0)
    c = tl.program_id(1) * block_c + tl.arange(0, block_c)
    face = tl.arange(0, block_n).to(tl.int64)
    known = c < channels
    inside = (face < n)[:, None] & known[None, :]
    row, column = window // out_w, window % out_w
    quarter = (face[:, None] * (out_h * out_w) + window) * channels + c[None, :]
    own = _back_through_act(gradient, z, quarter, inside, slope)
    place = tl.load(where + quarter, mask=inside, other=0).to(tl.int32)
    for k in tl.static_range(4):
        at = ((2 * row + k // 2) * 2 * out_w + 2 * column + k % 2) * channels + c
        faces = face[:, None] * (4 * out_h * out_w * channels)
        inverse = 1.0 / tl.sqrt(tl.load(var_in + at, mask=known, other=1.0) + eps)
        mean = tl.load(mean_in + at, mask=known, other=0.0)
        value = tl.load(y + faces + at[None, :], mask=inside, other=0.0).to(tl.float32)
        normed = tl.where(inside, (value - mean[None, :]) * inverse[None, :], 0.0)
        here = tl.where(place == k, own, 0.0)
        of_beta, of_gamma = tl.sum(here, axis=0), tl.sum(here * normed, axis=0)
        scale = tl.load(gamma + at, mask=known, other=0.0) * inverse
        found = (here - of_beta[None, :] / n - normed * of_gamma[None, :] / n) * scale[None, :]
        tl.store(out + faces + at[None, :], found, mask=inside)
        tl.store(d_beta + at, of_beta, mask=known)
        tl.store(d_gamma + at, of_gamma, mask=known)
