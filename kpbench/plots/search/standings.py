"""Standings: the rows of each cell drawn together and put in order, the numbers behind the leaderboard."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from kpbench.cell import RunResult, Scalar
from kpbench.once import once
from kpbench.plots.scores import counts, geometric_mean, outcomes


class Standing(NamedTuple):
    """One cell with what its runs reached; scores are one a seed, failed and pruned runs are only counted.

    Attributes:
        tuning_score: geometric mean of the tuning scores over the seeds that completed; NaN for none.
        tuning: validation scores of the complete trials, by which the cell was chosen.
        fresh: validation scores of the final runs, whose seeds played no part in the choice.
        test: sealed-test scores of the final runs.
        pruned, failed: number of trials that ended so; those without a usable score are failed.
        finals_failed: number of final runs without a usable sealed-test score.
        parameters: trainable values, or None where no run got far enough to count them.
    """

    cell: str
    params: dict[str, Scalar]
    tuning_score: float
    tuning: tuple[float, ...]
    fresh: tuple[float, ...]
    test: tuple[float, ...]
    pruned: int
    failed: int
    finals_failed: int
    parameters: int | None


@once
def standings(rows: Sequence[RunResult]) -> tuple[Standing, ...]:
    """One standing a cell, best first.

    In order: cells whose every trial completed, by tuning score; cells that lost a seed, by the score of the others;
    cells without a tuning score. Equal scores are ordered by the cell's identity, so that the order is always the same.
    """
    by_cell: dict[str, list[RunResult]] = {}
    for row in rows:
        by_cell.setdefault(row.cell, []).append(row)
    return tuple(sorted((_standing(cell, found) for cell, found in by_cell.items()), key=_place))


def _standing(cell: str, rows: Sequence[RunResult]) -> Standing:
    finals = [row for row in rows if row.role == "final"]
    tuning, pruned, failed = outcomes([row for row in rows if row.role == "trial"])
    test = tuple(
        row.test_score
        for row in finals
        if row.state == "complete" and row.test_score is not None and counts(row.test_score)
    )
    return Standing(
        cell=cell,
        params=rows[0].params,
        tuning_score=geometric_mean(tuning),
        tuning=tuning,
        fresh=outcomes(finals)[0] if finals else (),
        test=test,
        pruned=pruned,
        failed=failed,
        finals_failed=len(finals) - len(test),
        parameters=next((row.parameters for row in rows if row.parameters is not None), None),
    )


def _place(standing: Standing) -> tuple[int, float, str]:
    score = standing.tuning_score
    if math.isnan(score):
        return (2, 0.0, standing.cell)
    return (1 if standing.failed or standing.pruned else 0, -score, standing.cell)
