"""Two studies of one design, on the built-in faces and on real ones, to their agreement; `verify.json`."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kpbench.analysis.ablation.analysis import Analysis, analyse
from kpbench.cell import RunResult, Value
from kpbench.errors import UsageError
from kpbench.statistics.agreement import Cell, CellAgreement, Numbers, RankAgreement, cell_agreement, rank_agreement
from kpbench.statistics.contrasts import Contrast, compare
from kpbench.statistics.intervals import ScoreInterval, score_interval
from kpbench.statistics.plan import PlannedContrast
from kpbench.statistics.sign_agreement import SignAgreement, count_signs, sign_agreement
from kpbench.statistics.verdicts import needed_seeds
from kpbench.store.files import ASKED, PLAN, read_json
from kpbench.task.score import score_from_mse

SHARED = ("space", "benchmark", "epochs", "seed", "device", "precision")
"""Fields of a plan in which the two studies have to be alike."""

OWN = ("also", "blocks", "control")
"""Fields of a design in which they may differ: one may have more seeds, and an A/A arm."""


class Asked(Value):
    """What `kpbench verify faces` was asked.

    Attributes:
        built_in, real: names of the two studies in the folder, and of their data.
        runs: planned in each study; an A/A arm that was there is among them.
        mean_face_mse: of the mean face of the built-in training faces on the real validation faces.
    """

    built_in: str
    real: str
    runs: tuple[int, int]
    mean_face_mse: float


@dataclass(frozen=True)
class BestCell(ScoreInterval):
    """The score of the cell that is best on the built-in validation faces."""

    cell: Cell


@dataclass(frozen=True)
class Transfer:
    """Networks trained on the built-in faces, scored on the real validation faces.

    Attributes:
        cells: geometric-mean score over all cells, over seeds.
        real_cells, real_best: all cells and the same cell as `best`, trained on the real faces.
        mean_face, real_mean_face: what the mean face of the built-in and of the real training faces scores there.
        agreement: of the cells' ranks here with those of training on the real faces (the split they are judged on).
    """

    cells: ScoreInterval
    best: BestCell
    real_cells: ScoreInterval
    real_best: ScoreInterval
    mean_face: float
    real_mean_face: float
    agreement: RankAgreement


@dataclass(frozen=True)
class StudyAgreement:
    """The agreement of two finished studies, by log MSE on the split they are judged on; the keys of `verify.json`.

    Attributes:
        contrasts: each planned one, averaged over the other factors; `signs` counts them.
        needed_seeds: in each study, for their signs; with fewer these are withheld and `signs` is None.
        simple_contrasts: each level of the first two factors at every level of the other of the two.
        ranks: every cell in the order of the design; `apart` are those ranked apart by more than noise.
        transfer: None where the runs were not scored on the real faces.
    """

    agreement: RankAgreement
    signs: dict[str, int] | None
    needed_seeds: int
    contrasts: tuple[SignAgreement, ...]
    simple_signs: dict[str, int] | None
    simple_needed_seeds: int
    simple_contrasts: tuple[SignAgreement, ...]
    ranks: tuple[CellAgreement, ...]
    apart: tuple[Cell, ...]
    transfer: Transfer | None


@dataclass(frozen=True, eq=False)
class Verification:
    """The two studies in a folder, built-in faces first, and their agreement.

    Attributes:
        studies: None for one that has not begun.
        missing: planned runs without an outcome in each.
        result: None while a run is missing.
    """

    name: str
    asked: Asked
    studies: tuple[Analysis | None, Analysis | None]
    missing: tuple[int, int]
    result: StudyAgreement | None

    @property
    def names(self) -> tuple[str, str]:
        """The data of each study."""
        return self.asked.built_in, self.asked.real


def read_verification(folder: Path) -> Verification:
    """The agreement of the two studies in `folder`, from their rows alone.

    Raises:
        UsageError: nothing was asked here, a study is damaged, or the two are not of one design.
    """
    found = read_json(folder / ASKED)
    if found is None:
        raise UsageError(f"no verification at {folder}: it has no {ASKED}; run kpbench verify faces")
    try:
        asked = Asked.model_validate(dict(found))
    except ValueError as error:
        raise UsageError(f"{folder / ASKED} is damaged; move it away and run kpbench verify faces again") from error
    first, second = (
        analyse(folder / name) if (folder / name / PLAN).is_file() else None for name in (asked.built_in, asked.real)
    )
    missing = (first.missing if first else asked.runs[0], second.missing if second else asked.runs[1])
    result = _agreement(first, second, asked) if first and second and not any(missing) else None
    return Verification(folder.name, asked, (first, second), missing, result)


def as_json(found: Verification) -> dict[str, Any]:
    """Every number of a verification as plain values; those of the agreement only where no run is missing."""
    studies = []
    for name, study, runs, missing in zip(found.names, found.studies, found.asked.runs, found.missing, strict=True):
        studies.append({"data": name, "runs": runs, "missing": missing})
        if study is not None:
            studies[-1] |= {
                "digest": study.plan.data,
                "plan": study.plan.digest,
                "faces": study.plan.data_sizes,
                "diverged": sum(row.state == "failed" for row in study.rows),
                "devices": sorted({row.device for row in study.rows}),
                "floor": study.floor,
            }
    begun = next((study for study in found.studies if study is not None), None)
    plan = begun and begun.plan
    return {
        "studies": studies,
        "cells": 0 if begun is None else len(begun.design.cells),
        "seeds": [study and study.plan.seeds for study in found.studies],
        "epochs": plan and plan.epochs,
        "space": plan and plan.space_name,
        "device": plan and plan.device,
        "precision": plan and plan.precision,
        "split": begun and begun.split,
        "missing": sum(found.missing),
    } | ({"agreement": None} if found.result is None else asdict(found.result))


def _agreement(first: Analysis, second: Analysis, asked: Asked) -> StudyAgreement:
    plans = [study.plan.model_dump(include=set(SHARED)) for study in (first, second)]
    designs = [study.design.model_dump(exclude=set(OWN)) for study in (first, second)]
    other = [name for name in SHARED if plans[0][name] != plans[1][name]]
    other += [f"design: {name}" for name in designs[0] if designs[0][name] != designs[1][name]]
    if other:
        raise UsageError(f"the two studies differ in {', '.join(other)}, so their ranks cannot be compared")
    alpha = first.design.alpha
    logs = np.log(first.table.mse), np.log(second.table.mse)
    contrasts = sign_agreement(first.contrasts, second.contrasts, alpha=alpha)
    simple = sign_agreement(_simple_contrasts(first), _simple_contrasts(second), alpha=alpha)
    ranks = cell_agreement(*logs, first.design.cells, alpha=alpha)
    return StudyAgreement(
        agreement=rank_agreement(*logs),
        signs=count_signs(contrasts),
        needed_seeds=needed_seeds(len(contrasts), alpha),
        contrasts=contrasts,
        simple_signs=count_signs(simple),
        simple_needed_seeds=needed_seeds(len(simple), alpha),
        simple_contrasts=simple,
        ranks=ranks,
        apart=tuple(one.cell for one in ranks if one.apart),
        transfer=_transfer(first, second, asked),
    )


def _simple_contrasts(study: Analysis) -> tuple[Contrast, ...]:
    """Simple contrasts of the first two factors, averaged over the rest, corrected together."""
    design = study.design
    one, other = design.asked[:2]
    planned = [
        PlannedContrast(factor, level, design.factors[factor][0], at={held: at})
        for factor, held in ((one, other), (other, one))
        for at in design.factors[held]
        for level in design.factors[factor][1:]
    ]
    return compare(study.table, planned, study.terms)


def _transfer(first: Analysis, second: Analysis, asked: Asked) -> Transfer | None:
    measure = f"val of {asked.real}"
    if not any(measure in (row.measures or {}) for row in first.rows):
        return None
    floors = [study.floor["mean face"]["val"] for study in (first, second)]

    def score(logs: Numbers) -> ScoreInterval:
        return score_interval(np.exp(logs).tolist())

    there = _logs(first, lambda row: (row.measures or {}).get(measure), asked.mean_face_mse)
    home, real = (
        _logs(study, lambda row: row.val_mse, 1 / (2 * floor))
        for study, floor in zip((first, second), floors, strict=True)
    )
    best = int(home.mean(axis=1).argmin())
    return Transfer(
        cells=score(there.mean(axis=0)),
        best=BestCell(**asdict(score(there[best])), cell=first.design.cells[best]),
        real_cells=score(real.mean(axis=0)),
        real_best=score(real[best]),
        mean_face=score_from_mse(asked.mean_face_mse),
        real_mean_face=floors[1],
        agreement=rank_agreement(there, np.log(second.table.mse)),
    )


def _logs(study: Analysis, measure: Callable[[RunResult], float | None], failed_mse: float) -> Numbers:
    """(cells, blocks) log MSE by another measure than the study's; without a finite one, or above it, `failed_mse`."""
    table = study.table
    mse = np.full(table.mse.shape, math.nan)
    for row in study.rows:
        if row.role == "ablation":
            at = table.cells.index(tuple(row.params[name] for name in table.factors)), table.blocks.index(row.seed)
            value = measure(row)
            mse[at] = min(value, failed_mse) if value is not None and math.isfinite(value) else failed_mse
    logs: Numbers = np.log(mse)
    return logs
