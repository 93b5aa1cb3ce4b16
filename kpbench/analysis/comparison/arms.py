"""The arms of a comparison: a study as read, and one of its cells with the seeds that count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field

from kpbench.analysis.ablation.analysis import latest
from kpbench.analysis.search import best_of
from kpbench.cell import RunResult, Scalar, Value, cell_id
from kpbench.errors import UsageError
from kpbench.store.files import FLOOR, RESULT, ROWS, SESSIONS, read_json, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.store.study import Session

Chosen = Literal["named", "best", "baseline", "common"]
"""How a cell came to stand in a comparison."""

Ends = tuple[float, float]
"""The ends of an interval."""

TO_THE_END = "run the study's own command to the end"


@dataclass(frozen=True, eq=False)
class StudyRows:
    """A study as read.

    Attributes:
        name: as a person called it.
        place: what tells it from every other study; the folder's full path.
        rows: every row, also those that do not count.
        failed_mse: test MSE of the mean face, with which a diverged seed counts; None before the floor was scored.
        finished: an ablation, or a search that has written its result.
        versions, machine: of the last session; for the notes.
    """

    name: str
    place: str
    plan: Plan
    rows: tuple[RunResult, ...]
    failed_mse: float | None = None
    finished: bool = True
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""


class Json(Value):
    """Base of what `kpbench compare --json` prints; an infinite end, as two seeds at a small alpha give, is null."""

    model_config = ConfigDict(ser_json_inf_nan="null")


class Arm(Json):
    """One cell of one study; the fields from `source` on are not part of the JSON.

    Attributes:
        seeds: those that enter; at first all that have an outcome.
        diverged: of `seeds`; they count with the mean face's MSE.
        missing: planned seeds without an outcome.
        score: geometric mean over `seeds`, with its interval at 1 - alpha (None below two seeds); None until compared.
        rmse_px: of the geometric-mean MSE over `seeds`, in pixels.
        parameters, megabytes: None where no run of the cell was sized.
        seconds_per_epoch: the median; None without an epoch.
        mse: test MSE of every seed with an outcome.
        diverged_in_all: of the seeds of `mse`.
        planned: the seeds with which the cell was to be trained; of a search those that were begun.
        faces: MSE of each test face by seed, where the rows carry it.
    """

    study: str
    cell: str
    params: dict[str, Scalar]
    chosen: Chosen
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    missing: int
    score: float | None = None
    interval: Ends | None = None
    rmse_px: float | None = None
    parameters: int | None
    megabytes: float | None
    seconds_per_epoch: float | None
    source: StudyRows = Field(exclude=True)
    mse: dict[int, float] = Field(exclude=True)
    diverged_in_all: tuple[int, ...] = Field(exclude=True)
    planned: tuple[int, ...] = Field(exclude=True)
    faces: dict[int, tuple[float, ...]] = Field(exclude=True)

    def over(self, seeds: Sequence[int]) -> "Arm":
        """The arm with these seeds alone entering."""
        diverged = tuple(seed for seed in self.diverged_in_all if seed in seeds)
        return self.model_copy(update={"seeds": tuple(seeds), "diverged": diverged})


def read_study(folder: Path) -> StudyRows:
    """The study in `folder`, whole or in part, also while it runs.

    Raises:
        UsageError: a file of the study is damaged.
    """
    plan = read_plan(folder)
    sessions = read_lines(folder / SESSIONS, Session)
    floor = read_json(folder / FLOOR)
    return StudyRows(
        name=folder.resolve().name,
        place=str(folder.resolve()),
        plan=plan,
        rows=tuple(read_lines(folder / ROWS, RunResult)),
        failed_mse=None if floor is None else _mean_face(folder, floor),
        finished=plan.design is not None or (folder / RESULT).is_file(),
        versions=sessions[-1].versions if sessions else {},
        machine=sessions[-1].device if sessions else "",
    )


def counted(study: StudyRows) -> dict[str, list[RunResult]]:
    """The rows that count by cell: final and ablation runs with an official test score, and diverged ones.

    Raises:
        UsageError: a row was scored on other faces than its study's plan says, or its cell is not its parameters'.
    """
    found: dict[str, list[RunResult]] = {}
    for row in latest([row for row in study.rows if row.role in ("final", "ablation")]):
        if row.data != study.plan.data:
            raise UsageError(
                f"a row of {study.name} was scored on other faces than its plan says: data {row.data} against "
                f"{study.plan.data}; the study is damaged, train it again under another --name"
            )
        if row.cell != cell_id(row.params):
            raise UsageError(
                f"a row of {study.name} is damaged: it says cell {row.cell}, its parameters {cell_id(row.params)}"
            )
        if row.test_mse is not None or row.reason == "nan":
            found.setdefault(row.cell, []).append(row)
    if not found:
        raise UsageError(f"{study.name} has no run with an official test score yet; {TO_THE_END}")
    return found


def default_arm(study: StudyRows) -> Arm:
    """The cell that a study stands for: the best of a search, the baseline of an ablation.

    Raises:
        UsageError: that cell has no official test score yet; or as `counted` and `arm_of`.
    """
    cells = counted(study)
    design = study.plan.design
    if design is None:
        best = best_of(study.rows)
        if best is None or best["cell_id"] not in cells:
            raise UsageError(
                f"the best cell of {study.name} has no official test score yet; run its command to the end"
            )
        return arm_of(study, cells[best["cell_id"]], "best")
    for rows in cells.values():
        if design.baseline.items() <= rows[0].params.items():
            return arm_of(study, rows, "baseline")
    raise UsageError(f"the baseline of {study.name} has no official test score yet; {TO_THE_END}")


def arm_of(study: StudyRows, rows: Sequence[RunResult], chosen: Chosen) -> Arm:
    """The arm of one cell from its rows that count.

    Raises:
        UsageError: a seed diverged before the floor was scored, or an MSE is not positive.
    """
    rows = sorted(rows, key=lambda row: row.seed)
    mse, diverged = {}, []
    for row in rows:
        value = math.nan if row.test_mse is None else row.test_mse
        if not math.isfinite(value):
            diverged.append(row.seed)
            if study.failed_mse is None:
                raise UsageError(
                    f"seed {row.seed} of {study.name} diverged and the mean face, with which it counts, has no score "
                    f"yet; {TO_THE_END}"
                )
            value = study.failed_mse
        if not value > 0:
            raise UsageError(f"a row of {study.name} is damaged: the MSE of seed {row.seed} is {value:g}")
        mse[row.seed] = value
    cell, design = rows[0].cell, study.plan.design
    begun = sorted({row.seed for row in study.rows if row.cell == cell and row.role in ("final", "ablation")})
    planned = tuple(begun) if design is None else design.blocks
    seconds = [record.seconds for row in rows for record in row.curve]
    return Arm(
        study=study.name,
        cell=cell,
        params=rows[0].params,
        chosen=chosen,
        seeds=tuple(mse),
        diverged=tuple(diverged),
        missing=sum(seed not in mse for seed in planned),
        parameters=next((row.parameters for row in rows if row.parameters is not None), None),
        megabytes=next((row.megabytes for row in rows if row.megabytes is not None), None),
        seconds_per_epoch=float(np.median(seconds)) if seconds else None,
        source=study,
        mse=mse,
        diverged_in_all=tuple(diverged),
        planned=planned,
        faces={row.seed: tuple(row.face_mse) for row in rows if row.face_mse},
    )


def differing(cells: Sequence[Mapping[str, Scalar]]) -> dict[str, tuple[Scalar | None, ...]]:
    """The parameters in which cells differ, with each cell's value; None where it does not apply."""
    names = dict.fromkeys(name for params in cells for name in params)
    values = {name: tuple(params.get(name) for params in cells) for name in names}
    return {name: found for name, found in values.items() if len({(isinstance(one, bool), one) for one in found}) > 1}


def _mean_face(folder: Path, floor: Mapping[str, object]) -> float:
    scores = floor.get("mean face")
    score = scores.get("test") if isinstance(scores, dict) else None
    if not isinstance(score, int | float) or not 0 < score < math.inf:
        raise UsageError(
            f"{folder / FLOOR} is damaged: no test score of the mean face; move it away, then {TO_THE_END}"
        )
    return 1 / (2 * score)
