"""Rows to one a run, a search's to its ranking and its trials by state; without scipy, a second to import."""

from collections import Counter
from collections.abc import Sequence

from kpbench.cell import RunResult
from kpbench.once import once
from kpbench.task.score import mean_score

STATES = ("complete", "pruned", "failed")
"""How a run ends, the worst last: a trial of several seeds ends as its worst."""


def last_of_each(rows: Sequence[RunResult]) -> tuple[RunResult, ...]:
    """One row for each trial's seed and each planned run: the last, where it was run again or confirmed."""
    return tuple({(row.role, row.trial, row.cell, row.seed): row for row in rows}.values())


@once
def complete_cells(rows: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """The trial's rows of each cell whose trial is complete with every seed."""
    by_cell: dict[str, list[RunResult]] = {}
    for row in rows:
        if row.role == "trial":
            by_cell.setdefault(row.cell, []).append(row)
    return {cell: found for cell, found in by_cell.items() if all(row.state == "complete" for row in found)}


@once
def ranked(rows: Sequence[RunResult]) -> list[tuple[str, float]]:
    """Cells whose trial is complete with every seed, with their validation score, best first."""
    scores = {
        cell: mean_score([row.val_mse for row in found if row.val_mse is not None])
        for cell, found in complete_cells(rows).items()
        if any(row.val_mse is not None for row in found)
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


@once
def trial_counts(rows: Sequence[RunResult]) -> dict[str, int]:
    """Trials by state; a trial with a failed seed is failed, with a stopped one pruned."""
    worst: dict[int | None, int] = {}
    for row in rows:
        if row.role == "trial":
            worst[row.trial] = max(worst.get(row.trial, 0), STATES.index(row.state))
    found = Counter(worst.values())
    return {state: found[at] for at, state in enumerate(STATES)}
