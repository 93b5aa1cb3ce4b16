"""Two cells compared on log MSE over all their seeds, shared or not."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from kpbench.analysis.comparison.arms import Arm, Ends, Json, differing
from kpbench.cell import Scalar
from kpbench.errors import UsageError
from kpbench.statistics.collapse import Side
from kpbench.statistics.corrections import adjusted_p, step_alphas
from kpbench.statistics.estimate import Estimate, ratio_interval
from kpbench.statistics.failures import with_collapse
from kpbench.statistics.intervals import Interval, bootstrap_t_interval, score_interval
from kpbench.statistics.paired import sign_flip_p, superiority
from kpbench.statistics.scale import log_margin, rmse_px
from kpbench.statistics.seeds_and_faces import seeds_by_faces
from kpbench.statistics.unpaired import overlapping, shared_correlation, superiority_of_all_pairs
from kpbench.statistics.verdicts import Size, Verdict, Why, Word, needed_seeds, verdict
from kpbench.store.files import PERSONS

POWER = 0.8
"""Of the detectable effect."""


class RatioWithFaces(Json):
    """The MSE ratio with its interval over seeds and faces together, or persons where they are known."""

    ratio: float
    ci: Ends
    unit: Literal["person", "face"]
    units: int


class WithoutFailed(Json):
    """The sensitivity analysis without failed seeds: what is left of each arm, the ratio, its 1 - alpha interval."""

    n: tuple[int, int]
    ratio: float
    ci: Ends


class CellComparison(Json):
    """A cell of A compared with one of B, over all seeds of both, as `kpbench compare --json` prints it.

    The fields from `ci` to `detectable_interval` are None below two seeds an arm.

    Attributes:
        differs: parameters in which the cells differ, with both values.
        test: paired where both have the same seeds, Welch's where no or too few are shared (`overlapping`).
        n: the seeds of the arm that has fewer.
        shared: seeds that both arms have.
        missing: planned runs without an outcome.
        ratio: MSE of A over that of B; below 1 A is better.
        ci: of the ratio, at the confidence at which Holm's procedure tested it.
        p: two-sided, of `test` on log MSE.
        p_adjusted: Holm's; None where a planned run is missing.
        p_permutation, bootstrap: checks of a paired result; None where they do not apply.
        df: degrees of freedom.
        correlation: over the shared seeds; None below 3, or where an arm does not vary.
        superiority: probability that A has the lower MSE on a fresh seed; its interval at 1 - alpha.
        detectable: the smallest true change of MSE, in percent, found with 80 % power; its 95 % interval beside it.
        why: of a verdict that is withheld, or undecided for what rare failures could hide; else empty.
        seeds_and_faces: None where a seed failed or is not shared, or the rows do not carry the faces compared on.
        survivors: None where no seed failed, or too few are left.
        identical: every pair has the very same MSE: one run read twice.
    """

    a: Arm
    b: Arm
    differs: dict[str, tuple[Scalar | None, ...]]
    test: Literal["paired t", "overlapping samples", "Welch"] | None = None
    n: int
    shared: int
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
    detectable_interval: Ends | None = None
    verdict: Word
    size: Size | None
    why: Why
    seeds_and_faces: RatioWithFaces | None = None
    survivors: WithoutFailed | None
    identical: bool

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """A's and B's."""
        return self.a, self.b


def compare_pairs(pairs: Sequence[tuple[Arm, Arm]], *, sesoi: float, alpha: float) -> tuple[CellComparison, ...]:
    """Each pair of arms, first over second, as one family of contrasts under Holm's correction.

    A pair that lacks a planned run is `incomplete` and gets no verdict.

    Args:
        sesoi: smallest effect of interest as a share of MSE.
        alpha: error rate of the family of contrasts.

    Raises:
        ValueError: as `log_margin`, `step_alphas` and `needed_seeds`.
        UsageError: the persons of a study are not as many as its faces.
    """
    estimates = [_estimate(a.logs, b.logs) for a, b in pairs]
    whole = [
        estimate if estimate and not a.missing + b.missing else None
        for estimate, (a, b) in zip(estimates, pairs, strict=True)
    ]
    # One that lacks a planned run enters with p = 1: it counts in the family's size and cannot help the others.
    entered = [estimate.p if estimate else 1.0 for estimate in whole]
    adjusted = adjusted_p(entered)
    alphas = step_alphas(entered, alpha=alpha)
    margin = log_margin(sesoi)
    with np.errstate(over="ignore"):  # an interval of two seeds at a small alpha may end at infinity
        return tuple(
            _compared(pair, estimate, p if complete else None, tested_at, margin, alpha, len(pairs))
            for pair, estimate, complete, p, tested_at in zip(pairs, estimates, whole, adjusted, alphas, strict=True)
        )


def _estimate(first: Mapping[int, float], second: Mapping[int, float]) -> Estimate | None:
    return overlapping(first, second) if min(len(first), len(second)) >= 2 else None


def _compared(
    arms: tuple[Arm, Arm],
    estimate: Estimate | None,
    p_adjusted: float | None,
    tested_at: float,
    margin: float,
    alpha: float,
    contrasts: int,
) -> CellComparison:
    a, b = arms
    first, second = a.logs, b.logs
    n, missing = min(len(first), len(second)), a.missing + b.missing
    interval = estimate.interval(1.0 - tested_at) if estimate else None
    found = verdict(interval, margin, n=n, planned=n + missing, needed=needed_seeds(contrasts, alpha))
    found = with_collapse(found, [side for side in map(_side, arms) if side], margin)
    # Of its own cells an ablation has told what it planned to tell; any other pair is picked by what came out.
    picked: Why = "picked" if a.source.place == b.source.place and a.source.plan.design is not None else ""
    withheld = a.source.withhold or b.source.withhold or picked
    if withheld and found.word != "incomplete":
        found = Verdict("withheld", why=withheld)
    tested = {}
    if estimate is not None and interval is not None:
        tested = _tested(arms, estimate, interval, alpha, contrasts) | {"p_adjusted": p_adjusted}
    return CellComparison(
        a=_scored(a, 1.0 - alpha),
        b=_scored(b, 1.0 - alpha),
        differs=differing([arm.params for arm in arms]),
        n=n,
        shared=len(first.keys() & second.keys()),
        missing=missing,
        ratio=math.exp(_mean(first) - _mean(second)) if n else None,
        verdict=found.word,
        size=found.size,
        why=found.why,
        survivors=_without_failed(a, b, 1.0 - alpha),
        identical=n > 0 and first == second and not a.failed | b.failed,
        **tested,
    )


def _mean(logs: Mapping[int, float]) -> float:
    return float(np.mean(list(logs.values())))


def _side(arm: Arm) -> Side | None:
    """How many seeds of an arm failed and what that costs; None where it is not known."""
    constant = arm.source.failed_mse
    if constant is None:
        return None
    usual = {seed: log for seed, log in arm.logs.items() if seed not in arm.failed}
    cost = math.log(constant) - _mean(usual) if usual else 0.0
    return Side(len(arm.failed), len(arm.seeds), max(0.0, cost))


def _scored(arm: Arm, confidence: float) -> Arm:
    if not arm.seeds:
        return arm
    found = score_interval(list(arm.mse.values()), confidence=confidence)
    interval = None if found.low is None or found.high is None else (found.low, found.high)
    return arm.model_copy(
        update={"score": found.score, "interval": interval, "rmse_px": rmse_px(math.exp(_mean(arm.logs)))}
    )


def _tested(
    arms: tuple[Arm, Arm], estimate: Estimate, interval: Interval, alpha: float, contrasts: int
) -> dict[str, Any]:
    """The fields of a `CellComparison` that need two seeds an arm."""
    first, second = (arm.logs for arm in arms)
    correlation = shared_correlation(first, second)
    own: dict[str, Any] = {"test": "Welch" if correlation is None else "overlapping samples"}
    better = superiority_of_all_pairs(list(first.values()), list(second.values()), confidence=1.0 - alpha)
    if first.keys() == second.keys():
        differences = [log - second[seed] for seed, log in first.items()]
        better = superiority(differences, confidence=1.0 - alpha)
        bootstrap = bootstrap_t_interval(differences, confidence=interval.confidence)
        own = {
            "test": "paired t",
            "p_permutation": sign_flip_p(differences),
            "bootstrap": bootstrap and _ends(ratio_interval(bootstrap)),
        }
    return own | {
        "ci": _ends(ratio_interval(interval)),
        "confidence": interval.confidence,
        "p": estimate.p,
        "df": estimate.df,
        "correlation": correlation,
        "superiority": better.share,
        "superiority_interval": _ends(better.interval),
        "detectable": estimate.detectable(alpha=alpha, power=POWER, contrasts=contrasts),
        "detectable_interval": _ends(estimate.detectable_interval(alpha=alpha, power=POWER, contrasts=contrasts)),
        "seeds_and_faces": _with_faces(arms, interval.confidence),
    }


def _without_failed(a: Arm, b: Arm, confidence: float) -> WithoutFailed | None:
    """A seed that failed in one arm is left out of both."""
    failed = a.failed | b.failed
    first, second = ({seed: log for seed, log in arm.logs.items() if seed not in failed} for arm in (a, b))
    estimate = _estimate(first, second) if failed else None
    if estimate is None:
        return None
    ci = _ends(estimate.ratio_interval(confidence))
    return WithoutFailed(n=(len(first), len(second)), ratio=estimate.ratio, ci=ci)


def _with_faces(arms: tuple[Arm, Arm], confidence: float) -> RatioWithFaces | None:
    """Over seeds and faces, where both arms have the same seeds and each carries as many faces."""
    a, b = arms
    if (
        a.mse.keys() != b.mse.keys()
        or a.failed | b.failed
        or any(seed not in arm.faces for arm in arms for seed in a.mse)
    ):
        return None
    errors = [[arm.faces[seed] for seed in a.mse] for arm in arms]
    if len({len(faces) for seeds in errors for faces in seeds}) != 1:
        return None
    values = np.array(errors, dtype=np.float64)
    if values.shape[2] < 2 or not bool(np.all(np.isfinite(values) & (values > 0.0))):
        return None
    persons = a.source.persons if a.source.persons == b.source.persons else None
    if persons is not None and len(persons) != values.shape[2]:
        raise UsageError(
            f"{PERSONS} of {a.study} has {len(persons)} faces and the rows have {values.shape[2]}; move it away, "
            "then run the study's own command to the end"
        )
    if persons is not None and len(set(persons)) < 2:
        return None
    found = seeds_by_faces(values, [1.0, -1.0], persons=persons)
    ratio, ci = found.seeds_and_faces.ratio, found.ratio_interval(confidence)
    return RatioWithFaces(ratio=ratio, ci=_ends(ci), unit=found.unit, units=found.units)


def _ends(interval: Interval) -> Ends:
    return interval.low, interval.high
