"""Two studies of one design, on the built-in faces and on real ones, to all that can be said of their agreement."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpbench.analysis.ablation.analysis import Analysis, analyse
from kpbench.cell import Value
from kpbench.errors import UsageError
from kpbench.statistics.agreement import Agreement, agreement
from kpbench.statistics.blocks import block_table
from kpbench.statistics.cell_agreement import CellAgreement, cell_agreement
from kpbench.statistics.contrasts import Contrast, compare
from kpbench.statistics.intervals import ScoreInterval, score_interval
from kpbench.statistics.plan import PlannedContrast
from kpbench.statistics.sign_agreement import SignAgreement, sign_agreement
from kpbench.store.files import PLAN, read_json

ASKED = "asked.json"
"""What the two studies in a folder are; beside them."""

SAME = ("space", "benchmark", "epochs", "seed", "device", "precision")
"""Fields of a plan in which the two studies have to be alike."""

OWN = ("also", "blocks", "control")
"""Fields of a design that each side has for itself: one may have more seeds, and an A/A arm."""


class Asked(Value):
    """What `kpbench verify faces` was asked.

    Attributes:
        built_in, real: names of the two studies in the folder, and of their data.
        runs: planned on each side; an A/A arm that was there is among them.
        mean_face_mse: of the mean face of the built-in training faces on the real validation faces.
    """

    built_in: str
    real: str
    runs: tuple[int, int]
    mean_face_mse: float


@dataclass(frozen=True)
class Transfer:
    """Networks trained on the built-in faces, scored on the real validation faces.

    Attributes:
        cells: geometric-mean score over all cells, over seeds.
        best: of the cell with the best score on the built-in validation faces, `best_cell` its row.
        real_cells, real_best: the same two of networks trained on the real faces.
        mean_face, real_mean_face: what the mean face of the built-in and of the real training faces scores there.
        agreement: of the cells' ranks here with those of training on the real faces (their sealed test).
    """

    cells: ScoreInterval
    best: ScoreInterval
    best_cell: int
    real_cells: ScoreInterval
    real_best: ScoreInterval
    mean_face: float
    real_mean_face: float
    agreement: Agreement


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two finished studies say of each other; log MSE is of each side's own sealed test.

    Attributes:
        logs: (cells, blocks) log MSE of each side.
        signs: each planned contrast, averaged over the other factors.
        simple: each level of the first two factors against its baseline at every level of the other of the two.
        cells: in the order of the design.
        transfer: None where the runs were not scored on the real faces.
    """

    logs: tuple[NDArray[np.float64], NDArray[np.float64]]
    agreement: Agreement
    signs: tuple[SignAgreement, ...]
    simple: tuple[SignAgreement, ...]
    cells: tuple[CellAgreement, ...]
    transfer: Transfer | None


@dataclass(frozen=True, eq=False)
class Verification:
    """The two studies in a folder and, where both are finished, their comparison.

    Attributes:
        sides: built-in and real; None for one that has not begun.
        missing: planned runs without an outcome on each side.
        comparison: None while a run is missing.
    """

    name: str
    asked: Asked
    sides: tuple[Analysis | None, Analysis | None]
    missing: tuple[int, int]
    comparison: Comparison | None

    @property
    def names(self) -> tuple[str, str]:
        """The data of each side."""
        return self.asked.built_in, self.asked.real


def read_verification(folder: Path) -> Verification:
    """What the two studies in `folder` say of each other, from their rows alone.

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
    missing = tuple(
        runs if side is None else side.missing for side, runs in zip((first, second), asked.runs, strict=True)
    )
    whole = first is not None and second is not None and not any(missing)
    return Verification(
        name=folder.name,
        asked=asked,
        sides=(first, second),
        missing=(missing[0], missing[1]),
        comparison=_compare(first, second, asked) if whole and first is not None and second is not None else None,
    )


def _compare(first: Analysis, second: Analysis, asked: Asked) -> Comparison:
    _refuse_others(first, second)
    alpha = first.design.alpha
    logs = np.log(first.table.mse), np.log(second.table.mse)
    return Comparison(
        logs=logs,
        agreement=agreement(*logs),
        signs=sign_agreement(first.contrasts, second.contrasts, alpha=alpha),
        simple=sign_agreement(_simple(first), _simple(second), alpha=alpha),
        cells=cell_agreement(*logs, alpha=alpha),
        transfer=_transfer(first, second, asked),
    )


def _refuse_others(first: Analysis, second: Analysis) -> None:
    plans = [side.plan.model_dump(include=set(SAME)) for side in (first, second)]
    designs = [side.design.model_dump(exclude=set(OWN)) for side in (first, second)]
    other = [name for name in SAME if plans[0][name] != plans[1][name]]
    other += [f"design: {name}" for name in designs[0] if designs[0][name] != designs[1][name]]
    if other:
        raise UsageError(f"the two studies differ in {', '.join(other)}, so their ranks cannot be compared")


def _simple(found: Analysis) -> tuple[Contrast, ...]:
    """Simple contrasts of the first two factors, averaged over the rest, as one family; none with a single factor."""
    design = found.design
    if len(design.asked) < 2:
        return ()
    one, other = design.asked[:2]
    family = [
        PlannedContrast(factor, level, design.factors[factor][0], at={held: at})
        for factor, held in ((one, other), (other, one))
        for at in design.factors[held]
        for level in design.factors[factor][1:]
    ]
    return compare(found.table, family, found.terms)


def _transfer(first: Analysis, second: Analysis, asked: Asked) -> Transfer | None:
    measure = f"val of {asked.real}"
    if not any(measure in (row.measures or {}) for row in first.rows):
        return None
    real_mean_face = second.floor["mean face"]["val"]
    there = _logs(first, [(row.measures or {}).get(measure) for row in first.rows], asked.mean_face_mse)
    home, real = (
        _logs(side, [row.val_mse for row in side.rows], 1 / (2 * side.floor["mean face"]["val"]))
        for side in (first, second)
    )
    best = int(home.mean(axis=1).argmin())
    return Transfer(
        cells=score_interval(np.exp(there.mean(axis=0)).tolist()),
        best=score_interval(np.exp(there[best]).tolist()),
        best_cell=best,
        real_cells=score_interval(np.exp(real.mean(axis=0)).tolist()),
        real_best=score_interval(np.exp(real[best]).tolist()),
        mean_face=1 / (2 * asked.mean_face_mse),
        real_mean_face=real_mean_face,
        agreement=agreement(there, np.log(second.table.mse)),
    )


def _logs(found: Analysis, mse: Sequence[float | None], failed_mse: float) -> NDArray[np.float64]:
    """Log MSE by cell and block of another measure than the test, one value a row; a diverged run has none."""
    names = list(found.design.factors)
    lines = [
        {name: row.params[name] for name in names} | {"block": row.seed, "mse": math.nan if value is None else value}
        for row, value in zip(found.rows, mse, strict=True)
        if row.role == "ablation"
    ]
    table = block_table(
        pd.DataFrame(lines), factors=names, failed_mse=failed_mse, blocks=found.design.blocks, cells=found.design.cells
    )
    return np.log(table.mse)
