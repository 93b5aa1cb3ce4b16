"""The runs of a design: recipes tried for its cells, then every cell and seed in random order."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from kpbench.cell import Role, RunResult, Scalar, cell_id
from kpbench.engine.events import Notify
from kpbench.engine.jobs import Job
from kpbench.engine.planned import Planned
from kpbench.errors import UsageError
from kpbench.faces.faces import Splits
from kpbench.space.design import Design, whole_cell
from kpbench.space.tuning import best_recipe, of_cell
from kpbench.store.files import MODELS, ROWS, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.store.study import Study
from kpbench.studies.measures import Measure
from kpbench.studies.official import score_row
from kpbench.studies.preflight import Task

Cell = dict[str, Scalar]

ATTEMPTS = 2
"""How often a recipe that breaks (memory, a lost worker) is tried: then it is out, so that choices stay as they are."""

REUSE_FIELDS = ("data", "benchmark", "scorer", "epochs", "device", "precision", "labels")
"""The fields of a plan in which two studies must agree for a run of one to be taken over by the other."""


def every_cell(task: Task, design: Design) -> list[Cell]:
    """Every cell that a design may train, each recipe of each cell and the size-matched controls included."""
    recipes: Sequence[Mapping[str, Scalar]] = ({},) if design.tuning is None else design.tuning.recipes
    planned = [(levels, recipe) for levels in design.cells for recipe in recipes]
    planned += [(design.baseline, {**recipe, **one.change}) for one in design.matched or () for recipe in recipes]
    return [_cell(task, levels, recipe) for levels, recipe in planned]


def tuning_count(design: Design) -> int:
    """How many tuning runs a design asks for at most; recipes that are one in a cell are run once."""
    if design.tuning is None:
        return 0
    return len(design.tuning.recipes) * (1 if design.tuning.how == "locked" else len(design.cells))


def tuning_runs(study: Study, task: Task, design: Design, splits: Splits, notify: Notify) -> Planned:
    """Each recipe in each cell that is tuned, those settled left out; none is stopped early, none sees the test."""

    def settle(row: RunResult) -> RunResult:
        return study.append(ROWS, row)

    tuning = design.tuning
    if tuning is None:
        return Planned([], task.facts(splits), notify, settle)
    looked_at = design.cells[:1] if tuning.how == "locked" else design.cells
    wanted = [_cell(task, levels, recipe) for levels in looked_at for recipe in tuning.recipes]
    rows = [row for row in study.rows() if row.role == "tuning"]
    spent = Counter(row.cell for row in rows)
    done = {row.cell for row in rows if row.settled or spent[row.cell] >= ATTEMPTS}
    jobs = [
        Job(number=number, role="tuning", params=cell, seeds=(tuning.seed,), epochs=task.epochs)
        for number, (name, cell) in enumerate({cell_id(cell): cell for cell in wanted}.items())
        if name not in done
    ]
    return Planned(jobs, task.facts(splits), notify, settle)


def tuned_cells(task: Task, design: Design, rows: Sequence[RunResult]) -> list[Cell]:
    """The cells to compare, in the design's order, each with its recipe.

    Raises:
        UsageError: tuning has no complete run in a cell.
    """
    return [_cell(task, levels, _recipe(design, rows, levels)) for levels in design.cells]


def _recipe(design: Design, rows: Sequence[RunResult], levels: Mapping[str, Scalar]) -> Cell:
    if design.tuning is None:
        return {}
    source = design.baseline if design.tuning.how == "locked" else levels
    best = best_recipe(of_cell(rows, source))
    if best is None:
        where = " ".join(f"{name}={level}" for name, level in source.items())
        raise UsageError(f"no recipe of {where} could be trained to its end, so it cannot be tuned; see the rows")
    return {name: best.params[name] for name in design.tuning.spans if name in best.params}


def scored_runs(
    study: Study,
    task: Task,
    design: Design,
    cells: Sequence[Cell],
    splits: Splits,
    measures: Sequence[Measure],
    command: str,
    notify: Notify,
) -> Planned:
    """Every planned run in random order, those done left out; each is scored officially, its model then removed."""
    done = {(row.role, row.cell, row.seed) for row in study.rows() if row.settled}
    wanted = _compared_runs(design, cells)
    controls = {cell_id(cell): cell for one in design.matched or () for cell in [{**cells[0], **one.change}]}
    wanted += [("matched", cell, seed) for cell in controls.values() for seed in design.blocks]
    random.Random(design.blocks[0]).shuffle(wanted)  # the order follows from the study's seed, as its blocks do
    models = str((study.folder / MODELS).absolute())
    jobs = [
        Job(number=number, role=role, params=cell, seeds=(seed,), epochs=task.epochs, models=models)
        for number, (role, cell, seed) in enumerate(wanted)
        if (role, cell_id(cell), seed) not in done
    ]

    def settle(row: RunResult) -> RunResult:
        scored = score_row(study, task, splits, row, command, measures=measures)
        study.append(ROWS, scored.model_copy(update={"model": None}))
        if scored.model is not None:
            for suffix in (".safetensors", ".json"):
                (study.folder / scored.model).with_suffix(suffix).unlink(missing_ok=True)
        return scored

    return Planned(jobs, task.facts(splits), notify, settle)


def take_runs(study: Study, plan: Plan, cells: Sequence[Cell], other: Path) -> int:
    """Takes over the planned runs that another study has done already; returns how many.

    A run's numbers follow from cell, seed, data, benchmark, recipe and device alone, so one that another study of the
    same task trained and scored need not be trained, nor the sealed test opened, again. The rows say where they are
    from. Rows without a shift that this plan asks for are not taken.

    Raises:
        UsageError: the other study is of other faces, another benchmark, scorer, number of epochs or precision, or
            its networks were not scored on the other faces that this plan asks for.
    """
    source, design = read_plan(other), plan.design
    assert design is not None
    apart = [
        f"{name} {theirs} against {ours}"
        for name in REUSE_FIELDS
        if (theirs := getattr(source, name)) != (ours := getattr(plan, name))
    ]
    if apart:
        raise UsageError(f"--reuse {other}: its runs are not of this task: {', '.join(apart)}")
    if design.also is not None and (source.design is None or source.design.also != design.also):
        raise UsageError(f"--reuse {other}: its networks were not scored on the faces of --also")
    names = {f"shift {shift}" for shift in design.shifts or ()}
    done = {(row.role, row.cell, row.seed) for row in study.rows() if row.settled}
    wanted = {(role, cell_id(cell), seed) for role, cell, seed in _compared_runs(design, cells)}
    taken = 0
    for row in read_lines(other / ROWS, RunResult):
        run = (row.role, row.cell, row.seed)
        whole = row.state == "failed" or names <= set(row.measures or {})
        if run in wanted - done and row.settled and whole:
            study.append(ROWS, row.model_copy(update={"taken_from": row.taken_from or source.digest}))
            done.add(run)
            taken += 1
    return taken


def _compared_runs(design: Design, cells: Sequence[Cell]) -> list[tuple[Role, Cell, int]]:
    """Role, cell and seed of every run of the design, the size-matched controls left out."""
    runs: list[tuple[Role, Cell, int]] = [("ablation", cell, seed) for cell in cells for seed in design.blocks]
    return runs + [("control", cells[0], seed) for seed in design.control]


def _cell(task: Task, levels: Mapping[str, Scalar], recipe: Mapping[str, Scalar]) -> Cell:
    return task.complete(whole_cell(task.space, levels, recipe=recipe))
