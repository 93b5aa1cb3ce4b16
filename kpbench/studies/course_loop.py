"""The training loop that a course hands out, as the yardstick of speed: pixels parsed item by item, fp32, no layout."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from kpbench.faces.faces import KEYPOINTS, SIZE

WIDTHS = (16, 32, 64, 128)


class CsvFaces(Dataset[dict[str, Tensor]]):
    """Faces as the course's CSV holds them: a string of 9,216 grey values a row, parsed when the item is asked for."""

    def __init__(self, n: int) -> None:
        rng = np.random.default_rng(0)
        self._pixels = [" ".join(map(str, row)) for row in rng.integers(0, 256, (n, SIZE * SIZE))]
        self._keypoints = rng.uniform(0, SIZE, (n, len(KEYPOINTS), 2)).astype(np.float32)

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        image = np.array(self._pixels[index].split(), dtype=np.float32).reshape(1, SIZE, SIZE) / 255
        return {"image": torch.from_numpy(image), "keypoints": torch.from_numpy((self._keypoints[index] - 48) / 48)}


def course_epochs(n: int, device: torch.device, *, batch_size: int = 32) -> Iterator[None]:
    """Trains conv - batch norm - ReLU - pool, four times, and a head, on n faces; one item an epoch, without end."""
    layers: list[nn.Module] = []
    for channels, width in zip((1, *WIDTHS), WIDTHS, strict=False):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(WIDTHS[-1] * 36, 128), nn.ReLU(), nn.Linear(128, 2 * len(KEYPOINTS))]
    network = nn.Sequential(*layers, *head).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loader = DataLoader(CsvFaces(n), batch_size=batch_size, shuffle=True)
    while True:
        for batch in loader:
            predicted = network(batch["image"].to(device))
            loss = F.mse_loss(predicted, batch["keypoints"].to(device).flatten(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield
