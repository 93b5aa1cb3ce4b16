"""Points of a space as samplers see them: every varying parameter has a value, also where it does not apply.

A sampler that is shown conditional parameters only where they apply models them apart from what they hang on, or not at
all (optuna#5299). So a trial is shown with the others filled in, and of what is suggested the cell keeps what applies.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from random import Random

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from kpbench.cell import Params, Scalar, cell_id
from kpbench.sampling.journal import varying
from kpbench.space.space import Choice, Parameter, SearchSpace
from kpbench.statistics.pareto import standing

Point = dict[str, Scalar]
"""A value of every varying parameter by dotted name."""


def settled(space: SearchSpace, point: Params) -> dict[str, Scalar]:
    """The varying parameters of the cell at a point: those that apply there."""
    fixed = {name: p.values[0] for name, p in space.parameters.items() if isinstance(p, Choice)}
    return {name: value for name, value in space.settle({**fixed, **point}).items() if name in space.factors}


def filled(space: SearchSpace, params: Params) -> Point:
    """The point of a cell; a parameter that does not apply there has a value drawn by the cell, the same each time."""
    return {**drawn(space, Random(cell_id(params))), **params}


def known_points(space: SearchSpace, known: Iterable[FrozenTrial]) -> list[tuple[Point, float]]:
    """Point and worth of every complete trial, oldest first."""
    done = [trial for trial in known if trial.state is TrialState.COMPLETE]
    return [(filled(space, varying(trial)), one) for trial, one in zip(done, worth(done), strict=True)]


def worth(complete: Sequence[FrozenTrial]) -> list[float]:
    """One number a complete trial, the better the larger: its score; with several objectives its standing."""
    values = [trial.values for trial in complete]
    return standing(values) if values and len(values[0]) > 1 else [value for (value,) in values]


def told_elsewhere(space: SearchSpace, cells: Sequence[tuple[Params, float]]) -> list[FrozenTrial]:
    """Varying parameters and scores of another study's cells as complete trials, with numbers before the first."""
    trials = []
    for number, (params, score) in enumerate(cells, start=-len(cells)):
        mine = {name: d for name, d in distributions(space).items() if name in params}
        trial = create_trial(params=dict(params), distributions=mine, value=score)
        trial.number = trial._trial_id = number
        trials.append(trial)
    return trials


def drawn(space: SearchSpace, draw: Random) -> Point:
    """A point drawn at random: lists evenly, ranges evenly on their own scale."""
    return {name: at(p, draw.random()) for name, p in space.factors.items()}


def at(parameter: Parameter, share: float) -> Scalar:
    """The value at a share of a parameter's list or range, 0 to 1."""
    share = min(1.0, max(0.0, share))
    if isinstance(parameter, Choice):
        return parameter.values[min(len(parameter.values) - 1, int(share * len(parameter.values)))]
    low, high = _ends(parameter.low, parameter.high, parameter.log)
    value = low + share * (high - low)
    value = math.exp(value) if parameter.log else value
    if isinstance(parameter.low, int) and isinstance(parameter.high, int):
        return min(parameter.high, max(parameter.low, round(value)))
    return min(float(parameter.high), max(float(parameter.low), value))


def share(parameter: Parameter, value: Scalar) -> float:
    """Where in a parameter's list or range a value lies, 0 to 1; of a list the middle of its part."""
    if isinstance(parameter, Choice):
        return (parameter.values.index(value) + 0.5) / len(parameter.values)
    low, high = _ends(parameter.low, parameter.high, parameter.log)
    return ((math.log(float(value)) if parameter.log else float(value)) - low) / (high - low)


def distributions(space: SearchSpace) -> Mapping[str, BaseDistribution]:
    """Optuna's distribution of every varying parameter, as `SearchSpace.suggest` asks for it."""
    return {name: _distribution(p) for name, p in space.factors.items()}


def _ends(low: float, high: float, log: bool) -> tuple[float, float]:
    """The ends of a range on its scale; whole numbers have half a step on both sides, so that each is as wide."""
    if isinstance(low, int) and isinstance(high, int):
        low, high = low - 0.5, high + 0.5
    return (math.log(low), math.log(high)) if log else (low, high)


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.values)
    if isinstance(parameter.low, int) and isinstance(parameter.high, int):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
