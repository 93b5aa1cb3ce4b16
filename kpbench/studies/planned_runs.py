"""The runs of a design: recipes tried for its cells, then every cell and seed in random order."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from pathlib import Path

from kpbench.analysis.ablation.provenance import reused_studies
from kpbench.cell import Role, RunResult, Scalar, cell_id
from kpbench.engine.events import Notify
from kpbench.engine.jobs import Job, grouped
from kpbench.engine.planned import Planned
from kpbench.errors import UsageError
from kpbench.faces.faces import Splits
from kpbench.faces.split import resplit
from kpbench.space.design import Design, whole_cell
from kpbench.space.tuning import best_recipe, of_cell, tunings
from kpbench.statistics.words import plural
from kpbench.store.files import MODELS, REUSED, ROWS, SESSIONS, read_lines
from kpbench.store.finding import readable, studies
from kpbench.store.plan import Plan, read_plan
from kpbench.store.study import Study, now
from kpbench.store.values import Reused, Session
from kpbench.studies.measures import Measure
from kpbench.studies.official import remove_model, score_row
from kpbench.studies.preflight import Task

Cell = dict[str, Scalar]
PlannedRun = tuple[Role, Cell, int]
"""Role, cell and run seed."""

ATTEMPTS = 2
"""How often a recipe that breaks (memory, a lost worker) is tried: then it is out, so that choices stay as they are."""

REUSE_FIELDS = ("data", "benchmark", "scorer", "epochs", "device", "precision", "threads", "labels")
"""The fields of a plan in which two studies must agree for a run of one to be taken over by the other."""


def every_cell(task: Task, design: Design) -> list[Cell]:
    """Every cell that a design may train, each recipe of each cell and the size-matched controls included."""
    tuning = design.tuning
    recipes = [{}] if tuning is None else [recipe for one in tuning.replicates() for recipe in one.recipes]
    planned = [(levels, recipe) for levels in design.cells for recipe in recipes]
    planned += [(design.baseline, {**recipe, **one.change}) for one in design.matched or () for recipe in recipes]
    return [_cell(task, levels, recipe) for levels, recipe in planned]


def tuning_count(design: Design) -> int:
    """How many tuning runs a design asks for at most; recipes that are one in a cell are run once."""
    if design.tuning is None:
        return 0
    return sum(len(one.recipes) for _, one in tunings(design.cells, design.control, design.tuning))


def tuning_runs(study: Study, task: Task, design: Design, splits: Splits, notify: Notify, *, blocks: int) -> Planned:
    """Each recipe of each tuning of the first blocks, those settled left out; none is stopped, none sees the test."""
    tuning, keep = design.tuning, partial(study.append, ROWS)
    if tuning is None:
        return Planned([], task.facts(splits), notify, keep)
    wanted = [
        (_cell(task, levels, recipe), one)
        for levels, one in tunings(design.cells, design.control, tuning)
        if one.block in (None, *design.blocks[:blocks], *design.control[:blocks])
        for recipe in one.recipes
    ]
    rows = [row for row in study.rows() if row.role == "tuning"]
    spent = Counter((row.cell, row.seed) for row in rows)
    done = {(row.cell, row.seed) for row in rows if row.settled or spent[row.cell, row.seed] >= ATTEMPTS}
    different = {(cell_id(cell), one.seed): (cell, one) for cell, one in wanted}
    jobs = [
        Job(
            number=number,
            role="tuning",
            params=cell,
            seeds=(one.seed,),
            budget=task.epochs,
            split=one.block if design.resplit else None,
        )
        for number, (run, (cell, one)) in enumerate(different.items())
        if run not in done
    ]
    return Planned(jobs, task.facts(splits), notify, keep)


def planned_runs(task: Task, design: Design, rows: Sequence[RunResult], blocks: Sequence[int]) -> list[PlannedRun]:
    """Role, cell with its recipe and seed of every run of the design in these blocks and as many of the A/A cohort.

    Raises:
        UsageError: tuning has no complete run in a cell.
    """
    base, control = design.cells[0], design.control[: len(blocks)]
    runs: list[PlannedRun] = [
        ("ablation", _cell(task, levels, _recipe(design, rows, levels, seed)), seed)
        for levels in design.cells
        for seed in blocks
    ]
    runs += [("control", _cell(task, base, _recipe(design, rows, base, seed)), seed) for seed in control]
    for one in {cell_id(dict(one.change)): one for one in design.matched or ()}.values():
        runs += [
            ("matched", {**_cell(task, base, _recipe(design, rows, base, seed)), **one.change}, seed) for seed in blocks
        ]
    return runs


def _recipe(design: Design, rows: Sequence[RunResult], levels: Mapping[str, Scalar], block: int) -> Cell:
    if design.tuning is None:
        return {}
    source = design.baseline if design.tuning.how == "locked" else levels
    best = best_recipe(of_cell(rows, source, design.tuning.of_block(block)))
    if best is None:
        where = " ".join(f"{name}={level}" for name, level in source.items())
        raise UsageError(f"no recipe of {where} could be trained to its end, so it cannot be tuned; see the rows")
    return {name: best.params[name] for name in design.tuning.spans if name in best.params}


def scored_runs(
    study: Study,
    task: Task,
    design: Design,
    wanted: Sequence[PlannedRun],
    splits: Splits,
    measures: Sequence[Measure],
    command: str,
    notify: Notify,
    pool: Executor,
) -> Planned:
    """The planned runs in random order, those done left out; each is scored officially on the split it is judged on.

    A model is removed once it is scored on the sealed test, and kept for `--confirm` where it is judged on val.
    """
    done = {(row.role, row.cell, row.seed) for row in study.rows() if row.settled}
    shuffled = list(wanted)
    random.Random(design.blocks[0]).shuffle(shuffled)  # the order follows from the study's seed, as its blocks do
    models = str((study.folder / MODELS).absolute())
    cells = {cell_id(cell): cell for _, cell, _ in shuffled}
    left = [((role, cell_id(cell)), seed) for role, cell, seed in shuffled]
    jobs = [
        Job(
            number=number,
            role=role,
            params=cells[cell],
            seeds=seeds,
            budget=task.epochs,
            models=models,
            split=seeds[0] if design.resplit else None,
        )
        for number, ((role, cell), seeds) in enumerate(
            grouped(
                [(kind, seed) for kind, seed in left if (*kind, seed) not in done],
                1 if design.resplit else task.device.cohort,
            )
        )
    ]
    judged = design.judged_on

    def score(row: RunResult) -> Future[RunResult]:
        own = resplit(splits, row.seed) if design.resplit else splits
        return score_row(pool, study, task, own, row, command, judged=judged, measures=measures)

    def keep(row: RunResult) -> None:
        study.append(ROWS, replace(row, model=None))
        if judged == "test":
            remove_model(study, row.params, row.seed)

    return Planned(jobs, task.facts(splits), notify, keep, score)


def take_runs(study: Study, plan: Plan, planned: Sequence[PlannedRun], other: Path) -> tuple[int, str]:
    """Takes over the planned runs that another study has done already; returns how many, and why if it has none.

    A run's numbers follow from cell, seed, data, benchmark, recipe and device alone, so one that another study of the
    same task trained and scored need not be trained, nor the sealed test opened, again. The rows say where they are
    from.

    What was looked at before is not planned: such a study is post hoc, and a record says which contrasts the other one
    had planned over the same rows and with which versions it was trained.

    Raises:
        UsageError: as `usable_runs`.
    """
    done = {(row.role, row.cell, row.seed) for row in study.rows() if row.settled}
    source = read_plan(other)
    usable, why = usable_runs(plan, planned, other)
    taken = [
        replace(row, taken_from=row.taken_from or source.digest)
        for row in usable
        if (row.role, row.cell, row.seed) not in done
    ]
    if taken:
        record_source(study, other, source, len(taken))
    for row in taken:
        study.append(ROWS, row)
    return len(taken), why


def usable_runs(plan: Plan, planned: Sequence[PlannedRun], other: Path) -> tuple[list[RunResult], str]:
    """The planned runs that another study has, each once, and why if it has none; none without a shift of this plan.

    Raises:
        UsageError: the other study is a search, is of other faces, another benchmark, scorer, number of epochs or
            precision, was judged on other faces, or was not scored on those of --also.
    """
    source, design = read_plan(other), plan.design
    assert design is not None
    if source.design is None:
        raise UsageError(
            f"--reuse {other}: it is a search, whose runs have other seeds than any ablation's and may have been "
            "stopped early: none can be taken over"
        )
    if apart := _differences(source, plan):
        raise UsageError(f"--reuse {other}: its runs are not of this task: {', '.join(apart)}")
    if design.also is not None and source.design.also != design.also:
        raise UsageError(f"--reuse {other}: its networks were not scored on the faces of --also")
    if source.design.split != design.split or source.design.resplit != design.resplit:
        raise UsageError(f"--reuse {other}: its networks were not judged on the same faces; --split says on which")
    names = {f"shift {shift}" for shift in design.shifts or ()}
    wanted = {(role, cell_id(cell), seed) for role, cell, seed in planned}
    rows = [row for row in read_lines(other / ROWS, RunResult) if row.settled and row.role != "tuning"]
    found = {
        run: row
        for row in reversed(rows)
        if (run := (row.role, row.cell, row.seed)) in wanted
        and (row.state == "failed" or names <= set(row.measures or {}))
    }
    why = "" if found else f"none of its {plural(len(rows), 'finished run')} is of this plan: {_why(rows, wanted)}"
    return list(reversed(found.values())), why


def _why(rows: Sequence[RunResult], wanted: set[tuple[Role, str, int]]) -> str:
    """Why no row is one of the runs that are wanted."""
    cells, seeds = {cell for _, cell, _ in wanted}, {seed for _, _, seed in wanted}
    if not any(row.cell in cells for row in rows):
        return "its cells are others"
    if not any(row.cell in cells and row.seed in seeds for row in rows):
        return "its cells have other seeds; --seed says which"
    return "its cells and seeds were not trained together, or not scored on the shifts of --shifts"


def seen_elsewhere(plan: Plan, planned: Sequence[PlannedRun], out: Path) -> dict[Path, int]:
    """The ablations in `out` that have had runs of this plan already, with how many: the same cells, seeds and task.

    Who plans after looking at them chooses what to plan by what came out. Runs of one cell alone, as where two
    ablations share their baseline, and those of the A/A cohort show no contrast of this plan: they do not count.
    """
    wanted = {(cell_id(cell), seed) for role, cell, seed in planned if role != "control"}
    found, cells = {}, set[str]()
    for folder, other in readable(studies(out)):
        if other.design is None or other.digest == plan.digest or _differences(other, plan):
            continue
        rows = read_lines(folder / ROWS, RunResult)
        had = {(row.cell, row.seed) for row in rows if row.settled and row.role != "tuning"} & wanted
        if had:
            found[folder] = len(had)
            cells |= {cell for cell, _ in had}
    return found if len(cells) > 1 else {}


def record_source(study: Study, folder: Path, plan: Plan, runs: int) -> None:
    """Writes down that another study had runs of this one, with what it had itself from others."""
    sessions = read_lines(folder / SESSIONS, Session)
    for earlier in reused_studies(folder):
        study.append(REUSED, earlier)
    own = Reused(
        when=now(),
        study=folder.name,
        plan=plan.digest,
        contrasts=plan.design.family_size if plan.design else 0,
        runs=runs,
        versions=sessions[-1].versions if sessions else {},
    )
    study.append(REUSED, own)


def _differences(theirs: Plan, ours: Plan) -> list[str]:
    """The fields in which two plans are not of one task."""
    pairs = [(name, getattr(theirs, name), getattr(ours, name)) for name in REUSE_FIELDS]
    return [f"{name} {their} against {our}" for name, their, our in pairs if their != our]


def _cell(task: Task, levels: Mapping[str, Scalar], recipe: Mapping[str, Scalar]) -> Cell:
    return task.complete(whole_cell(task.space, levels, recipe=recipe))
