"""Two cells compared over their seeds: a paired t test where seeds are shared, else Welch's, on log MSE."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kpbench.analysis.comparison.arms import Arm, Ends, Json, differing
from kpbench.cell import Scalar
from kpbench.statistics.corrections import adjusted_p, step_levels
from kpbench.statistics.estimate import Estimate, paired, ratio_interval
from kpbench.statistics.intervals import Interval, bootstrap_t_interval, score_interval
from kpbench.statistics.paired import pair_correlation, sign_flip_p, superiority
from kpbench.statistics.scale import log_margin, rmse_px
from kpbench.statistics.seeds_and_faces import seeds_by_faces
from kpbench.statistics.unpaired import superiority_of_all_pairs, welch
from kpbench.statistics.verdicts import MINIMUM_SEEDS, Size, Word, verdict

POWER = 0.8
"""Of the detectable effect."""


class RatioWithFaces(Json):
    """The MSE ratio with its interval over seeds and test faces together."""

    ratio: float
    ci: Ends


class WithoutDiverged(Json):
    """The sensitivity analysis without diverged seeds: what is left of each arm, the ratio, its 1 - alpha interval."""

    n: tuple[int, int]
    ratio: float
    ci: Ends


class CellComparison(Json):
    """A cell of A compared with one of B, over the seeds that enter, as `kpbench compare --json` prints it.

    The fields from `ci` to `detectable` are None below two pairs, or two seeds an arm.

    Attributes:
        paired: over seeds in common; else every seed of both arms. Not part of the JSON.
        differs: parameters in which the cells differ, with both values.
        n: pairs, or the seeds of the arm that has fewer.
        missing: planned runs without an outcome.
        ratio: MSE of A over that of B; below 1 A is better.
        ci: of the ratio, at the confidence at which Holm's procedure tested it.
        p: two-sided, of the paired t test or Welch's, on log MSE.
        p_adjusted: Holm's; None where a planned run is missing.
        p_permutation, bootstrap: checks of a paired result; None where they do not apply.
        df: degrees of freedom.
        correlation: of the pairs; None without pairs, below 3, or where an arm does not vary.
        superiority: probability that A has the lower MSE on a fresh seed; its interval at 1 - alpha.
        detectable: the smallest true change of MSE, in percent, found with 80 % power.
        seeds_and_faces: None where the rows do not carry single faces.
        survivors: None where no seed diverged, or too few are left.
        identical: every pair has the very same MSE: one run read twice.
    """

    paired: bool = Field(exclude=True)
    a: Arm
    b: Arm
    differs: dict[str, tuple[Scalar | None, ...]]
    test: Literal["paired t", "Welch"] | None = None
    n: int
    missing: int
    ratio: float | None
    ci: Ends | None = None
    confidence: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    p_permutation: float | None = None
    bootstrap: Ends | None = None
    df: float | None = None
    correlation: float | None = None
    superiority: float | None = None
    superiority_interval: Ends | None = None
    detectable: float | None = None
    verdict: Word
    size: Size | None
    seeds_and_faces: RatioWithFaces | None = None
    survivors: WithoutDiverged | None
    identical: bool

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """A's and B's."""
        return self.a, self.b


def compare_pairs(pairs: Sequence[tuple[Arm, Arm]], *, sesoi: float, alpha: float) -> tuple[CellComparison, ...]:
    """Each pair of arms, first over second, as one family of contrasts under Holm's correction.

    Seeds are paired where at least five are planned for both arms, or where one arm has no others: a rule of the
    plans, never of the outcome. A pair that lacks a planned run is `incomplete` and gets no verdict.

    Args:
        sesoi: smallest effect of interest as a share of MSE.
        alpha: error rate of the family of contrasts.

    Raises:
        ValueError: as `log_margin` and `step_levels`.
    """
    samples = [_sample(*pair) for pair in pairs]
    whole = [sample.enough and not sample.missing for sample in samples]
    # One that lacks a planned run enters with p = 1: it counts in the family's size and cannot help the others.
    entered = [sample.estimate().p if complete else 1.0 for sample, complete in zip(samples, whole, strict=True)]
    adjusted = adjusted_p(entered)
    alphas = step_levels(entered, alpha=alpha)
    margin = log_margin(sesoi)
    with np.errstate(over="ignore"):  # an interval of two seeds at a small alpha may end at infinity
        return tuple(
            _compared(sample, p if complete else None, tested_at, margin, alpha, len(samples))
            for sample, complete, p, tested_at in zip(samples, whole, adjusted, alphas, strict=True)
        )


@dataclass(frozen=True, eq=False)
class _Sample:
    """Two arms with the seeds that enter, in the order of the pairs where they are paired."""

    arms: tuple[Arm, Arm]
    paired: bool
    missing: int

    def logs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        first, second = (np.log(np.array([arm.mse[seed] for seed in arm.seeds])) for arm in self.arms)
        return first, second

    @property
    def enough(self) -> bool:
        return min(len(arm.seeds) for arm in self.arms) >= 2

    def estimate(self) -> Estimate:
        first, second = self.logs()
        return paired(first - second) if self.paired else welch(first, second)

    def ratio(self) -> float:
        first, second = self.logs()
        return math.exp(first.mean() - second.mean())


def _sample(first: Arm, second: Arm) -> _Sample:
    planned = [set(arm.planned) for arm in (first, second)]
    common = planned[0] & planned[1]
    if len(common) >= 2 and len(common) >= min(MINIMUM_SEEDS, *map(len, planned)):
        seeds = sorted(common & first.mse.keys() & second.mse.keys())
        return _Sample((first.over(seeds), second.over(seeds)), True, len(common) - len(seeds))
    return _Sample((first, second), False, first.missing + second.missing)


def _compared(
    sample: _Sample, p_adjusted: float | None, tested_at: float, margin: float, alpha: float, contrasts: int
) -> CellComparison:
    first, second = sample.logs()
    n = min(first.size, second.size)
    interval = sample.estimate().interval(1.0 - tested_at) if sample.enough else None
    found = verdict(interval, margin, n=n, planned=n + sample.missing)
    diverged = any(arm.diverged_in_all for arm in sample.arms)
    tested = {} if interval is None else _tested(sample, interval, p_adjusted, margin, alpha, contrasts)
    return CellComparison(
        paired=sample.paired,
        a=_scored(sample.arms[0], first, 1.0 - alpha),
        b=_scored(sample.arms[1], second, 1.0 - alpha),
        differs=differing([arm.params for arm in sample.arms]),
        n=n,
        missing=sample.missing,
        ratio=sample.ratio() if n else None,
        verdict=found.word,
        size=found.size,
        survivors=_without_diverged(sample, 1.0 - alpha),
        identical=sample.paired and n > 0 and bool(np.all(first == second)) and not diverged,
        **tested,
    )


def _scored(arm: Arm, logs: NDArray[np.float64], confidence: float) -> Arm:
    if not arm.seeds:
        return arm
    found = score_interval(np.exp(logs).tolist(), confidence=confidence)
    interval = None if found.low is None or found.high is None else (found.low, found.high)
    return arm.model_copy(
        update={"score": found.score, "interval": interval, "rmse_px": rmse_px(math.exp(logs.mean()))}
    )


def _tested(
    sample: _Sample, interval: Interval, p_adjusted: float | None, margin: float, alpha: float, contrasts: int
) -> dict[str, Any]:
    """The fields of a `CellComparison` that need two seeds an arm."""
    first, second = sample.logs()
    estimate = sample.estimate()
    if sample.paired:
        better = superiority(first - second, confidence=1.0 - alpha)
        bootstrap = bootstrap_t_interval(first - second, confidence=interval.confidence)
        own = {
            "test": "paired t",
            "p_permutation": sign_flip_p(first - second),
            "bootstrap": bootstrap and _ends(ratio_interval(bootstrap)),
            "correlation": pair_correlation(first, second),
        }
    else:
        better = superiority_of_all_pairs(first, second, confidence=1.0 - alpha)
        own = {"test": "Welch"}
    return own | {
        "ci": _ends(ratio_interval(interval)),
        "confidence": interval.confidence,
        "p": estimate.p,
        "p_adjusted": p_adjusted,
        "df": estimate.df,
        "superiority": better.share,
        "superiority_interval": _ends(better.interval),
        "detectable": estimate.detectable(alpha=alpha, power=POWER, contrasts=contrasts),
        "seeds_and_faces": _with_faces(sample, interval.confidence),
    }


def _without_diverged(sample: _Sample, confidence: float) -> WithoutDiverged | None:
    if not any(arm.diverged for arm in sample.arms):
        return None
    lost = [set(arm.diverged) for arm in sample.arms]
    if sample.paired:
        lost = [lost[0] | lost[1]] * 2
    first, second = (
        arm.over([seed for seed in arm.seeds if seed not in gone]) for arm, gone in zip(sample.arms, lost, strict=True)
    )
    rest = _Sample((first, second), sample.paired, sample.missing)
    if not rest.enough:
        return None
    interval = rest.estimate().ratio_interval(confidence)
    return WithoutDiverged(n=(len(first.seeds), len(second.seeds)), ratio=rest.ratio(), ci=_ends(interval))


def _with_faces(sample: _Sample, confidence: float) -> RatioWithFaces | None:
    """Over seeds and faces, where every seed of both arms carries as many faces; a diverged one carries none."""
    if not sample.paired or any(seed not in arm.faces for arm in sample.arms for seed in arm.seeds):
        return None
    errors = [[arm.faces[seed] for seed in arm.seeds] for arm in sample.arms]
    if len({len(faces) for seeds in errors for faces in seeds}) != 1:
        return None
    values = np.array(errors, dtype=np.float64)
    if values.shape[2] < 2 or not bool(np.all(np.isfinite(values) & (values > 0.0))):
        return None
    found = seeds_by_faces(values, [1.0, -1.0], confidence=confidence)
    return RatioWithFaces(ratio=found.ratio, ci=_ends(found.seeds_and_faces))


def _ends(interval: Interval) -> Ends:
    return interval.low, interval.high
