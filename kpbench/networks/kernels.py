"""Compiled passes over activation maps for the fused block, on one core. The only module that imports numba.

A map is (N, H, W, C) in memory (channels_last), flat, either float32 or bfloat16 as its 16 bits (uint16). Each loop
runs over a whole row without a branch and over few arrays, which is what the compiler turns into vector instructions.
The place of a window's greatest value is a code: 0 and 1 in its upper row, 2 and 3 in the lower.

Numba compiles a function anew when its own file has changed, but not when that of a function which it calls has: so all
but the passes for pictures (`picture_kernels.py`) are in one file.
"""

from functools import partial
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from kpbench.networks.maps import LONGEST

U8, U32, U64, F32 = np.uint8, np.uint32, np.uint64, np.float32

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]
Map = NDArray[Any]


def compiled(function: Any, **more: Any) -> Any:
    """The function compiled at its first call and kept on the disk; in this process alone where no folder takes it."""
    options = {"nogil": True, "error_model": "numpy", **more}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder, nor the user's cache can be written
        return numba.njit(**options)(function)


def wide(stored: Any) -> Any:
    """A stored value as float32."""


def thin(value: Any, into: Map) -> Any:
    """A float32 as `into` stores it, rounded to nearest even for bfloat16; NaN stays NaN."""


@overload(wide)
def _wide(stored: Any) -> Any:
    def bits(stored: Any) -> Any:
        return U32(U32(stored) << U32(16)).view(F32)

    def same(stored: Any) -> Any:
        return stored

    return bits if stored == types.uint16 else same


@overload(thin)
def _thin(value: Any, into: Any) -> Any:
    def bits(value: Any, into: Any) -> Any:
        u = F32(value).view(U32)
        rounded = U32(U32(u + U32(0x7FFF)) + U32(U32(u >> U32(16)) & U32(1))) >> U32(16)
        return U32(0x7FC0) if value != value else rounded

    def same(value: Any, into: Any) -> Any:
        return value

    return bits if into.dtype == types.uint16 else same


@compiled
def widen(source: Map, into: Floats) -> None:
    """Copies a row to float32."""
    for j in range(into.size):
        into[j] = wide(source[j])


@compiled
def narrow(source: Floats, into: Map) -> None:
    """Copies a row from float32."""
    for j in range(into.size):
        into[j] = thin(source[j], into)


@compiled
def _read(y: Map, i: int, r: int, h: int, into: Floats) -> None:
    """Row r of picture i, of h rows each, as float32."""
    at = (i * h + r) * into.size
    widen(y[at : at + into.size], into)


@compiled
def _write(values: Floats, y: Map, i: int, r: int, h: int) -> None:
    at = (i * h + r) * values.size
    narrow(values, y[at : at + values.size])


L = U64(LONGEST)
"""Parts of a work space lie at distances that the compiler knows: one loop vectorises over all of them."""

UPPER, UPPER_ODD, LOWER, LOWER_ODD = U64(0), L, U64(2) * L, U64(3) * L
"""A row of windows' values by their place in it: of upper and lower rows, even and odd columns."""

PIVOT, FLIP, FIRST, SECOND, MOST = (U64(part) * L for part in range(4, 9))
"""The rest of a work space on the way forward."""

TAKEN, SCALE, CONSTANT, LINEAR, MEAN = (U64(part) * L for part in range(4, 9))
"""The same on the way back."""


@compiled
def _scatter(values: Floats, where: Codes, windows: int, c: int, upper: Floats, lower: Floats) -> None:
    """Each window's value at its place in the two rows, zero at its other places."""
    zero = F32(0)
    for x in range(U64(windows)):
        for half, row in ((U8(0), upper), (U8(2), lower)):
            for k in range(U64(c)):
                j = x * U64(c) + k
                row[x * U64(2 * c) + k] = values[j] if where[j] == half else zero
            for k in range(U64(c)):
                j = x * U64(c) + k
                row[x * U64(2 * c) + U64(c) + k] = values[j] if where[j] == half + U8(1) else zero


@compiled
def _outside(r: int, h: int, windows: int) -> int:
    """The column from which on values of row r are in no window."""
    return 0 if r + 1 == h and h % 2 else 2 * windows


@compiled
def _apart(y: Map, at: int, windows: int, c: int, even: Floats, odd: Floats) -> None:
    """The even columns of the row that begins there, and the odd ones."""
    row = y[at : at + 2 * windows * c]
    for x in range(U64(windows)):
        for k in range(U64(c)):
            even[x * U64(c) + k] = wide(row[x * U64(2 * c) + k])
        for k in range(U64(c)):
            odd[x * U64(c) + k] = wide(row[x * U64(2 * c) + U64(c) + k])


@compiled
def _together(even: Floats, odd: Floats, windows: int, c: int, out: Map, at: int) -> None:
    """The other way round."""
    row = out[at : at + 2 * windows * c]
    for x in range(U64(windows)):
        for k in range(U64(c)):
            row[x * U64(2 * c) + k] = thin(even[x * U64(c) + k], row)
        for k in range(U64(c)):
            row[x * U64(2 * c) + U64(c) + k] = thin(odd[x * U64(c) + k], row)


@partial(compiled, fastmath={"contract"})
def _sum_and_pool(work: Floats, count: int, where: Codes) -> None:
    """Adds up a row of windows, and finds the greatest of each and its place; the first of equals, NaN before all."""
    zero, one, two, three = U8(0), U8(1), U8(2), U8(3)
    for j in range(U64(count)):
        p, q, r, s = work[j + UPPER], work[j + UPPER_ODD], work[j + LOWER], work[j + LOWER_ODD]
        pivot, flip = work[j + PIVOT], work[j + FLIP]
        dp, dq, dr, ds = p - pivot, q - pivot, r - pivot, s - pivot
        work[j + FIRST] += dp + dq + dr + ds
        work[j + SECOND] += dp * dp + dq * dq + dr * dr + ds * ds
        p, q, r, s = p * flip, q * flip, r * flip, s * flip
        right, lower_right = (q > p) | (q != q), (s > r) | (s != s)
        upper, upper_code = q if right else p, one if right else zero
        lower, lower_code = s if lower_right else r, three if lower_right else two
        under = (lower > upper) | (lower != lower)
        most = lower if under else upper
        work[j + MOST] = most * flip
        where[j] = lower_code if under else upper_code


@compiled
def pool_and_sum(
    y: Map, n: int, h: int, w: int, c: int, sign: Floats, pivot: Floats, pooled: Map, where: Codes, sums: NDArray[Any]
) -> None:
    """One pass over `y`: the greatest of each window (the least where `sign` is -1), and the sums for its statistics.

    Args:
        y: (n, h, w, c); `pooled` and `where`: (n, h // 2, w // 2, c), written.
        sign, pivot: (c,).
        sums: float64 (2, c), written: of y - pivot and of its square; float32 within a picture's windows.
    """
    windows = w // 2
    count, work = windows * c, np.empty(9 * LONGEST, F32)
    even, odd = work[:count], work[UPPER_ODD : UPPER_ODD + U64(count)]
    lower, lower_odd = work[LOWER : LOWER + U64(count)], work[LOWER_ODD : LOWER_ODD + U64(count)]
    pivots, flips = work[PIVOT : PIVOT + U64(count)], work[FLIP : FLIP + U64(count)]
    first, second = work[FIRST : FIRST + U64(count)], work[SECOND : SECOND + U64(count)]
    most = work[MOST : MOST + U64(count)]
    for x in range(windows):
        pivots[x * c : (x + 1) * c] = pivot
        flips[x * c : (x + 1) * c] = sign
    sums[:] = 0.0
    for i in range(n):
        first[:] = 0.0
        second[:] = 0.0
        for r in range(h):
            at = (i * h + r) * w * c
            for x in range(_outside(r, h, windows), w):
                for k in range(c):
                    v = wide(y[at + x * c + k]) - pivot[k]
                    sums[0, k] += v
                    sums[1, k] += v * v
            if r % 2 == 0:
                _apart(y, at, windows, c, even, odd)
                continue
            _apart(y, at, windows, c, lower, lower_odd)
            to = (i * (h // 2) + r // 2) * count
            _sum_and_pool(work, count, where[to : to + count])
            narrow(most, pooled[to : to + count])
        for x in range(windows):
            for k in range(c):
                sums[0, k] += first[x * c + k]
                sums[1, k] += second[x * c + k]


@compiled
def affine_act(pooled: Map, c: int, scale: Floats, shift: Floats, slope: float, z: Map, row: int) -> None:
    """z = act(scale * pooled + shift) by channel; rows of `row` values, a multiple of c."""
    scales, shifts, value, leak = np.empty(row, F32), np.empty(row, F32), np.empty(row, F32), F32(slope)
    for x in range(row // c):
        scales[x * c : (x + 1) * c] = scale
        shifts[x * c : (x + 1) * c] = shift
    for at in range(0, pooled.size, row):
        widen(pooled[at : at + row], value)
        for j in range(row):
            v = value[j] * scales[j] + shifts[j]
            value[j] = v * leak if v <= 0 else v
        narrow(value, z[at : at + row])


@compiled
def _through_act(gradient: Map, z: Map, slope: np.float32, out: Floats, work: Floats) -> None:
    widen(gradient, out)
    widen(z, work)
    for j in range(out.size):
        out[j] = out[j] * slope if work[j] <= 0 else out[j]


@compiled
def sums_backward(
    gradient: Map, z: Map, pooled: Map, c: int, mean: Floats, slope: float, sums: NDArray[Any], row: int
) -> None:
    """float64 (2, c), written to `sums`: of the gradient before the activation, and of it times pooled - mean."""
    means, value, work, leak = np.empty(row, F32), np.empty(row, F32), np.empty(row, F32), F32(slope)
    first, second = np.empty(row, F32), np.empty(row, F32)
    for x in range(row // c):
        means[x * c : (x + 1) * c] = mean
    sums[:] = 0.0
    done, most = 0, 64 * row  # float32 sums of at most 64 rows
    while done < z.size:
        end = min(done + most, z.size)
        first[:] = 0.0
        second[:] = 0.0
        for at in range(done, end, row):
            _through_act(gradient[at : at + row], z[at : at + row], leak, value, work)
            widen(pooled[at : at + row], work)
            for j in range(row):
                first[j] += value[j]
                second[j] += value[j] * (work[j] - means[j])
        for x in range(row // c):
            for k in range(c):
                sums[0, k] += first[x * c + k]
                sums[1, k] += second[x * c + k]
        done = end


@partial(compiled, fastmath={"contract"})
def _give_back(work: Floats, count: int, where: Codes) -> None:
    """The gradients of a row of windows, in place of its values."""
    zero = F32(0)
    for j in range(U64(count)):
        taken, place = work[j + TAKEN] * work[j + SCALE], where[j]
        constant, linear, mean = work[j + CONSTANT], work[j + LINEAR], work[j + MEAN]
        p, q, r, s = work[j + UPPER], work[j + UPPER_ODD], work[j + LOWER], work[j + LOWER_ODD]
        work[j + UPPER] = (taken if place == U8(0) else zero) - constant - linear * (p - mean)
        work[j + UPPER_ODD] = (taken if place == U8(1) else zero) - constant - linear * (q - mean)
        work[j + LOWER] = (taken if place == U8(2) else zero) - constant - linear * (r - mean)
        work[j + LOWER_ODD] = (taken if place == U8(3) else zero) - constant - linear * (s - mean)


@compiled
def pool_backward(
    gradient: Map,
    z: Map,
    where: Codes,
    y: Map,
    n: int,
    h: int,
    w: int,
    c: int,
    scale: Floats,
    constant: Floats,
    linear: Floats,
    mean: Floats,
    slope: float,
    normed: bool,
    out: Map,
) -> None:
    """The gradient of y: scale * (that of its window where y was taken) - constant - linear * (y - mean), by channel.

    Where `normed` is false y is not read and counts as zero. A last row or column that no window has gets the other
    terms alone.
    """
    windows, leak = w // 2, F32(slope)
    count, work, own = windows * c, np.empty(9 * LONGEST, F32), np.empty(windows * c, F32)
    even, odd = work[:count], work[UPPER_ODD : UPPER_ODD + U64(count)]
    lower, lower_odd = work[LOWER : LOWER + U64(count)], work[LOWER_ODD : LOWER_ODD + U64(count)]
    taken = work[TAKEN : TAKEN + U64(count)]
    if not normed:
        work[: U64(4) * L] = 0.0  # what is left there by the row above meets a slope of 0
    for part, values in ((SCALE, scale), (CONSTANT, constant), (LINEAR, linear), (MEAN, mean)):
        for x in range(windows):
            work[part + U64(x * c) : part + U64((x + 1) * c)] = values
    for i in range(n):
        for r in range(h):
            at = (i * h + r) * w * c
            for x in range(_outside(r, h, windows), w):
                for k in range(c):
                    place = at + x * c + k
                    out[place] = thin(
                        -constant[k] - linear[k] * ((wide(y[place]) if normed else F32(0)) - mean[k]), out
                    )
            if r % 2 == 0:
                continue
            if normed:
                _apart(y, at - w * c, windows, c, even, odd)
                _apart(y, at, windows, c, lower, lower_odd)
            of = (i * (h // 2) + r // 2) * count
            _through_act(gradient[of : of + count], z[of : of + count], leak, taken, own)
            _give_back(work, count, where[of : of + count])
            _together(even, odd, windows, c, out, at - w * c)
            _together(lower, lower_odd, windows, c, out, at)


@compiled
def each_norm_pool_act(
    y: Map,
    n: int,
    h: int,
    w: int,
    c: int,
    gamma: Floats,
    beta: Floats,
    eps: float,
    slope: float,
    mean: Floats,
    var: Floats,
    z: Map,
    where: Codes,
) -> None:
    """Per-activation batch norm, pooling and activation, two rows of all pictures at a time so that they stay in cache.

    Args:
        gamma, beta: (h * w * c,); `mean` and the biased `var` are written, as are z and where.
    """
    row, windows, leak, share = w * c, (w // 2) * c, F32(slope), F32(1 / n)
    rows, scale = np.empty((n, 2, row), F32), np.empty((2, row), F32)
    work, ends = np.zeros(9 * LONGEST, F32), U64(windows)
    work[FLIP : FLIP + ends] = F32(1)
    even, odd, value = work[:windows], work[UPPER_ODD : UPPER_ODD + ends], work[MOST : MOST + ends]
    lower, lower_odd = work[LOWER : LOWER + ends], work[LOWER_ODD : LOWER_ODD + ends]
    for r in range(0, h, 2):
        for half in range(min(2, h - r)):
            part = slice((r + half) * row, (r + half + 1) * row)
            means, variances, gammas, scales = mean[part], var[part], gamma[part], scale[half]
            means[:] = 0.0
            variances[:] = 0.0
            for i in range(n):
                one = rows[i, half]
                _read(y, i, r + half, h, one)
                for j in range(row):
                    means[j] += one[j]
            for j in range(row):
                means[j] *= share
            for i in range(n):
                one = rows[i, half]
                for j in range(row):
                    one[j] -= means[j]
                    variances[j] += one[j] * one[j]
            for j in range(row):
                variances[j] *= share
                scales[j] = gammas[j] / np.sqrt(variances[j] + F32(eps))
        if r + 1 == h:
            break
        for i in range(n):
            for half in range(2):
                one, scales = rows[i, half], scale[half]
                betas = beta[(r + half) * row : (r + half + 1) * row]
                for j in range(row):
                    one[j] = one[j] * scales[j] + betas[j]
            _apart(rows[i, 0], 0, w // 2, c, even, odd)
            _apart(rows[i, 1], 0, w // 2, c, lower, lower_odd)
            to = (i * (h // 2) + r // 2) * windows
            _sum_and_pool(work, windows, where[to : to + windows])
            for j in range(windows):
                value[j] = value[j] * leak if value[j] <= 0 else value[j]
            narrow(value, z[to : to + windows])


@compiled
def each_backward(
    gradient: Map,
    z: Map,
    where: Codes,
    y: Map,
    n: int,
    h: int,
    w: int,
    c: int,
    gamma: Floats,
    mean: Floats,
    var: Floats,
    eps: float,
    slope: float,
    d_gamma: Floats,
    d_beta: Floats,
    out: Map,
) -> None:
    """Gradients of `each_norm_pool_act` for y, gamma and beta, by rows of all pictures; all three are written.

    A last row that no window has gets the gradient zero.
    """
    row, windows, leak, share = w * c, (w // 2) * c, F32(slope), F32(1 / n)
    inner, work, value = np.empty(windows, F32), np.empty(windows, F32), np.empty(row, F32)
    rows, inverse, given = np.empty((n, 2, row), F32), np.empty((2, row), F32), np.zeros((2, row), F32)
    d_gamma[:] = 0.0
    d_beta[:] = 0.0
    for r in range(0, h - 1, 2):
        for half in range(2):
            inverses, variances = inverse[half], var[(r + half) * row : (r + half + 1) * row]
            for j in range(row):
                inverses[j] = F32(1) / np.sqrt(variances[j] + F32(eps))
        for again in range(2):
            for i in range(n):
                at = (i * (h // 2) + r // 2) * windows
                _through_act(gradient[at : at + windows], z[at : at + windows], leak, inner, work)
                _scatter(inner, where[at : at + windows], w // 2, c, given[0], given[1])
                for half in range(2):
                    part = slice((r + half) * row, (r + half + 1) * row)
                    total, along, inverses, taken = d_beta[part], d_gamma[part], inverse[half], given[half]
                    one, means, gammas = rows[i, half], mean[part], gamma[part]
                    if again == 0:
                        _read(y, i, r + half, h, one)
                        for j in range(row):
                            one[j] = (one[j] - means[j]) * inverses[j]
                            total[j] += taken[j]
                            along[j] += taken[j] * one[j]
                    else:
                        for j in range(row):
                            rest = (total[j] + one[j] * along[j]) * share
                            value[j] = gammas[j] * inverses[j] * (taken[j] - rest)
                        _write(value, out, i, r + half, h)
    if h % 2:
        value[:] = 0.0
        for i in range(n):
            _write(value, out, i, h - 1, h)
