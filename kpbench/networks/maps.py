"""Maps as the compiled passes take them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BITS = {torch.bfloat16: torch.uint16}
"""numpy knows no bfloat16."""

LONGEST = 32_768 + 400
"""Values of a row of windows, at most; the 400 keep the beginnings of such rows apart in a cache."""


def flat(x: Tensor) -> NDArray[Any]:
    """The memory of a channels_last map as a flat array, bfloat16 as its bits."""
    return np.asarray(x.detach().permute(0, 2, 3, 1).reshape(-1).view(BITS.get(x.dtype, x.dtype)).numpy())


def array(x: Tensor) -> NDArray[Any]:
    """A tensor's memory as an array."""
    return np.asarray(x.detach().numpy())


Norm = nn.BatchNorm1d | nn.BatchNorm2d


def tracking(norm: Norm, count: int) -> tuple[Tensor, Tensor, Tensor, float, float]:
    """How a norm's running statistics move: mean, variance, batches so far, momentum, and what makes `count` unbiased.

    Raises:
        ValueError: one value has no variance, as torch's batch norm says.
    """
    if count < 2:
        raise ValueError(f"Expected more than 1 value per channel when training, got {count}")
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    moved = norm.running_mean, norm.running_var, norm.num_batches_tracked
    return *moved, norm.momentum or 0.0, count / (count - 1)
