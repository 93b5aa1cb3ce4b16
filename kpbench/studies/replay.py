"""Replayed searches: the same run seeds for every sampler and scheduler, replay by replay."""

from collections.abc import Callable, Iterator

from kpbench.analysis.replay import Outcome, judged
from kpbench.sampling.replay import replay
from kpbench.sampling.samplers import SAMPLERS
from kpbench.sampling.table import Ended, Table
from kpbench.seeds import block_seed

CONTROL = ("random", "none")
"""Random search without stopping."""


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
        train: run seed -> what trains a cell in one search, such as `sampling.replay.looked_up` gives.
        near, until: as in `judged`.
    """
    for number in range(replays):
        run_seed = table.seeds[number % len(table.seeds)]
        found = replay(table.space, train(run_seed), sampler=SAMPLERS[sampler], seed=block_seed(seed, number))
        yield judged(found, table, run_seed, near=near, until=until)
