"""The floor: what is reached without a network, scored officially beside the study's cells."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve
from torch import Tensor, nn

from kpbench.faces.faces import Faces
from kpbench.task.benchmark import Coordinates
from kpbench.task.scorer import batched_mse

PENALTIES = (1e2, 1e3, 1e4, 1e5)
"""Ridge penalties tried on the validation split, for pixels in 0..1."""


class MeanFace(nn.Module):
    """Predicts the training faces' mean keypoints for every picture: what a score is worth that sees nothing."""

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", target.mean(dim=0).reshape(1, -1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 96, 96) -> (N, 30)."""
        mean: Tensor = self.get_buffer("mean")
        return mean.expand(len(x), -1)


def floors(train: Faces, val: Faces, coordinates: Coordinates) -> Iterator[tuple[str, nn.Module]]:
    """Each method of the floor, fitted: the mean face, and ridge regression on pixels (penalty chosen on val).

    Training faces that lack a label are left out, so that the floor is the same with and without them.
    """
    complete = np.isfinite(train.keypoints).all(axis=(1, 2))
    pictures, target = _arrays(train if complete.all() else train.take(np.flatnonzero(complete)), coordinates)
    val_pictures, val_target = _arrays(val, coordinates)
    yield "mean face", MeanFace(torch.tensor(target, dtype=torch.float32))
    tried = (_linear(*found) for found in _ridges(pictures, target))
    images = torch.tensor(val_pictures, dtype=torch.float32).reshape(-1, *val.images.shape[1:])
    truth = torch.tensor(val_target, dtype=torch.float32).reshape(len(val), -1, 2)
    yield "ridge on pixels", min(tried, key=lambda model: batched_mse(model, images, truth))


def _arrays(faces: Faces, c: Coordinates) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pictures = faces.images.reshape(len(faces), -1) / c.image_divisor
    return pictures, (faces.keypoints.reshape(len(faces), -1).astype(np.float64) - c.centre) / c.scale


def _ridges(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Weights (F, 30) and bias (30,) of ridge regression with an unpenalised bias, for each of `PENALTIES`.

    Solved in the smaller of the two spaces: W = X'(XX' + p I)^-1 Y = (X'X + p I)^-1 X'Y on centred data. The product,
    which all penalties share, is nearly all of the work.
    """
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    few = len(x) <= x.shape[1]
    product, right = (x @ x.T, y) if few else (x.T @ x, x.T @ y)
    for penalty in PENALTIES:
        solved = solve(product + penalty * np.eye(len(product)), right, assume_a="pos")
        weights = x.T @ solved if few else solved
        yield weights, y_mean - x_mean @ weights


def _linear(weights: NDArray[np.float64], bias: NDArray[np.float64]) -> nn.Module:
    linear = nn.Linear(*weights.shape)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(weights.T))
        linear.bias.copy_(torch.tensor(bias))
    return nn.Sequential(nn.Flatten(), linear)
