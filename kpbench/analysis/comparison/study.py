"""A study as a comparison reads it, and the split on which two of them are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kpbench.analysis.ablation.analysis import latest
from kpbench.analysis.ablation.provenance import provenance
from kpbench.analysis.floor import SPLITS, mean_face_mse
from kpbench.cell import RunResult
from kpbench.errors import UsageError
from kpbench.space.design import Split
from kpbench.statistics.verdicts import Why
from kpbench.store.files import PERSONS, RESULT, ROWS, SESSIONS, no_collection, read_json, read_lines
from kpbench.store.plan import Plan, read_plan
from kpbench.store.values import Session

COUNTED = ("final", "ablation")
"""Roles of the rows that count."""

TO_THE_END = "run the study's own command to the end"


@dataclass(frozen=True, eq=False)
class StudyRows:
    """A study as read.

    Attributes:
        name: as a person called it.
        place: what tells it from every other study; the folder's full path.
        rows: every row, also those that do not count.
        mean_face: MSE of the mean face by split, with which a failed seed counts; empty before the floor was scored.
        withhold: why none of its cells gets a verdict; empty where nothing stands against one.
        split: the faces whose scores are compared; as read, those that the study itself was judged on.
        persons: who is on each face that the study was judged on; None where that is not known.
        finished: an ablation, or a search that has written its result.
        versions, machine: of the last session; for the notes.
    """

    name: str
    place: str
    plan: Plan
    rows: tuple[RunResult, ...]
    mean_face: Mapping[Split, float] = field(default_factory=dict)
    split: Split = "test"
    persons: tuple[int, ...] | None = None
    withhold: Why = ""
    finished: bool = True
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""

    def mse(self, row: RunResult, split: Split | None = None) -> float | None:
        """The official MSE of a row on a split, `self.split` where none is named; None where it has none."""
        return row.test_mse if (split or self.split) == "test" else row.val_mse

    @property
    def failed_mse(self) -> float | None:
        """MSE of the mean face on `split`."""
        return self.mean_face.get(self.split)


@no_collection()
def read_study(folder: Path) -> StudyRows:
    """The study in `folder`, whole or in part, also while it runs.

    Raises:
        UsageError: a file of the study is damaged.
    """
    plan = read_plan(folder)
    sessions = read_lines(folder / SESSIONS, Session)
    split = judged_on(plan)
    rows = tuple(read_lines(folder / ROWS, RunResult))
    return StudyRows(
        name=folder.resolve().name,
        place=str(folder.resolve()),
        plan=plan,
        rows=rows,
        # A search without final runs has a floor and has left the test closed.
        mean_face=mean_face_mse(folder, "val" if plan.design is None else split),
        withhold=_withhold(folder, plan, rows),
        split=split,
        persons=_persons(folder, split),
        finished=plan.design is not None or (folder / RESULT).is_file(),
        versions=sessions[-1].versions if sessions else {},
        machine=sessions[-1].device if sessions else "",
    )


def judged_on(plan: Plan) -> Split:
    """The faces that a study's own runs are judged on, and whose single errors its rows carry."""
    return "test" if plan.design is None else plan.design.judged_on


def on_one_split(first: StudyRows, second: StudyRows) -> tuple[StudyRows, StudyRows]:
    """Both studies by their scores on the same faces: those that both were judged on, else what both were scored on.

    What was judged on val is compared there, also after the sealed test was opened to confirm it.

    Raises:
        UsageError: neither split has a score of every run of both.
    """
    for split in (first.split, *SPLITS) if first.split == second.split else SPLITS:
        if all(_scored_on(study, split) for study in (first, second)):
            return replace(first, split=split), replace(second, split=split)
    raise UsageError(
        f"{first.name} and {second.name} were scored on no split in common: {first.split} and {second.split}; "
        "compare studies judged on the same split"
    )


def _scored_on(study: StudyRows, split: Split) -> bool:
    """Whether a split may be compared on: the study's own, or one on which every run that ended well has a score."""
    runs = [row for row in latest(study.rows) if row.role in COUNTED and row.state == "complete"]
    return split == judged_on(study.plan) or (bool(runs) and all(study.mse(row, split) is not None for row in runs))


def _withhold(folder: Path, plan: Plan, rows: Sequence[RunResult]) -> Why:
    """Why the study's own contrasts get no verdict, and so none of its cells."""
    if plan.design is None:
        return ""
    if provenance(folder, plan, latest(rows)).older:
        return "post hoc"
    return "tuned once" if plan.design.tuning is not None and plan.design.tuning.once else ""


def _persons(folder: Path, split: Split) -> tuple[int, ...] | None:
    found = (read_json(folder / PERSONS) or {}).get(split)
    if found is None:
        return None
    if not isinstance(found, list) or not all(type(one) is int for one in found):
        raise UsageError(
            f"{folder / PERSONS} is damaged: no whole number for each {split} face; move it away, then {TO_THE_END}"
        )
    return tuple(found)
