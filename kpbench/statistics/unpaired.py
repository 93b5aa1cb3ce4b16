"""Two cells without seeds in common: Welch's estimate on log MSE, and the probability of superiority."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from kpbench.statistics.estimate import Estimate
from kpbench.statistics.intervals import ROUNDING, Interval, check_confidence, finite_sample
from kpbench.statistics.paired import Superiority


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
