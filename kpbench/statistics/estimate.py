"""One estimate for every comparison: a difference of mean log MSE, its standard error and degrees of freedom."""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import stats

from kpbench.statistics.intervals import ROUNDING, Interval, check_confidence, finite_sample
from kpbench.statistics.power import LARGEST_LOG, detectable_shift
from kpbench.statistics.scale import percent_change


@dataclass(frozen=True)
class Estimate:
    """A difference of mean log MSE, below 0 where the first has the lower error.

    Attributes:
        error: its standard error; 0 where nothing varies.
        df: degrees of freedom of Student's t.
        n: pairs, or the smaller of two samples.
    """

    difference: float
    error: float
    df: float
    n: int

    @property
    def ratio(self) -> float:
        """The ratio of geometric-mean MSEs."""
        return math.exp(self.difference)

    @property
    def sd(self) -> float:
        """The standard deviation of paired differences: error * sqrt(n)."""
        return self.error * math.sqrt(self.n)

    @property
    def t(self) -> float:
        """The difference over its standard error; 0 or infinite where nothing varies."""
        if self.error > 0.0:
            return self.difference / self.error
        return 0.0 if abs(self.difference) <= ROUNDING else math.copysign(math.inf, self.difference)

    @property
    def d_z(self) -> float:
        """Cohen's d of paired differences: difference over `sd`."""
        return self.t / math.sqrt(self.n)

    @property
    def p(self) -> float:
        """Two-sided, that the difference is 0."""
        return 2.0 * float(stats.t.sf(abs(self.t), self.df))

    def interval(self, confidence: float) -> Interval:
        """Student's interval of the difference.

        Raises:
            ValueError: a confidence outside (0, 1).
        """
        check_confidence(confidence)
        half = float(stats.t.ppf(0.5 + confidence / 2.0, self.df)) * self.error
        return Interval(self.difference - half, self.difference + half, confidence)

    def ratio_interval(self, confidence: float) -> Interval:
        """Student's interval of the MSE ratio.

        Raises:
            ValueError: a confidence outside (0, 1).
        """
        return ratio_interval(self.interval(confidence))

    def equivalence_p(self, margin: float) -> float:
        """The p of two one-sided t tests (TOST; Schuirmann 1987) that the difference lies outside (-margin, margin).

        Below alpha / 2 exactly where the two-sided interval at 1 - alpha lies inside the band.

        Args:
            margin: half width of the band on the log scale.

        Raises:
            ValueError: a margin that is not positive.
        """
        if not margin > 0.0:
            raise ValueError(f"the margin of equivalence must be positive, not {margin}")
        if self.error <= 0.0:
            return 0.0 if abs(self.difference) < margin else 1.0
        return float(stats.t.sf((margin - abs(self.difference)) / self.error, self.df))

    def detectable(self, *, alpha: float = 0.05, power: float = 0.8, contrasts: int = 1) -> float:
        """The smallest true change of MSE, in percent, found with the power at this standard error.

        Stated as an increase: 5 stands for a ratio of 1.05, and for its mirror image 1 / 1.05 on the log scale.

        Raises:
            ValueError: as `detectable_shift`.
        """
        if self.error <= 0.0:
            return 0.0
        shift = self.error * detectable_shift(self.df, alpha=alpha, power=power, contrasts=contrasts)
        return percent_change(math.exp(min(shift, LARGEST_LOG)))

    def detectable_interval(
        self, *, alpha: float = 0.05, power: float = 0.8, contrasts: int = 1, confidence: float = 0.95
    ) -> Interval:
        """The interval of `detectable` in percent, for its noise is itself estimated: by chi-square on the variance.

        Raises:
            ValueError: as `detectable_shift`, or a confidence outside (0, 1).
        """
        check_confidence(confidence)
        if self.error <= 0.0:
            return Interval(0.0, 0.0, confidence)
        shift = self.error * detectable_shift(self.df, alpha=alpha, power=power, contrasts=contrasts)
        tails = [(1.0 + confidence) / 2.0, (1.0 - confidence) / 2.0]
        scales = [math.sqrt(self.df / float(stats.chi2.ppf(tail, self.df))) for tail in tails]
        low, high = (percent_change(math.exp(min(shift * scale, LARGEST_LOG))) for scale in scales)
        return Interval(low, high, confidence)


def paired(differences: ArrayLike) -> Estimate:
    """The mean of paired differences, with n - 1 degrees of freedom.

    Args:
        differences: (n,) log MSE of the level minus log MSE of the baseline in the same block; n >= 2.

    Raises:
        ValueError: fewer than two differences, or one that is not finite.
    """
    sample = finite_sample(differences)
    sd, n = float(sample.std(ddof=1)), sample.size
    return Estimate(float(sample.mean()), sd / math.sqrt(n) if sd > ROUNDING else 0.0, n - 1.0, n)


def ratio_interval(interval: Interval) -> Interval:
    """An interval of a difference of log MSE as an interval of the MSE ratio."""
    low, high = (math.exp(min(end, LARGEST_LOG)) for end in (interval.low, interval.high))
    return Interval(low, high, interval.confidence)
