"""Published examples, and block tables made for the tests."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from kpbench.cell import Scalar
from kpbench.statistics.blocks import BlockTable, block_table

# Student (1908), `sleep` in R: extra hours of sleep of ten patients under two drugs.
SLEEP_ONE = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_TWO = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])

# Darwin's maize as in Fisher (1935), The Design of Experiments, section 17: differences in height, 1/8 inch.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)

# Montgomery, Design and Analysis of Experiments, table 4.3: vascular grafts, extrusion pressure x batch of resin.
GRAFTS = np.array(
    [
        [90.3, 89.2, 98.2, 93.9, 87.4, 97.9],
        [92.5, 89.5, 90.6, 94.7, 87.0, 95.8],
        [85.5, 90.8, 89.6, 86.2, 88.0, 93.4],
        [82.5, 89.5, 85.6, 87.4, 78.9, 90.7],
    ]
)


def rows_of(
    levels: Mapping[str, Sequence[Scalar]], blocks: int, log_mse: Callable[[dict[str, Scalar], int], float]
) -> pd.DataFrame:
    """A full factorial in complete blocks whose log MSE is a function of the cell and the block."""
    cells = [dict(zip(levels, cell, strict=True)) for cell in itertools.product(*levels.values())]
    return pd.DataFrame(
        [
            {**cell, "block": block, "mse": float(np.exp(log_mse(cell, block)))}
            for block in range(blocks)
            for cell in cells
        ]
    )


def one_factor(**log_mse: Sequence[float]) -> BlockTable:
    """A table of one factor, `arm`, from the log MSE of each level by block."""
    rows = [
        {"arm": arm, "block": block, "mse": float(np.exp(value))}
        for arm, values in log_mse.items()
        for block, value in enumerate(values)
    ]
    return block_table(pd.DataFrame(rows), factors=["arm"])
