"""From light to grey values: exposure and contrast, blur, sensor noise and blocky compression."""

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.drawn.factors import Factors
from kpbench.faces.drawn.soft_shapes import Pixels, column, mix, smooth
from kpbench.faces.faces import SIZE

_BLOCK = 8
"""Width of a block of the compression."""


def soften_outline(picture: Pixels, head: NDArray[np.bool_]) -> Pixels:
    """The picture with the stairs along the head's outline smoothed; `head` says which pixels (B, H, W) show it."""
    part = smooth(smooth(head.astype(np.float32), 0.7, 1), 0.7, 2)
    return mix(picture, smooth(smooth(picture, 0.7, 1), 0.7, 2), np.minimum(part * (1 - part) * 5, 1))


def photograph(light: Pixels, factors: Factors, noise: Pixels) -> NDArray[np.uint8]:
    """Grey values (B, 96, 96) of the light from each pixel; `noise` (B, 96, 96) has unit sd."""
    names = ("blur", "motion", "contrast", "noise", "compression")
    factor = {name: column(factors[name].astype(np.float64)) for name in names}
    side = np.sqrt(factor["blur"] ** 2 + factor["motion"] ** 2)
    seen = smooth(smooth(light, factor["blur"], 1, reach=7), side, 2, reach=7)
    # The square root stands for a display's gamma; the level follows the middle of the picture, as a camera's does.
    tone = np.sqrt(np.maximum(seen, np.float32(0)))
    level = np.ascontiguousarray(tone[:, 20:84, 20:76]).astype(np.float64).mean(axis=(1, 2))
    gain = 0.42 * (1 + factors["exposure"].astype(np.float64)) / (0.35 * 0.42 + 0.65 * level)
    tone = (tone * column(gain) - np.float32(0.4)) * factor["contrast"] + np.float32(0.4)
    if "sharpen" in factors:  # of version 3
        tone = _processed(tone, factors)
    grey = _compressed(tone * np.float32(255) + noise * factor["noise"], factor["compression"])
    return np.asarray(np.rint(np.clip(grey, 0, 255)).astype(np.uint8))


def _processed(tone: Pixels, factors: Factors) -> Pixels:
    """Tones 0..1 as a video camera makes them: edges raised above their surroundings, and a curve over the greys."""
    sharpen, curve = (column(factors[name].astype(np.float64)) for name in ("sharpen", "curve"))
    tone = tone + sharpen * (tone - smooth(smooth(tone, 1.6, 1), 1.6, 2))
    tone = np.clip(tone, np.float32(0), np.float32(1))
    return np.asarray(tone + curve * tone * (1 - tone))


def _cosines() -> Pixels:
    """The orthonormal cosine transform of 8 points that JPEG uses, (8, 8)."""
    k, i = np.arange(_BLOCK)[:, None], np.arange(_BLOCK)[None, :]
    basis = np.cos(np.pi * (2 * i + 1) * k / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis, dtype=np.float32)


def _along(basis: Pixels, values: Pixels, axis: int) -> Pixels:
    """The basis (8, 8) applied along one axis of length 8, as a plain sum."""
    shape = [1] * values.ndim
    shape[axis] = _BLOCK
    total: Pixels = np.take(values, [0], axis=axis) * basis[:, 0].reshape(shape)
    for i in range(1, _BLOCK):
        total += np.take(values, [i], axis=axis) * basis[:, i].reshape(shape)
    return total


def _compressed(picture: Pixels, strength: Pixels) -> Pixels:
    """Grey values 0..255 whose 8 x 8 blocks are rounded in the cosine domain, high frequencies more."""
    basis, n, across = _cosines(), len(picture), SIZE // _BLOCK
    blocks = picture.reshape(n, across, _BLOCK, across, _BLOCK)
    spectrum = _along(basis, _along(basis, blocks, 2), 4)
    order = np.arange(_BLOCK, dtype=np.float32)
    coarse = (4.8 + 5.1 * (order[:, None] + order[None, :]))[None, None, :, None, :]
    step = np.maximum(strength[:, :, :, None, None] * coarse, np.float32(0.5))
    spectrum = np.rint(spectrum / step) * step
    return _along(basis.T, _along(basis.T, spectrum, 2), 4).reshape(n, SIZE, SIZE)
