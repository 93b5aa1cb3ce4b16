"""What else than the official score a trained network is measured by: single faces, shifted ones, another data set."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from kpbench.errors import UsageError
from kpbench.faces.faces import SIZE, Faces
from kpbench.task.benchmark import Coordinates
from kpbench.training.predict import predict

Measure = Callable[[nn.Module, Faces], Mapping[str, float]]
"""From a network and the test faces to MSE in the task's coordinates, by the name of what was measured.

It may be called in another process.
"""

SHIFTS = (0, 2, 4, 6, 8)
"""Pixels by which faces are shifted where families are compared."""

WAYS = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""Right, left, down, up: x then y."""


def squared_errors(network: nn.Module, faces: Faces, coordinates: Coordinates) -> NDArray[np.float64]:
    """Squared errors of every coordinate, (N, 15, 2) in the task's coordinates; their mean is the MSE."""
    predicted = predict(network, faces, coordinates).astype(np.float64)
    return np.square((predicted - faces.keypoints) / coordinates.scale)


def shifted(faces: Faces, dx: int, dy: int) -> Faces:
    """The faces moved right by `dx` and down by `dy` whole pixels, keypoints with them; edges are repeated.

    Raises:
        ValueError: a shift of a whole picture or more.
    """
    if max(abs(dx), abs(dy)) >= SIZE:
        raise ValueError(f"a shift of ({dx}, {dy}) leaves nothing of the face")
    rows = np.clip(np.arange(SIZE) - dy, 0, SIZE - 1)
    columns = np.clip(np.arange(SIZE) - dx, 0, SIZE - 1)
    moved = faces.keypoints + np.array([dx, dy], np.float32)
    return Faces(np.ascontiguousarray(faces.images[:, :, rows][:, :, :, columns]), moved, faces.subjects)


def under_shifts(shifts: Sequence[int], coordinates: Coordinates) -> Measure:
    """`shift S` for each of `shifts`: MSE over the faces moved by S pixels in the four directions.

    Raises:
        UsageError: a shift that is no number of pixels from 0 to a quarter of the picture.
    """
    for shift in shifts:
        if not 0 <= shift <= SIZE // 4:
            raise UsageError(f"--shifts must lie between 0 and {SIZE // 4} pixels, got {shift}")

    return partial(_shifted_mse, tuple(shifts), coordinates)


def _shifted_mse(shifts: Sequence[int], coordinates: Coordinates, network: nn.Module, test: Faces) -> dict[str, float]:
    found = {}
    for shift in shifts:
        faces = (shifted(test, shift * x, shift * y) for x, y in (WAYS if shift else WAYS[:1]))
        found[f"shift {shift}"] = float(np.mean([squared_errors(network, one, coordinates).mean() for one in faces]))
    return found


def elsewhere(name: str, faces: Faces, coordinates: Coordinates) -> Measure:
    """`val of NAME`: MSE over the faces of another data set, which the network was not trained on."""
    return partial(_mse_elsewhere, name, faces, coordinates)


def _mse_elsewhere(
    name: str, faces: Faces, coordinates: Coordinates, network: nn.Module, test: Faces
) -> dict[str, float]:
    return {f"val of {name}": float(squared_errors(network, faces, coordinates).mean())}
