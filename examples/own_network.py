"""A network of your own: the exercise's `KeypointModel`, (N, 1, 96, 96) -> (N, 30).

Train it, with final runs on the sealed test and a report:

    kpbench search --network examples/own_network.py:KeypointModel

Vary its parameters, which are the keyword arguments of `__init__`, each with a plain default:

    kpbench search --space examples/own_space.toml
    kpbench ablate dropout_rate --space examples/own_space.toml

Score weights that you trained elsewhere and kept with `torch.save(model.state_dict(), "model.pt")`:

    kpbench score examples/own_network.py:KeypointModel --weights model.pt --param width=16

The file has to stand alone: it may import installed packages, but no file beside it.
"""

import torch
from torch import nn


class KeypointModel(nn.Module):
    """Blocks of convolution, ReLU and pooling, then two linear layers; the last one gives x and y of 15 keypoints."""

    def __init__(self, width: int = 16, depth: int = 4, hidden: int = 256, dropout_rate: float = 0.1):
        super().__init__()
        blocks = []
        channels = 1
        for block in range(depth):
            out = width * 2**block
            blocks += [nn.Conv2d(channels, out, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels = out
        self.features = nn.Sequential(*blocks)
        side = 96 // 2**depth
        self.head = nn.Sequential(
            nn.Linear(channels * side * side, hidden), nn.ReLU(), nn.Dropout(dropout_rate), nn.Linear(hidden, 30)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 96, 96) in 0..1 -> (N, 30), x then y of each keypoint as (k - 48) / 48."""
        maps = self.features(x)
        return self.head(maps.flatten(1))  # len(maps) could not be exported: it is the number of faces traced with


class ChannelScale(nn.Module):
    """A layer of your own in the place of a norm: one factor and one shift for each channel, learnt.

    A norm is called with the shape of what it gets for one face: (C, H, W), in a fully connected network (F,).
    """

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        each = (shape[0], *[1] * (len(shape) - 1))
        self.scale = nn.Parameter(torch.ones(each))
        self.shift = nn.Parameter(torch.zeros(each))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, *shape) -> (N, *shape)."""
        return x * self.scale + self.shift
