"""Rows of a search to its best cell."""

from collections.abc import Mapping, Sequence
from typing import Any

from kpbench.analysis.ranking import complete_cells, ranked
from kpbench.cell import RunResult
from kpbench.statistics.intervals import score_interval
from kpbench.statistics.pareto import front, spread
from kpbench.task.objectives import SCORE, gains, values_of
from kpbench.task.score import mean_score, shortfalls


def finalists(rows: Sequence[RunResult], objectives: Sequence[str] = SCORE) -> list[str]:
    """Complete cells in the order in which final runs take them.

    By score; with several objectives the Pareto set first, so that its first few span it: the highest score, then
    always the cell that is farthest along it from those taken (`statistics.pareto.spread`, on logarithms).
    """
    cells = [cell for cell, _ in ranked(rows)]
    if len(objectives) == 1:
        return cells
    found = complete_cells(rows)
    first = _front(found, cells, objectives)
    along = [first[place] for place in spread([_point(found[cell], objectives) for cell in first])]
    return [*along, *(cell for cell in cells if cell not in set(first))]


def pareto(rows: Sequence[RunResult], objectives: Sequence[str]) -> list[dict[str, Any]]:
    """The complete cells that no other beats over all objectives, as `--json` prints them, highest score first.

    The objectives are of the trial, over its `seeds`; `fresh` and `test` are mean scores of final runs, where there
    are any.
    """
    found = complete_cells(rows)
    return [
        {
            "cell_id": cell,
            "cell": found[cell][0].params,
            **dict(zip(objectives, values_of(found[cell], objectives), strict=True)),
            "seeds": len(found[cell]),
            **_finals_of(cell, rows),
        }
        for cell in _front(found, [cell for cell, _ in ranked(rows)], objectives)
    ]


def _front(found: Mapping[str, list[RunResult]], cells: Sequence[str], objectives: Sequence[str]) -> list[str]:
    return [cells[place] for place in front([_point(found[cell], objectives) for cell in cells])]


def _point(rows: Sequence[RunResult], objectives: Sequence[str]) -> tuple[float, ...]:
    return gains(values_of(rows, objectives), objectives)


def _finals_of(cell: str, rows: Sequence[RunResult]) -> dict[str, Any]:
    found = [row for row in rows if row.cell == cell and row.role == "final" and row.state == "complete"]
    test = [row.test_mse for row in found if row.test_mse is not None]
    return {"fresh": _val_mean(found) if found else None, "test": mean_score(test) if test else None}


def best_of(rows: Sequence[RunResult]) -> dict[str, Any] | None:
    """The best cell as `--json` prints it; None while no trial is complete.

    It is the cell with final runs whose fresh seeds have the best mean validation score; its `model` is the seed with
    the best validation score, and `val_score` and `test_score` are that file's, so that `kpbench score` says the same.
    The mean over fresh seeds stands beside them: it is what to quote. Before any final run it is the best trial.
    """
    ranking = ranked(rows)
    if not ranking:
        return None
    finals: dict[str, list[RunResult]] = {}
    for row in rows:
        if row.role == "final" and row.state == "complete":
            finals.setdefault(row.cell, []).append(row)
    done = list(finals.values())
    if not done:
        cell, score = ranking[0]
        params = next(row.params for row in rows if row.cell == cell)
        unknown = {"test_score": None, "model": None, "seeds": 0, "test_mean": None, "test_interval": None}
        return {"cell": params, "cell_id": cell, "search_score": score, "val_score": score, **unknown}
    found = max(done, key=_val_mean)
    kept = max(found, key=lambda row: row.val_score or 0.0)
    mses = [row.test_mse for row in found if row.test_mse is not None]
    interval = score_interval(mses) if all(mses) else None
    return {
        "cell": kept.params,
        "cell_id": kept.cell,
        "search_score": dict(ranking).get(kept.cell),
        "val_score": kept.val_score,
        "test_score": kept.test_score,
        "model": kept.model,
        "seeds": len(found),
        "val_mean": _val_mean(found),
        "test_mean": mean_score(mses),
        "test_interval": None if interval is None or interval.low is None else [interval.low, interval.high],
    }


def against_floor(
    best: Mapping[str, Any] | None, floor: Mapping[str, Mapping[str, float]], pass_mark: float
) -> dict[str, Any]:
    """Whether the best cell passes, and what without a network it is not above, as `--json` prints it.

    Both by the mean over fresh seeds on the sealed test; before any, `passed` is None and the validation score counts.
    It passes as in `kpbench score` (`task.score.shortfalls`).

    Args:
        best: as `best_of` gives it.
        floor: name -> split -> score.
    """
    score: float | None = None if best is None else best["test_mean"]
    chosen_by: float | None = None if best is None else best["val_score"]
    split, judged = ("val", chosen_by) if score is None else ("test", score)
    scores = {name: one[split] for name, one in floor.items()}
    return {
        "pass_mark": pass_mark,
        "passed": None if score is None else not shortfalls(score, pass_mark, scores),
        "not_above": [] if judged is None else [name for name, value in scores.items() if judged <= value],
    }


def _val_mean(rows: Sequence[RunResult]) -> float:
    return mean_score([row.val_mse for row in rows if row.val_mse is not None])
