"""Runs that collapse: how often they could, and what is left of a level's scores without being ruled by them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from kpbench.statistics.intervals import Interval


def collapse_bound(failed: int, runs: int, *, confidence: float = 0.95) -> float:
    """The exact upper bound of the share of runs that fail (Clopper & Pearson 1934, one-sided): 0 of 8 is up to 31 %.

    Raises:
        ValueError: no run, more failures than runs, or a confidence outside (0, 1).
    """
    if not 0 <= failed <= runs or runs < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"give failures among at least one run, not {failed} of {runs} at {confidence}")
    return 1.0 if failed == runs else float(stats.beta.ppf(confidence, failed + 1, runs - failed))


@dataclass(frozen=True)
class Side:
    """The runs of one side of a contrast: how many failed, and what a failed one costs in log MSE over the others."""

    failed: int
    runs: int
    cost: float


def interval_with_collapse(survivors: Interval, level: Side, baseline: Side) -> Interval:
    """The interval of a difference of mean log MSE where a share of the runs fails.

    A t interval over a few seeds covers far too little where a failure is rare and large: it was either not drawn yet
    or weighs too much. Here the survivors' t interval and each side's Jeffreys interval of the share of failures
    (Brown, Cai & DasGupta 2001), times its cost, are put together by MOVER (Zou & Donner 2008, Statistics in Medicine
    27, 1693). It covers at least as often as it says, and more with few seeds.

    Args:
        survivors: of the paired difference without the seeds in which a run failed.
    """
    middle = (survivors.low + survivors.high) / 2.0
    centre, below, above = middle, (middle - survivors.low) ** 2, (survivors.high - middle) ** 2
    for side, sign in ((level, 1.0), (baseline, -1.0)):
        share = side.failed / side.runs
        ends = proportion_confint(side.failed, side.runs, alpha=1.0 - survivors.confidence, method="jeffreys")
        low, high = (0.0 if not side.failed else ends[0]), (1.0 if side.failed == side.runs else ends[1])
        down, up = (share - low) * side.cost, (high - share) * side.cost
        centre += sign * share * side.cost
        below += (down if sign > 0.0 else up) ** 2
        above += (up if sign > 0.0 else down) ** 2
    return Interval(centre - math.sqrt(below), centre + math.sqrt(above), survivors.confidence)


def iqm(scores: ArrayLike) -> float:
    """The interquartile mean: of the middle half of the scores (Agarwal et al. 2021, arXiv 2108.13264).

    Raises:
        ValueError: no score, or one that is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not bool(np.all(np.isfinite(values))):
        raise ValueError("give at least one finite score")
    return float(stats.trim_mean(values, 0.25))
