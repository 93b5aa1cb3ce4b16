"""An ablation's rows to all that can be said of them; recomputed from the study folder, never stored."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from kpbench.analysis.ablation.checked import check_rows
from kpbench.analysis.ablation.details import ContrastDetail, complete_runs, contrast_details
from kpbench.analysis.ablation.family import planned_family, terms_of
from kpbench.analysis.ablation.levels import Level, level_summaries
from kpbench.analysis.ablation.provenance import Provenance, provenance
from kpbench.analysis.ablation.size_control import SizeControl, size_controls
from kpbench.analysis.floor import mean_face_mse
from kpbench.cell import Reason, Role, RunResult, Scalar
from kpbench.errors import UsageError
from kpbench.space.design import Design, Split
from kpbench.space.tuning import TunedCell, audit
from kpbench.statistics.blocks import BlockTable, block_table, complete_blocks, first_blocks
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.decisions import Terms
from kpbench.statistics.estimate import Estimate, paired
from kpbench.statistics.looks import at_look, compare_with_direction, next_look
from kpbench.statistics.plan import interactions_with_baseline
from kpbench.statistics.ranks import CellRank, rank_stability
from kpbench.statistics.simple_effects import SimpleEffects
from kpbench.statistics.variance import VarianceTerm, variance_terms
from kpbench.store.files import COSTS, FLOOR, PERSONS, ROWS, read_json, read_lines
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
        provenance: whether the rows were trained to the plan or looked at before.
        terms: what the contrasts are judged by.
        table: MSE on `split` by cell and block, failed runs with the mean face's.
        contrasts: the planned ones, one family.
        simple: the effects behind each contrast that is averaged over others; None for those that are not.
        details: of each contrast, in their order.
        interactions: of crossed factors, their own family.
        confirmed: the planned contrasts on the sealed test; empty while it is not opened for every run.
        variance: exact decomposition of a complete crossed design; empty otherwise.
        ranks: of the cells over complete blocks; empty below two.
        control: the A/A arm, its second cohort of seeds against the first; None below two pairs.
        next_look: the number of blocks of the look that is under way in a sequential design; None after the last one.
        planned_runs: all of the design's, of a sequential one those up to the look under way or the last.
        missing: those of them without an outcome.
        failures: those of the missing that were tried.
        size: contrasts with size-matched controls, a family of their own; empty without any.
        tuning: the audit of each cell that was tuned; empty where the recipe is fixed.
    """

    plan: Plan
    design: Design
    provenance: Provenance
    terms: Terms
    rows: tuple[RunResult, ...]
    table: BlockTable
    contrasts: tuple[Contrast, ...]
    simple: tuple[SimpleEffects | None, ...]
    details: tuple[ContrastDetail, ...]
    interactions: tuple[Contrast, ...]
    confirmed: tuple[Contrast, ...]
    variance: tuple[VarianceTerm, ...]
    ranks: tuple[CellRank, ...]
    control: Estimate | None
    levels: tuple[Level, ...]
    floor: dict[str, dict[str, float]]
    next_look: int | None
    planned_runs: int
    missing: int
    failures: tuple[RunFailure, ...]
    size: tuple[SizeControl, ...]
    tuning: tuple[TunedCell, ...]

    @property
    def images(self) -> int:
        """What training shows the network in a run that does not diverge."""
        return self.plan.epochs * self.plan.data_sizes["train"]

    @property
    def split(self) -> Split:
        """The faces on which the cells are judged."""
        return self.design.judged_on


def analyse(folder: Path) -> Analysis:
    """The analysis of the ablation in `folder`; of a partial one it says what is missing and gives no verdict there.

    Raises:
        UsageError: there is no study, it is no ablation, or a row does not belong to its plan.
    """
    plan, design, every = _read(folder)
    attempts = [row for row in every if row.role in SCORED]
    rows = latest(attempts)
    check_rows(folder.name, rows, plan, design)
    floor = cast(dict[str, dict[str, float]], read_json(folder / FLOOR) or {})
    split = design.judged_on
    constant = mean_face_mse(folder, split)
    table = _table(rows, design, constant, split)
    source = provenance(folder, plan, rows)
    once = design.tuning is not None and design.tuning.once
    terms = terms_of(
        design, withhold="post hoc" if source.older else "tuned once" if once else "", inherited=source.inherited
    )
    family, looks = planned_family(design), design.looks or ()
    contrasts, simple = compare_with_direction(table, family, terms, looks)
    ahead = next_look(table, contrasts, looks) if looks else None
    ran = max((one.n for one in contrasts), default=0) if looks else len(design.blocks)
    blocks = ahead or ran
    planned = design.runs_of(blocks)
    together = interactions_with_baseline(table, design.baseline) if design.crossed else ()
    whole = complete_blocks(table)
    factorial = design.crossed and whole.shape[1] == len(design.blocks) and float(np.ptp(whole)) > 0.0
    grid = complete_runs(rows, design)
    on_test = _table(rows, design, constant, "test") if split == "val" and _all_confirmed(rows, constant) else None
    persons = (read_json(folder / PERSONS) or {}).get(split)
    return Analysis(
        plan=plan,
        design=design,
        provenance=source,
        terms=terms,
        rows=rows,
        table=table,
        contrasts=contrasts,
        simple=simple,
        details=contrast_details(
            contrasts, table, grid, alpha=design.alpha, persons=persons, same_faces=not design.resplit
        ),
        interactions=compare_with_direction(table, together, terms, looks)[0],
        confirmed=()
        if on_test is None
        else compare_with_direction(first_blocks(on_test, ran), family, at_look(terms, looks, ran))[0],
        variance=variance_terms(table) if factorial else (),
        ranks=rank_stability(whole, alpha=design.alpha, tested=not terms.withhold) if whole.shape[1] >= 2 else (),
        control=_control(rows, design, split),
        levels=level_summaries(
            rows, table, grid, design, read_json(folder / COSTS) or {}, train_faces=plan.data_sizes["train"]
        ),
        floor=floor,
        next_look=ahead,
        planned_runs=planned,
        missing=max(0, planned - len(rows)),
        failures=_failures(attempts, rows, design),
        size=size_controls(rows, design, blocks=design.blocks[:blocks], failed_mse=table.failed_mse, terms=terms),
        tuning=() if design.tuning is None else audit(every, design.cells, design.control, design.tuning),
    )


def _table(rows: Sequence[RunResult], design: Design, floor: Mapping[Split, float], split: Split) -> BlockTable:
    """The block table of the design's runs on one split."""
    return block_table(
        _frame(rows, design, split),
        factors=list(design.factors),
        failed_mse=floor.get(split),
        blocks=design.blocks,
        cells=design.cells,
    )


def _all_confirmed(rows: Sequence[RunResult], constant: Mapping[Split, float]) -> bool:
    """Whether the sealed test was opened for every run that is complete."""
    done = [row for row in rows if row.state == "complete"]
    return bool(done) and all(row.test_mse is not None for row in done) and "test" in constant


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


def _frame(rows: Sequence[RunResult], design: Design, split: Split) -> pd.DataFrame:
    """One line a run of the design with its levels, its block and its MSE on a split; NaN where it diverged."""
    lines = [
        {name: row.params[name] for name in design.factors}
        | {"block": row.seed, "mse": math.nan if (mse := row.mse_on(split)) is None else mse}
        for row in rows
        if row.role == "ablation"
    ]
    return pd.DataFrame(lines, columns=[*design.factors, "block", "mse"])


def _control(rows: Sequence[RunResult], design: Design, split: Split) -> Estimate | None:
    baseline = design.baseline
    first = {
        row.seed: row.mse_on(split)
        for row in rows
        if row.role == "ablation" and all(row.params[name] == level for name, level in baseline.items())
    }
    second = {row.seed: row.mse_on(split) for row in rows if row.role == "control"}
    pairs = [(first.get(a), second.get(b)) for a, b in zip(design.blocks, design.control, strict=False)]
    differences = [math.log(b) - math.log(a) for a, b in pairs if a and b]
    return paired(differences) if len(differences) > 1 else None
