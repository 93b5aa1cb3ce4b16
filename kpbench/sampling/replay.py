"""Replays searches on a table of runs: the real samplers and early-stopping rules, and nothing trained."""

from collections.abc import Callable, Iterator
from itertools import count

from optuna.trial import FrozenTrial, TrialState, create_trial

from kpbench.cell import Params, cell_id
from kpbench.sampling.points import distributions
from kpbench.sampling.samplers import Sampler, propose
from kpbench.sampling.schedulers import Scheduler
from kpbench.sampling.table import Ended, Table
from kpbench.space.space import SearchSpace


def replay(space: SearchSpace, train: Callable[[str], Ended], *, sampler: Sampler, seed: int) -> Iterator[Ended]:
    """One search by one worker until its space is used up: each trial as it ends, which the sampler is told.

    Args:
        train: gives what comes of a cell, such as `looked_up`.
        seed: of the sampler, as a study's.
    """
    history: list[FrozenTrial] = []
    seen: set[str] = set()
    for number in count():
        params = propose(space, history, seen, sampler=sampler, seed=seed, enumerated=False, legal=lambda cell: True)
        if params is None:
            return
        seen.add(cell_id(params))
        ended = train(cell_id(params))
        history.append(_told(space, number, params, ended))
        yield ended


def looked_up(table: Table, seed: int, scheduler: Scheduler) -> Callable[[str], Ended]:
    """What trains a cell in one search: its run with this seed, until the scheduler stops it among those before it."""
    reached: dict[int, list[float]] = {}

    def train(cell: str) -> Ended:
        shown: dict[int, float] = {}
        stopped = False
        for epoch, score in enumerate(table.scores[cell, seed], start=1):
            shown[epoch] = score
            if stopped := scheduler(epoch, table.epochs, score, reached.get(epoch, ())):
                break
        if not stopped and len(shown) < table.epochs:
            return Ended(cell, len(shown) + 1, shown, None, failed=True)  # the epoch in which it diverged was trained
        for epoch, score in shown.items():
            reached.setdefault(epoch, []).append(score)
        return Ended(cell, len(shown), shown, None if stopped else shown[table.epochs])

    return train


def _told(space: SearchSpace, number: int, params: Params, ended: Ended) -> FrozenTrial:
    """The trial as a study's journal would have it."""
    state = TrialState.FAIL if ended.failed else TrialState.PRUNED if ended.score is None else TrialState.COMPLETE
    trial = create_trial(
        state=state,
        params=dict(params),
        distributions={name: d for name, d in distributions(space).items() if name in params},
        intermediate_values=dict(ended.shown),
        value=ended.score,
    )
    trial.number = trial._trial_id = number
    return trial
