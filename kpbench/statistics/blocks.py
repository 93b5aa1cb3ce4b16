"""The table behind every contrast: the MSE of each cell in each block (seed)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpbench.cell import Scalar
from kpbench.errors import UsageError, nearest


@dataclass(frozen=True, eq=False)
class BlockTable:
    """The MSE of each planned cell in each planned block.

    Attributes:
        factors: names, in the order of a cell's levels.
        cells: the planned cells, one tuple of levels each.
        blocks: the planned blocks; a block is a seed that all cells share.
        mse: (cells, blocks) float64; NaN where a run is missing, the constant predictor's MSE where one failed.
        failed: (cells, blocks) bool, where a run diverged (a loss or score was no number) or collapsed.
        collapsed: (cells, blocks) bool, where a run ended worse than the constant predictor.
        failed_mse: MSE of the constant predictor (the mean face); None where it is not known.
    """

    factors: tuple[str, ...]
    cells: tuple[tuple[Scalar, ...], ...]
    blocks: tuple[int, ...]
    mse: NDArray[np.float64]
    failed: NDArray[np.bool_]
    collapsed: NDArray[np.bool_]
    failed_mse: float | None = None

    def levels(self, factor: str) -> tuple[Scalar, ...]:
        """The levels of a factor in the order in which the cells first name them.

        Raises:
            UsageError: the table has no such factor; the nearest name is shown.
        """
        if factor not in self.factors:
            raise UsageError(f"unknown factor '{factor}'; {nearest(factor, self.factors)}")
        position = self.factors.index(factor)
        return tuple(dict.fromkeys(cell[position] for cell in self.cells))


def block_table(
    rows: pd.DataFrame,
    *,
    factors: Sequence[str],
    failed_mse: float | None = None,
    blocks: Sequence[int] | None = None,
    cells: Sequence[Mapping[str, Scalar]] | None = None,
) -> BlockTable:
    """The block table of a study's rows.

    The stated rule for failed runs: a row whose `mse` is NaN or infinite diverged, one above `failed_mse` collapsed,
    and both count with `failed_mse`, for the constant predictor is always at hand. So the rule is monotone: no level
    gains when a bad run of it turns into NaN. A run that is not there, or that broke for a reason outside the training
    (a full disk), has no row.

    Args:
        rows: one row a run, with a column for each factor, `block` (whole number) and `mse`.
        factors: the columns that make up a cell.
        failed_mse: MSE of the constant predictor (the mean face), declared before the first run; where it is not
            given no run counts as collapsed.
        blocks: the planned blocks; those found in the rows where not given, and then a plan cut short goes unseen.
        cells: the planned cells, each a mapping of every factor to its level; else those found in the rows.

    Raises:
        ValueError: a missing column; two rows for one cell and block; a row outside the plan; an MSE that is not
            positive; a diverged run without a positive finite `failed_mse`; a level that is missing or NaN.
    """
    missing = [name for name in (*factors, "block", "mse") if name not in rows.columns]
    if missing or not factors:
        raise ValueError(f"the rows lack the columns {missing}" if missing else "give at least one factor")
    found = [tuple(_level(value) for value in levels) for levels in zip(*(rows[name] for name in factors), strict=True)]
    seeds = [int(value) for value in rows["block"]]
    planned_cells = _planned_cells(cells, factors) if cells is not None else tuple(dict.fromkeys(found))
    planned_blocks = tuple(blocks) if blocks is not None else tuple(sorted(set(seeds)))
    cell_row = {cell: index for index, cell in enumerate(planned_cells)}
    block_column = {block: index for index, block in enumerate(planned_blocks)}
    mse = np.full((len(planned_cells), len(planned_blocks)), np.nan)
    failed, collapsed = (np.zeros(mse.shape, dtype=np.bool_) for _ in range(2))
    worst = math.inf if failed_mse is None else failed_mse
    for cell, block, value in zip(found, seeds, rows["mse"].astype(float), strict=True):
        if cell not in cell_row or block not in block_column:
            raise ValueError(f"the run {dict(zip(factors, cell, strict=True))} in block {block} is not in the plan")
        where = cell_row[cell], block_column[block]
        if not np.isnan(mse[where]):
            raise ValueError(f"two rows for {dict(zip(factors, cell, strict=True))} in block {block}")
        collapsed[where] = np.isfinite(value) and value > worst
        failed[where] = collapsed[where] or not np.isfinite(value)
        mse[where] = _failed_value(failed_mse) if failed[where] else value
        if not mse[where] > 0.0:
            raise ValueError(f"the MSE of {dict(zip(factors, cell, strict=True))} in block {block} is not positive")
    for values in (mse, failed, collapsed):
        values.setflags(write=False)
    return BlockTable(tuple(factors), planned_cells, planned_blocks, mse, failed, collapsed, failed_mse)


def survivors(table: BlockTable) -> BlockTable:
    """The table with failed runs taken as missing: for the sensitivity analysis only, never for a verdict."""
    mse = np.where(table.failed, np.nan, table.mse)
    mse.setflags(write=False)
    return replace(table, mse=mse)


def first_blocks(table: BlockTable, n: int) -> BlockTable:
    """The table of the first `n` planned blocks: what a look at that many seeds sees."""
    return replace(
        table,
        blocks=table.blocks[:n],
        mse=table.mse[:, :n],
        failed=table.failed[:, :n],
        collapsed=table.collapsed[:, :n],
    )


def complete_blocks(table: BlockTable) -> NDArray[np.float64]:
    """The MSE of all cells in the blocks that every cell has run: (cells, complete blocks)."""
    complete: NDArray[np.float64] = table.mse[:, ~np.isnan(table.mse).any(axis=0)]
    return complete


def _planned_cells(cells: Sequence[Mapping[str, Scalar]], factors: Sequence[str]) -> tuple[tuple[Scalar, ...], ...]:
    for cell in cells:
        if any(name not in cell for name in factors):
            raise ValueError(f"the planned cell {dict(cell)} does not name every factor of {list(factors)}")
    return tuple(dict.fromkeys(tuple(cell[name] for name in factors) for cell in cells))


def _level(value: object) -> Scalar:
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, (bool, int, float, str)) or (isinstance(plain, float) and math.isnan(plain)):
        raise ValueError(f"a level must be a truth value, a number or a word, not {plain!r}")
    return plain


def _failed_value(failed_mse: float | None) -> float:
    if failed_mse is None or not 0.0 < failed_mse < np.inf:
        raise ValueError("a run diverged: give failed_mse, the positive MSE of the constant predictor")
    return failed_mse
