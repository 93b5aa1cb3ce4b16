"""How far a study is: rows, sessions and the driver's record to numbers. Nothing is locked or written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kpbench.analysis.ranking import last_of_each, ranked, trial_counts
from kpbench.analysis.shown import Shown
from kpbench.analysis.time_left import seconds_left
from kpbench.cell import RunResult, Scalar, State
from kpbench.space.design import Design
from kpbench.space.tuning import tunings
from kpbench.store.driver import Driver, UnderWay, is_worked_on, read_driver
from kpbench.store.files import FLOOR, RESULT, ROWS, SESSIONS, no_collection, read_json, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.store.values import Session
from kpbench.task.score import mean_score

Standing = Literal["running", "elsewhere", "finished", "interrupted", "failed", "killed", "incomplete", "not begun"]
"""Of a study and its driver.

`elsewhere`: a driver on another machine has not said that it left; `incomplete`: a command ended and left runs to do,
or nothing is known of how it ended.
"""

TRIALS = "trials"

WORKED_ON: tuple[Standing, ...] = ("running", "elsewhere")


@dataclass(frozen=True)
class Part:
    """Runs of one kind, in the order in which a command does them; `total` is None where no session says it."""

    name: str
    done: int
    total: int | None

    @property
    def left(self) -> int:
        """Those still to come, as far as it is known."""
        return 0 if self.total is None else max(0, self.total - self.done)


@dataclass(frozen=True)
class Running:
    """A job under way: what varies of its cell, its last epoch and validation score."""

    role: str
    number: int
    cell: Mapping[str, Scalar]
    seeds: tuple[int, ...]
    epoch: int
    epochs: int
    score: float | None


@dataclass(frozen=True)
class BestSoFar:
    """The best cell so far: what varies of it, and the geometric-mean score over `seeds`.

    Attributes:
        on: the faces: `val` or `test`.
        fresh: whether the seeds are others than those by which it was chosen.
    """

    cell: Mapping[str, Scalar]
    score: float
    seeds: int
    on: str
    fresh: bool


@dataclass(frozen=True)
class Status:
    """A study at this moment.

    Attributes:
        states: trials, or planned runs, by how they ended.
        failures: failed ones by reason, and final runs and tuning with them.
        running: jobs under way, or that were when the driver was killed.
        floor: what methods without a network reach on the faces of `best`, by name; empty before they were scored.
        images: pictures that training has shown, epochs under way included; not those of runs taken from elsewhere.
        seconds_left: estimated of what is to come, with the workers of the last session; None while nothing is known.
        command: continues the study, or repeats it; None where no session is written down.
        last: when the last row was written, UTC.
    """

    study: str
    kind: str
    space: str
    data: str
    standing: Standing
    driver: Driver | None
    parts: tuple[Part, ...]
    states: Mapping[str, int]
    failures: Mapping[str, int]
    running: tuple[Running, ...]
    best: BestSoFar | None
    floor: Mapping[str, float]
    images: int
    seconds_left: float | None
    workers: int | None
    sessions: int
    command: str | None
    last: str | None


@no_collection()
def status_of(folder: Path, *, planned: int | None = None, rows: Sequence[RunResult] | None = None) -> Status:
    """The status of the study in `folder` now.

    Args:
        planned: runs of a sequential ablation up to its look under way; those of all looks if it is not given.
        rows: its rows where they were just read.

    Raises:
        UsageError: there is no study, or one of its files is damaged.
    """
    driver = read_driver(folder)  # before the rows: a job that ends between the two is then in both, not in neither
    held = is_worked_on(folder, driver)
    plan, sessions = read_plan(folder), read_lines(folder / SESSIONS, Session)
    rows = last_of_each(read_lines(folder / ROWS, RunResult) if rows is None else rows)
    design = plan.design
    parts = _search_parts(rows, sessions, plan) if design is None else _ablation_parts(rows, design, planned)
    standing = _standing(held, driver, sessions, rows, complete=_complete(folder, parts, plan))
    running = driver.running if driver is not None and standing in (*WORKED_ON, "killed") else ()
    shown = Shown.of(plan)
    trained = [row for row in rows if row.taken_from is None]
    best = _best_of_search(rows, shown) if design is None else _best_of_design(folder, rows, design)
    faces = plan.data_sizes["train"]
    return Status(
        study=folder.name,
        kind=plan.kind,
        space=plan.space_name,
        data=plan.data_name,
        standing=standing,
        driver=driver,
        parts=parts,
        states=trial_counts(rows) if design is None else _planned_counts(rows),
        failures=dict(Counter(row.reason or "unknown" for row in rows if row.state == "failed")),
        running=tuple(_shown(one, shown) for one in running),
        best=best,
        floor={} if best is None else _floor(folder, best.on),
        images=sum(row.images_seen(faces) for row in trained) + faces * sum(o.epoch * len(o.seeds) for o in running),
        seconds_left=None
        if any(part.total is None for part in parts)
        else seconds_left(
            sum(part.left for part in parts if part.name == TRIALS),
            sum(part.left for part in parts if part.name != TRIALS),
            trained,
            running if standing in WORKED_ON else (),
            sessions,
            plan,
        ),
        workers=sessions[-1].workers if sessions else None,
        sessions=len(sessions),
        command=sessions[-1].command if sessions else None,
        last=max((row.finished for row in rows), default=None),
    )


def _search_parts(rows: Sequence[RunResult], sessions: Sequence[Session], plan: Plan) -> tuple[Part, ...]:
    totals = (sessions[-1].totals if sessions else None) or {}
    finals = [row for row in rows if row.role == "final" and row.state == "complete"]
    trials = Part(TRIALS, len({row.trial for row in rows if row.role == "trial"}), totals.get("trials"))
    cells = totals.get("final cells")
    if cells is not None and trials.total is not None and not trials.left:
        cells = min(cells, len(ranked(rows)))  # where fewer trials are complete, fewer are trained again
    if cells is not None and not plan.objectives:  # a cell that was best once, and is no more, needs no final runs
        chosen = {cell for cell, _ in ranked(rows)[:cells]}
        finals = [row for row in finals if row.cell in chosen]
    wanted = None if cells is None else cells * totals["final seeds"]
    return trials, Part("final runs", len(finals), wanted)


def _ablation_parts(rows: Sequence[RunResult], design: Design, planned: int | None) -> tuple[Part, ...]:
    settled = Counter(row.role == "tuning" for row in rows if row.settled)
    runs = Part("runs", settled[False], design.runs if planned is None else planned)
    if design.tuning is None:
        return (runs,)
    tuning = sum(len(one.recipes) for _, one in tunings(design.cells, design.control, design.tuning))
    return Part("tuning runs", settled[True], settled[True] if runs.done else tuning), runs


def _complete(folder: Path, parts: Sequence[Part], plan: Plan) -> bool:
    return not any(part.left for part in parts) and (plan.design is not None or (folder / RESULT).is_file())


def _standing(
    held: bool | None, driver: Driver | None, sessions: Sequence[Session], rows: Sequence[RunResult], *, complete: bool
) -> Standing:
    if held:
        return "running"
    if driver is not None and driver.ended is None:
        return "elsewhere" if held is None else "killed"
    if driver is not None and driver.ended is not None:
        return driver.ended
    if complete:
        return "finished"
    return "incomplete" if sessions or rows else "not begun"


def _planned_counts(rows: Sequence[RunResult]) -> dict[str, int]:
    states: Counter[State] = Counter(row.state for row in rows if row.role != "tuning")
    return {state: states[state] for state in ("complete", "failed")}


def _shown(one: UnderWay, shown: Shown) -> Running:
    return Running(one.role, one.number, shown.of_cell(one.params), one.seeds, one.epoch, one.epochs, one.score)


def _floor(folder: Path, split: str) -> dict[str, float]:
    found = read_json(folder / FLOOR) or {}
    return {name: scores[split] for name, scores in found.items() if isinstance(scores, dict) and split in scores}


def _best_of_search(rows: Sequence[RunResult], shown: Shown) -> BestSoFar | None:
    """As the report has it: by fresh seeds on validation once there are any, then quoted on the sealed test."""
    finals: dict[str, list[RunResult]] = {}
    for row in rows:
        if row.role == "final" and row.state == "complete" and row.val_mse is not None:
            finals.setdefault(row.cell, []).append(row)
    if finals:
        found = max(finals.values(), key=lambda runs: mean_score([run.val_mse for run in runs if run.val_mse]))
        on_test = [run.test_mse for run in found if run.test_mse is not None]
        mses = on_test or [run.val_mse for run in found if run.val_mse is not None]
        cell = shown.of_cell(found[0].params)
        return BestSoFar(cell, mean_score(mses), len(mses), "test" if on_test else "val", fresh=True)
    for cell_id, score in ranked(rows)[:1]:
        mine = [row for row in rows if row.cell == cell_id]
        return BestSoFar(shown.of_cell(mine[0].params), score, len(mine), "val", fresh=False)
    return None


def _best_of_design(folder: Path, rows: Sequence[RunResult], design: Design) -> BestSoFar | None:
    """The cell with the best geometric-mean score; a run worse than the mean face, or diverged, counts with it."""
    split = design.judged_on
    floor = ((read_json(folder / FLOOR) or {}).get("mean face") or {}).get(split)
    worst = 1 / (2 * floor) if floor else None
    mses: dict[str, list[float]] = {}
    for row in rows:
        mse = row.mse_on(split) if row.state == "complete" else worst
        if row.role == "ablation" and row.settled and mse is not None:
            mses.setdefault(row.cell, []).append(mse if worst is None else min(mse, worst))
    if not mses:
        return None
    best = max(mses, key=lambda cell: mean_score(mses[cell]))
    params = next(row.params for row in rows if row.cell == best)
    levels = {name: params[name] for name in design.factors if name in params}
    return BestSoFar(levels, mean_score(mses[best]), len(mses[best]), split, fresh=True)
