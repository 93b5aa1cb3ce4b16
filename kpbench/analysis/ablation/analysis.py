"""An ablation's rows to all that can be said of them; recomputed from the study folder, never stored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from kpbench.analysis.ablation.details import ContrastDetail, complete_runs, contrast_details
from kpbench.analysis.ablation.levels import Level, level_summaries
from kpbench.analysis.ablation.size_control import SizeControl, size_controls
from kpbench.cell import Reason, Role, RunResult, Scalar
from kpbench.errors import UsageError
from kpbench.space.design import Design
from kpbench.space.tuning import TunedCell, audit
from kpbench.statistics.blocks import BlockTable, block_table, complete_blocks
from kpbench.statistics.contrasts import Contrast, compare
from kpbench.statistics.corrections import Correction
from kpbench.statistics.decisions import Terms
from kpbench.statistics.estimate import Estimate, paired
from kpbench.statistics.plan import Effect, contrasts_with_baseline, interactions_with_baseline
from kpbench.statistics.ranks import CellRank, rank_stability
from kpbench.statistics.variance import VarianceTerm, variance_terms
from kpbench.store.files import COSTS, FLOOR, ROWS, read_json, read_lines
from kpbench.store.plan import Plan, read_plan

SCORED = ("ablation", "control", "matched")
"""The roles of the runs that a plan counts."""


@dataclass(frozen=True)
class RunFailure:
    """A planned run without an outcome whose last attempt failed; the study's command runs it again.

    Attributes:
        levels: the cell's level of every factor.
        detail: one line for a person.
        attempts: how often it was tried.
    """

    role: Role
    cell: str
    levels: dict[str, Scalar]
    seed: int
    reason: Reason | None
    detail: str | None
    attempts: int


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything a report of an ablation shows.

    Attributes:
        rows: the last row of each planned run that has an outcome; a diverged run has one.
        table: test MSE by cell and block, diverged seeds with the mean face's.
        contrasts: the planned ones, one family.
        details: of each contrast, in their order.
        interactions: of crossed factors, their own family.
        variance: exact decomposition of a complete crossed design; empty otherwise.
        ranks: of the cells over complete blocks; empty below two.
        control: the A/A arm, its second cohort of seeds against the first; None below two pairs.
        missing: planned runs without an outcome.
        failures: those of the missing that were tried.
        size: contrasts with size-matched controls, a family of their own; empty without any.
        tuning: the audit of each cell that was tuned; empty where the recipe is fixed.
    """

    plan: Plan
    design: Design
    rows: tuple[RunResult, ...]
    table: BlockTable
    contrasts: tuple[Contrast, ...]
    details: tuple[ContrastDetail, ...]
    interactions: tuple[Contrast, ...]
    variance: tuple[VarianceTerm, ...]
    ranks: tuple[CellRank, ...]
    control: Estimate | None
    levels: tuple[Level, ...]
    floor: dict[str, dict[str, float]]
    missing: int
    failures: tuple[RunFailure, ...]
    size: tuple[SizeControl, ...]
    tuning: tuple[TunedCell, ...]

    @property
    def terms(self) -> Terms:
        """What the contrasts are judged by."""
        return terms_of(self.design)


def terms_of(design: Design) -> Terms:
    """What a design's contrasts are judged by."""
    return Terms(design.sesoi, design.alpha, design.power, cast(Correction, design.correction))


def analyse(folder: Path) -> Analysis:
    """The analysis of the ablation in `folder`; of a partial one it says what is missing and gives no verdict there.

    Raises:
        UsageError: there is no study, or it is no ablation.
    """
    plan, design, every = _read(folder)
    attempts = [row for row in every if row.role in SCORED]
    rows = latest(attempts)
    floor = cast(dict[str, dict[str, float]], read_json(folder / FLOOR) or {})
    failed_mse = 1 / (2 * floor["mean face"]["test"]) if floor else None
    table = block_table(
        _frame(rows, design), factors=list(design.factors), failed_mse=failed_mse, blocks=design.blocks,
        cells=design.cells,
    )  # fmt: skip
    terms = terms_of(design)
    effect: Effect = "marginal" if design.crossed else "simple"
    family = contrasts_with_baseline(table, design.baseline, effect=effect, factors=design.asked)
    contrasts = compare(table, family, terms)
    together = interactions_with_baseline(table, design.baseline) if design.crossed else ()
    whole = complete_blocks(table)
    grid = complete_runs(rows, design)
    return Analysis(
        plan=plan,
        design=design,
        rows=rows,
        table=table,
        contrasts=contrasts,
        details=contrast_details(contrasts, table, grid, alpha=design.alpha),
        interactions=compare(table, together, terms),
        variance=variance_terms(table) if design.crossed and whole.shape[1] == len(design.blocks) else (),
        ranks=rank_stability(whole, alpha=design.alpha) if whole.shape[1] >= 2 else (),
        control=_control(rows, design),
        levels=level_summaries(rows, table, grid, design, read_json(folder / COSTS) or {}),
        floor=floor,
        missing=design.runs - len(rows),
        failures=_failures(attempts, rows, design),
        size=size_controls(rows, design, failed_mse=failed_mse, terms=terms),
        tuning=() if design.tuning is None else audit(every, design.cells, design.tuning),
    )


def count_missing(folder: Path) -> int:
    """The planned runs of the ablation in `folder` that have no outcome, without analysing it.

    Raises:
        UsageError: as `analyse`.
    """
    _, design, every = _read(folder)
    return design.runs - len(latest([row for row in every if row.role in SCORED]))


def _read(folder: Path) -> tuple[Plan, Design, list[RunResult]]:
    """The plan, its design and every row."""
    plan = read_plan(folder)
    if plan.design is None:
        raise UsageError(f"{folder} is a {plan.kind}, not an ablation")
    return plan, plan.design, read_lines(folder / ROWS, RunResult)


def latest(rows: Sequence[RunResult]) -> tuple[RunResult, ...]:
    """One row for each planned run that has an outcome: the last, where a crash made it run again."""
    found = {(row.role, row.cell, row.seed): row for row in rows if row.settled}
    return tuple(found.values())


def _failures(attempts: Sequence[RunResult], rows: Sequence[RunResult], design: Design) -> tuple[RunFailure, ...]:
    """The runs whose attempts all failed for a reason outside the training, in the order of the last attempts."""
    done = {(row.role, row.cell, row.seed) for row in rows}
    tried: dict[tuple[str, str, int], list[RunResult]] = {}
    for row in attempts:
        run = (row.role, row.cell, row.seed)
        if run not in done:
            tried[run] = [*tried.pop(run, []), row]
    return tuple(
        RunFailure(
            role=runs[-1].role,
            cell=runs[-1].cell,
            levels={name: runs[-1].params[name] for name in design.factors if name in runs[-1].params},
            seed=runs[-1].seed,
            reason=runs[-1].reason,
            detail=runs[-1].detail,
            attempts=len(runs),
        )
        for runs in tried.values()
    )


def _frame(rows: Sequence[RunResult], design: Design) -> pd.DataFrame:
    """One line a run of the design with its levels, its block and its test MSE; NaN where it diverged."""
    lines = [
        {name: row.params[name] for name in design.factors}
        | {"block": row.seed, "mse": math.nan if row.test_mse is None else row.test_mse}
        for row in rows
        if row.role == "ablation"
    ]
    return pd.DataFrame(lines, columns=[*design.factors, "block", "mse"])


def _control(rows: Sequence[RunResult], design: Design) -> Estimate | None:
    baseline = design.baseline
    first = {
        row.seed: row.test_mse
        for row in rows
        if row.role == "ablation" and all(row.params[name] == level for name, level in baseline.items())
    }
    second = {row.seed: row.test_mse for row in rows if row.role == "control"}
    pairs = [(first.get(a), second.get(b)) for a, b in zip(design.blocks, design.control, strict=False)]
    differences = [math.log(b) - math.log(a) for a, b in pairs if a and b]
    return paired(differences) if len(differences) > 1 else None
