"""An ablation's analysis as plain values for `--json`, and the seeds that an effect needs."""

from typing import Any

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.details import ContrastDetail
from kpbench.analysis.ablation.levels import Level
from kpbench.analysis.ablation.size_control import SizeControl
from kpbench.analysis.plain import picked, plain
from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.intervals import ScoreInterval
from kpbench.statistics.power import seeds_needed


def as_json(found: Analysis) -> dict[str, Any]:
    """The analysis as `kpbench ablate --json` prints it, without the study's name, report and conclusion."""
    control = found.control
    return {
        "plan": {"digest": found.plan.digest, **found.design.model_dump(mode="json")},
        "contrasts": [_contrast(*pair) for pair in zip(found.contrasts, found.details, strict=True)],
        "interactions": [_interaction(one) for one in found.interactions],
        "levels": [_level(level) for level in found.levels],
        "control": control
        and {**picked(control, "ratio p"), "ci": plain(control.ratio_interval(1 - found.design.alpha))},
        "floor": {name: scores["test"] for name, scores in found.floor.items()},
        "size_matched": [_size(one) for one in found.size],
        "tuning": plain(found.tuning),
        "missing": found.missing,
        "failures": plain(found.failures),
    }


def _contrast(contrast: Contrast, detail: ContrastDetail) -> dict[str, Any]:
    return {
        **picked(contrast, "factor level baseline effect n failed ratio ci p p_adjusted detectable"),
        "verdict": contrast.word,
        "ci_seeds_and_faces": plain(detail.seeds_and_faces),
        "no_ci_seeds_and_faces": detail.without or None,
        "keypoints": [
            {"name": name, **plain(one)}
            for name, one in zip(KEYPOINTS if detail.keypoints else (), detail.keypoints, strict=True)
        ],
    }


def _interaction(one: Contrast) -> dict[str, Any]:
    changes = one.planned.changes
    named = {"factors": [change.factor for change in changes], "levels": [change.level for change in changes]}
    return {**named, **picked(one, "ratio ci p p_adjusted detectable"), "verdict": one.word}


def _size(one: SizeControl) -> dict[str, Any]:
    contrast = {**picked(one.contrast, "n ratio ci p_adjusted"), "verdict": one.contrast.word}
    return {**one.matched.model_dump(mode="json"), **contrast}


def _level(level: Level) -> dict[str, Any]:
    cost = level.cost
    return {
        **picked(level, "factor level baseline runs failed"),
        **_score(level.interval),
        "measures": {
            one.name: {**_score(one.interval), "n": one.interval.n, **picked(one, "ratio ci")} for one in level.measures
        },
        "cost": cost
        and {**picked(cost, "parameters megabytes flops step_megabytes flagged"), "seconds_per_epoch": cost.seconds},
    }


def _score(found: ScoreInterval | None) -> dict[str, Any]:
    if found is None:
        return {"score": None, "interval": None}
    return {"score": found.score, "interval": None if found.low is None else [found.low, found.high]}


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
        if contrast.estimate is None:
            name = f"{contrast.factor} {contrast.level}"
            raise UsageError(f"{name} has {contrast.n} complete block(s); its noise needs at least two")
        answer = seeds_needed(
            contrast.estimate.sd,
            contrast.n - 1,
            sesoi=effect,
            alpha=design.alpha,
            power=power,
            contrasts=found.terms.corrected_for(len(found.contrasts)),
        )
        needed.append(
            {
                "factor": contrast.factor,
                "level": contrast.level,
                "baseline": contrast.baseline,
                "n": contrast.n,
                "sd": contrast.estimate.sd,
                "effect": effect,
                "seeds": answer.seeds,
                "cautious": answer.cautious,
            }
        )
    return needed
