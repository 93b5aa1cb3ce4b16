"""Optuna's samplers, asked in a study in memory that is made anew from the history for each cell."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from copy import copy
from heapq import nlargest
from operator import itemgetter

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from kpbench.sampling.journal import varying
from kpbench.sampling.order import Memory
from kpbench.sampling.points import Point, distributions, filled, worth
from kpbench.space.space import SearchSpace

BEST, REMEMBERED = 25, 300
"""Trials that a sampler is shown: the best, which TPE takes for good at most, and with them the latest, up to so many.

TPE weighs the others the less the older they are. Its cost grows with what it is shown, an ask's does not.
"""

SHOWN = Memory(BEST, REMEMBERED)
"""What `remembered` looks at."""

STARTUP = 10
"""Trials before a model is made of what was told; as many depart from a space's prior."""

FAR = 1 << 40
"""Between the ids of a journal's trials and those of trials that are only asked for."""

POPULATION = 10
"""Trials of one generation of NSGA-II; Optuna's 50 is more than most searches have."""


def tpe(space: SearchSpace, known: Sequence[FrozenTrial], seed: int) -> Iterator[Point]:
    """Optuna's TPE with its defaults spelt out, so that results do not move with Optuna's version."""
    sampler = TPESampler(seed=seed % 2**32, n_startup_trials=STARTUP, multivariate=True, constant_liar=True)
    return _asked(space, known, sampler)


def gp(space: SearchSpace, known: Sequence[FrozenTrial], seed: int) -> Iterator[Point]:
    """Optuna's Gaussian process with expected improvement."""
    return _asked(space, known, GPSampler(seed=seed % 2**32, n_startup_trials=STARTUP))


def nsga2(space: SearchSpace, known: Sequence[FrozenTrial], seed: int) -> Iterator[Point]:
    """Optuna's NSGA-II; what generation a trial is of follows from its place among the complete ones."""
    sampler = NSGAIISampler(seed=seed % 2**32, population_size=POPULATION)
    key = sampler._get_generation_key()
    done = [trial.number for trial in known if trial.state is TrialState.COMPLETE]
    generation = {number: {key: place // POPULATION} for place, number in enumerate(done)}
    return _asked(space, known, sampler, lambda trial: generation.get(trial.number, {}))


def _asked(
    space: SearchSpace,
    known: Sequence[FrozenTrial],
    sampler: BaseSampler,
    attrs: Callable[[FrozenTrial], Mapping[str, int]] = lambda trial: {},
) -> Iterator[Point]:
    """What a sampler suggests after this history; what it has just suggested it sees as under way."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a study made for each ask is no news
    asked = distributions(space)
    objectives = max((len(trial.values or [0]) for trial in known), default=1)
    told = remembered(known) if objectives == 1 else map(_never_pruned, remembered(known))
    shown = _Continued([_filled(space, trial, asked, attrs(trial)) for trial in told])
    study = optuna.create_study(storage=shown, directions=["maximize"] * objectives, sampler=sampler)
    while True:
        yield dict(study.ask(dict(asked)).params)


def _never_pruned(trial: FrozenTrial) -> FrozenTrial:
    """A trial that was stopped early as a running one: TPE fails on it with several objectives, and counts both bad."""
    if trial.state is not TrialState.PRUNED:
        return trial
    shown = copy(trial)
    shown.state = TrialState.RUNNING
    return shown


def _filled(
    space: SearchSpace, trial: FrozenTrial, asked: Mapping[str, BaseDistribution], attrs: Mapping[str, int]
) -> FrozenTrial:
    """The trial with a value of every parameter; never the journal's own changed."""
    if len(trial.params) == len(asked) and not attrs:
        return trial
    whole = copy(trial)
    whole.params, whole.distributions = filled(space, varying(trial)), dict(asked)
    whole.system_attrs = {**trial.system_attrs, **attrs}
    return whole


def remembered(history: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials of a long history that a sampler is shown, in their order: the `BEST` complete and the latest."""
    if len(history) <= REMEMBERED:
        return list(history)
    complete = [trial for trial in history if trial.state is TrialState.COMPLETE]
    best = {trial.number for _, trial in nlargest(BEST, zip(worth(complete), complete, strict=True), key=itemgetter(0))}
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
        """The history's trials in these states, never changed, so never copied; and what was asked here."""
        asked = [self._numbered(trial) for trial in super().get_all_trials(study_id, deepcopy=False)]
        for trial in asked:
            trial._trial_id += FAR  # the history has ids of its own
        return [trial for trial in (*self._history, *asked) if states is None or trial.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial that was asked for, with a number that comes after the history's."""
        return self._numbered(super().get_trial(trial_id))

    def _numbered(self, trial: FrozenTrial) -> FrozenTrial:
        trial = copy(trial)
        trial.number += self._history[-1].number + 1 if self._history else 0
        return trial
