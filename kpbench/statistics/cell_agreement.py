"""Which cells two sides rank apart by more than the noise of both explains."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from kpbench.statistics.agreement import DRAWS, Numbers, check_sides, perfect_pairs, residual_variance
from kpbench.statistics.corrections import adjusted_p
from kpbench.statistics.intervals import check_confidence
from kpbench.statistics.ranks import rank_stability


@dataclass(frozen=True)
class CellAgreement:
    """One cell's rank on both sides (1 is best).

    Attributes:
        cell: its row in the tables given.
        ranks, intervals: of each side; the intervals over resampled blocks, too narrow with few of them.
        p_adjusted: that two sides with one and the same order part this cell by as many ranks, after Holm over the
            cells that were not set aside before it.
        apart: whether that is below alpha.
    """

    cell: int
    ranks: tuple[int, int]
    intervals: tuple[tuple[int, int], tuple[int, int]]
    p_adjusted: float
    apart: bool

    @property
    def difference(self) -> int:
        """The rank on the second side minus that on the first."""
        return self.ranks[1] - self.ranks[0]


def cell_agreement(
    first: ArrayLike, second: ArrayLike, *, alpha: float = 0.05, draws: int = DRAWS, seed: int = 0
) -> tuple[CellAgreement, ...]:
    """Every cell's ranks, and whether the sides part it by more than noise does, in the order of the rows.

    What noise does is simulated (`perfect_pairs`): both sides share the order of their pooled means, so a cell that
    they part stands between its two places there, which makes the test careful. It goes in steps: of the cells that
    are apart the one with the most ranks between its places is set aside and the rest is looked at again, so that a
    cell that moved does not name those that it passed.

    Args:
        first, second: (cells, blocks) log MSE, the same cells in the same order.
        alpha: chance that any cell is named although the sides have one order.

    Raises:
        ValueError: as `check_sides`.
    """
    sides = check_sides(first, second)
    left = np.arange(len(sides[0]))
    p = np.ones(len(left))
    apart: list[int] = []
    while len(left) > 1:
        adjusted, difference = _parted(sides[0][left], sides[1][left], draws, seed)
        p[left] = adjusted
        beyond = np.flatnonzero(adjusted < alpha)
        if not beyond.size:
            break
        furthest = beyond[np.argmax(difference[beyond])]
        apart.append(int(left[furthest]))
        left = np.delete(left, furthest)
    ranked = [rank_stability(np.exp(side), alpha=alpha, seed=seed) for side in sides]
    return tuple(
        CellAgreement(
            cell=index,
            ranks=(one.rank, other.rank),
            intervals=((one.low, one.high), (other.low, other.high)),
            p_adjusted=float(p[index]),
            apart=index in apart,
        )
        for index, (one, other) in enumerate(zip(*ranked, strict=True))
    )


def _parted(first: Numbers, second: Numbers, draws: int, seed: int) -> tuple[Numbers, Numbers]:
    """Holm's adjusted p of each cell, and the ranks between its two places, both (cells,)."""
    drawn = [
        stats.rankdata(means, method="min", axis=1) for means in perfect_pairs(first, second, draws=draws, seed=seed)
    ]
    places = [stats.rankdata(side.mean(axis=1), method="min") for side in (first, second)]
    observed = np.abs(places[1] - places[0])
    p = (np.sum(np.abs(drawn[1] - drawn[0]) >= observed, axis=0) + 1) / (draws + 1)
    return np.array(adjusted_p(p.tolist())), observed


def comparison_half_width(logs: Numbers, *, confidence: float = 0.95) -> float:
    """Half the width of the interval of a cell's mean log MSE for looking at cells beside each other.

    Student's t on the residual of all cells together, what all cells of a block share left out: it moves no rank.

    Args:
        logs: (cells, blocks) log MSE, at least two of each.

    Raises:
        ValueError: a confidence outside (0, 1).
    """
    check_confidence(confidence)
    cells, blocks = logs.shape
    error = np.sqrt(residual_variance(logs) / blocks)
    return float(stats.t.ppf(0.5 + confidence / 2.0, (cells - 1) * (blocks - 1)) * error)
