"""How long a study will take from here on, at its pace so far."""

from collections.abc import Sequence
from datetime import datetime

from kpbench.cell import RunResult
from kpbench.store.driver import UnderWay
from kpbench.store.plan import Plan
from kpbench.store.values import Session


def seconds_left(
    trials_left: int,
    runs_left: int,
    rows: Sequence[RunResult],
    running: Sequence[UnderWay],
    sessions: Sequence[Session],
    plan: Plan,
) -> float | None:
    """What is left at the pace so far: seconds of training to come over the runs that went on at once; None before any.

    A trial to come takes what an ended one took on average, as some are stopped early; any other run the
    epochs that whole ones had so far, or the plan's, at the mean seconds of one. Before the first row, epochs under
    way say how long one takes, from their second on.

    Args:
        trials_left, runs_left: trials of a search, which may be stopped early, and all other runs to come.
        rows: of runs that this study trained.
        running: jobs under way, which are among those to come.
    """
    if not trials_left and not runs_left:
        return 0.0
    epochs, seconds = sum(row.epochs for row in rows), sum(row.seconds for row in rows)
    if not epochs:
        epochs = sum((one.epoch - 1) * len(one.seeds) for one in running if one.epoch)
        seconds = sum((_time(one.last) - _time(one.first)).total_seconds() for one in running if one.first and one.last)
    if not epochs or not seconds:
        return None
    epoch = seconds / epochs
    trials = [row for row in rows if row.role == "trial"]
    ended = len({row.trial for row in trials})
    trial = sum(row.seconds for row in trials) / ended if ended else plan.epochs * plan.seeds * epoch
    whole = [row.epochs for row in rows if row.state == "complete" and row.role != "trial"]
    run = sum(whole) / len(whole) if whole else plan.epochs
    to_come = trials_left * trial + runs_left * run * epoch
    for one in running:
        done = one.epoch * epoch * len(one.seeds)
        to_come -= min(done, trial) if one.role == "trial" else done
    return max(0.0, to_come) / _at_once(rows, sessions)


def _at_once(rows: Sequence[RunResult], sessions: Sequence[Session]) -> float:
    """How many runs went on at once in the last session: their seconds over the time from the first's start on.

    So the scoring between runs counts and a command's start does not. With few runs yet, its workers.
    """
    workers = max(1, sessions[-1].workers) if sessions else 1
    mine = [row for row in rows if sessions and _time(row.finished) >= _time(sessions[-1].when)]
    if len(mine) <= workers:
        return float(workers)
    ends = [_time(row.finished).timestamp() for row in mine]
    took = max(ends) - min(end - row.seconds for end, row in zip(ends, mine, strict=True))
    return sum(row.seconds for row in mine) / took if took > 0 else float(workers)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
