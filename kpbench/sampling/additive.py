"""Bayesian optimisation with main effects and interactions of two parameters: what an ablation estimates, in a search.

A Gaussian process whose covariance is a sum over parameters and over pairs of them (additive kernels: Duvenaud et al.
2011, arXiv:1112.4394); of points drawn at random and the best known ones with one parameter changed it gives those with
the largest expected improvement first (Jones et al. 1998, doi:10.1023/A:1008306431147). Ranks are modelled, not scores,
so that a collapsed run does not hide the differences of the others, and so that several objectives need nothing else.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import compress
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from scipy.linalg import solve
from scipy.special import ndtr, ndtri
from threadpoolctl import threadpool_limits

from kpbench.cell import Params
from kpbench.sampling.evolution import child
from kpbench.sampling.journal import varying
from kpbench.sampling.order import Memory
from kpbench.sampling.points import Point, drawn, filled, settled, share, worth
from kpbench.space.space import Choice, Parameter, SearchSpace

START = 3
"""Complete trials before there is a model; until then points are drawn at random."""

PAIRS = 0.25
"""Share of the variance that interactions have beforehand: main effects are the larger ones as a rule."""

NOISE = 0.3
"""Variance of a run from seed to seed, beside a variance of 1 from cell to cell."""

LENGTH = 0.3
"""Length scale of a range, as a share of it."""

BEST, KEPT = 34, 100
"""Trials that are modelled: the best of a long history and the newest, as many each time, so that no ask costs more."""

MODELLED = Memory(BEST, KEPT)
"""What it looks at."""

DRAWN, PARENTS, CHILDREN = 200, 5, 20
"""Points drawn at random for one trial, and best known ones that are changed, each so many times."""

CANDIDATES = DRAWN + PARENTS * CHILDREN
"""Points whose expected improvement is known; the first of them may have been tried, or be against the rules."""


def additive(space: SearchSpace, known: Sequence[FrozenTrial], seed: int) -> Iterator[Point]:
    """Points of the largest expected improvement first, then points drawn at random without end.

    A trial that failed or was stopped early counts as the worst complete one. One that runs has no rank, but makes its
    surroundings certain, so that several workers do not all look at one place.
    """
    draw = Random(seed)
    running, ended = list[FrozenTrial](), list[FrozenTrial]()
    for trial in known:
        (running if trial.state is TrialState.RUNNING else ended).append(trial)
    whole = [trial.state is TrialState.COMPLETE for trial in ended]
    if sum(whole) >= START:
        told, ranks = _told(ended, whole)
        best = [filled(space, varying(told[at])) for at in np.argsort(-ranks, kind="stable")[:PARENTS]]
        points = [drawn(space, draw) for _ in range(DRAWN)]
        points += [child(space, one, draw) for one in best for _ in range(CHILDREN)]
        new = list({tuple(cell.items()): cell for cell in (settled(space, point) for point in points)}.values())
        with threadpool_limits(1, user_api="blas"):  # more of them only wait for each other, beside what trains
            improvement = _improvement(space, [*map(varying, told)], ranks, [*map(varying, running)], new)
        # Equal ones stay in the order in which they were drawn; rounding would order them by the processor.
        for at in np.argsort(-improvement.round(9), kind="stable"):
            yield {**drawn(space, draw), **new[at]}
    while True:
        yield drawn(space, draw)


def _told(ended: Sequence[FrozenTrial], whole: Sequence[bool]) -> tuple[list[FrozenTrial], NDArray[np.float64]]:
    """The ended trials that are modelled, and the normal scores of their ranks, (N,); `whole`: which are complete."""
    values = np.array(worth([*compress(ended, whole)]))
    found = np.full(len(ended), values.min())
    found[whole] = values
    best = set(np.argsort(-found, kind="stable")[:BEST].tolist())
    newest = [at for at in range(max(0, len(ended) - KEPT), len(ended)) if at not in best]
    mine = sorted([*best, *newest[-(KEPT - len(best)) :]])
    found = found[mine]
    places = ((found[:, None] > found).sum(axis=1) + (found[:, None] >= found).sum(axis=1)) / (2 * len(found))
    return [ended[at] for at in mine], np.asarray(ndtri(places), dtype=np.float64)


def _improvement(
    space: SearchSpace,
    told: Sequence[Params],
    ranks: NDArray[np.float64],
    running: Sequence[Params],
    new: Sequence[Params],
) -> NDArray[np.float64]:
    """Expected improvement of each new cell over the best told one's posterior mean, (M,)."""
    known, candidates = _places(space, (*told, *running)), _places(space, new)
    inside, across = covariance(space, known, known), covariance(space, candidates, known)
    count = len(told)
    weights = solve(inside[:count, :count] + NOISE * np.eye(count), ranks, assume_a="pos")
    mean, best = across[:, :count] @ weights, (inside[:count, :count] @ weights).max()
    noisy = inside + NOISE * np.eye(len(known))
    applying = (~np.isnan(candidates)).sum(axis=1)  # each is as alike to itself as can be
    variance = _mixed(applying, applying * (applying - 1) / 2, len(space.factors)) - (
        across * solve(noisy, across.T, assume_a="pos").T
    ).sum(axis=1)
    spread = np.sqrt(np.maximum(variance, 1e-12))
    z = (mean - best) / spread
    found: NDArray[np.float64] = spread * (z * ndtr(z) + np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi))
    return found


def covariance(space: SearchSpace, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prior covariance of the cells at places (N, parameters) and (M, parameters) -> (N, M).

    Half the square of a sum less the sum of squares is the sum over pairs.
    """
    each = [_alike(p, a[:, at], b[:, at]) for at, p in enumerate(space.factors.values())]
    main = np.sum(each, axis=0)
    return _mixed(main, (main**2 - np.sum(np.square(each), axis=0)) / 2, len(each))


def _mixed(main: NDArray[Any], pairs: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Sums over parameters and over their pairs as the covariance that they make."""
    found: NDArray[np.float64] = (1 - PAIRS) * main / count + PAIRS * pairs / max(1, math.comb(count, 2))
    return found


def _alike(parameter: Parameter, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """How alike the values of one parameter are, (N, M): 1 for equal ones, 0 where it does not apply.

    Of a list the values' effects sum to 0; of a range near values have near effects.
    """
    away = a[:, None] - b
    if isinstance(parameter, Choice):
        found = np.where(away == 0, 1.0, -1 / max(1, len(parameter.values) - 1))
    else:
        found = np.exp(-0.5 * (away / LENGTH) ** 2)
    return np.where(np.isnan(away), 0.0, found)


def _places(space: SearchSpace, cells: Sequence[Params]) -> NDArray[np.float64]:
    """Where each value lies in its list or range, (N, parameters); NaN where a parameter does not apply."""
    return np.array(
        [[share(p, cell[name]) if name in cell else math.nan for name, p in space.factors.items()] for cell in cells]
    )
