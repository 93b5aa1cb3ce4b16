"""Pictures that look alike: perceptual hashes to find candidates, correlation of the shifted pictures to confirm."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import imagehash
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter1d

NEAR_BITS = 10
"""Bits of 64 in which the hashes of a picture and its copy differ at most.

Measured on 150 real and 150 built-in faces: JPEG of quality 20, +30 grey levels, contrast 0.6, blur of 1 px, half the
resolution and noise of sd 8 each leave 95 % of the copies within 4 bits, a shift of 2 px within 10, gamma 0.6 within
10 all. Of pairs of real faces of different people 1 in 10,000 is as near; `LEAST_CORRELATION` sorts these out.
"""

LEAST_CORRELATION = 0.92
"""Least correlation of the band-passed pictures of a pair.

Measured: the copies above reach 0.95 and more, whatever was done to them. Different people that the hash takes for
alike reach at most 0.75 on real faces (71 pairs) and 0.82 on built-in ones (1,436 pairs), mirrored ones 0.76 and 0.88.
A copy turned by 3 degrees or enlarged by 5 % stays below 0.92 in most cases and is not found.
"""

REACH = 3
"""Pixels by which a copy may be shifted in x and in y."""

MOST_CANDIDATES = 20_000
"""Pairs compared by pixels, those with the nearest hashes first; a second of work is about 2,000."""

ALMOST_CONSTANT = 6.0
"""Standard deviation of the grey values; the palest of 2,140 real faces has 10.9, of the built-in ones 12.8."""

_ROUGHLY = 0.15
"""How far below `LEAST_CORRELATION` a pair's correlation at half the resolution may lie to be looked at closer."""

_BLOCK, _BITS = 1024, 64


@dataclass(frozen=True)
class Pair:
    """Two pictures that show the same, `a` < `b`.

    Attributes:
        bits: in how many of 64 their hashes differ.
        correlation: of the band-passed pictures at the best shift.
        shift: (x, y) in pixels from where something is in `a` to where it is in `b` (mirrored first if `mirrored`).
    """

    a: int
    b: int
    bits: int
    correlation: float
    shift: tuple[int, int]
    mirrored: bool


def flat(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(N,) whether pictures (N, H, W) are so nearly of one grey that they look like any other such picture."""
    return np.asarray(images.reshape(len(images), -1).std(axis=1) < ALMOST_CONSTANT)


def hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The 64-bit perceptual hash (`imagehash.phash`) of each picture (N, H, W), as (N,) whole numbers."""
    bits = [imagehash.phash(Image.fromarray(image)).hash.ravel() for image in images]
    return np.packbits(np.array(bits, dtype=bool).reshape(-1, 64), axis=1).view(np.uint64).ravel()


def near(left: NDArray[np.uint64], right: NDArray[np.uint64], *, bits: int = NEAR_BITS) -> NDArray[np.intp]:
    """Distance, a and b, (3, M), of the pairs a < b with `left[a]` and `right[b]` at most `bits` apart, nearest first.

    All pairs are compared, a block of rows at a time: a product of matrices of 1 and -1 counts the bits that agree.
    """
    rows, columns = _signs(left), _signs(right)
    blocks = [np.empty((3, 0), np.intp)]
    for start in range(0, len(left), _BLOCK):
        for other in range(start, len(right), _BLOCK):
            agreement = rows[start : start + _BLOCK] @ columns[other : other + _BLOCK].T
            a, b = np.nonzero(agreement >= _BITS - 2 * bits)
            apart = ((_BITS - agreement[a, b]) / 2).astype(np.intp)
            blocks.append(np.stack([apart, a + start, b + other]))
    found = np.concatenate(blocks, axis=1)
    found = found[:, found[1] < found[2]]
    return found[:, np.argsort(found[0], kind="stable")]


def _signs(hashed: NDArray[np.uint64]) -> NDArray[np.float32]:
    """(N, 64): 1 for a bit that is not set, -1 for one that is."""
    return 1 - 2 * np.unpackbits(hashed.view(np.uint8).reshape(-1, 8), axis=1).astype(np.float32)


def band(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture (N, N) without its fine noise and without its light: differences of Gaussians of sd 1 and 8 px."""
    grey = image.astype(np.float32)
    fine, coarse = (_gaussian(len(image), sd) for sd in (1.0, 8.0))
    return np.asarray(fine @ grey @ fine.T - coarse @ grey @ coarse.T)


@cache
def _gaussian(size: int, sd: float) -> NDArray[np.float32]:
    """(size, size): the matrix that filters a column; a product is several times faster than the filter itself."""
    return np.asarray(gaussian_filter1d(np.eye(size), sd, axis=0), dtype=np.float32)


def match(a: NDArray[np.float32], b: NDArray[np.float32], *, reach: int = REACH) -> tuple[float, tuple[int, int]]:
    """The best correlation of the middle of `a` (H, W) with `b` moved by up to `reach` pixels, and that move (x, y)."""
    middle = a[reach : a.shape[0] - reach, reach : a.shape[1] - reach]
    windows = sliding_window_view(b, middle.shape)
    count = np.float32(middle.size)
    own = middle - middle.mean()
    products = np.einsum("ijkl,kl->ij", windows, own)
    sums, squares = windows.sum(axis=(2, 3)), np.einsum("ijkl,ijkl->ij", windows, windows)
    spread = np.sqrt(np.maximum(squares - sums * sums / count, 0) * (own * own).sum())
    found = np.divide(products, spread, out=np.zeros_like(products), where=spread > 0)
    y, x = np.unravel_index(int(found.argmax()), found.shape)
    return float(found[y, x]), (int(x) - reach, int(y) - reach)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pictures (N, H, W) and the pairs of them, mirrored or not, whose hashes are near, the nearest first."""

    images: NDArray[np.uint8]
    found: NDArray[np.intp]
    mirrored: NDArray[np.bool_]
    bands: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.mirrored)

    def __iter__(self) -> Iterator[tuple[int, int, int, bool]]:
        """Bits, `a`, `b` and whether `b` is mirrored, of each."""
        yield from zip(*self.found.tolist(), self.mirrored.tolist(), strict=True)

    def confirm(self, bits: int, one: int, other: int, mirrored: bool) -> Pair | None:
        """The pair, if the pixels of its pictures agree; looked at in half the resolution first."""
        turn = slice(None, None, -1 if mirrored else 1)
        rough = match(self._band(one)[1], self._band(other)[1][:, turn], reach=(REACH + 1) // 2)[0]
        if rough < LEAST_CORRELATION - _ROUGHLY:
            return None
        correlation, shift = match(self._band(one)[0], self._band(other)[0][:, turn])
        return Pair(one, other, bits, correlation, shift, mirrored) if correlation >= LEAST_CORRELATION else None

    def _band(self, at: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if at not in self.bands:
            fine = band(self.images[at])
            self.bands[at] = fine, fine.reshape(len(fine) // 2, 2, -1, 2).mean(axis=(1, 3))
        return self.bands[at]


def candidates(images: NDArray[np.uint8]) -> Candidates:
    """The pairs of pictures (N, H, W) that may show the same."""
    plain, turned = hashes(images), hashes(images[:, :, ::-1])
    straight, across = near(plain, plain), near(plain, turned)
    found = np.concatenate([straight, across], axis=1)
    order = np.argsort(found[0], kind="stable")
    return Candidates(images, found[:, order], order >= straight.shape[1])


def alike(images: NDArray[np.uint8], *, most: int = MOST_CANDIDATES) -> tuple[list[Pair], int]:
    """The pairs of pictures (N, H, W) that show the same, mirrored or not, nearest hashes first.

    Returns:
        The pairs, and how many candidates were left unlooked at because there were more than `most`.
    """
    found = candidates(images)
    pairs: dict[tuple[int, int], Pair] = {}
    for bits, one, other, mirrored in islice(found, most):
        if pair := found.confirm(bits, one, other, mirrored):
            pairs.setdefault((one, other), pair)
    return list(pairs.values()), max(len(found) - most, 0)


def groups_alike(images: NDArray[np.uint8], *, most: int = MOST_CANDIDATES) -> NDArray[np.intp]:
    """(N,): of each picture the first that shows the same, itself or over others between them.

    A pair whose pictures are in one group already is not compared, and of the others at most `most` are.
    """
    found, first = candidates(images), list(range(len(images)))

    def root(at: int) -> int:
        while first[at] != at:
            first[at] = at = first[first[at]]
        return at

    compared = 0
    for bits, one, other, mirrored in found:
        a, b = sorted((root(one), root(other)))
        if a == b:
            continue
        if compared == most:
            break
        compared += 1
        if found.confirm(bits, one, other, mirrored):
            first[b] = a
    return np.array([root(at) for at in range(len(images))], dtype=np.intp)
