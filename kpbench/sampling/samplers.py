"""Which cell to try next: a pure function of the space, the trials so far and a seed."""

import random
import warnings
from collections.abc import Callable, Container, Iterator, Mapping, Sequence, Set
from copy import copy
from dataclasses import dataclass
from heapq import nlargest

import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from kpbench.cell import Params, Scalar, cell_id
from kpbench.seeds import derive
from kpbench.space.space import SearchSpace

BEST, REMEMBERED = 25, 300
"""Trials that a sampler is shown: the best, which TPE takes for good at most, and with them the latest, up to so many.

TPE weighs the others the less the older they are. Its cost grows with what it is shown, an ask's does not.
"""

STARTUP = 10
"""Trials before TPE goes by what it was told; as many depart from a space's prior."""

RESAMPLES = 20
"""How often a sampler may repeat itself before a finite space is asked for any cell not yet tried."""


@dataclass(frozen=True)
class Sampler:
    """A search algorithm: what it is, and Optuna's sampler for a seed; None for plain enumeration."""

    title: str
    make: Callable[[int], BaseSampler] | None


def tpe(seed: int) -> BaseSampler:
    """Optuna's TPE with its defaults spelt out, so that results do not move with Optuna's version."""
    return TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True)


SAMPLERS: Mapping[str, Sampler] = {
    "grid": Sampler("every cell of a finite space once, in a seeded order", None),
    "random": Sampler("cells drawn at random, none twice", RandomSampler),
    "tpe": Sampler("tree-structured Parzen estimator (Optuna), no cell twice", tpe),
}


def propose(
    space: SearchSpace,
    history: Sequence[FrozenTrial],
    seen: Set[str],
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
        seen: identities of their varying parameters.
        enumerated: take the cells in a seeded order, whatever the sampler.
        legal: whether a cell (`SearchSpace.suggest`'s answer) keeps the rules.
    """
    if enumerated or sampler.make is None:
        return next(_unseen(space, seen, legal, seed), None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        scratch = optuna.create_study(
            storage=_Continued(remembered(history)),
            direction="maximize",
            sampler=(own := sampler.make(derive(seed, len(history)) % 2**32)),
        )
        finite = space.size is not None
        for repeat in range(RESAMPLES if finite else 50 * RESAMPLES):
            scratch.sampler = _near(space.prior, len(history), repeat, seed, own)
            trial = scratch.ask()
            cell = space.suggest(trial)
            if cell_id(trial.params) not in seen and legal(cell):
                return dict(trial.params)
    return next(_unseen(space, seen, legal, derive(seed, len(history))), None) if finite else None


def _near(prior: Params, asked: int, repeat: int, seed: int, sampler: BaseSampler) -> BaseSampler:
    """A sampler that keeps to a prior at first: the first trial is the prior, each of the next some of its values.

    Each value stays with a probability of a half, drawn anew where what came of it was seen before or breaks the rules,
    and after so many of those, as after `STARTUP` trials, no value does: a bad guess is forgotten.
    """
    if not prior or asked >= STARTUP or repeat >= RESAMPLES // 2:
        return sampler
    draw, whole = random.Random(derive(seed, "prior", asked, repeat)), asked == repeat == 0
    return PartialFixedSampler({name: v for name, v in prior.items() if whole or draw.random() < 0.5}, sampler)


def remembered(history: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials of a long history that a sampler is shown, in their order: the `BEST` complete and the latest."""
    if len(history) <= REMEMBERED:
        return list(history)
    complete = (trial for trial in history if trial.state is TrialState.COMPLETE)
    best = {trial.number for trial in nlargest(BEST, complete, key=lambda trial: trial.value or 0.0)}
    rest = [trial for trial in history if trial.number not in best][-(REMEMBERED - len(best)) :]
    kept = best | {trial.number for trial in rest}
    return [trial for trial in history if trial.number in kept]


class _Continued(InMemoryStorage):
    """A study in memory after a given history, which it reads where it is; what is asked in it stays unseen there.

    Optuna would copy each trial deeply into a study made anew for each ask (`reports/LOG.md`).
    """

    def __init__(self, history: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._history = history

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The history's trials in these states; never changed, so never copied."""
        return [trial for trial in self._history if states is None or trial.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial that was asked for, with a number that comes after the history's."""
        trial = copy(super().get_trial(trial_id))
        trial.number += self._history[-1].number + 1 if self._history else 0
        return trial


def _unseen(
    space: SearchSpace, seen: Set[str], legal: Callable[[Params], bool], seed: int
) -> Iterator[dict[str, Scalar]]:
    cells = list(space.cells())
    random.Random(seed).shuffle(cells)
    for cell in cells:
        varying = {name: cell[name] for name in space.factors if name in cell}
        if cell_id(varying) not in seen and legal(cell):
            yield varying
