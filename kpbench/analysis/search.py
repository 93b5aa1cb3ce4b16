"""Rows of a search to its best cell."""

from collections.abc import Sequence
from typing import Any

from kpbench.analysis.ranking import ranked
from kpbench.cell import RunResult
from kpbench.statistics.intervals import score_interval
from kpbench.task.score import mean_score


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


def _val_mean(rows: Sequence[RunResult]) -> float:
    return mean_score([row.val_mse for row in rows if row.val_mse is not None])
