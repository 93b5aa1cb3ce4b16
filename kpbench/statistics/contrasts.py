"""Planned contrasts against the baseline: estimate, interval, evidence and verdict of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import Scalar
from kpbench.statistics.blocks import BlockTable, survivors
from kpbench.statistics.corrections import Correction
from kpbench.statistics.decisions import Decision, decide
from kpbench.statistics.evidence import Evidence, evidence, ratio_interval
from kpbench.statistics.intervals import Interval, t_interval
from kpbench.statistics.plan import Effect, PlannedContrast, averaged_over, contrast_weights, differences, present
from kpbench.statistics.scale import log_margin, percent_change, pixel_change, rmse_px
from kpbench.statistics.verdicts import Verdict
from kpbench.task.score import score_from_mse


@dataclass(frozen=True)
class Survivors:
    """The sensitivity analysis without the blocks in which a run failed.

    Attributes:
        agrees: whether its interval says the same of 1 (below, above, or not left out); None below 2 blocks.
    """

    n: int
    ratio: float | None
    ci: Interval | None
    agrees: bool | None


@dataclass(frozen=True)
class Contrast:
    """One planned contrast with all that a report says of it.

    Attributes:
        effect: `marginal` (averaged over `averaged_over`) or `simple` (others held at `planned.at`).
        n: complete blocks, of `blocks_planned`.
        blocks: which ones, in the order of `log_ratios`.
        failed_level, failed_baseline: failed runs, counted with the constant predictor's MSE.
        log_ratios: the paired difference of log MSE in each complete block.
        ratio: geometric-mean MSE of the level over the baseline's; below 1 is better. None without a complete block.
        level_mse, baseline_mse: geometric means over the complete blocks.
        evidence: None below two complete blocks.
        survivors: None where no run of the contrast failed.
    """

    planned: PlannedContrast
    effect: Effect
    averaged_over: tuple[str, ...]
    n: int
    blocks_planned: int
    blocks: tuple[int, ...]
    failed_level: int
    failed_baseline: int
    log_ratios: tuple[float, ...]
    ratio: float | None
    level_mse: float | None
    baseline_mse: float | None
    evidence: Evidence | None
    survivors: Survivors | None
    verdict: Verdict

    @property
    def factor(self) -> str:
        """The factor's name."""
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
    def percent(self) -> float | None:
        """The change of MSE in percent; below 0 is better."""
        return None if self.ratio is None else percent_change(self.ratio)

    @property
    def score_ratio(self) -> float | None:
        """The ratio of the geometric-mean scores; above 1 is better."""
        return None if self.ratio is None else 1.0 / self.ratio

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

    @property
    def pixel_interval(self) -> tuple[float, float] | None:
        """The interval `evidence.ci` as a change of the RMSE in pixels, at the baseline's geometric-mean MSE."""
        if self.evidence is None or self.baseline_mse is None:
            return None
        ci = self.evidence.ci
        return pixel_change(self.baseline_mse, ci.low), pixel_change(self.baseline_mse, ci.high)


def compare(
    table: BlockTable,
    family: Sequence[PlannedContrast],
    *,
    sesoi: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    correction: Correction = "holm",
    seed: int = 0,
) -> tuple[Contrast, ...]:
    """Every planned contrast of one family, in the order given, by paired t on log MSE.

    Only blocks in which all cells of a contrast have run count; a contrast that lacks a planned block is
    `incomplete`, gets no verdict, and still counts in the size of the family.

    Args:
        family: the contrasts over which the error rate is held.
        sesoi: the smallest effect of interest as a share of MSE; the band is 1 / (1 + sesoi) to 1 + sesoi.
        alpha: the family's error rate.
        power: of the detectable effect.
        seed: of the bootstrap and of drawn permutations; the same seed gives the same result.

    Raises:
        UsageError, ValueError: as `contrast_weights`, `decide`, `log_margin` and `detectable_d`.
    """
    margin = log_margin(sesoi)
    weights = [contrast_weights(table, planned) for planned in family]
    samples = [present(differences(table, cells)) for cells in weights]
    decisions = decide(samples, planned=len(table.blocks), margin=margin, alpha=alpha, correction=correction)
    contrasts = 1 if correction == "none" else len(family)
    found = []
    for planned, cells, decision in zip(family, weights, decisions, strict=True):
        here = ~np.isnan(differences(table, cells))
        level, baseline = (_side(table, cells, sign)[here] for sign in (1.0, -1.0))
        rest = averaged_over(table, planned)
        found.append(
            Contrast(
                planned=planned,
                effect="marginal" if rest else "simple",
                averaged_over=rest,
                n=int(here.sum()),
                blocks_planned=len(table.blocks),
                blocks=tuple(block for block, ran in zip(table.blocks, here, strict=True) if ran),
                failed_level=int(table.failed[cells > 0.0].sum()),
                failed_baseline=int(table.failed[cells < 0.0].sum()),
                log_ratios=tuple((level - baseline).tolist()),
                ratio=_geometric_mean(level - baseline),
                level_mse=_geometric_mean(level),
                baseline_mse=_geometric_mean(baseline),
                evidence=None
                if decision.interval is None
                else evidence(
                    level,
                    baseline,
                    interval=decision.interval,
                    p_adjusted=decision.p_adjusted,
                    margin=margin,
                    alpha=alpha,
                    power=power,
                    contrasts=contrasts,
                    seed=seed,
                ),
                survivors=_survivors(table, cells, decision),
                verdict=decision.verdict,
            )
        )
    return tuple(found)


def _side(table: BlockTable, weights: NDArray[np.float64], sign: float) -> NDArray[np.float64]:
    """The log MSE of one side of a contrast in each block, averaged over its cells."""
    return differences(table, np.where(weights * sign > 0.0, np.abs(weights), 0.0))


def _geometric_mean(logs: NDArray[np.float64]) -> float | None:
    return float(np.exp(logs.mean())) if logs.size else None


def _survivors(table: BlockTable, weights: NDArray[np.float64], decision: Decision) -> Survivors | None:
    if not bool(table.failed[weights != 0.0].any()):
        return None
    values = present(differences(survivors(table), weights))
    ratio = _geometric_mean(values)
    if values.size < 2 or decision.interval is None:
        return Survivors(n=values.size, ratio=ratio, ci=None, agrees=None)
    interval = t_interval(values, confidence=decision.interval.confidence)
    agrees = _direction(interval) == _direction(decision.interval)
    return Survivors(n=values.size, ratio=ratio, ci=ratio_interval(interval), agrees=agrees)


def _direction(interval: Interval) -> int:
    return int(interval.low > 0.0) - int(interval.high < 0.0)
