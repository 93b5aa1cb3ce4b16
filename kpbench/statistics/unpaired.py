"""Two cells without seeds in common: Welch's test on log MSE, its interval, power and probability of superiority."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from kpbench.statistics.intervals import ROUNDING, Interval, check_confidence, finite_sample
from kpbench.statistics.paired import Wins
from kpbench.statistics.power import LARGEST_D, LARGEST_LOG
from kpbench.statistics.scale import percent_change


@dataclass(frozen=True)
class Welch:
    """Welch's t test: `difference` of the means, its standard `error`, Satterthwaite's `df`, two-sided `p`.

    Two samples without any spread have a t of 0 or infinity and a p of 1 or 0.
    """

    difference: float
    error: float
    df: float
    t: float
    p: float

    def interval(self, *, confidence: float = 0.95) -> Interval:
        """Welch's interval of the difference.

        Raises:
            ValueError: a confidence outside (0, 1).
        """
        check_confidence(confidence)
        half = float(stats.t.ppf(0.5 + confidence / 2.0, self.df)) * self.error
        return Interval(self.difference - half, self.difference + half, confidence)

    def detectable(self, *, alpha: float = 0.05, power: float = 0.8, contrasts: int = 1) -> float:
        """The smallest true change of MSE, in percent, found with the power at these seeds and this noise.

        By the noncentral t distribution with Welch's degrees of freedom; the counterpart of `detectable_percent`.

        Raises:
            ValueError: contrasts < 1, an alpha outside (0, 1), or a power outside (alpha, 1).
        """
        shift = _detectable_shift(self.df, alpha=alpha, power=power, contrasts=contrasts)
        return percent_change(math.exp(min(shift * self.error, LARGEST_LOG)))


def welch(first: ArrayLike, second: ArrayLike) -> Welch:
    """Welch's two-sample t test that the means are alike, `first` minus `second` (Welch 1947).

    Args:
        first, second: (n,) and (m,) log MSE, one value a seed; n, m >= 2.

    Raises:
        ValueError: fewer than two values a side, or one that is not finite.
    """
    # By hand: scipy's ttest_ind warns where a side does not vary, and all seeds of a side may have diverged.
    sides = finite_sample(first), finite_sample(second)
    difference = float(sides[0].mean() - sides[1].mean())
    shares = [float(side.var(ddof=1)) / side.size for side in sides]
    if max(float(side.std(ddof=1)) for side in sides) <= ROUNDING:
        same = abs(difference) <= ROUNDING
        df = float(sides[0].size + sides[1].size - 2)
        return Welch(difference, 0.0, df, 0.0 if same else math.copysign(math.inf, difference), 1.0 if same else 0.0)
    error = math.sqrt(sum(shares))
    df = sum(shares) ** 2 / sum(share**2 / (side.size - 1) for share, side in zip(shares, sides, strict=True))
    t = difference / error
    return Welch(difference, error, df, t, 2.0 * float(stats.t.sf(abs(t), df)))


def _detectable_shift(df: float, *, alpha: float, power: float, contrasts: int) -> float:
    """The smallest true shift, in standard errors, that a two-sided t test finds with the power."""
    if not 0.0 < alpha < power < 1.0 or contrasts < 1:
        raise ValueError(f"give 0 < alpha < power < 1 and a contrast, not {alpha}, {power} and {contrasts}")
    edge = float(stats.t.isf(alpha / contrasts / 2.0, df))

    def missing(shift: float) -> float:
        # The tail on the wrong side underflows to NaN in scipy.
        wrong_side = float(stats.nct.cdf(-edge, df, shift))
        found = float(stats.nct.sf(edge, df, shift)) + (0.0 if math.isnan(wrong_side) else wrong_side)
        return found - power

    high = 1.0
    while missing(high) < 0.0 and high < LARGEST_D:
        high *= 2.0
    return float(optimize.brentq(missing, 0.0, high))


def superiority_of_all_pairs(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Wins:
    """P(a fresh seed of the first side beats one of the second): the share of all pairs, ties counted half.

    This is Mann and Whitney's U / (n m); the interval is Newcombe's method 5 (2006, Statistics in Medicine 25, 559),
    which does not collapse where one side is better in every pair.

    Raises:
        ValueError: as `welch`, or a confidence outside (0, 1).
    """
    check_confidence(confidence)
    sides = finite_sample(first), finite_sample(second)
    gaps = np.subtract.outer(*sides)
    share = float(np.mean(gaps < 0.0) + 0.5 * np.mean(gaps == 0.0))
    n, m = (side.size for side in sides)
    z = float(stats.norm.ppf(0.5 + confidence / 2.0))
    more = (n + m) / 2.0 - 1.0

    def outside(true: float) -> float:
        spread = 1.0 + more * (1.0 - true) / (2.0 - true) + more * true / (1.0 + true)
        return abs(share - true) - z * math.sqrt(true * (1.0 - true) * spread / (n * m))

    inside = min(max(share, 1e-12), 1.0 - 1e-12)
    low = float(optimize.brentq(outside, 0.0, inside)) if share > 0.0 else 0.0
    high = float(optimize.brentq(outside, inside, 1.0)) if share < 1.0 else 1.0
    return Wins(share=share, interval=Interval(low, high, confidence))
