"""One family of paired samples: test, correction, interval and verdict, decided together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kpbench.statistics.corrections import Correction, adjusted_p, step_levels
from kpbench.statistics.intervals import Interval, t_interval
from kpbench.statistics.paired import PairedT, paired_t
from kpbench.statistics.verdicts import Verdict, verdict


@dataclass(frozen=True)
class Decision:
    """What the family's procedure says of one paired sample.

    Attributes:
        test: None below two differences.
        p_adjusted: None for a sample that lacks a planned block.
        interval: of the mean log difference, at the level at which the procedure tested it; None below two.
    """

    test: PairedT | None
    p_adjusted: float | None
    interval: Interval | None
    verdict: Verdict


def decide(
    samples: Sequence[ArrayLike],
    *,
    planned: int,
    margin: float,
    alpha: float = 0.05,
    correction: Correction = "holm",
) -> tuple[Decision, ...]:
    """The decision on each sample of one family.

    A sample that lacks a planned block gets no verdict and enters the family with p = 1, so that it still counts
    in the family's size and a partial result cannot help the others.

    Args:
        samples: (n,) paired differences of log MSE each; n may differ.
        planned: blocks in the plan.
        margin: smallest effect of interest on the log scale (`log_margin`).
        alpha: the family's error rate.

    Raises:
        ValueError: a difference that is not finite, or as `step_levels`.
    """
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    whole = [array.size >= planned for array in arrays]
    tests = [paired_t(array) if array.size > 1 else None for array in arrays]
    entered = [test.p if test and complete else 1.0 for test, complete in zip(tests, whole, strict=True)]
    adjusted = adjusted_p(entered, correction=correction)
    levels = step_levels(entered, alpha=alpha, correction=correction)
    intervals = [
        t_interval(array, confidence=1.0 - level) if array.size > 1 else None
        for array, level in zip(arrays, levels, strict=True)
    ]
    return tuple(
        Decision(
            test=tests[index],
            p_adjusted=adjusted[index] if whole[index] and tests[index] else None,
            interval=intervals[index],
            verdict=verdict(intervals[index], margin, n=array.size, planned=planned),
        )
        for index, array in enumerate(arrays)
    )
