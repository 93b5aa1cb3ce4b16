"""Pictures that look alike: perceptual hashes to find candidates, correlation of the shifted pictures to confirm."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import imagehash
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet
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

_BLOCK, _BITS, _AT_ONCE = 1024, 64, 256


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
    found = np.zeros(len(images), dtype=np.bool_)
    some = images[:, ::8]
    share = some.shape[1] / images.shape[1]
    for start in range(0, len(images), _BLOCK):
        block = some[start : start + _BLOCK]
        # The variance of all pixels is at least that of some, times their share: most pictures are told by these.
        unsure = block.reshape(len(block), -1).var(axis=1) * share <= ALMOST_CONSTANT**2
        for at in (start + np.flatnonzero(unsure)).tolist():
            found[at] = images[at].std() < ALMOST_CONSTANT
    return found


def equal_groups(things: Iterable[bytes], *, least: int = 1) -> list[list[int]]:
    """Indices of equal things, groups of at least `least`, in order of first appearance."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for at, thing in enumerate(things):
        found[thing].append(at)
    return [group for group in found.values() if len(group) >= least]


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


def bands(images: NDArray[np.uint8], step: int) -> NDArray[np.float32]:
    """Pictures (M, N, N) as (M, N / step, N / step) without their fine noise and without their light.

    These are differences of Gaussians of sd 1 and 8 px, each mean of `step` by `step` pixels one. A filter is a
    product with a matrix, and one of all pictures at once: many times faster than one by one.
    """
    size = images.shape[1] // step
    found = np.zeros((len(images), size, size), np.float32)
    for sd, sign in ((1.0, 1), (8.0, -1)):
        matrix = _gaussian(images.shape[1], sd, step)
        rows = images.reshape(-1, images.shape[1]).astype(np.float32) @ matrix.T
        columns = rows.reshape(len(images), -1, size).transpose(0, 2, 1).reshape(-1, images.shape[1]) @ matrix.T
        found += sign * columns.reshape(len(images), size, size).transpose(0, 2, 1)
    return found


@cache
def _gaussian(size: int, sd: float, step: int) -> NDArray[np.float32]:
    """(size / step, size): the matrix that filters a column and takes means of `step` pixels."""
    whole = gaussian_filter1d(np.eye(size), sd, axis=0)
    return np.asarray(whole.reshape(-1, step, size).mean(axis=1), dtype=np.float32)


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
    """Pictures (N, H, W) and the pairs of them, mirrored or not, whose hashes are near, the nearest first.

    Attributes:
        half: (N, H / 2, W / 2), the bands in half the resolution of the pictures that are in a pair.
    """

    images: NDArray[np.uint8]
    found: NDArray[np.intp]
    mirrored: NDArray[np.bool_]
    half: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.mirrored)

    def confirmed(self, places: Sequence[int]) -> Iterator[Pair]:
        """Of the candidates at some places the pairs whose pixels agree; looked at in half the resolution first."""
        likely = []
        for at in places:
            (one, other), turn = self.found[1:, at].tolist(), slice(None, None, -1 if self.mirrored[at] else 1)
            roughly, _ = match(self.half[one], self.half[other][:, turn], reach=(REACH + 1) // 2)
            if roughly >= LEAST_CORRELATION - _ROUGHLY:
                likely.append((at, one, other, turn))
        pictures = np.unique([(one, other) for _, one, other, _ in likely])
        fine = dict(zip(pictures.tolist(), bands(self.images[pictures], 1), strict=True)) if likely else {}
        for at, one, other, turn in likely:
            correlation, shift = match(fine[one], fine[other][:, turn])
            if correlation >= LEAST_CORRELATION:
                yield Pair(one, other, int(self.found[0, at]), correlation, shift, bool(self.mirrored[at]))


def candidates(images: NDArray[np.uint8]) -> Candidates:
    """The pairs of pictures (N, H, W) that may show the same."""
    plain, turned = hashes(images), hashes(images[:, :, ::-1])
    straight, across = near(plain, plain), near(plain, turned)
    found = np.concatenate([straight, across], axis=1)
    order = np.argsort(found[0], kind="stable")
    half = np.zeros((len(images), images.shape[1] // 2, images.shape[2] // 2), np.float32)
    paired = np.unique(found[1:])
    for start in range(0, len(paired), _BLOCK):
        block = paired[start : start + _BLOCK]
        half[block] = bands(images[block], 2)
    return Candidates(images, found[:, order], order >= straight.shape[1], half)


def alike(images: NDArray[np.uint8], *, most: int = MOST_CANDIDATES) -> tuple[list[Pair], int]:
    """The pairs of pictures (N, H, W) that show the same, mirrored or not, nearest hashes first.

    Returns:
        The pairs, and how many candidates were left unlooked at because there were more than `most`.
    """
    found = candidates(images)
    pairs: dict[tuple[int, int], Pair] = {}
    for start in range(0, min(len(found), most), _AT_ONCE):
        for pair in found.confirmed(range(start, min(start + _AT_ONCE, len(found), most))):
            pairs.setdefault((pair.a, pair.b), pair)
    return list(pairs.values()), max(len(found) - most, 0)


def groups_alike(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """(N,): of each picture the first that shows the same, itself or over others between them.

    Pairs whose pictures are in one group already are not compared, and of the others at most `MOST_CANDIDATES` are.
    """
    found, groups, left = candidates(images), DisjointSet(range(len(images))), MOST_CANDIDATES
    for start in range(0, len(found), _AT_ONCE):
        block = range(start, min(start + _AT_ONCE, len(found)))
        apart = [at for at in block if not groups.connected(*found.found[1:, at].tolist())][:left]
        left -= len(apart)
        for pair in found.confirmed(apart):
            groups.merge(pair.a, pair.b)
    first = np.empty(len(images), dtype=np.intp)
    for group in groups.subsets():
        first[list(group)] = min(group)
    return first
