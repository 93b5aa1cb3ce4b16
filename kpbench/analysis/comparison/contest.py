"""One cell against another over their seeds: paired t where seeds are shared, else Welch, on log MSE."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpbench.analysis.comparison.arms import Side
from kpbench.statistics.corrections import adjusted_p, step_levels
from kpbench.statistics.estimate import paired, ratio_interval
from kpbench.statistics.intervals import Interval, ScoreInterval, bootstrap_t_interval, score_interval
from kpbench.statistics.paired import Superiority, pair_correlation, sign_flip_p
from kpbench.statistics.paired import superiority as paired_superiority
from kpbench.statistics.scale import log_margin
from kpbench.statistics.seeds_and_faces import TwoUncertainties, seeds_by_faces
from kpbench.statistics.unpaired import superiority, welch
from kpbench.statistics.verdicts import MINIMUM_SEEDS, Verdict, verdict

POWER = 0.8
"""Of the detectable effect."""


@dataclass(frozen=True)
class Finding:
    """What the seeds of both sides say of the ratio of their MSEs.

    Attributes:
        ci: of the ratio, at the level at which Holm's procedure tested it.
        p: two-sided, of the paired t test or Welch's, on log MSE.
        p_adjusted: Holm's; None where a planned run is missing.
        df: degrees of freedom.
        wins: P(A beats B on a fresh seed), at 1 - alpha.
        detectable: the smallest true change of MSE, in percent, found with 80 % power.
        correlation: of the pairs; None without pairs, below 3, or where a side does not vary.
        p_permutation, bootstrap: checks of a paired result; None where they do not apply.
    """

    ci: Interval
    p: float
    p_adjusted: float | None
    df: float
    wins: Superiority
    detectable: float
    correlation: float | None = None
    p_permutation: float | None = None
    bootstrap: Interval | None = None


@dataclass(frozen=True)
class Survivors:
    """The sensitivity analysis without diverged seeds: how many pairs, or seeds a side, and what is left."""

    n: tuple[int, int]
    ratio: float
    ci: Interval


@dataclass(frozen=True, eq=False)
class Contest:
    """One cell of A against one of B.

    Attributes:
        paired: over seeds in common; else every seed of both sides.
        seeds: those that enter, of each side.
        missing: planned runs without an outcome.
        scores: geometric-mean scores over `seeds`, at 1 - alpha; None without a seed.
        mse: geometric means over `seeds`.
        ratio: MSE of A over that of B; below 1 A is better.
        finding: None below two pairs, or two seeds a side.
        survivors: None where no seed diverged, or too few are left.
        faces: the interval over seeds and faces together; None where the rows do not carry single faces.
        identical: every pair has the very same MSE: one run read twice.
    """

    first: Side
    second: Side
    paired: bool
    seeds: tuple[tuple[int, ...], tuple[int, ...]]
    missing: int
    scores: tuple[ScoreInterval, ScoreInterval] | None
    mse: tuple[float, float] | None
    ratio: float | None
    finding: Finding | None
    verdict: Verdict
    survivors: Survivors | None
    faces: TwoUncertainties | None
    identical: bool

    @property
    def sides(self) -> tuple[Side, Side]:
        """A's and B's."""
        return self.first, self.second

    @property
    def n(self) -> int:
        """Pairs, or the seeds of the side that has fewer."""
        return min(map(len, self.seeds))


def contests(pairs: Sequence[tuple[Side, Side]], *, sesoi: float, alpha: float) -> tuple[Contest, ...]:
    """Each pair of sides, first over second, as one family under Holm's correction.

    Seeds are paired where at least five are planned on both sides, or where one side has no others: a rule of the
    plans, never of the outcome. A pair that lacks a planned run is `incomplete` and gets no verdict.

    Args:
        sesoi: smallest effect of interest as a share of MSE.
        alpha: error rate of the family.

    Raises:
        ValueError: as `log_margin` and `step_levels`.
    """
    samples = [_sample(*pair) for pair in pairs]
    whole = [sample.enough and not sample.missing for sample in samples]
    # One that lacks a planned run enters with p = 1: it counts in the family's size and cannot help the others.
    entered = [sample.p() if complete else 1.0 for sample, complete in zip(samples, whole, strict=True)]
    adjusted = adjusted_p(entered)
    levels = step_levels(entered, alpha=alpha)
    margin = log_margin(sesoi)
    with np.errstate(over="ignore"):  # an interval of two seeds at a small alpha may end at infinity
        return tuple(
            _contest(sample, p if complete else None, level, margin, alpha, len(samples))
            for sample, complete, p, level in zip(samples, whole, adjusted, levels, strict=True)
        )


@dataclass(frozen=True, eq=False)
class _Sample:
    """The log MSEs of a contest: (n,) each, in the order of the pairs where they are paired."""

    sides: tuple[Side, Side]
    paired: bool
    seeds: tuple[tuple[int, ...], tuple[int, ...]]
    missing: int

    def logs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        first, second = (
            np.log(np.array([side.mse[seed] for seed in seeds], dtype=np.float64))
            for side, seeds in zip(self.sides, self.seeds, strict=True)
        )
        return first, second

    @property
    def enough(self) -> bool:
        return min(map(len, self.seeds)) >= 2

    def p(self) -> float:
        first, second = self.logs()
        return paired(first - second).p if self.paired else welch(first, second).p

    def interval(self, confidence: float) -> Interval:
        first, second = self.logs()
        if self.paired:
            return paired(first - second).interval(confidence)
        return welch(first, second).interval(confidence=confidence)


def _sample(first: Side, second: Side) -> _Sample:
    planned = [set(side.planned) for side in (first, second)]
    common = planned[0] & planned[1]
    paired = len(common) >= 2 and len(common) >= min(MINIMUM_SEEDS, *map(len, planned))
    sides = first, second
    if paired:
        seeds = tuple(seed for seed in sorted(common) if seed in first.mse and seed in second.mse)
        return _Sample(sides, True, (seeds, seeds), len(common) - len(seeds))
    return _Sample(sides, False, (tuple(first.mse), tuple(second.mse)), first.missing + second.missing)


def _contest(
    sample: _Sample, p_adjusted: float | None, level: float, margin: float, alpha: float, contrasts: int
) -> Contest:
    first, second = sample.logs()
    n = min(first.size, second.size)
    interval = sample.interval(1.0 - level) if sample.enough else None
    mse = (math.exp(first.mean()), math.exp(second.mean())) if n else None
    scores = [score_interval(np.exp(logs).tolist(), confidence=1.0 - alpha) for logs in (first, second)] if n else None
    return Contest(
        first=sample.sides[0],
        second=sample.sides[1],
        paired=sample.paired,
        seeds=sample.seeds,
        missing=sample.missing,
        scores=None if scores is None else (scores[0], scores[1]),
        mse=mse,
        ratio=math.exp(first.mean() - second.mean()) if n else None,
        finding=None if interval is None else _finding(sample, interval, p_adjusted, margin, alpha, contrasts),
        verdict=verdict(interval, margin, n=n, planned=n + sample.missing),
        survivors=_survivors(sample, 1.0 - alpha),
        faces=None if interval is None else _faces(sample, interval.confidence),
        identical=sample.paired
        and n > 0
        and bool(np.all(first == second))
        and not any(s.diverged for s in sample.sides),
    )


def _finding(
    sample: _Sample, interval: Interval, p_adjusted: float | None, margin: float, alpha: float, contrasts: int
) -> Finding:
    first, second = sample.logs()
    if sample.paired:
        values = first - second
        found = paired(values)
        bootstrap = bootstrap_t_interval(values, confidence=interval.confidence)
        return Finding(
            ci=ratio_interval(interval),
            p=found.p,
            p_adjusted=p_adjusted,
            df=found.df,
            wins=paired_superiority(values, confidence=1.0 - alpha),
            detectable=found.detectable(alpha=alpha, power=POWER, contrasts=contrasts),
            correlation=pair_correlation(first, second),
            p_permutation=sign_flip_p(values),
            bootstrap=None if bootstrap is None else ratio_interval(bootstrap),
        )
    test = welch(first, second)
    return Finding(
        ci=ratio_interval(interval),
        p=test.p,
        p_adjusted=p_adjusted,
        df=test.df,
        wins=superiority(first, second, confidence=1.0 - alpha),
        detectable=test.detectable(alpha=alpha, power=POWER, contrasts=contrasts),
    )


def _survivors(sample: _Sample, confidence: float) -> Survivors | None:
    lost = [set(side.diverged) & set(seeds) for side, seeds in zip(sample.sides, sample.seeds, strict=True)]
    if not any(lost):
        return None
    if sample.paired:
        lost = [lost[0] | lost[1]] * 2
    left = [tuple(seed for seed in seeds if seed not in gone) for seeds, gone in zip(sample.seeds, lost, strict=True)]
    rest = _Sample(sample.sides, sample.paired, (left[0], left[1]), sample.missing)
    if not rest.enough:
        return None
    first, second = rest.logs()
    ratio = math.exp(first.mean() - second.mean())
    return Survivors((first.size, second.size), ratio, ratio_interval(rest.interval(confidence)))


def _faces(sample: _Sample, confidence: float) -> TwoUncertainties | None:
    """Over seeds and faces, where every seed of both sides carries as many faces; a diverged one carries none."""
    if not sample.paired or any(seed not in side.faces for side in sample.sides for seed in sample.seeds[0]):
        return None
    errors = [[side.faces[seed] for seed in sample.seeds[0]] for side in sample.sides]
    if len({len(faces) for seeds in errors for faces in seeds}) != 1:
        return None
    values = np.array(errors, dtype=np.float64)
    if values.shape[2] < 2 or not bool(np.all(np.isfinite(values) & (values > 0.0))):
        return None
    return seeds_by_faces(values, [1.0, -1.0], confidence=confidence)
