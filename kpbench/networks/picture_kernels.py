"""Compiled passes for the first block: a 3x3 convolution of grey pictures, pooling and activation, on one core.

The convolution's map, the largest of a network, is never written. Windows are computed 48 at a time for one channel:
the picture, with a border of zeros, lies in four planes by the parity of row and column (`_split`), in which the 16
pixels that a window sees are at fixed distances from its place. A plane has 49 columns; what is computed for the last,
which no window has, counts for nothing.

`kernels.narrow` and `kernels.widen` are compiled into these functions, and numba does not notice when they change.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.faces import SIZE
from kpbench.networks.kernels import F32, U8, U64, Codes, Floats, Map, compiled, narrow, widen

WINDOWS = SIZE // 2
COLUMNS = WINDOWS + 1
PLANE = WINDOWS * COLUMNS
"""Values of a channel's windows in work space, a column too many a row."""

PHASE = COLUMNS * COLUMNS + COLUMNS + 7
PITCH = SIZE + 2

SUMS = {"contract", "reassoc", "nsz"}
"""What the compiler may do to add in vectors: several sums beside each other, in an order of its own."""

Doubles = NDArray[np.float64]


def _at(i: int, j: int) -> np.uint64:
    """Where pixel (i, j) of the 4x4 that a window sees lies, from the window's own place."""
    return U64(PHASE * (2 * (i % 2) + j % 2) + COLUMNS * (i // 2) + j // 2)


A0, A1, A2, A3 = (_at(0, j) for j in range(4))
B0, B1, B2, B3 = (_at(1, j) for j in range(4))
C0, C1, C2, C3 = (_at(2, j) for j in range(4))
D0, D1, D2, D3 = (_at(3, j) for j in range(4))


@compiled
def _split(x: Floats, i: int, planes: Floats) -> None:
    """Puts picture i in its planes, whose border is zero."""
    for r in range(SIZE):
        q = r + 1
        begin = PHASE * 2 * (q % 2) + COLUMNS * (q // 2)
        row = x[(i * SIZE + r) * SIZE : (i * SIZE + r + 1) * SIZE]
        even, odd = planes[begin + 1 : begin + COLUMNS], planes[begin + PHASE : begin + PHASE + WINDOWS]
        for j in range(WINDOWS):
            odd[j] = row[U64(2) * U64(j)]
            even[j] = row[U64(2) * U64(j) + U64(1)]


@partial(compiled, fastmath={"contract"})
def _windows(f: Floats, w: Floats, bias: np.float32, slope: np.float32, value: Floats, code: Codes) -> None:
    """Activation of the greatest of each window of one channel, and its place; the first of equals, NaN before all."""
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    zero, one, two, three = U8(0), U8(1), U8(2), U8(3)
    for x in range(U64(PLANE)):
        a0, a1, a2, a3 = f[x + A0], f[x + A1], f[x + A2], f[x + A3]
        b0, b1, b2, b3 = f[x + B0], f[x + B1], f[x + B2], f[x + B3]
        c0, c1, c2, c3 = f[x + C0], f[x + C1], f[x + C2], f[x + C3]
        d0, d1, d2, d3 = f[x + D0], f[x + D1], f[x + D2], f[x + D3]
        p = bias + w0 * a0 + w1 * a1 + w2 * a2 + w3 * b0 + w4 * b1 + w5 * b2 + w6 * c0 + w7 * c1 + w8 * c2
        q = bias + w0 * a1 + w1 * a2 + w2 * a3 + w3 * b1 + w4 * b2 + w5 * b3 + w6 * c1 + w7 * c2 + w8 * c3
        r = bias + w0 * b0 + w1 * b1 + w2 * b2 + w3 * c0 + w4 * c1 + w5 * c2 + w6 * d0 + w7 * d1 + w8 * d2
        s = bias + w0 * b1 + w1 * b2 + w2 * b3 + w3 * c1 + w4 * c2 + w5 * c3 + w6 * d1 + w7 * d2 + w8 * d3
        right, lower_right = (q > p) | (q != q), (s > r) | (s != s)
        upper, upper_code = q if right else p, one if right else zero
        lower, lower_code = s if lower_right else r, three if lower_right else two
        under = (lower > upper) | (lower != lower)
        most = lower if under else upper
        value[x] = most * slope if most <= 0 else most
        code[x] = lower_code if under else upper_code


@compiled
def forward(x: Floats, n: int, c: int, weight: Floats, bias: Floats, slope: float, z: Map, where: Codes) -> None:
    """z = act(maxpool(conv(x))), and the place of each window's greatest.

    Args:
        x: (n, SIZE, SIZE); weight: (c, 9); bias: (c,).
        z: (n, WINDOWS, WINDOWS, c), written; where: (n, c, PLANE), written.
    """
    planes, value, line = np.zeros(4 * PHASE, F32), np.empty((c, PLANE), F32), np.empty(WINDOWS * c, F32)
    for i in range(n):
        _split(x, i, planes)
        for k in range(c):
            to = (i * c + k) * PLANE
            _windows(planes, weight[k], bias[k], F32(slope), value[k], where[to : to + PLANE])
        for r in range(WINDOWS):
            for k in range(c):
                own, into = value[k], line[k:]
                for j in range(U64(WINDOWS)):
                    into[j * U64(c)] = own[U64(r * COLUMNS) + j]
            to = (i * WINDOWS + r) * WINDOWS * c
            narrow(line, z[to : to + WINDOWS * c])


@partial(compiled, fastmath=SUMS)
def _pull(f: Floats, t: Floats, code: Codes, sums: Doubles) -> None:
    """Adds, over the windows of one channel, t times each of the nine pixels at the window's greatest, and t."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = zero = F32(0)
    for x in range(U64(PLANE)):
        g, place = t[x], code[x]
        p = g if place == U8(0) else zero
        q = g if place == U8(1) else zero
        r = g if place == U8(2) else zero
        s = g if place == U8(3) else zero
        a0, a1, a2, a3 = f[x + A0], f[x + A1], f[x + A2], f[x + A3]
        b0, b1, b2, b3 = f[x + B0], f[x + B1], f[x + B2], f[x + B3]
        c0, c1, c2, c3 = f[x + C0], f[x + C1], f[x + C2], f[x + C3]
        d0, d1, d2, d3 = f[x + D0], f[x + D1], f[x + D2], f[x + D3]
        s0 += p * a0 + q * a1 + r * b0 + s * b1
        s1 += p * a1 + q * a2 + r * b1 + s * b2
        s2 += p * a2 + q * a3 + r * b2 + s * b3
        s3 += p * b0 + q * b1 + r * c0 + s * c1
        s4 += p * b1 + q * b2 + r * c1 + s * c2
        s5 += p * b2 + q * b3 + r * c2 + s * c3
        s6 += p * c0 + q * c1 + r * d0 + s * d1
        s7 += p * c1 + q * c2 + r * d1 + s * d2
        s8 += p * c2 + q * c3 + r * d2 + s * d3
        s9 += g
    for k, total in enumerate((s0, s1, s2, s3, s4, s5, s6, s7, s8, s9)):
        sums[k] += total


@compiled
def backward(x: Floats, gradient: Map, z: Map, where: Codes, n: int, c: int, slope: float, sums: Doubles) -> None:
    """What reaches the places that pooling took: its sums with the nine pixels there, and its sum, for each channel.

    Args:
        gradient, z: as `forward` writes z.
        sums: (c, 10), written.
    """
    planes, t, leak = np.zeros(4 * PHASE, F32), np.zeros((c, PLANE), F32), F32(slope)
    line, work = np.empty(WINDOWS * c, F32), np.empty(WINDOWS * c, F32)
    sums[:] = 0.0
    for i in range(n):
        _split(x, i, planes)
        for r in range(WINDOWS):
            at = (i * WINDOWS + r) * WINDOWS * c
            widen(gradient[at : at + WINDOWS * c], line)
            widen(z[at : at + WINDOWS * c], work)
            for j in range(WINDOWS * c):
                line[j] = line[j] * leak if work[j] <= 0 else line[j]
            for k in range(c):
                own, source = t[k], line[k:]
                for j in range(U64(WINDOWS)):
                    own[U64(r * COLUMNS) + j] = source[j * U64(c)]
        for k in range(c):
            at = (i * c + k) * PLANE
            _pull(planes, t[k], where[at : at + PLANE], sums[k])


@partial(compiled, fastmath=SUMS)
def _dots(u: Floats, inside: Floats, a: Floats, b: Floats, c: Floats, d: Floats, e: Floats, sums: Doubles) -> None:
    """Adds the products of u, where it is inside, with five others to `sums`, and its sum."""
    s0 = s1 = s2 = s3 = s4 = s5 = F32(0)
    for x in range(U64(SIZE * PITCH)):
        v = u[x] * inside[x]
        s0 += v * a[x]
        s1 += v * b[x]
        s2 += v * c[x]
        s3 += v * d[x]
        s4 += v * e[x]
        s5 += v
    for k, total in enumerate((s0, s1, s2, s3, s4, s5)):
        sums[k] += total


@compiled
def moments(x: Floats, n: int, first: Doubles, second: Doubles) -> None:
    """Sums over all places of all pictures of the nine pixels that a place sees, and of their products.

    Args:
        first: (9,), written; second: (9, 9), written.
    """
    padded, inside = np.zeros((SIZE + 2) * PITCH + 8, F32), np.zeros(SIZE * PITCH, F32)
    for r in range(SIZE):
        inside[r * PITCH : r * PITCH + SIZE] = F32(1)
    sums = np.zeros((9, 6))
    for i in range(n):
        for r in range(SIZE):
            begin = (r + 1) * PITCH + 1
            padded[begin : begin + SIZE] = x[(i * SIZE + r) * SIZE : (i * SIZE + r + 1) * SIZE]
        for k in range(9):
            a, b, c, d = (k + 1) % 9, (k + 2) % 9, (k + 3) % 9, (k + 4) % 9
            own = padded[k // 3 * PITCH + k % 3 :]
            b0, b1 = padded[a // 3 * PITCH + a % 3 :], padded[b // 3 * PITCH + b % 3 :]
            b2, b3 = padded[c // 3 * PITCH + c % 3 :], padded[d // 3 * PITCH + d % 3 :]
            _dots(own, inside, own, b0, b1, b2, b3, sums[k])
    for k in range(9):  # each pair once: nine is odd
        first[k] = sums[k, 5]
        for m in range(5):
            second[k, (k + m) % 9] = second[(k + m) % 9, k] = sums[k, m]
