"""Regularised evolution (Real et al. 2019, 1802.01548): the young live, the best of a few has a child."""

from collections.abc import Iterator, Sequence
from random import Random

from optuna.trial import FrozenTrial

from kpbench.cell import Scalar
from kpbench.sampling.order import Memory
from kpbench.sampling.points import Point, at, drawn, known_points, settled, share
from kpbench.space.space import Choice, Parameter, SearchSpace

POPULATION, TOURNAMENT = 10, 5
"""The latest complete trials that may have children, and how many of them a parent has to beat.

A tenth of the paper's: a search here has tens of trials, not thousands.
"""

ALIVE = Memory(best=0, newest=POPULATION)
"""What it looks at."""

STEP = 0.2
"""Standard deviation of a mutation of a range, as a share of the range."""


def evolution(space: SearchSpace, known: Sequence[FrozenTrial], seed: int) -> Iterator[Point]:
    """Children of tournament winners, each with one mutation of a parameter that applies; at first random points.

    The population is the end of the history, so there is no state to keep.
    """
    draw = Random(seed)
    population = known_points(space, known)[-POPULATION:]
    while True:
        if len(population) < POPULATION:
            yield drawn(space, draw)
            continue
        parent, _ = max(draw.sample(population, TOURNAMENT), key=lambda one: one[1])
        yield child(space, parent, draw)


def child(space: SearchSpace, parent: Point, draw: Random) -> Point:
    """A point with one mutation of a parameter that applies."""
    name = draw.choice(list(settled(space, parent)))
    return {**parent, name: _mutated(space.factors[name], parent[name], draw)}


def _mutated(parameter: Parameter, value: Scalar, draw: Random) -> Scalar:
    """Another value: any other of a list, a near one of a range."""
    if isinstance(parameter, Choice):
        return draw.choice([other for other in parameter.values if other != value])
    while (near := at(parameter, draw.gauss(share(parameter, value), STEP))) == value:
        pass
    return near
