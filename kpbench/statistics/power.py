"""How many seeds an effect needs, and what effect a number of seeds can show."""

import math
from dataclasses import dataclass

from scipy import optimize, stats

from kpbench.statistics.intervals import ROUNDING
from kpbench.statistics.scale import log_margin
from kpbench.statistics.verdicts import MINIMUM_SEEDS

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


def detectable_shift(df: float, *, alpha: float = 0.05, power: float = 0.8, contrasts: int = 1) -> float:
    """The smallest true difference, in standard errors, that a t test finds with the power.

    Raises:
        ValueError: as `power_of_shift`, or a power outside (alpha, 1).
    """
    _check_power(power, alpha)

    def missing(shift: float) -> float:
        return power_of_shift(shift, df, alpha=alpha, contrasts=contrasts) - power

    high = 1.0
    while missing(high) < 0.0 and high < LARGEST_SHIFT:
        high *= 2.0
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
    high = 2
    while power_at(d_z, high, alpha=alpha, contrasts=contrasts) < power:
        high *= 2
        if high > MOST_SEEDS:
            raise ValueError(f"an effect of {d_z:g} standard deviations needs more than {MOST_SEEDS} seeds")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        enough = power_at(d_z, middle, alpha=alpha, contrasts=contrasts) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def detectable_d(n: int, *, alpha: float = 0.05, power: float = 0.8, contrasts: int = 1) -> float:
    """The smallest true effect, in sd of the paired differences, that `n` seeds find with the power.

    Raises:
        ValueError: as `detectable_shift`.
    """
    return detectable_shift(n - 1, alpha=alpha, power=power, contrasts=contrasts) / math.sqrt(n)


@dataclass(frozen=True)
class SeedsNeeded:
    """The seeds that a smallest effect of interest needs.

    Attributes:
        d_z: the smallest effect in sd of the paired differences; infinity where the pilot does not vary.
        seeds: taking the pilot's sd as true; never below 5, the fewest that get a verdict.
        cautious: taking the upper 80 % limit of the pilot's sd (Browne 1995), for a small pilot misjudges the noise.
    """

    sesoi: float
    sd: float
    d_z: float
    seeds: int
    cautious: int


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
    if sd <= ROUNDING:
        return SeedsNeeded(sesoi=sesoi, sd=sd, d_z=math.inf, seeds=MINIMUM_SEEDS, cautious=MINIMUM_SEEDS)
    upper = sd * math.sqrt(df / float(stats.chi2.ppf(0.2, df)))

    def count(noise: float) -> int:
        return max(MINIMUM_SEEDS, seeds_for(margin / noise, alpha=alpha, power=power, contrasts=contrasts))

    return SeedsNeeded(sesoi=sesoi, sd=sd, d_z=margin / sd, seeds=count(sd), cautious=count(upper))


def _check_power(power: float, alpha: float) -> None:
    if not alpha < power < 1.0:
        raise ValueError(f"the power must lie between alpha ({alpha:g}) and 1, not {power}")
