"""What a trained network says of faces, and faces as the scorer takes them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from kpbench.faces.faces import Faces
from kpbench.task.benchmark import Coordinates


class Labelled(Dataset[dict[str, Tensor]]):
    """Faces as the scorer takes them: `{"image": (1, 96, 96), "keypoints": (15, 2)}` in the task's coordinates."""

    def __init__(self, faces: Faces, coordinates: Coordinates) -> None:
        self._faces = faces
        self._coordinates = coordinates

    def __len__(self) -> int:
        return len(self._faces)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        c = self._coordinates
        image = torch.tensor(self._faces.images[index], dtype=torch.float32) / c.image_divisor
        return {"image": image, "keypoints": (torch.tensor(self._faces.keypoints[index]) - c.centre) / c.scale}


CACHED = 16
"""Faces of a batch whose maps stay in a CPU's cache: 1.7 times as fast as 256 with the yardstick's network."""


def predict(network: nn.Module, faces: Faces, coordinates: Coordinates) -> NDArray[np.float32]:
    """Predicted keypoints in pixels, (N, 15, 2), of a network on the CPU in eval mode."""
    return predict_images(network, faces.images, coordinates)


def predict_images(network: nn.Module, images: NDArray[np.uint8], coordinates: Coordinates) -> NDArray[np.float32]:
    """As `predict`, of images (N, 1, 96, 96)."""
    pictures = torch.tensor(images, dtype=torch.float32) / coordinates.image_divisor
    with torch.no_grad():
        output = torch.cat([network(batch) for batch in pictures.split(CACHED)])
    points = output.reshape(len(images), -1, 2) * coordinates.scale + coordinates.centre
    return np.asarray(points.numpy(), dtype=np.float32)
