"""The exact decomposition of the variance of log MSE in a balanced factorial in blocks."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

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
    if not varied or len(table.cells) != math.prod(map(len, levels)):
        raise ValueError("the plan is no full factorial: its variance has no exact decomposition")
    if logs.shape[1] < 2:
        raise ValueError("fewer than two complete blocks: nothing to decompose")
    if float(np.ptp(logs)) == 0.0:
        raise ValueError("every run has the same MSE: there is no variance to decompose")
    where = [table.factors.index(name) for name in varied]
    # The formula names factors and levels by number, so that any text may stand in a name.
    columns = {
        f"f{at}": np.repeat([names.index(cell[place]) for cell in table.cells], logs.shape[1])
        for at, (names, place) in enumerate(zip(levels, where, strict=True))
    }
    frame = pd.DataFrame({**columns, "block": np.tile(np.arange(logs.shape[1]), len(logs)), "y": logs.ravel()})
    crossed = " * ".join(f"C({name})" for name in columns)
    found = anova_lm(ols(f"y ~ {crossed} + C(block)", frame).fit())
    squares, freedom = found["sum_sq"], found["df"]
    noise = squares["Residual"] / freedom["Residual"] / squares.sum()
    terms = {":".join(f"C(f{at})" for at in chosen): chosen for chosen in _subsets(len(varied))}
    names = {label: tuple(varied[at] for at in chosen) for label, chosen in terms.items()} | {
        "C(block)": (),
        "Residual": (),
    }
    kinds = {"C(block)": "block", "Residual": "residual"}
    return tuple(
        VarianceTerm(
            factors=factors,
            kind=kinds.get(label) or ("factor" if len(factors) == 1 else "interaction"),
            df=round(freedom[label]),
            share=float(squares[label] / squares.sum()),
            noise_share=float(freedom[label] * noise),
        )
        for label, factors in names.items()
    )


def _subsets(size: int) -> Iterator[tuple[int, ...]]:
    """Every non-empty choice of factors, single ones first."""
    return (chosen for many in range(1, size + 1) for chosen in itertools.combinations(range(size), many))
