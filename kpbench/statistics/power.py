"""How many seeds an effect needs, and what effect a number of seeds can show."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import integrate, optimize, stats

from kpbench.statistics.intervals import ROUNDING
from kpbench.statistics.scale import log_margin
from kpbench.statistics.verdicts import needed_seeds

MOST_SEEDS = 1_000_000
LARGEST_SHIFT = 1e5
LARGEST_LOG = 700.0


def power_of_shift(shift: float, df: float, *, alpha: float = 0.05, contrasts: int = 1) -> float:
    """The power of a two-sided t test where the true difference is `shift` standard errors.

    By the noncentral t distribution (Cohen 1988, chapter 2), like statsmodels' `TTestPower` but finite at every effect.

    Args:
        contrasts: size of the family; the test is counted at alpha / contrasts, Holm's worst case.

    Raises:
        ValueError: contrasts < 1, or an alpha outside (0, 1).
    """
    if not 0.0 < alpha < 1.0 or contrasts < 1:
        raise ValueError(f"give an alpha between 0 and 1 and at least one contrast, not {alpha} and {contrasts}")
    edge = float(stats.t.isf(alpha / contrasts / 2.0, df))
    # The tail on the wrong side underflows to NaN in scipy, and so does statsmodels' TTestPower as a whole.
    wrong_side = float(stats.nct.cdf(-edge, df, abs(shift)))
    return float(stats.nct.sf(edge, df, abs(shift))) + (0.0 if math.isnan(wrong_side) else wrong_side)


@cache
def detectable_shift(df: float, *, alpha: float = 0.05, power: float = 0.8, contrasts: int = 1) -> float:
    """The smallest true difference, in standard errors, that a t test finds with the power.

    Infinite past `LARGEST_SHIFT`.

    Raises:
        ValueError: as `power_of_shift`, or a power outside (alpha, 1).
    """
    _check_power(power, alpha)

    def missing(shift: float) -> float:
        return power_of_shift(shift, df, alpha=alpha, contrasts=contrasts) - power

    high = 1.0
    while missing(high) < 0.0:
        high *= 2.0
        if high > LARGEST_SHIFT:
            return math.inf
    return float(optimize.brentq(missing, 0.0, high))


def power_at(d_z: float, n: int, *, alpha: float = 0.05, contrasts: int = 1) -> float:
    """The power of a paired t test with `n` seeds where the true mean is `d_z` sd of the differences.

    Raises:
        ValueError: n < 2, or as `power_of_shift`.
    """
    if n < 2:
        raise ValueError("a paired test needs at least 2 seeds")
    return power_of_shift(d_z * math.sqrt(n), n - 1, alpha=alpha, contrasts=contrasts)


def seeds_for(d_z: float, *, alpha: float = 0.05, power: float = 0.8, contrasts: int = 1) -> int:
    """The fewest seeds that give the power at a true effect of `d_z`.

    Raises:
        ValueError: as `power_at`; a power outside (alpha, 1); a d_z of 0 or so small that a million seeds do not do.
    """
    _check_power(power, alpha)
    return fewest_seeds(
        lambda n: power_at(d_z, n, alpha=alpha, contrasts=contrasts) >= power, f"an effect of {d_z:g} sd"
    )


def detectable_d(n: int, *, alpha: float = 0.05, power: float = 0.8, contrasts: int = 1) -> float:
    """The smallest true effect, in sd of the paired differences, that `n` seeds find with the power.

    Raises:
        ValueError: as `detectable_shift`.
    """
    return detectable_shift(n - 1, alpha=alpha, power=power, contrasts=contrasts) / math.sqrt(n)


def equivalence_power(ratio: float, n: int, *, alpha: float = 0.05, contrasts: int = 1) -> float:
    """The power to call two cells equivalent where they are: the interval at 1 - alpha lies inside the band.

    Two one-sided tests at alpha / 2 each, over the distribution of the sd (Phillips 1990, J. Pharmacokinetics and
    Biopharmaceutics 18, 137, for a true difference of 0).

    Args:
        ratio: half width of the band over the sd of the paired differences.
        contrasts: size of the family; the interval is that of Holm's strictest step.

    Raises:
        ValueError: n < 2, contrasts < 1, an alpha outside (0, 1), or a ratio that is not positive.
    """
    if n < 2 or contrasts < 1 or not 0.0 < alpha < 1.0 or not ratio > 0.0:
        raise ValueError("give at least 2 seeds and a contrast, an alpha between 0 and 1 and a positive ratio")
    df = n - 1
    edge = float(stats.t.isf(alpha / contrasts / 2.0, df))
    # With s = sd / sigma, the interval fits where |mean| <= margin - edge * s * sigma / sqrt(n).
    widest = ratio * math.sqrt(n) / edge
    s = np.linspace(0.0, widest, 2001)[1:]
    density = 2.0 * df * s * stats.chi2.pdf(df * s * s, df)
    inside = 2.0 * stats.norm.cdf(ratio * math.sqrt(n) - edge * s) - 1.0
    return float(integrate.trapezoid(density * inside, s))


def fewest_seeds(enough: Callable[[int], bool], what: str) -> int:
    """The smallest n >= 2 that is enough, where every larger one is too.

    Raises:
        ValueError: `MOST_SEEDS` are not.
    """
    high = 2
    while not enough(high):
        high *= 2
        if high > MOST_SEEDS:
            raise ValueError(f"{what} needs more than {MOST_SEEDS:,} seeds")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class SeedsNeeded:
    """The seeds that a smallest effect of interest needs.

    Attributes:
        d_z: the smallest effect in sd of the paired differences; infinity where the pilot does not vary.
        seeds: taking the pilot's sd as true; never below the fewest that get a verdict.
        cautious: taking the upper 80 % limit of the pilot's sd (Browne 1995), for a small pilot misjudges the noise.
        equivalent: to call cells that do not differ equivalent within the smallest effect, at the pilot's sd.
    """

    sesoi: float
    sd: float
    d_z: float
    seeds: int
    cautious: int
    equivalent: int


def seeds_needed(
    sd: float,
    df: int,
    *,
    sesoi: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    contrasts: int = 1,
) -> SeedsNeeded:
    """The seeds with which a change of MSE by `sesoi` is found with the power, from a pilot's noise.

    Args:
        sd: standard deviation of the paired differences of log MSE in the pilot.
        df: degrees of freedom behind `sd`, at least 1.
        contrasts: size of the family, counted as Holm's worst case.

    Raises:
        ValueError: a negative sd, df < 1, or as `seeds_for` and `log_margin`.
    """
    margin = log_margin(sesoi)
    if not sd >= 0.0 or df < 1:
        raise ValueError(f"a pilot's noise needs sd >= 0 and df >= 1, not {sd} and {df}")
    least = needed_seeds(contrasts, alpha)
    if sd <= ROUNDING:
        return SeedsNeeded(sesoi=sesoi, sd=sd, d_z=math.inf, seeds=least, cautious=least, equivalent=least)
    upper = sd * math.sqrt(df / float(stats.chi2.ppf(0.2, df)))

    def count(noise: float) -> int:
        return max(least, seeds_for(margin / noise, alpha=alpha, power=power, contrasts=contrasts))

    equivalent = fewest_seeds(
        lambda n: equivalence_power(margin / sd, n, alpha=alpha, contrasts=contrasts) >= power, "equivalence"
    )
    return SeedsNeeded(sesoi, sd, margin / sd, count(sd), count(upper), max(least, equivalent))


def _check_power(power: float, alpha: float) -> None:
    if not alpha < power < 1.0:
        raise ValueError(f"the power must lie between alpha ({alpha:g}) and 1, not {power}")
