"""What stands beside a verdict: tests, intervals, effect sizes and diagnostics of one paired contrast."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kpbench.statistics.intervals import Interval, bootstrap_t_interval, finite_sample, t_interval
from kpbench.statistics.paired import (
    Wins,
    equivalence_p,
    normality_p,
    pair_correlation,
    paired_t,
    sign_flip_p,
    wins,
)
from kpbench.statistics.power import detectable_percent


@dataclass(frozen=True)
class Evidence:
    """What the paired differences of a contrast say.

    Attributes:
        ci: interval of the MSE ratio at the level at which the family's procedure tested it (`step_levels`).
        ci_single: the same at 1 - alpha, as if it were the only contrast.
        p: two-sided paired t.
        p_adjusted: for the family; None for an incomplete contrast.
        p_equivalence: two one-sided tests within the smallest effect of interest.
        p_equivalence_adjusted: at most alpha exactly where `ci` lies inside the band; None for an incomplete one.
        p_permutation: sign flips, not adjusted; a check.
        bootstrap: studentised bootstrap of the ratio at the level of `ci`; a check, None below 8 seeds.
        sd: of the paired differences of log MSE.
        d_z: mean over sd of those differences; below 0 is better.
        wins: P(level beats baseline) on a fresh seed, at 1 - alpha.
        detectable: the smallest true change of MSE, in percent, found with the power at this n and alpha / contrasts.
        correlation: over blocks, of the two log MSEs.
        normality: p of Shapiro and Wilk on the differences.
    """

    ci: Interval
    ci_single: Interval
    p: float
    p_adjusted: float | None
    p_equivalence: float
    p_equivalence_adjusted: float | None
    p_permutation: float
    bootstrap: Interval | None
    sd: float
    d_z: float
    wins: Wins
    detectable: float
    correlation: float | None
    normality: float | None


def evidence(
    level: ArrayLike,
    baseline: ArrayLike,
    *,
    interval: Interval,
    p_adjusted: float | None,
    margin: float,
    alpha: float = 0.05,
    power: float = 0.8,
    contrasts: int = 1,
    seed: int = 0,
) -> Evidence:
    """The evidence of one contrast from the log MSE of its two sides in the same blocks.

    Args:
        level, baseline: (n,) log MSE, n >= 2, one value a block in the same order.
        interval: of the mean difference, as the family's procedure decided it.
        margin: smallest effect of interest on the log scale.
        contrasts: size of the family, for the detectable effect.
        seed: of the bootstrap and of drawn permutations.

    Raises:
        ValueError: as `paired_t`, `equivalence_p` and `detectable_d`.
    """
    pair = finite_sample(level), finite_sample(baseline)
    values = pair[0] - pair[1]
    test = paired_t(values)
    checked = bootstrap_t_interval(values, confidence=interval.confidence, seed=seed)
    equivalent = equivalence_p(values, margin)
    # Each one-sided test stands at half the level of the interval; scaled to alpha, as p_adjusted is.
    scaled = min(1.0, 2.0 * equivalent * alpha / (1.0 - interval.confidence))
    return Evidence(
        ci=ratio_interval(interval),
        ci_single=ratio_interval(t_interval(values, confidence=1.0 - alpha)),
        p=test.p,
        p_adjusted=p_adjusted,
        p_equivalence=equivalent,
        p_equivalence_adjusted=None if p_adjusted is None else scaled,
        p_permutation=sign_flip_p(values, seed=seed),
        bootstrap=None if checked is None else ratio_interval(checked),
        sd=test.sd,
        d_z=test.d_z,
        wins=wins(values, confidence=1.0 - alpha),
        detectable=detectable_percent(test.sd, test.n, alpha=alpha, power=power, contrasts=contrasts),
        correlation=pair_correlation(*pair),
        normality=normality_p(values),
    )


def ratio_interval(interval: Interval) -> Interval:
    """An interval of a difference of log MSE as an interval of the MSE ratio."""
    return Interval(float(np.exp(interval.low)), float(np.exp(interval.high)), interval.confidence)
