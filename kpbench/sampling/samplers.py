"""Which cell to try next: a pure function of the space, the trials so far and a seed."""

import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice

import optuna
from optuna.trial import FrozenTrial

from kpbench.cell import Params, Scalar, cell_id
from kpbench.sampling.additive import CANDIDATES, MODELLED, additive
from kpbench.sampling.cma_es import cma_es
from kpbench.sampling.evolution import ALIVE, evolution
from kpbench.sampling.optuna_study import SHOWN, STARTUP, gp, nsga2, tpe
from kpbench.sampling.order import Memory
from kpbench.sampling.points import Point, drawn, settled
from kpbench.seeds import derive
from kpbench.space.space import SearchSpace

RESAMPLES = 20
"""How often a sampler may repeat itself, or break the rules, over one trial."""

Ask = Callable[[SearchSpace, Sequence[FrozenTrial], int], Iterator[Point]]
"""(space, known trials, seed) -> points without end, each thought to be worth a trial."""


@dataclass(frozen=True)
class Sampler:
    """A search algorithm.

    Attributes:
        title: what it is, for a person.
        ask: how it is asked; None for plain enumeration.
        patience: how many points of a finite space it gives for one trial before any cell not yet tried is taken.
        memory: what it looks at of a history with one objective, which may hold just that; None for all of it.
    """

    title: str
    ask: Ask | None
    patience: int = RESAMPLES
    memory: Memory | None = None

    @property
    def learns(self) -> bool:
        """Whether what is known changes what it gives."""
        return self.ask not in (None, at_random)


def at_random(space: SearchSpace, known: Sequence[FrozenTrial], seed: int) -> Iterator[Point]:
    """Points drawn at random, whatever is known."""
    draw = random.Random(seed)
    while True:
        yield drawn(space, draw)


SAMPLERS: Mapping[str, Sampler] = {
    "grid": Sampler("every cell of a finite space once, in a seeded order", None),
    "random": Sampler("cells drawn at random, none twice", at_random),
    "additive": Sampler(
        "main effects and interactions of two (Gaussian process), expected improvement",
        additive,
        patience=CANDIDATES,
        memory=MODELLED,
    ),
    "tpe": Sampler("tree-structured Parzen estimator (Optuna), no cell twice", tpe, memory=SHOWN),
    "gp": Sampler(
        "Gaussian process with expected improvement (Optuna), for few and dear trials", gp, patience=3, memory=SHOWN
    ),
    "cma_es": Sampler("CMA-ES, for spaces of ranges; lists are steps in their order", cma_es),
    "nsga2": Sampler("NSGA-II (Optuna), a genetic algorithm", nsga2),
    "evolution": Sampler(
        "regularised evolution: the best of a few young cells, one parameter changed", evolution, memory=ALIVE
    ),
}

DEFAULT = "additive"


def propose(
    space: SearchSpace,
    history: Sequence[FrozenTrial],
    seen: Set[str],
    *,
    sampler: Sampler,
    seed: int,
    enumerated: bool,
    legal: Callable[[Params], bool],
    warm: Sequence[FrozenTrial] = (),
    left_out: int = 0,
) -> dict[str, Scalar] | None:
    """The varying parameters of the next cell, one that is not in `history`; None when none is left.

    The same space, history and seed give the same answer, which is what makes a resumed study continue as if it had
    never stopped. What a sampler suggests twice, or against the rules, never enters the journal.

    Args:
        history: finished and running trials, the interrupted ones left out; all, or those in the sampler's memory.
        seen: identities of their varying parameters.
        enumerated: take the cells in a seeded order, whatever the sampler.
        legal: whether a cell (`SearchSpace.suggest`'s answer) keeps the rules.
        warm: trials of another study, shown to the sampler before the history; their cells may come again.
        left_out: how many trials `history` lacks for not being in that memory.
    """
    if enumerated or sampler.ask is None:
        return next(_unseen(space, seen, legal, seed), None)
    finite, asked = space.size is not None, len(history) + left_out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        points = sampler.ask(space, (*warm, *history), derive(seed, asked))
        for repeat, point in enumerate(islice(points, sampler.patience if finite else 50 * RESAMPLES)):
            found = settled(space, {**point, **_guess(space.prior, asked, repeat, seed)})
            if cell_id(found) not in seen and legal(space.suggest(optuna.trial.FixedTrial(found))):
                return found
    return next(_unseen(space, seen, legal, derive(seed, asked)), None) if finite else None


def _guess(prior: Params, asked: int, repeat: int, seed: int) -> Params:
    """What of a prior a point keeps: the first trial all of it, each of the next some of its values.

    Each value stays with a probability of a half, drawn anew where what came of it was seen before or breaks the rules,
    and after so many of those, as after `STARTUP` trials, no value does: a bad guess is forgotten.
    """
    if not prior or asked >= STARTUP or repeat >= RESAMPLES // 2:
        return {}
    draw, whole = random.Random(derive(seed, "prior", asked, repeat)), asked == repeat == 0
    return {name: value for name, value in prior.items() if whole or draw.random() < 0.5}


def _unseen(
    space: SearchSpace, seen: Set[str], legal: Callable[[Params], bool], seed: int
) -> Iterator[dict[str, Scalar]]:
    cells = list(space.cells())
    random.Random(seed).shuffle(cells)
    for cell in cells:
        varying = {name: cell[name] for name in space.factors if name in cell}
        if cell_id(varying) not in seen and legal(cell):
            yield varying
