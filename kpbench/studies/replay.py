"""Replayed searches: the same run seeds for every sampler and scheduler, replay by replay."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from kpbench.analysis.replay import Outcome, Replays, judged, summed
from kpbench.sampling.replay import looked_up, replay
from kpbench.sampling.samplers import SAMPLERS
from kpbench.sampling.schedulers import SCHEDULERS
from kpbench.sampling.table import Ended, Table
from kpbench.seeds import block_seed

CONTROL = ("random", "none")
"""Random search without stopping."""

DRAWN = 60
"""Points of a curve at most."""


def replayed(
    table: Table,
    searches: Sequence[tuple[str, str]],
    say: Callable[[str, float], None],
    *,
    replays: int,
    near: float,
    budget: int,
    seed: int = 0,
    whole: bool = False,
) -> Iterator[Replays]:
    """The figures of the control, then of each other sampler and scheduler.

    Args:
        say: told what is replayed, and the share of it that is done.
        near, budget: as in `judged` and `summed`.
        whole: follow each search to its end, for a curve of regret over all its images.
    """
    drawn = range(1, len(table.cells) + 1, -(-len(table.cells) // DRAWN)) if whole else ()
    until = table.epochs * (len(table.cells) if whole else budget)
    control: list[Outcome] = []
    for sampler, scheduler in dict.fromkeys([CONTROL, *searches]):
        train = partial(looked_up, table, scheduler=SCHEDULERS[scheduler])
        mine: list[Outcome] = []
        for one in outcomes(table, sampler, train, replays=replays, near=near, seed=seed, until=until):
            mine.append(one)
            say(f"replaying {sampler} + {scheduler}", len(mine) / replays)
        control = control or mine
        yield summed(sampler, scheduler, mine, control, table, budget=budget, drawn=drawn)


def outcomes(
    table: Table,
    sampler: str,
    train: Callable[[int], Callable[[str], Ended]],
    *,
    replays: int,
    near: float,
    seed: int = 0,
    until: int = 0,
) -> Iterator[Outcome]:
    """Each replay judged: the run seed is the table's next in turn, the sampler's seed is its own.

    Args:
        train: run seed -> what trains a cell in one search, such as `looked_up` gives.
        near, until: as in `judged`.
    """
    for number in range(replays):
        run_seed = table.seeds[number % len(table.seeds)]
        found = replay(table.space, train(run_seed), sampler=SAMPLERS[sampler], seed=block_seed(seed, number))
        yield judged(found, table, run_seed, near=near, until=until)
