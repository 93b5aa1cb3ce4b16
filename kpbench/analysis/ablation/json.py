"""An ablation's analysis as plain values for `--json`."""

from typing import Any

from kpbench.analysis.ablation.analysis import Analysis, RunFailure
from kpbench.analysis.ablation.details import ContrastDetail
from kpbench.analysis.ablation.levels import Level
from kpbench.analysis.ablation.size_control import SizeControl
from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS
from kpbench.space.tuning import TunedCell
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.intervals import Interval, ScoreInterval
from kpbench.statistics.power import seeds_needed


def as_json(found: Analysis) -> dict[str, Any]:
    """The analysis as `kpbench ablate --json` prints it, without the study's name and report."""
    return {
        "plan": {"digest": found.plan.digest, **found.design.model_dump(mode="json")},
        "contrasts": [_contrast(*pair) for pair in zip(found.contrasts, found.details, strict=True)],
        "interactions": [
            {
                "factors": [one.planned.first.factor, one.planned.second.factor],
                "levels": [one.planned.first.level, one.planned.second.level],
                "ratio": one.ratio,
                "ci": _ends(one.ci),
                "p": one.p,
                "p_adjusted": one.p_adjusted,
                "verdict": one.word,
                "detectable": one.detectable,
            }
            for one in found.interactions
        ],
        "levels": [_level(level) for level in found.levels],
        "control": None
        if found.control is None
        else {"ratio": found.control.ratio, "ci": [found.control.ci.low, found.control.ci.high], "p": found.control.p},
        "floor": {name: scores["test"] for name, scores in found.floor.items()},
        "size_matched": [_size(one) for one in found.size],
        "tuning": [_tuned(cell) for cell in found.tuning],
        "missing": found.missing,
        "failures": [_failure(one) for one in found.failures],
        "conclusion": found.conclusion,
    }


def _failure(one: RunFailure) -> dict[str, Any]:
    return {
        "cell": one.cell,
        "role": one.role,
        "levels": one.levels,
        "seed": one.seed,
        "reason": one.reason,
        "detail": one.detail,
        "attempts": one.attempts,
    }


def _size(one: SizeControl) -> dict[str, Any]:
    matched, contrast, evidence = one.matched, one.contrast, one.contrast.evidence
    return {
        **matched.model_dump(mode="json"),
        "n": contrast.n,
        "ratio": contrast.ratio,
        "ci": _ends(None if evidence is None else evidence.ci),
        "p_adjusted": None if evidence is None else evidence.p_adjusted,
        "verdict": contrast.verdict.word,
    }


def _tuned(cell: TunedCell) -> dict[str, Any]:
    return {
        "levels": dict(cell.levels),
        "trials": cell.trials,
        "epochs": cell.epochs,
        "diverged": cell.diverged,
        "failed": cell.failed,
        "chosen": dict(cell.chosen),
        "val_score": cell.val_score,
        "at_ends": list(cell.at_ends),
    }


def _contrast(contrast: Contrast, detail: ContrastDetail) -> dict[str, Any]:
    evidence = contrast.evidence
    return {
        "factor": contrast.factor,
        "level": contrast.level,
        "baseline": contrast.baseline,
        "effect": contrast.effect,
        "n": contrast.n,
        "failed": contrast.failed_level + contrast.failed_baseline,
        "ratio": contrast.ratio,
        "ci": _ends(None if evidence is None else evidence.ci),
        "ci_seeds_and_faces": _ends(detail.seeds_and_faces),
        "no_ci_seeds_and_faces": detail.without or None,
        "p": None if evidence is None else evidence.p,
        "p_adjusted": None if evidence is None else evidence.p_adjusted,
        "verdict": contrast.verdict.word,
        "detectable": None if evidence is None else evidence.detectable,
        "keypoints": [
            {"name": name, "ratio": one.ratio, "ci": _ends(one.ci), "p": one.p, "p_adjusted": one.p_adjusted}
            for name, one in zip(KEYPOINTS if detail.keypoints else (), detail.keypoints, strict=True)
        ],
    }


def _level(level: Level) -> dict[str, Any]:
    cost = level.cost
    return {
        "factor": level.factor,
        "level": level.level,
        "baseline": level.baseline,
        "runs": level.runs,
        "failed": level.failed,
        **_score(level.interval),
        "measures": {
            one.name: {**_score(one.interval), "n": one.interval.n, "ratio": one.ratio, "ci": _ends(one.ci)}
            for one in level.measures
        },
        "cost": None
        if cost is None
        else {
            "parameters": cost.parameters,
            "megabytes": cost.megabytes,
            "flops": cost.flops,
            "step_megabytes": cost.step_megabytes,
            "seconds_per_epoch": cost.seconds,
            "flagged": list(cost.flagged),
        },
    }


def _score(found: ScoreInterval | None) -> dict[str, Any]:
    if found is None:
        return {"score": None, "interval": None}
    return {"score": found.score, "interval": None if found.low is None else [found.low, found.high]}


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def seeds_for_effect(found: Analysis, *, sesoi: float | None = None, power: float = 0.8) -> list[dict[str, Any]]:
    """For each contrast the seeds that the smallest effect needs, from the study's own paired noise.

    Args:
        sesoi: the effect as a share of MSE; the study's own where not given.
        power: probability of finding it.

    Raises:
        UsageError: a number outside 0 to 1, or a contrast with fewer than two complete blocks, which has no noise yet.
    """
    design = found.design
    effect = design.sesoi if sesoi is None else sesoi
    if not 0 < effect < 1:
        raise UsageError(f"--effect must lie between 0 and 1, got {effect:g}")
    if not design.alpha < power < 1:
        raise UsageError(f"--power must lie between the study's error rate {design.alpha:g} and 1, got {power:g}")
    needed = []
    for contrast in found.contrasts:
        if contrast.evidence is None:
            name = f"{contrast.factor} {contrast.level}"
            raise UsageError(f"{name} has {contrast.n} complete block(s); its noise needs at least two")
        answer = seeds_needed(
            contrast.evidence.sd,
            contrast.n - 1,
            sesoi=effect,
            alpha=design.alpha,
            power=power,
            contrasts=len(found.contrasts) if design.correction == "holm" else 1,
        )
        needed.append(
            {
                "factor": contrast.factor,
                "level": contrast.level,
                "baseline": contrast.baseline,
                "n": contrast.n,
                "sd": contrast.evidence.sd,
                "effect": effect,
                "seeds": answer.seeds,
                "cautious": answer.cautious,
            }
        )
    return needed
