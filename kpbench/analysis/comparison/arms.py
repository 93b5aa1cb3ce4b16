"""The sides of a comparison: a study as read, and one of its cells with the seeds that count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from kpbench.analysis.ablation.analysis import latest
from kpbench.analysis.search import best_of
from kpbench.cell import RunResult, Scalar, cell_id
from kpbench.errors import UsageError, nearest
from kpbench.store.files import FLOOR, RESULT, ROWS, SESSIONS, read_json, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.store.study import Session, find_study

Chosen = Literal["named", "best", "baseline", "common"]
"""How a cell came to stand in a comparison."""

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


@dataclass(frozen=True, eq=False)
class Side:
    """One cell of one study as it enters a comparison.

    Attributes:
        mse: test MSE by seed; a diverged seed has the mean face's.
        diverged: the seeds that did.
        planned: the seeds with which the cell was to be trained; of a search those that were begun.
        faces: MSE of each test face by seed, where the rows carry it.
        parameters, megabytes: None where no run of the cell was sized.
        seconds: median seconds of an epoch; None without one.
    """

    study: StudyRows
    cell: str
    params: Mapping[str, Scalar]
    chosen: Chosen
    mse: Mapping[int, float]
    diverged: tuple[int, ...]
    planned: tuple[int, ...]
    faces: Mapping[int, tuple[float, ...]]
    parameters: int | None
    megabytes: float | None
    seconds: float | None

    @property
    def missing(self) -> int:
        """Planned seeds that have no outcome."""
        return sum(seed not in self.mse for seed in self.planned)


def find_side(word: str, out: Path) -> tuple[Path, str | None]:
    """The study folder and the cell's word of `STUDY` or `STUDY:CELL`; a colon in a folder's name does no harm.

    Raises:
        UsageError: no such study, or nothing stands behind the colon.
    """
    ends = [len(word), *(place for place in range(len(word) - 1, -1, -1) if word[place] == ":")]
    end = next((end for end in ends if _is_study(word[:end], out)), ends[-1])
    folder, cell = find_study(word[:end], out), word[end + 1 :].strip()
    if end < len(word) and not cell:
        raise UsageError(f"'{word}' names no cell behind its colon; write STUDY:NAME=LEVEL or STUDY:CELL")
    return folder, cell or None


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


def named_side(study: StudyRows, word: str) -> Side:
    """The one cell that `word` picks: an id or its first digits, or `norm=batch,depth=4`.

    Raises:
        UsageError: it picks none or several; or as `counted`.
    """
    cells = counted(study)
    cell = _by_levels(study, cells, word) if "=" in word else _by_id(study, cells, word)
    return side(study, cell, "named")


def usual_side(study: StudyRows) -> Side:
    """The cell that a study stands for: the best of a search, the baseline of an ablation.

    Raises:
        UsageError: that cell has no official test score yet; or as `counted`.
    """
    cells = counted(study)
    design = study.plan.design
    if design is None:
        best = best_of(study.rows)
        if best is None or best["cell_id"] not in cells:
            raise UsageError(
                f"the best cell of {study.name} has no official test score yet; run its command to the end"
            )
        return side(study, best["cell_id"], "best")
    for cell, rows in cells.items():
        if all(rows[0].params.get(name) == level for name, level in design.baseline.items()):
            return side(study, cell, "baseline")
    raise UsageError(f"the baseline of {study.name} has no official test score yet; {TO_THE_END}")


def side(study: StudyRows, cell: str, chosen: Chosen) -> Side:
    """A scored cell of a study.

    Raises:
        UsageError: a seed diverged before the floor was scored, or an MSE is not positive; or as `counted`.
    """
    rows = sorted(counted(study)[cell], key=lambda row: row.seed)
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
    design = study.plan.design
    begun = sorted({row.seed for row in study.rows if row.cell == cell and row.role in ("final", "ablation")})
    faces = {row.seed: getattr(row, "face_mse", None) for row in rows}
    seconds = [record.seconds for row in rows for record in row.curve]
    return Side(
        study=study,
        cell=cell,
        params=rows[0].params,
        chosen=chosen,
        mse=mse,
        diverged=tuple(diverged),
        planned=tuple(begun) if design is None else design.blocks,
        faces={seed: tuple(values) for seed, values in faces.items() if values},
        parameters=next((row.parameters for row in rows if row.parameters is not None), None),
        megabytes=next((row.megabytes for row in rows if row.megabytes is not None), None),
        seconds=float(np.median(seconds)) if seconds else None,
    )


def differing(cells: Sequence[Mapping[str, Scalar]]) -> dict[str, tuple[Scalar | None, ...]]:
    """The parameters in which cells differ, with each cell's value; None where it does not apply."""
    names = dict.fromkeys(name for params in cells for name in params)
    values = {name: tuple(params.get(name) for params in cells) for name in names}
    return {name: found for name, found in values.items() if len({(isinstance(one, bool), one) for one in found}) > 1}


def _is_study(word: str, out: Path) -> bool:
    try:
        find_study(word, out)
    except UsageError:
        return False
    return True


def _mean_face(folder: Path, floor: Mapping[str, object]) -> float:
    scores = floor.get("mean face")
    score = scores.get("test") if isinstance(scores, dict) else None
    if not isinstance(score, int | float) or not 0 < score < math.inf:
        raise UsageError(
            f"{folder / FLOOR} is damaged: no test score of the mean face; move it away, then {TO_THE_END}"
        )
    return 1 / (2 * score)


def _by_id(study: StudyRows, cells: Mapping[str, object], word: str) -> str:
    found = [cell for cell in cells if cell.startswith(word.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{word}' is short for {' and '.join(sorted(found)[:4])} in {study.name}; give more digits")
    if any(row.cell.startswith(word.lower()) for row in study.rows):
        why = f"cell '{word}' of {study.name} has no official test score: no final run of it is done"
        raise UsageError(f"{why}; scored: {', '.join(sorted(cells))}")
    raise UsageError(f"{study.name} has no cell '{word}': {nearest(word.lower(), cells)}; or name it NAME=LEVEL")


def _by_levels(study: StudyRows, cells: Mapping[str, Sequence[RunResult]], word: str) -> str:
    params = {cell: rows[0].params for cell, rows in cells.items()}
    left = list(params)
    for part in word.split(","):
        name, _, level = (piece.strip() for piece in part.partition("="))
        if not name or not level:
            raise UsageError(f"'{part}' is no NAME=LEVEL; write {study.name}:norm=batch,depth=4")
        full = _parameter(study, params, name)
        levels = {str(found[full]) for found in params.values() if full in found}
        matching = [cell for cell in params if full in params[cell] and _is(params[cell][full], level)]
        if not matching:
            raise UsageError(f"{full} of {study.name} is never '{level}' in a scored cell: {nearest(level, levels)}")
        left = [cell for cell in left if cell in matching]
    if len(left) == 1:
        return left[0]
    if not left:
        raise UsageError(f"no scored cell of {study.name} is {word}; cells: {', '.join(sorted(cells)[:12])}")
    apart = differing([params[cell] for cell in left])
    choices = "; ".join(f"{name}={'|'.join(sorted({str(v) for v in values}))}" for name, values in apart.items())
    raise UsageError(f"{word} picks {len(left)} cells of {study.name}; say also one of {choices}")


def _parameter(study: StudyRows, params: Mapping[str, Mapping[str, Scalar]], word: str) -> str:
    names = {name for found in params.values() for name in found}
    if word in names:
        return word
    found = sorted(name for name in names if name.rpartition(".")[2] == word)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{word}' is short for {' and '.join(found)}; write one of them whole")
    known = names | {name.rpartition(".")[2] for name in names}
    raise UsageError(f"the cells of {study.name} have no parameter '{word}': {nearest(word, known)}")


def _is(value: Scalar, word: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == word.lower()
    if isinstance(value, str):
        return value == word
    try:
        return float(word) == value
    except ValueError:
        return False
