"""Pictures that look alike: perceptual hashes to find candidates, correlation of the shifted pictures to confirm."""

from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

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

_ROUGHLY = 0.15
"""How far below `LEAST_CORRELATION` a pair's correlation at half the resolution may lie to be looked at closer."""

_BLOCK = 1024

_ONES = np.array([byte.bit_count() for byte in range(256)], dtype=np.uint8)


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


def hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The 64-bit perceptual hash (`imagehash.phash`) of each picture (N, H, W), as (N,) whole numbers."""
    bits = [imagehash.phash(Image.fromarray(image)).hash.ravel() for image in images]
    return np.packbits(np.array(bits, dtype=bool).reshape(-1, 64), axis=1).view(np.uint64).ravel()


def near(left: NDArray[np.uint64], right: NDArray[np.uint64], *, bits: int = NEAR_BITS) -> NDArray[np.intp]:
    """Distance, a and b, (3, M), of the pairs a < b with `left[a]` and `right[b]` at most `bits` apart, nearest first.

    All pairs are compared, a block of rows at a time.
    """
    blocks = [np.empty((3, 0), np.intp)]
    for start in range(0, len(left), _BLOCK):
        for other in range(start, len(right), _BLOCK):
            words = left[start : start + _BLOCK, None] ^ right[None, other : other + _BLOCK]
            apart = _ONES[words.view(np.uint8).reshape(*words.shape, 8)].sum(axis=2, dtype=np.uint8)
            a, b = np.nonzero(apart <= bits)
            blocks.append(np.stack([apart[a, b].astype(np.intp), a + start, b + other]))
    found = np.concatenate(blocks, axis=1)
    found = found[:, found[1] < found[2]]
    return found[:, np.argsort(found[0], kind="stable")]


def band(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture (H, W) without its fine noise and without its light: differences of Gaussians of sd 1 and 8 px."""
    grey = image.astype(np.float32)
    return np.asarray(gaussian_filter(grey, 1.0) - gaussian_filter(grey, 8.0))


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


def alike(images: NDArray[np.uint8], *, most: int = MOST_CANDIDATES) -> tuple[list[Pair], int]:
    """The pairs of pictures (N, H, W) that show the same, mirrored or not, nearest hashes first.

    Returns:
        The pairs, and how many candidates were left unlooked at because there were more than `most`.
    """
    plain, turned = hashes(images), hashes(images[:, :, ::-1])
    candidates = np.concatenate([straight := near(plain, plain), near(plain, turned)], axis=1)
    bands: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    pairs: dict[tuple[int, int], Pair] = {}
    for found in np.argsort(candidates[0], kind="stable")[:most].tolist():
        mirrored = found >= straight.shape[1]
        bits, one, other = candidates[:, found].tolist()
        for at in (one, other):
            if at not in bands:
                fine = band(images[at])
                bands[at] = fine, fine.reshape(len(fine) // 2, 2, -1, 2).mean(axis=(1, 3))
        turn = slice(None, None, -1 if mirrored else 1)
        rough = match(bands[one][1], bands[other][1][:, turn], reach=(REACH + 1) // 2)[0]
        if rough < LEAST_CORRELATION - _ROUGHLY:
            continue
        correlation, shift = match(bands[one][0], bands[other][0][:, turn])
        if correlation >= LEAST_CORRELATION and (one, other) not in pairs:
            pairs[one, other] = Pair(one, other, bits, correlation, shift, mirrored)
    return list(pairs.values()), max(candidates.shape[1] - most, 0)
