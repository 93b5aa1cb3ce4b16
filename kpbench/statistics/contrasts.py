"""Planned contrasts and interactions: estimate, interval, checks and verdict of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import Scalar
from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.decisions import Decision, Terms, decide
from kpbench.statistics.estimate import Estimate, ratio_interval
from kpbench.statistics.failures import Survivors, sides_of, survivors_of, with_collapse
from kpbench.statistics.intervals import Interval, bootstrap_t_interval
from kpbench.statistics.paired import Superiority, normality_p, pair_correlation, sign_flip_p, superiority
from kpbench.statistics.plan import PlannedContrast, averaged_over, contrast_weights, differences, present
from kpbench.statistics.scale import percent_change, rmse_px
from kpbench.statistics.verdicts import Verdict, Word, needed_seeds
from kpbench.task.score import score_from_mse

InteractionWord = Literal["present", "negligible", "undecided", "withheld", "incomplete"]

INTERACTION_WORDS: dict[Word, InteractionWord] = {
    "better": "present",
    "worse": "present",
    "mixed": "undecided",
    "equivalent": "negligible",
    "undecided": "undecided",
    "withheld": "withheld",
    "incomplete": "incomplete",
}
"""An interaction is present where its interval leaves out 1 and negligible where it lies inside the band."""


class Wanted(TypedDict):
    """What a detectable effect is stated for."""

    alpha: float
    power: float
    contrasts: int


@dataclass(frozen=True)
class Checks:
    """What stands beside the paired t test of a contrast; no verdict is read off it.

    Attributes:
        p_equivalence: two one-sided tests, scaled to the family's alpha: at most alpha exactly where `ci` lies inside
            the band; None for an incomplete contrast.
        p_permutation: sign flips, not adjusted.
        bootstrap: studentised bootstrap of the ratio at the coverage of `ci`; None below 8 seeds.
        superiority: P(level beats baseline) on a fresh seed, at 1 - alpha.
        correlation: over blocks, of the two log MSEs.
        normality: p of Shapiro and Wilk on the differences.
    """

    p_equivalence: float | None
    p_permutation: float
    bootstrap: Interval | None
    superiority: Superiority
    correlation: float | None
    normality: float | None


@dataclass(frozen=True)
class Contrast:
    """One planned contrast, or an interaction as a ratio of MSE ratios, with all that a report says of it.

    Attributes:
        averaged_over: other factors over which it is averaged within a block.
        blocks: the complete ones, in the order of `log_ratios`, of `blocks_planned`.
        failed: failed runs on both sides, diverged or `collapsed` (worse than the constant predictor), counted with the
            constant predictor's MSE.
        log_ratios: the paired difference of log MSE (of an interaction: of differences) in each complete block.
        ratio: geometric-mean MSE of the level over the baseline's; below 1 is better. None without a complete block.
        level_mse, baseline_mse: geometric means over the complete blocks.
        estimate: None below two complete blocks, and so `ci`, `detectable` and `checks`.
        ci: of the ratio, at the coverage at which the family's procedure tested it (`step_alphas`).
        p_adjusted: for the family; None for an incomplete contrast.
        detectable: the smallest true change of MSE, in percent, found with the power at this n and noise and at
            alpha over the number of contrasts; `detectable_interval` at 95 %, for that noise is estimated.
        alpha, needed: the error rate at which its family was judged, and the seeds that its verdict needs.
        survivors: None below two complete blocks, or where a failed run's MSE is not known.
    """

    planned: PlannedContrast
    averaged_over: tuple[str, ...]
    blocks: tuple[int, ...]
    blocks_planned: int
    failed: int
    collapsed: int
    log_ratios: tuple[float, ...]
    ratio: float | None
    level_mse: float | None
    baseline_mse: float | None
    estimate: Estimate | None
    ci: Interval | None
    p_adjusted: float | None
    detectable: float | None
    detectable_interval: Interval | None
    checks: Checks | None
    alpha: float
    needed: int
    survivors: Survivors | None
    verdict: Verdict

    @property
    def factor(self) -> str:
        """The (first) factor's name."""
        return self.planned.factor

    @property
    def level(self) -> Scalar:
        """The level under test."""
        return self.planned.level

    @property
    def baseline(self) -> Scalar:
        """The level it is compared with."""
        return self.planned.baseline

    @property
    def effect(self) -> str:
        """`marginal` (averaged over `averaged_over`) or `simple` (others held at `planned.at`)."""
        return "marginal" if self.averaged_over else "simple"

    @property
    def word(self) -> Word | InteractionWord:
        """The verdict's word; for an interaction in words of its own."""
        return INTERACTION_WORDS[self.verdict.word] if self.planned.times else self.verdict.word

    @property
    def n(self) -> int:
        """Complete blocks."""
        return len(self.blocks)

    @property
    def p(self) -> float | None:
        """Two-sided paired t, not adjusted."""
        return None if self.estimate is None else self.estimate.p

    @property
    def percent(self) -> float | None:
        """The change of MSE in percent; below 0 is better."""
        return None if self.ratio is None else percent_change(self.ratio)

    @property
    def scores(self) -> tuple[float, float] | None:
        """The scores of the geometric-mean MSE of level and baseline."""
        if self.level_mse is None or self.baseline_mse is None:
            return None
        return score_from_mse(self.level_mse), score_from_mse(self.baseline_mse)

    @property
    def pixels(self) -> tuple[float, float] | None:
        """The RMSE of level and baseline in pixels."""
        if self.level_mse is None or self.baseline_mse is None:
            return None
        return rmse_px(self.level_mse), rmse_px(self.baseline_mse)


def compare(
    table: BlockTable, family: Sequence[PlannedContrast], terms: Terms | None = None, *, seed: int | None = 0
) -> tuple[Contrast, ...]:
    """Every planned contrast of one family, in the order given, by paired t on log MSE.

    Only blocks in which all cells of a contrast have run count; a contrast that lacks a planned block is
    `incomplete`, gets no verdict, and still counts in the size of the family.

    Args:
        family: the contrasts over which the error rate is held; interactions are a family of their own.
        terms: as `Terms` has them by default where not given.
        seed: of the bootstrap and of drawn permutations; the same seed gives the same result. None leaves `checks` out.

    Raises:
        UsageError, ValueError: as `contrast_weights`, `decide`, `log_margin` and `detectable_shift`.
    """
    terms = terms or Terms()
    weights = [contrast_weights(table, planned) for planned in family]
    samples = [differences(table, cells) for cells in weights]
    decisions = decide([present(sample) for sample in samples], terms, planned=len(table.blocks))
    wanted: Wanted = {"alpha": terms.alpha, "power": terms.power, "contrasts": terms.corrected_for(len(family))}
    found = []
    for planned, cells, sample, decision in zip(family, weights, samples, decisions, strict=True):
        here = ~np.isnan(sample)
        level, baseline = (_mean_log(table, cells, sign)[here] for sign in (1.0, -1.0))
        estimate, interval = decision.estimate, decision.interval
        sides = sides_of(table, cells, here)
        found.append(
            Contrast(
                planned=planned,
                averaged_over=averaged_over(table, planned),
                blocks=tuple(block for block, ran in zip(table.blocks, here, strict=True) if ran),
                blocks_planned=len(table.blocks),
                failed=int(table.failed[cells != 0.0].sum()),
                collapsed=int(table.collapsed[cells != 0.0].sum()),
                log_ratios=tuple(sample[here].tolist()),
                ratio=_geometric_mean(sample[here]),
                level_mse=_geometric_mean(level),
                baseline_mse=_geometric_mean(baseline),
                estimate=estimate,
                ci=None if interval is None else ratio_interval(interval),
                p_adjusted=decision.p_adjusted,
                detectable=None if estimate is None else estimate.detectable(**wanted),
                detectable_interval=None if estimate is None else estimate.detectable_interval(**wanted),
                checks=None if seed is None else _checks(level, baseline, decision, terms, seed),
                alpha=terms.alpha,
                needed=needed_seeds(terms.corrected_for(len(family)), terms.alpha),
                survivors=survivors_of(table, cells, decision, sides),
                verdict=with_collapse(decision.verdict, sides or (), terms.margin),
            )
        )
    return tuple(found)


def _checks(
    level: NDArray[np.float64], baseline: NDArray[np.float64], decision: Decision, terms: Terms, seed: int
) -> Checks | None:
    estimate, interval = decision.estimate, decision.interval
    if estimate is None or interval is None:
        return None
    values = level - baseline
    bootstrap = bootstrap_t_interval(values, confidence=interval.confidence, seed=seed)
    # Each one-sided test stands at half the error rate of the interval; scaled to alpha, as p_adjusted is.
    equivalence = 2.0 * estimate.equivalence_p(terms.margin) * terms.alpha / (1.0 - interval.confidence)
    return Checks(
        p_equivalence=None if decision.p_adjusted is None else min(1.0, equivalence),
        p_permutation=sign_flip_p(values, seed=seed),
        bootstrap=None if bootstrap is None else ratio_interval(bootstrap),
        superiority=superiority(values, confidence=1.0 - terms.alpha),
        correlation=pair_correlation(level, baseline),
        normality=normality_p(values),
    )


def _mean_log(table: BlockTable, weights: NDArray[np.float64], sign: float) -> NDArray[np.float64]:
    """The log MSE of the cells whose weight has the sign, in each block, weighted."""
    return differences(table, np.where(weights * sign > 0.0, np.abs(weights), 0.0))


def _geometric_mean(logs: NDArray[np.float64]) -> float | None:
    return float(np.exp(logs.mean())) if logs.size else None
