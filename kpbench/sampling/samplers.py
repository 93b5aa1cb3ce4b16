"""Which cell to try next: a pure function of the space, the trials so far and a seed."""

import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from kpbench.cell import Params, Scalar, cell_id
from kpbench.seeds import derive
from kpbench.space.space import SearchSpace

RESAMPLES = 20
"""How often a sampler may repeat itself before a finite space is asked for any cell not yet tried."""


@dataclass(frozen=True)
class Sampler:
    """A search algorithm: what it is, and Optuna's sampler for a seed; None for plain enumeration."""

    title: str
    make: Callable[[int], BaseSampler] | None


def tpe(seed: int) -> BaseSampler:
    """Optuna's TPE with its defaults spelt out, so that results do not move with Optuna's version."""
    return TPESampler(seed=seed, n_startup_trials=10, multivariate=True, group=True, constant_liar=True)


SAMPLERS: Mapping[str, Sampler] = {
    "grid": Sampler("every cell of a finite space once, in a seeded order", None),
    "random": Sampler("cells drawn at random, none twice", RandomSampler),
    "tpe": Sampler("tree-structured Parzen estimator (Optuna), no cell twice", tpe),
}


def propose(
    space: SearchSpace,
    history: Sequence[FrozenTrial],
    *,
    sampler: Sampler,
    seed: int,
    enumerated: bool,
    legal: Callable[[Params], bool],
) -> dict[str, Scalar] | None:
    """The varying parameters of the next cell, one that is not in `history`; None when none is left.

    The same space, history and seed give the same answer, which is what makes a resumed study continue as if it had
    never stopped. The sampler is asked in a study in memory, so that what it suggests twice, or against the rules,
    never enters the journal.

    Args:
        history: finished and running trials, the interrupted ones left out.
        enumerated: take the cells in a seeded order, whatever the sampler.
        legal: whether a cell (`SearchSpace.suggest`'s answer) keeps the rules.
    """
    seen = {cell_id(trial.params) for trial in history}
    if enumerated or sampler.make is None:
        return next(_unseen(space, seen, legal, seed), None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        scratch = optuna.create_study(direction="maximize", sampler=sampler.make(derive(seed, len(history)) % 2**32))
        scratch.add_trials(history)
        finite = space.size is not None
        for _ in range(RESAMPLES if finite else 50 * RESAMPLES):
            trial = scratch.ask()
            cell = space.suggest(trial)
            if cell_id(trial.params) not in seen and legal(cell):
                return dict(trial.params)
            scratch.tell(trial, state=TrialState.FAIL)
    return next(_unseen(space, seen, legal, derive(seed, len(history))), None) if finite else None


def _unseen(
    space: SearchSpace, seen: set[str], legal: Callable[[Params], bool], seed: int
) -> Iterator[dict[str, Scalar]]:
    cells = list(space.cells())
    random.Random(seed).shuffle(cells)
    for cell in cells:
        varying = {name: cell[name] for name in space.factors if name in cell}
        if cell_id(varying) not in seen and legal(cell):
            yield varying
