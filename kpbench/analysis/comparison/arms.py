"""An arm of a comparison: one cell of a study with the seeds that count."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field

from kpbench.analysis.ablation.analysis import latest
from kpbench.analysis.comparison.study import COUNTED, TO_THE_END, StudyRows, judged_on
from kpbench.analysis.search import best_of
from kpbench.cell import RunResult, Scalar, Value, cell_id
from kpbench.errors import UsageError

Chosen = Literal["named", "best", "baseline", "common"]
"""How a cell came to stand in a comparison."""

Ends = tuple[float, float]
"""The ends of an interval."""


class Json(Value):
    """Base of what `kpbench compare --json` prints; an infinite end, as two seeds at a small alpha give, is null."""

    model_config = ConfigDict(ser_json_inf_nan="null")


class Arm(Json):
    """One cell of one study; the fields from `source` on are not part of the JSON.

    Attributes:
        seeds: all that have an outcome.
        diverged, collapsed: of `seeds`, without a finite MSE or above the mean face's; they count with the mean face's.
        missing: planned seeds without an outcome.
        score: geometric mean over `seeds`, with its interval at 1 - alpha (None below two seeds); None until compared.
        rmse_px: of the geometric-mean MSE over `seeds`, in pixels.
        parameters, megabytes: None where no run of the cell was sized.
        seconds_per_epoch: the median; None without an epoch.
        images: that training showed the network in the longest of its runs.
        mse: of every seed with an outcome, on `source.split`.
        planned: the seeds with which the cell was to be trained; of a search those that were begun.
        faces: MSE of each face by seed, where the rows carry it for the split that is compared.
    """

    study: str
    cell: str
    params: dict[str, Scalar]
    chosen: Chosen
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    collapsed: tuple[int, ...]
    missing: int
    score: float | None = None
    interval: Ends | None = None
    rmse_px: float | None = None
    parameters: int | None
    megabytes: float | None
    seconds_per_epoch: float | None
    images: int
    source: StudyRows = Field(exclude=True)
    mse: dict[int, float] = Field(exclude=True)
    planned: tuple[int, ...] = Field(exclude=True)
    faces: dict[int, tuple[float, ...]] = Field(exclude=True)

    @property
    def failed(self) -> frozenset[int]:
        """The seeds that count with the mean face's MSE."""
        return frozenset((*self.diverged, *self.collapsed))

    @property
    def logs(self) -> dict[int, float]:
        """log MSE by seed."""
        return {seed: math.log(mse) for seed, mse in self.mse.items()}


def counted(study: StudyRows) -> dict[str, list[RunResult]]:
    """The rows that count by cell: final and ablation runs with an official score on the split, and diverged ones.

    Raises:
        UsageError: a row was scored on other faces than its study's plan says, or its cell is not its parameters'.
    """
    found: dict[str, list[RunResult]] = {}
    for row in latest([row for row in study.rows if row.role in COUNTED]):
        if row.data != study.plan.data:
            raise UsageError(
                f"a row of {study.name} was scored on other faces than its plan says: data {row.data} against "
                f"{study.plan.data}; the study is damaged, train it again under another --name"
            )
        if row.cell != cell_id(row.params):
            raise UsageError(
                f"a row of {study.name} is damaged: it says cell {row.cell}, its parameters {cell_id(row.params)}"
            )
        if study.mse(row) is not None or row.reason == "nan":
            found.setdefault(row.cell, []).append(row)
    if not found:
        raise UsageError(f"{study.name} has no run with an official {study.split} score yet; {TO_THE_END}")
    return found


def default_arm(study: StudyRows) -> Arm:
    """The cell that a study stands for: the best of a search, the baseline of an ablation.

    Raises:
        UsageError: that cell has no official score yet; or as `counted` and `arm_of`.
    """
    cells = counted(study)
    design = study.plan.design
    if design is None:
        best = best_of(study.rows)
        if best is None or best["cell_id"] not in cells:
            raise UsageError(
                f"the best cell of {study.name} has no official {study.split} score yet; run its command to the end"
            )
        return arm_of(study, cells[best["cell_id"]], "best")
    for rows in cells.values():
        if design.baseline.items() <= rows[0].params.items():
            return arm_of(study, rows, "baseline")
    raise UsageError(f"the baseline of {study.name} has no official {study.split} score yet; {TO_THE_END}")


def arm_of(study: StudyRows, rows: Sequence[RunResult], chosen: Chosen) -> Arm:
    """The arm of one cell from its rows that count.

    Raises:
        UsageError: a seed diverged before the floor was scored, or an MSE is not positive.
    """
    rows = sorted(rows, key=lambda row: row.seed)
    mse: dict[int, float] = {}
    diverged, collapsed = [], []
    for row in rows:
        value = found if row.reason != "nan" and (found := study.mse(row)) is not None else math.nan
        if not math.isfinite(value):
            diverged.append(row.seed)
            if study.failed_mse is None:
                raise UsageError(
                    f"seed {row.seed} of {study.name} diverged and the mean face, with which it counts, has no score "
                    f"yet; {TO_THE_END}"
                )
            value = study.failed_mse
        elif study.failed_mse is not None and value > study.failed_mse:
            collapsed.append(row.seed)
            value = study.failed_mse
        if not value > 0:
            raise UsageError(f"a row of {study.name} is damaged: the MSE of seed {row.seed} is {value:g}")
        mse[row.seed] = value
    cell, design = rows[0].cell, study.plan.design
    begun = sorted({row.seed for row in study.rows if row.cell == cell and row.role in COUNTED})
    # A sequential design that ended early, or a search, planned what it began.
    planned = tuple(begun) if design is None or design.looks else design.blocks
    has_faces = study.split == judged_on(study.plan) and not (design and design.resplit)
    seconds = [record.seconds for row in rows for record in row.curve]
    return Arm(
        study=study.name,
        cell=cell,
        params=rows[0].params,
        chosen=chosen,
        seeds=tuple(mse),
        diverged=tuple(diverged),
        collapsed=tuple(collapsed),
        missing=sum(seed not in mse for seed in planned),
        parameters=next((row.parameters for row in rows if row.parameters is not None), None),
        megabytes=next((row.megabytes for row in rows if row.megabytes is not None), None),
        seconds_per_epoch=float(np.median(seconds)) if seconds else None,
        images=max(row.images_seen(study.plan.data_sizes["train"]) for row in rows),
        source=study,
        mse=mse,
        planned=planned,
        faces={row.seed: tuple(row.face_mse) for row in rows if row.face_mse and has_faces},
    )


def differing(cells: Sequence[Mapping[str, Scalar]]) -> dict[str, tuple[Scalar | None, ...]]:
    """The parameters in which cells differ, with each cell's value; None where it does not apply."""
    names = dict.fromkeys(name for params in cells for name in params)
    values = {name: tuple(params.get(name) for params in cells) for name in names}
    return {name: found for name, found in values.items() if len({(isinstance(one, bool), one) for one in found}) > 1}
