"""An ablation's rows to all that can be said of them; recomputed from the study folder, never stored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from kpbench.cell import RunResult, Scalar
from kpbench.design import Design
from kpbench.errors import UsageError
from kpbench.statistics.blocks import BlockTable, block_table, complete_blocks
from kpbench.statistics.conclusions import conclude, conclude_interactions
from kpbench.statistics.contrasts import Contrast, compare
from kpbench.statistics.control import SameAgainstSame, same_against_same
from kpbench.statistics.families import Correction
from kpbench.statistics.interactions import Interaction, interact
from kpbench.statistics.intervals import ScoreInterval, score_interval
from kpbench.statistics.plan import contrasts_with_baseline, interactions_with_baseline
from kpbench.statistics.power import seeds_needed
from kpbench.statistics.ranks import CellRank, rank_stability
from kpbench.statistics.variance import VarianceTerm, variance_terms
from kpbench.study import COSTS, FLOOR, ROWS, Plan, read_json, read_lines, read_plan

COST_FLAG = 0.10
"""A level that changes a cost by more than this share of the baseline's is flagged."""


@dataclass(frozen=True)
class Cost:
    """What a level costs, averaged over its cells; `flagged` names those more than 10 % from the baseline's.

    Attributes:
        flops: of one face's forward pass.
        step_megabytes: counted memory of a training step.
        seconds: median seconds of an epoch.
    """

    parameters: float
    megabytes: float
    flops: float
    step_megabytes: float
    seconds: float
    flagged: tuple[str, ...]


@dataclass(frozen=True)
class Level:
    """One level of one factor: its score over seeds and its cost; averaged over what it is crossed with.

    Attributes:
        interval: geometric-mean test score over complete blocks; None without one.
    """

    factor: str
    level: Scalar
    baseline: bool
    runs: int
    failed: int
    interval: ScoreInterval | None
    cost: Cost | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything a report of an ablation shows.

    Attributes:
        table: test MSE by cell and block, diverged seeds with the mean face's.
        contrasts: the planned ones, one family.
        interactions: of crossed factors, their own family.
        variance: exact decomposition of a complete crossed design; empty otherwise.
        ranks: of the cells over complete blocks; empty below two.
        control: the A/A arm; None below two pairs.
        missing: planned runs without a row.
    """

    plan: Plan
    design: Design
    rows: tuple[RunResult, ...]
    table: BlockTable
    contrasts: tuple[Contrast, ...]
    interactions: tuple[Interaction, ...]
    variance: tuple[VarianceTerm, ...]
    ranks: tuple[CellRank, ...]
    control: SameAgainstSame | None
    levels: tuple[Level, ...]
    floor: dict[str, dict[str, float]]
    missing: int
    conclusion: str


def analyse(folder: Path) -> Analysis:
    """The analysis of the ablation in `folder`; of a partial one it says what is missing and gives no verdict there.

    Raises:
        UsageError: there is no study, or it is no ablation.
    """
    plan = read_plan(folder)
    if plan.design is None:
        raise UsageError(f"{folder} is a {plan.kind}, not an ablation")
    design = plan.design
    rows = latest(read_lines(folder / ROWS, RunResult))
    floor = cast(dict[str, dict[str, float]], read_json(folder / FLOOR) or {})
    costs = read_json(folder / COSTS) or {}
    failed_mse = 1 / (2 * floor["mean face"]["test"]) if floor else None
    table = block_table(
        _frame(rows, design), factors=list(design.factors), failed_mse=failed_mse, blocks=design.blocks,
        cells=design.cells,
    )  # fmt: skip
    options: dict[str, Any] = {"sesoi": design.sesoi, "alpha": design.alpha, "power": design.power}
    options["correction"] = cast(Correction, design.correction)
    effect: Any = "marginal" if design.crossed else "simple"
    family = contrasts_with_baseline(table, design.baseline, effect=effect, factors=design.asked)
    contrasts = compare(table, family, **options)
    interactions = (
        interact(table, interactions_with_baseline(table, design.baseline), **options) if design.crossed else ()
    )
    whole = complete_blocks(table)
    conclusion = conclude(contrasts, **options)
    if interactions:
        conclusion += " " + conclude_interactions(interactions, **options)
    done = sum(row.role in ("ablation", "control") for row in rows)
    return Analysis(
        plan=plan,
        design=design,
        rows=rows,
        table=table,
        contrasts=contrasts,
        interactions=interactions,
        variance=variance_terms(table) if design.crossed and whole.shape[1] == len(design.blocks) else (),
        ranks=rank_stability(whole, alpha=design.alpha) if whole.shape[1] >= 2 else (),
        control=_control(rows, design),
        levels=_levels(rows, table, design, costs),
        floor=floor,
        missing=design.runs - done,
        conclusion=conclusion,
    )


def latest(rows: Sequence[RunResult]) -> tuple[RunResult, ...]:
    """One row for each planned run that has an outcome: the last, where a crash made it run again."""
    found = {(row.role, row.cell, row.seed): row for row in rows if row.state == "complete" or row.reason == "nan"}
    return tuple(found.values())


def _frame(rows: Sequence[RunResult], design: Design) -> pd.DataFrame:
    """One line a run of the design with its levels, its block and its test MSE; NaN where it diverged."""
    lines = [
        {name: row.params[name] for name in design.factors}
        | {"block": row.seed, "mse": math.nan if row.test_mse is None else row.test_mse}
        for row in rows
        if row.role == "ablation"
    ]
    return pd.DataFrame(lines, columns=[*design.factors, "block", "mse"])


def _control(rows: Sequence[RunResult], design: Design) -> SameAgainstSame | None:
    baseline = design.baseline
    first = {
        row.seed: row.test_mse
        for row in rows
        if row.role == "ablation" and all(row.params[name] == level for name, level in baseline.items())
    }
    second = {row.seed: row.test_mse for row in rows if row.role == "control"}
    pairs = [(first.get(a), second.get(b)) for a, b in zip(design.blocks, design.control, strict=False)]
    usable = [(a, b) for a, b in pairs if a and b]
    if len(usable) < 2:
        return None
    return same_against_same([a for a, _ in usable], [b for _, b in usable], alpha=design.alpha)


def _levels(rows: Sequence[RunResult], table: BlockTable, design: Design, costs: Any) -> tuple[Level, ...]:
    found = []
    for factor, levels in design.factors.items():
        base: Cost | None = None
        for level in levels:
            mine = [index for index, cell in enumerate(design.cells) if _counts(cell, design, factor, level)]
            cells = [design.cells[index] for index in mine]
            runs = [
                row
                for row in rows
                if row.role == "ablation" and {name: row.params[name] for name in design.factors} in cells
            ]
            logs = np.log(table.mse[mine])
            blocks = logs[:, ~np.isnan(logs).any(axis=0)].mean(axis=0)
            cost = _cost(runs, costs, base)
            base = base or cost
            found.append(
                Level(
                    factor=factor,
                    level=level,
                    baseline=level == levels[0],
                    runs=len(runs),
                    failed=sum(row.state == "failed" for row in runs),
                    interval=score_interval(np.exp(blocks).tolist()) if blocks.size else None,
                    cost=cost,
                )
            )
    return tuple(found)


def _counts(cell: dict[str, Scalar], design: Design, factor: str, level: Scalar) -> bool:
    """Whether a cell speaks for a level: it has it and, one factor at a time, the others at the baseline."""
    others = {name: value for name, value in design.baseline.items() if name != factor}
    return cell[factor] == level and (design.crossed or all(cell[name] == value for name, value in others.items()))


def _cost(runs: Sequence[RunResult], costs: Any, base: Cost | None) -> Cost | None:
    if not runs:
        return None
    seconds = [record.seconds for row in runs for record in row.curve]
    values = {
        "parameters": float(np.mean([row.parameters or 0 for row in runs])),
        "megabytes": float(np.mean([row.megabytes or 0.0 for row in runs])),
        "flops": float(np.mean([costs.get(row.cell, {}).get("flops", math.nan) for row in runs])),
        "step_megabytes": float(np.mean([costs.get(row.cell, {}).get("step_megabytes", math.nan) for row in runs])),
        "seconds": float(np.median(seconds)) if seconds else math.nan,
    }
    flagged = tuple(
        name for name, value in values.items() if base and abs(value / getattr(base, name) - 1.0) > COST_FLAG
    )
    return Cost(**values, flagged=flagged)


def as_json(found: Analysis) -> dict[str, Any]:
    """The analysis as `kpbench ablate --json` prints it, without the study's name and report."""
    return {
        "plan": {"digest": found.plan.digest, **found.design.model_dump(mode="json")},
        "contrasts": [_contrast(contrast) for contrast in found.contrasts],
        "interactions": [
            {
                "factors": [one.planned.first.factor, one.planned.second.factor],
                "levels": [one.planned.first.level, one.planned.second.level],
                "ratio": one.ratio,
                "ci": None if one.ci is None else [one.ci.low, one.ci.high],
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
        "missing": found.missing,
        "conclusion": found.conclusion,
    }


def _contrast(contrast: Contrast) -> dict[str, Any]:
    evidence = contrast.evidence
    return {
        "factor": contrast.factor,
        "level": contrast.level,
        "baseline": contrast.baseline,
        "effect": contrast.effect,
        "n": contrast.n,
        "failed": contrast.failed_level + contrast.failed_baseline,
        "ratio": contrast.ratio,
        "ci": None if evidence is None else [evidence.ci.low, evidence.ci.high],
        "p": None if evidence is None else evidence.p,
        "p_adjusted": None if evidence is None else evidence.p_adjusted,
        "verdict": contrast.verdict.word,
        "detectable": None if evidence is None else evidence.detectable,
    }


def _level(level: Level) -> dict[str, Any]:
    found, cost = level.interval, level.cost
    return {
        "factor": level.factor,
        "level": level.level,
        "baseline": level.baseline,
        "runs": level.runs,
        "failed": level.failed,
        "score": None if found is None else found.score,
        "interval": None if found is None or found.low is None else [found.low, found.high],
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
