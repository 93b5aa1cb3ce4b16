"""Two cells over seeds of which some, all or none are shared: one estimate on log MSE, and who is better how often."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from kpbench.statistics.estimate import Estimate, paired
from kpbench.statistics.intervals import ROUNDING, Interval, check_confidence, finite_sample
from kpbench.statistics.paired import Superiority, pair_correlation


def overlapping(first: Mapping[int, float], second: Mapping[int, float]) -> Estimate:
    """The difference of the means of all seeds, `first` minus `second`, where some of the seeds may be shared.

    The partially overlapping samples t-test with unequal variances (Derrick, Russ, Toher & White 2017, Journal of
    Modern Applied Statistical Methods 16(1), 137, T_new2). It is Student's paired t where both have the same seeds, and
    Welch's where they share none, or so few that their correlation is not known (`shared_correlation`). Where one
    side has further seeds and the shared ones correlate strongly, the pairs alone can give a narrower interval; which
    test it is follows from the seeds, never from the outcome.

    Args:
        first, second: log MSE by seed, at least two each.

    Raises:
        ValueError: fewer than two values in a sample, or one that is not finite.
    """
    if first.keys() == second.keys():
        return paired([value - second[seed] for seed, value in first.items()])
    samples = [finite_sample(list(side.values())) for side in (first, second)]
    separate = welch(*samples)
    r = shared_correlation(first, second)
    if r is None:
        return separate
    n, m = (sample.size for sample in samples)
    shared = len(first.keys() & second.keys())
    covariance = r * float(samples[0].std(ddof=1) * samples[1].std(ddof=1)) * shared / (n * m)
    alone = n + m - 2 * shared
    df = shared - 1.0 + (separate.df - shared + 1.0) * alone / (n + m)
    return Estimate(separate.difference, math.sqrt(max(0.0, separate.error**2 - 2.0 * covariance)), df, separate.n)


def shared_correlation(first: Mapping[int, float], second: Mapping[int, float]) -> float | None:
    """Pearson's correlation over the seeds that both have; None below 3 of them, or where one side does not vary."""
    shared = sorted(first.keys() & second.keys())
    return pair_correlation([first[seed] for seed in shared], [second[seed] for seed in shared])


def welch(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Welch's estimate of the difference of two means, `first` minus `second`, with Satterthwaite's df (Welch 1947).

    Args:
        first, second: (n,) and (m,) log MSE, one value a seed; n, m >= 2.

    Raises:
        ValueError: fewer than two values in a sample, or one that is not finite.
    """
    # By hand: scipy's ttest_ind warns where a sample does not vary, and all its seeds may have diverged.
    samples = finite_sample(first), finite_sample(second)
    difference = float(samples[0].mean() - samples[1].mean())
    n = min(sample.size for sample in samples)
    if max(float(sample.std(ddof=1)) for sample in samples) <= ROUNDING:
        return Estimate(difference, 0.0, samples[0].size + samples[1].size - 2.0, n)
    shares = [float(sample.var(ddof=1)) / sample.size for sample in samples]
    df = sum(shares) ** 2 / sum(share**2 / (one.size - 1) for share, one in zip(shares, samples, strict=True))
    return Estimate(difference, math.sqrt(sum(shares)), df, n)


def superiority_of_all_pairs(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Superiority:
    """P(a fresh seed of the first sample beats one of the second): the share of all pairs, ties counted half.

    This is Mann and Whitney's U / (n m); the interval is Newcombe's method 5 (2006, Statistics in Medicine 25, 559),
    which does not collapse where one sample is better in every pair.

    Raises:
        ValueError: as `welch`, or a confidence outside (0, 1).
    """
    check_confidence(confidence)
    samples = finite_sample(first), finite_sample(second)
    gaps = np.subtract.outer(*samples)
    share = float(np.mean(gaps < 0.0) + 0.5 * np.mean(gaps == 0.0))
    n, m = (sample.size for sample in samples)
    z = float(stats.norm.ppf(0.5 + confidence / 2.0))
    more = (n + m) / 2.0 - 1.0

    def outside(true: float) -> float:
        spread = 1.0 + more * (1.0 - true) / (2.0 - true) + more * true / (1.0 + true)
        return abs(share - true) - z * math.sqrt(true * (1.0 - true) * spread / (n * m))

    inside = min(max(share, 1e-12), 1.0 - 1e-12)
    low = float(optimize.brentq(outside, 0.0, inside)) if share > 0.0 else 0.0
    high = float(optimize.brentq(outside, inside, 1.0)) if share < 1.0 else 1.0
    return Superiority(share=share, interval=Interval(low, high, confidence))
