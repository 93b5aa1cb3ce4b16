"""Faces pasted on larger pictures at known places, and the points that a model has there."""

from pathlib import Path

import numpy as np
from PIL import Image

from kpbench.faces.faces import SIZE, Faces


def pasted(image: np.ndarray, box: tuple[int, int, int], *, size: tuple[int, int] = (480, 640)) -> np.ndarray:
    """A picture (H, W) uint8 of smooth noise with a face (96, 96) at left, top, side."""
    left, top, side = box
    rng = np.random.default_rng(left + 1000 * top)
    noise = Image.fromarray(rng.integers(0, 256, (9, 12), dtype=np.uint8)).resize(size[::-1], Image.Resampling.BICUBIC)
    noise.paste(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), (left, top))
    return np.array(noise)


def places(n: int, *, smallest: int = SIZE, largest: int = 300, seed: int = 0) -> list[tuple[int, int, int]]:
    """Left, top and side of `n` faces on a picture of 640 x 480 pixels."""
    rng = np.random.default_rng(seed)
    sides = rng.integers(smallest, largest + 1, n)
    return [(int(rng.integers(0, 640 - side)), int(rng.integers(0, 480 - side)), int(side)) for side in sides]


def on_picture(points: np.ndarray, box: tuple[float, float, float]) -> np.ndarray:
    """Where points (15, 2) of a 96x96 face lie on the picture that it was pasted on: both count from pixel centres."""
    left, top, side = box
    return (points + 0.5) * side / SIZE + np.array([left, top]) - 0.5


def save_pasted(folder: Path, faces: Faces, boxes: list[tuple[int, int, int]]) -> list[Path]:
    """A PNG a face, numbered from 1 without zeros in front."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"frame{i + 1}.png" for i in range(len(boxes))]
    for path, image, box in zip(paths, faces.images[:, 0], boxes, strict=False):
        Image.fromarray(pasted(image, box)).save(path)
    return paths
