"""The exact decomposition of the variance of log MSE in a balanced factorial in blocks."""

import itertools
from dataclasses import dataclass

import numpy as np

from kpbench.statistics.blocks import BlockTable, complete_blocks


@dataclass(frozen=True)
class VarianceTerm:
    """One line of the decomposition.

    Attributes:
        factors: one factor, or several for their interaction; empty for the block and the residual.
        kind: `factor`, `interaction`, `block` or `residual`.
        share: of the total sum of squares; all shares add to 1.
        noise_share: the share that noise alone would give a term of this many degrees of freedom; a share near it
            is no sign of an effect.
    """

    factors: tuple[str, ...]
    kind: str
    df: int
    sum_of_squares: float
    share: float
    noise_share: float


def variance_terms(table: BlockTable) -> tuple[VarianceTerm, ...]:
    """The sums of squares of log MSE: every factor, every interaction, block and residual, exactly.

    A randomised complete-block analysis of variance over the blocks that every cell has run (Montgomery 2017,
    chapters 4 and 5). The residual holds every interaction with the block.

    Raises:
        ValueError: the plan is no full factorial, fewer than two complete blocks, or no variation at all.
    """
    logs = np.log(complete_blocks(table))
    varied = [name for name in table.factors if len(table.levels(name)) > 1]
    levels = [table.levels(name) for name in varied]
    shape = tuple(len(names) for names in levels)
    if not varied or len(table.cells) != int(np.prod(shape)):
        raise ValueError("the plan is no full factorial: its variance has no exact decomposition")
    if logs.shape[1] < 2:
        raise ValueError("fewer than two complete blocks: nothing to decompose")
    blocks = logs.shape[1]
    grid = np.empty((*shape, blocks))
    where = [table.factors.index(name) for name in varied]
    for row, cell in enumerate(table.cells):
        grid[tuple(names.index(cell[place]) for names, place in zip(levels, where, strict=True))] = logs[row]
    centred = grid - grid.mean()
    total = float(np.sum(centred**2))
    if total == 0.0:
        raise ValueError("every run has the same MSE: there is no variance to decompose")
    by_cell, by_block = centred.mean(axis=-1), centred.reshape(-1, blocks).mean(axis=0)
    residual = centred - by_cell[..., np.newaxis] - by_block
    residual_df = (by_cell.size - 1) * (blocks - 1)
    residual_square = float(np.sum(residual**2))

    def term(factors: tuple[str, ...], kind: str, df: int, square: float) -> VarianceTerm:
        noise = df * residual_square / residual_df / total
        return VarianceTerm(factors, kind, df, square, square / total, noise)

    terms = []
    for size in range(1, len(shape) + 1):
        for chosen in itertools.combinations(range(len(shape)), size):
            effect = by_cell
            for axis in range(len(shape)):
                mean = effect.mean(axis=axis, keepdims=True)
                # Centred along the term's own factors, averaged over the others: what is left is the term alone.
                effect = effect - mean if axis in chosen else np.broadcast_to(mean, effect.shape)
            square = blocks * float(np.sum(effect**2))
            df = int(np.prod([shape[axis] - 1 for axis in chosen]))
            names = tuple(varied[axis] for axis in chosen)
            terms.append(term(names, "factor" if size == 1 else "interaction", df, square))
    terms.append(term((), "block", blocks - 1, by_cell.size * float(np.sum(by_block**2))))
    terms.append(term((), "residual", residual_df, residual_square))
    return tuple(terms)
