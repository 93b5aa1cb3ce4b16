"""CMA-ES (Hansen; `cmaes`) over the cube of all varying parameters, its state rebuilt from the history."""

from collections.abc import Iterator, Sequence

import numpy as np
from cmaes import CMA
from optuna.trial import FrozenTrial

from kpbench.sampling.points import Point, at, known_points, share
from kpbench.space.space import SearchSpace

SIGMA = 0.3
"""The first standard deviation, as a share of each list or range."""


def cma_es(space: SearchSpace, known: Sequence[FrozenTrial], seed: int) -> Iterator[Point]:
    """Points from the distribution that the complete trials lead to, a generation after the other.

    Optuna's own sampler keeps its state in attributes of trials, which here are in no journal, and leaves lists to
    chance. So each parameter is a side of a cube; the values of a list have equal parts of it, in their order.
    """
    factors = space.factors
    dimensions = max(2, len(factors))  # the least that CMA takes; a spare one stands for nothing
    middle = np.full(dimensions, 0.5)
    bounds = np.tile([0.0, 1.0], (dimensions, 1))
    search = CMA(mean=middle.copy(), sigma=SIGMA, bounds=bounds, seed=seed % 2**32)
    told = known_points(space, known)
    size = search.population_size
    for start in range(0, len(told) - size + 1, size):
        generation = []
        for point, score in told[start : start + size]:
            x = middle.copy()
            x[: len(factors)] = [share(parameter, point[name]) for name, parameter in factors.items()]
            generation.append((x, -score))
        search.tell(generation)
    while True:
        x = search.ask()
        yield {name: at(parameter, float(side)) for (name, parameter), side in zip(factors.items(), x, strict=False)}
