"""Intervals for one cell over its seeds and for the mean of paired differences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

BOOTSTRAP_SEEDS = 8
"""Below this many seeds the studentised bootstrap is not computed."""

EXACT_BOOTSTRAP = 10
"""Up to this many seeds every resample is visited (92,378 of 10); beyond, so many are drawn that their own noise is
small."""


@dataclass(frozen=True)
class Interval:
    """An interval with its coverage; `low <= high`."""

    low: float
    high: float
    confidence: float

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside."""
        return value < self.low or value > self.high


@dataclass(frozen=True)
class ScoreInterval:
    """A geometric-mean score over `n` seeds; `low` and `high` are None for a single seed."""

    score: float
    low: float | None
    high: float | None
    n: int


def score_interval(mse: Sequence[float], *, confidence: float = 0.95) -> ScoreInterval:
    """The geometric-mean score of one cell over its seeds, with a t interval on the log scale.

    The score 1 / (2 * MSE) is convex in the MSE, so seeds are averaged as logarithms: the result is the
    score of the geometric-mean MSE, and no lucky seed dominates it.

    Args:
        mse: one mean squared error a seed, in ((k - 48) / 48)^2 units; positive and finite.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: no seed, an MSE that is not positive and finite, or a confidence outside (0, 1).
    """
    values = np.asarray(mse, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError("give one MSE a seed, and at least one")
    if not bool(np.all(np.isfinite(values) & (values > 0.0))):
        raise ValueError("every MSE must be positive and finite; give a failed seed the constant-predictor MSE")
    log_scores = -np.log(2.0 * values)
    score = float(np.exp(log_scores.mean()))
    check_confidence(confidence)
    if values.size == 1:
        return ScoreInterval(score=score, low=None, high=None, n=1)
    half = float(stats.t.ppf(0.5 + confidence / 2.0, values.size - 1) * stats.sem(log_scores))
    return ScoreInterval(score=score, low=score * float(np.exp(-half)), high=score * float(np.exp(half)), n=values.size)


def bootstrap_t_interval(
    values: ArrayLike, *, confidence: float = 0.95, resamples: int = 19_999, seed: int = 0
) -> Interval | None:
    """The studentised bootstrap interval of the mean, a check on Student's; None below 8 values or without spread.

    Each resample gives t* = (mean* - mean) / (sd* / sqrt(n)), and the quantiles of t* replace those of Student's t
    (Efron & Tibshirani 1993, section 12.5; Hesterberg 2015, arXiv 1411.5279). scipy.stats.bootstrap lacks it. The tails
    of t* come from the few resamples with hardly any spread: of up to `EXACT_BOOTSTRAP` values the distribution is
    computed, not drawn, as draws would move the ends by several percent from seed to seed.

    Args:
        values: (n,) finite, n >= 2.
        resamples, seed: of the drawing, where there are more values; the same seed gives the same interval.

    Raises:
        ValueError: as `finite_sample` and `check_confidence`.
    """
    sample = finite_sample(values)
    check_confidence(confidence)
    n = sample.size
    spread = float(sample.std(ddof=1))
    if n < BOOTSTRAP_SEEDS or spread <= ROUNDING:
        return None
    if n <= EXACT_BOOTSTRAP:
        places, weights = _every_resample(n)
    else:
        places = np.random.default_rng(seed).integers(0, n, size=(resamples, n))
        weights = np.ones(resamples)
    drawn = sample[places]
    spreads = drawn.std(axis=1, ddof=1)
    varied = spreads > ROUNDING
    pivots = (drawn.mean(axis=1)[varied] - sample.mean()) / (spreads[varied] / np.sqrt(n))
    tail = (1.0 - confidence) / 2.0
    lower, upper = np.quantile(pivots, [tail, 1.0 - tail], weights=weights[varied], method="inverted_cdf")
    error = spread / np.sqrt(n)
    mean = float(sample.mean())
    return Interval(low=float(mean - upper * error), high=float(mean - lower * error), confidence=confidence)


@cache
def _every_resample(n: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The resamples of n values without regard to order, (R, n) places, and how often each comes in n ** n draws."""
    places = np.array(list(combinations_with_replacement(range(n), n)), dtype=np.intp)
    counts = (places[:, :, np.newaxis] == np.arange(n)).sum(axis=1)
    return places, math.factorial(n) / special.factorial(counts).prod(axis=1)


ROUNDING = 1e-12
"""A spread of log MSE below this is floating-point rounding, not noise between seeds."""


def finite_sample(values: ArrayLike) -> NDArray[np.float64]:
    """`values` as (n,) float64.

    Raises:
        ValueError: not one-dimensional, fewer than two, or a value that is not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size < 2 or not bool(np.all(np.isfinite(sample))):
        raise ValueError("give at least two finite values in one dimension")
    return sample


def check_confidence(confidence: float) -> None:
    """Refuse a coverage outside (0, 1).

    Raises:
        ValueError: it is outside.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence must lie between 0 and 1, not {confidence}")
