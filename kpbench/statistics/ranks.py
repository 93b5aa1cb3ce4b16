"""How firm a ranking of cells is: rank intervals, the chance of being best, and who cannot be told from the best."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from kpbench.statistics.intervals import ROUNDING
from kpbench.statistics.verdicts import MINIMUM_SEEDS


@dataclass(frozen=True)
class CellRank:
    """The rank of one cell (1 is best) by geometric-mean MSE.

    Attributes:
        cell: its row in the matrix given.
        low, high: interval of the rank over resampled blocks.
        p_best: share of the resamples in which it is first (a tie is shared).
        separable: whether it is significantly worse than the observed best; never with fewer blocks than
            `needed_blocks` for this many cells.
    """

    cell: int
    rank: int
    low: int
    high: int
    p_best: float
    separable: bool


def needed_blocks(cells: int, alpha: float) -> int:
    """The fewest blocks with which one of two or more cells may be `separable`.

    As `verdicts.needed_seeds`, for tests to one side: with n blocks the one-sided sign-flip p is at least 2^-n, and
    what only normal tails can tell apart is not. So 2^-n * (cells - 1) <= alpha, and at least `MINIMUM_SEEDS`.
    """
    return max(MINIMUM_SEEDS, math.ceil(math.log2((cells - 1) / alpha) - 1e-9))


def rank_stability(
    mse: ArrayLike, *, alpha: float = 0.05, resamples: int = 4000, seed: int = 0, tested: bool = True
) -> tuple[CellRank, ...]:
    """The ranks of the cells with their stability under resampled blocks, in the order of the rows.

    Blocks are drawn whole, so the pairing stays. The cells that are not `separable` hold the truly best one with a
    chance of at least 1 - alpha: each cell is tested against the observed best with a one-sided paired t at
    alpha / (cells - 1) (subset selection by Bonferroni; Hsu 1996, chapter 4). Rank intervals and `p_best` are plain
    bootstrap figures, too sure of themselves with few blocks: a description, not a test.

    Args:
        mse: (cells, blocks) positive and finite, every cell run in every block; at least one cell and one block.
        tested: whether cells may be separable at all; not where verdicts are withheld.

    Raises:
        ValueError: another shape, or an MSE that is not positive and finite.
    """
    values = np.asarray(mse, dtype=np.float64)
    if values.ndim != 2 or values.size == 0 or not bool(np.all(np.isfinite(values) & (values > 0.0))):
        raise ValueError("give positive finite MSEs as cells by blocks")
    logs = np.log(values)
    cells, blocks = logs.shape
    means = logs.mean(axis=1)
    tested = tested and cells > 1 and blocks >= needed_blocks(cells, alpha)
    best = int(means.argmin())
    counts = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1.0 / blocks), size=resamples)
    drawn = logs @ counts.T / blocks
    ranks = stats.rankdata(drawn, method="min", axis=0)
    first = ranks == 1
    p_best = (first / first.sum(axis=0)).mean(axis=1)
    tails = [alpha / 2.0, 1.0 - alpha / 2.0]
    low, high = np.quantile(ranks, tails, axis=1, method="inverted_cdf")
    order = stats.rankdata(means, method="min")
    return tuple(
        CellRank(
            cell=index,
            rank=int(order[index]),
            low=int(low[index]),
            high=int(high[index]),
            p_best=float(p_best[index]),
            separable=tested and index != best and _worse(logs[index] - logs[best], alpha / (cells - 1)),
        )
        for index in range(cells)
    )


def _worse(differences: np.ndarray[tuple[int, ...], np.dtype[np.float64]], alpha: float) -> bool:
    if float(differences.std()) <= ROUNDING:
        return float(differences.mean()) > ROUNDING
    return float(stats.ttest_1samp(differences, 0.0, alternative="greater").pvalue) < alpha
