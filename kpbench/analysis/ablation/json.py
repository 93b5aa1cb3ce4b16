"""An ablation's analysis as plain values for `--json`, and the seeds that an effect needs."""

from typing import Any

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.details import ContrastDetail
from kpbench.analysis.ablation.levels import Level
from kpbench.analysis.ablation.size_control import SizeControl
from kpbench.analysis.plain import picked, plain
from kpbench.faces.faces import KEYPOINTS
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.intervals import ScoreInterval
from kpbench.statistics.simple_effects import SimpleEffects


def as_json(found: Analysis) -> dict[str, Any]:
    """The analysis as `kpbench ablate --json` prints it, without the study's name, report and conclusion."""
    control = found.control
    return {
        "plan": {
            "digest": found.plan.digest,
            "epochs": found.plan.epochs,
            "images": found.images,
            **found.design.model_dump(mode="json"),
        },
        "contrasts": [_contrast(*one) for one in zip(found.contrasts, found.details, found.simple, strict=True)],
        "interactions": [_interaction(one) for one in found.interactions],
        "levels": [_level(level) for level in found.levels],
        "control": control
        and {**picked(control, "ratio p"), "ci": plain(control.ratio_interval(1 - found.design.alpha))},
        "floor": {name: scores.get(found.split) for name, scores in found.floor.items()},
        "size_matched": [_size(one) for one in found.size],
        "tuning": plain(found.tuning),
        "split": found.split,
        "post_hoc": found.provenance.older > 0,
        "provenance": plain(found.provenance),
        "confirmed": [
            _named(one) | picked(one, "n ratio ci p p_adjusted") | {"verdict": one.word} for one in found.confirmed
        ],
        "next_look": found.next_look,
        "missing": found.missing,
        "failures": plain(found.failures),
    }


def _named(contrast: Contrast) -> dict[str, Any]:
    return {**picked(contrast, "factor level baseline"), "at": plain(contrast.planned.at)}


def _contrast(contrast: Contrast, detail: ContrastDetail, simple: SimpleEffects | None) -> dict[str, Any]:
    two = detail.two
    return {
        **_named(contrast),
        **picked(contrast, "effect n failed collapsed ratio ci p p_adjusted detectable detectable_interval"),
        "confidence": contrast.ci and contrast.ci.confidence,
        "verdict": contrast.word,
        "why": contrast.verdict.why or None,
        "p_permutation": contrast.checks and contrast.checks.p_permutation,
        "simple_effects": simple
        and {
            **({} if contrast.word in ("withheld", "incomplete") else picked(simple, "better worse")),
            "effects": [_named(one) | picked(one, "n ratio ci p p_adjusted") for one in simple.effects],
        },
        "with_collapse": plain(contrast.survivors and contrast.survivors.with_collapse),
        "standard_errors": two
        and {"seeds": two.seeds.error, "seeds_and_faces": two.seeds_and_faces.error, **picked(two, "unit units")},
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
    return {
        **named,
        **picked(one, "ratio ci p p_adjusted detectable"),
        "verdict": one.word,
        "why": one.verdict.why or None,
    }


def _size(one: SizeControl) -> dict[str, Any]:
    contrast = {**picked(one.contrast, "n ratio ci p_adjusted"), "verdict": one.contrast.word}
    return {**one.matched.model_dump(mode="json"), **contrast}


def _level(level: Level) -> dict[str, Any]:
    cost = level.cost
    return {
        **picked(level, "factor level baseline runs failed collapsed bound iqm"),
        **_score(level.interval),
        "measures": {
            one.name: {**_score(one.interval), "n": one.interval.n, **picked(one, "ratio ci")} for one in level.measures
        },
        "metrics": plain(level.metrics),
        "cost": cost
        and {
            **picked(cost, "parameters megabytes flops step_megabytes images flagged"),
            "seconds_per_epoch": cost.seconds,
        },
    }


def _score(found: ScoreInterval | None) -> dict[str, Any]:
    if found is None:
        return {"score": None, "interval": None}
    return {"score": found.score, "interval": None if found.low is None else [found.low, found.high]}
