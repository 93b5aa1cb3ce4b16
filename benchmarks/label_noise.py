"""How far the labels of nearly the same pictures lie apart: `python benchmarks/label_noise.py FACES`.

Frames of one moment show one face twice, labelled twice. Each such pair of a split is registered by its pixels alone
(shift, size and rotation that make the correlation largest), and the labels of one frame are carried to the other. Half
the mean square of what is left is the variance of one label, as far as the two do not share their errors; true changes
between the frames count with it. A network that knew all but this part would have the score of this variance. One line
a split and least correlation, with a 95 % bootstrap interval over the pairs. No test split is opened.
"""

import argparse
import json
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import kpbench
from kpbench.faces.faces import SIZE, Faces
from kpbench.statistics.resampling import resampled
from kpbench.task.benchmark import read_benchmark
from kpbench.task.score import score_from_mse

ALIKE = 0.9
"""Correlation of pictures of a quarter of the size from which on they are registered."""

BLURS = ((9, 150, 0.01), (5, 100, 0.01), (3, 100, 0.003), (3, 50, 0.001))
"""From coarse to fine: pixels that are averaged, steps of Adam, and its rate."""

LEAST = (0.95, 0.97, 0.98, 0.99)
"""Correlations after registration from which on pairs are counted."""


def pairs(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Indices of the pairs that are alike as they are, (P, 2)."""
    small = F.avg_pool2d(torch.tensor(images).float(), 4).flatten(1).numpy()
    alike = np.triu(np.corrcoef(small), k=1)
    return np.argwhere(alike > ALIKE)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Of (P, 1, 96, 96) pictures, without their edge, (P,)."""
    a, b = (x[:, 0, 8:-8, 8:-8].flatten(1) for x in (a, b))
    return F.cosine_similarity(a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True))


def registered(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Where one picture's pixels lie in the other, in units of half a picture, (P, 2, 3), and their likeness, (P,)."""
    a, b = (torch.tensor(x).float() / 255 for x in (one, other))
    moves = torch.zeros(len(a), 4, requires_grad=True)  # log size, angle, shift along x and y

    def matrices() -> Tensor:
        cos, sin = (part * moves[:, 0].exp() for part in (moves[:, 1].cos(), moves[:, 1].sin()))
        rows = torch.stack([cos, -sin, moves[:, 2]], dim=1), torch.stack([sin, cos, moves[:, 3]], dim=1)
        return torch.stack(rows, dim=1)

    found = torch.zeros(len(a))
    adam = torch.optim.Adam([moves])
    for width, steps, rate in BLURS:
        adam.param_groups[0]["lr"] = rate
        x, y = (F.avg_pool2d(picture, width, 1, width // 2, count_include_pad=False) for picture in (a, b))
        for _ in range(steps):
            grid = F.affine_grid(matrices(), list(a.shape), align_corners=False)
            found = _correlation(x, F.grid_sample(y, grid, padding_mode="border", align_corners=False))
            adam.zero_grad()
            (-found.sum()).backward()
            adam.step()
    return matrices().detach(), found.detach()


def apart(faces: Faces, pair: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each pair, how alike it is, (P,), and the distance of its labels along x and y, (P, 15, 2) pixels."""
    one, other = pair.T
    matrices, alike = registered(faces.images[one], faces.images[other])
    places = torch.tensor((faces.keypoints[one] + 0.5) / (SIZE / 2) - 1)
    carried = ((places @ matrices[:, :, :2].mT + matrices[:, None, :, 2] + 1) * (SIZE / 2) - 0.5).numpy()
    return alike.numpy().astype(float), carried.astype(float) - faces.keypoints[other]


def rows(name: str, faces: Faces) -> Iterator[dict[str, object]]:
    """One line a least correlation that three pairs or more have."""
    scale = read_benchmark().coordinates.scale
    alike, away = apart(faces, pairs(faces.images))
    for least in LEAST:
        mse = np.square(away[alike >= least]).mean(axis=(1, 2)) / 2
        if len(mse) >= 3:
            mean = resampled(mse.tolist())
            score, low, high = (round(score_from_mse(v / scale**2)) for v in (mean.value, mean.high, mean.low))
            pixels = round(mean.value**0.5, 2)
            yield {
                "split": name,
                "alike": least,
                "pairs": len(mse),
                "px": pixels,
                "score": score,
                "interval": [low, high],
            }


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("faces")
    torch.set_num_threads(1)
    splits = kpbench.load_faces(words.parse_args().faces)
    for split, its_faces in (("train", splits.train), ("val", splits.val)):
        for row in rows(split, its_faces):
            print(json.dumps(row), flush=True)
