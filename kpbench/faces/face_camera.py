"""From light to grey values: exposure and contrast, blur, sensor noise and blocky compression."""

import numpy as np

from kpbench.faces.face_factors import Factors
from kpbench.faces.faces import SIZE
from kpbench.faces.soft_shapes import Pixels, bump, column

_REACH = 5
_BLOCK = 8


def _blurred(picture: Pixels, sd: Pixels, axis: int) -> Pixels:
    """A bell-shaped blur along one axis, `sd` pixels for each face."""
    padded = np.pad(picture, [(0, 0)] + [(_REACH, _REACH) if a == axis else (0, 0) for a in (1, 2)], mode="edge")
    weights = [bump((np.float32(k) / sd) ** 2) for k in range(_REACH + 1)]
    total = weights[0] + 2 * sum(weights[1:])

    def shifted(k: int) -> Pixels:
        return (
            np.take(padded, range(_REACH + k, _REACH + k + SIZE), axis=axis)
            if False
            else (
                padded[:, _REACH + k : _REACH + k + SIZE] if axis == 1 else padded[:, :, _REACH + k : _REACH + k + SIZE]
            )
        )

    out = shifted(0) * (weights[0] / total)
    for k in range(1, _REACH + 1):
        if (weights[k] > 0).any():
            out += (shifted(k) + shifted(-k)) * (weights[k] / total)
    return out


def _cosines() -> Pixels:
    """The 8-point cosine transform used by JPEG, orthonormal (8, 8)."""
    k, i = np.arange(_BLOCK)[:, None], np.arange(_BLOCK)[None, :]
    basis = np.cos(np.pi * (2 * i + 1) * k / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def _compressed(picture: Pixels, strength: Pixels) -> Pixels:
    """Grey values 0..255 whose 8 x 8 blocks are rounded in the cosine domain, high frequencies more."""
    cosines = _cosines()
    n = len(picture)
    blocks = picture.reshape(n, SIZE // _BLOCK, _BLOCK, SIZE // _BLOCK, _BLOCK)

    def along(basis: Pixels, values: Pixels, axis: int) -> Pixels:
        parts = [np.take(values, [i], axis=axis) for i in range(_BLOCK)]
        shape = [1] * values.ndim
        shape[axis] = _BLOCK
        total = parts[0] * basis[:, 0].reshape(shape)
        for i in range(1, _BLOCK):
            total += parts[i] * basis[:, i].reshape(shape)
        return total

    spectrum = along(cosines, along(cosines, blocks, 2), 4)
    order = np.arange(_BLOCK, dtype=np.float32)
    weight = 3 + 3.2 * (order[:, None] + order[None, :])
    grain = np.maximum(
        strength[:, :, :, None, None] * weight[None, None, :, None, :] * np.float32(1.6), np.float32(0.5)
    )
    spectrum = np.rint(spectrum / grain) * grain
    return along(cosines.T, along(cosines.T, spectrum, 2), 4).reshape(n, SIZE, SIZE)


def photograph(light: Pixels, factors: Factors, noise: Pixels) -> Pixels:
    """Grey values (B, 96, 96), float in 0..255, of the light from each pixel; `noise` has unit sd."""
    sd = column(np.asarray(factors["blur"], float))
    side = column(np.sqrt(np.asarray(factors["blur"], float) ** 2 + np.asarray(factors["motion"], float) ** 2))
    seen = _blurred(_blurred(light, sd, 1), side, 2)
    # The square root stands for the display's gamma; the level is set by the middle of the picture as a camera does.
    tone = np.sqrt(np.maximum(seen, np.float32(0)))
    centre = np.ascontiguousarray(tone[:, 20:84, 20:76]).astype(np.float64).mean(axis=(1, 2))
    exposure = np.asarray(factors["exposure"], float)
    gain = 0.42 * (1 + exposure) / (0.35 * 0.42 + 0.65 * centre)
    tone = tone * column(gain)
    pivot = np.float32(0.4)
    tone = pivot + (tone - pivot) * column(np.asarray(factors["contrast"], float))
    grey = tone * np.float32(255) + noise * column(np.asarray(factors["noise"], float))
    return _compressed(grey, column(np.asarray(factors["compression"], float)))
