"""The camera: tone follows light, blur and compression lose detail, noise adds it."""

import numpy as np

from kpbench.faces.drawn.camera import photograph, soften_outline

PLAIN = {"blur": 0.3, "motion": 0.0, "contrast": 1.0, "noise": 0.0, "compression": 0.0, "exposure": 0.0}


def taken(light: np.ndarray, grain: np.ndarray | None = None, **changed: float) -> np.ndarray:
    factors = {name: np.array([value]) for name, value in (PLAIN | changed).items()}
    still = np.zeros((1, 96, 96), np.float32) if grain is None else grain
    return photograph(light, factors, still)[0].astype(float)


def stripes() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.2 + 0.15 * rng.random((1, 96, 96))).astype(np.float32)


def test_more_light_is_brighter_and_more_contrast_spreads() -> None:
    step = np.where(np.arange(96) < 48, 0.1, 0.4).astype(np.float32) * np.ones((1, 96, 96), np.float32)
    picture = taken(step)
    assert picture[:, 60].mean() > picture[:, 30].mean() + 20
    assert taken(step, contrast=0.5).std() < 0.6 * picture.std()
    assert taken(step, exposure=0.5).mean() > picture.mean() + 15


def test_blur_and_compression_lose_detail_and_noise_adds_it() -> None:
    sharp = taken(stripes())
    assert taken(stripes(), blur=1.5).std() < 0.5 * sharp.std()
    assert taken(stripes(), compression=1.0).std() < 0.8 * sharp.std()
    noise = np.random.default_rng(1).standard_normal((1, 96, 96)).astype(np.float32)
    even = np.full((1, 96, 96), 0.2, np.float32)
    assert 4 < taken(even, noise, noise=5.0).std() < 6


def test_motion_blurs_sideways_only() -> None:
    moved = taken(stripes(), motion=2.0)
    assert np.abs(np.diff(moved, axis=1)).mean() < 0.5 * np.abs(np.diff(moved, axis=0)).mean()


def test_softening_changes_only_the_outline() -> None:
    light = stripes()
    head = np.zeros((1, 96, 96), bool)
    head[:, :, 40:] = True
    changed = soften_outline(light, head) != light
    assert changed[:, :, 39:41].mean() > 0.9
    assert not changed[:, :, :35].any()
    assert not changed[:, :, 45:].any()
