"""Maps as the compiled passes take them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
