"""Networks of a person's own, good and bad, as the text of a file and as a package."""

import importlib
import sys

GOOD = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, stride=8)
        self.out = nn.Linear(width * 144, 30)

    def forward(self, x):
        maps = self.conv(x)
        return self.out(maps.view(len(maps), -1))

def make(*, width: int = 4):
    return Net(width)

class Scale(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(shape))

    def forward(self, x):
        return x * self.factor

class Leave(nn.Module):
    def __init__(self, shape, rate):
        super().__init__()

    def forward(self, x):
        return x

class Swish(nn.SiLU):
    pass
"""

RETURNS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(9216, 30)

    def forward(self, x):
        y = self.out(x.flatten(1))
        return {expression}
"""
"""A network that returns an expression of `x` and `y`, (N, 30)."""


def install_package(folder, monkeypatch):
    """Puts a package on the path that offers a family `extra`, one under a built-in name and a broken one."""
    (folder / "extra_nets.py").write_text(GOOD)
    info = folder / "extra_nets-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-nets\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[kpbench.families]\nextra = extra_nets:make\ncnn = extra_nets:make\nbroken = extra_nets:missing\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "extra_nets", raising=False)
    importlib.invalidate_caches()
