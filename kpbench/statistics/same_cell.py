"""The A/A control: the same cell against itself under another cohort of seeds, where nothing should be found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kpbench.statistics.evidence import ratio_interval
from kpbench.statistics.intervals import Interval, t_interval
from kpbench.statistics.paired import paired_t
from kpbench.statistics.verdicts import MINIMUM_SEEDS


@dataclass(frozen=True)
class SameAgainstSame:
    """The A/A contrast.

    Attributes:
        ci: of the MSE ratio at 1 - alpha.
        sd: of the differences of log MSE; without pairing, so the full noise of a comparison across seeds.
        alarm: the interval leaves out 1, which happens by chance in a share alpha of healthy studies; None with
            fewer than 5 seeds.
    """

    n: int
    ratio: float
    ci: Interval
    p: float
    sd: float
    alarm: bool | None


def same_against_same(first: ArrayLike, second: ArrayLike, *, alpha: float = 0.05) -> SameAgainstSame:
    """The A/A contrast of one cell under two cohorts of seeds, in the order of their blocks.

    Args:
        first, second: (n,) MSE, positive and finite, n >= 2.
        alpha: of this one test.

    Raises:
        ValueError: other shapes, or an MSE that is not positive and finite.
    """
    pair = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if pair[0].shape != pair[1].shape:
        raise ValueError("the two cohorts differ in size")
    if not all(bool(np.all(np.isfinite(side) & (side > 0.0))) for side in pair):
        raise ValueError("every MSE must be positive and finite")
    values = np.log(pair[1]) - np.log(pair[0])
    test = paired_t(values)
    interval = t_interval(values, confidence=1.0 - alpha)
    return SameAgainstSame(
        n=test.n,
        ratio=float(np.exp(test.mean)),
        ci=ratio_interval(interval),
        p=test.p,
        sd=test.sd,
        alarm=interval.excludes(0.0) if test.n >= MINIMUM_SEEDS else None,
    )
