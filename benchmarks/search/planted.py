"""Searches of spaces with ranges for a planted best: `python benchmarks/search/planted.py cnn_tune keypoint`.

Where a space has ranges no table of trained runs holds every cell. Here a formula stands for the training: effects of
levels, a best place in each range, interactions of any two parameters, and noise; all of them drawn anew for each
search. So it says how samplers do where a score is of this kind, which is what `additive` assumes, not what faces are.
One line a sampler: the mean true log score of trials 21 to 40, and of the cell named best after 20 and after 40 trials,
each with its standard error.
"""

import argparse
import math
from collections.abc import Sequence
from itertools import combinations
from random import Random

import numpy as np
from optuna.trial import FrozenTrial, create_trial

import kpbench
from kpbench.cell import Params, cell_id
from kpbench.sampling.points import distributions, share
from kpbench.sampling.samplers import SAMPLERS, propose
from kpbench.seeds import derive
from kpbench.space.space import Choice, Parameter, SearchSpace

TRIALS, NOISE = 40, 0.12
LEVEL, BEND, CROSSED = 0.12, 0.6, 0.04
"""Standard deviations of a level's effect, of a range's fall from its best place to the far end, of an interaction."""


def truth(space: SearchSpace, params: Params, seed: int) -> float:
    """The log score of a cell without noise."""

    def normal(*what: object) -> float:
        return Random(derive(seed, *map(str, what))).gauss(0, 1)

    def level(parameter: Parameter, value: object) -> object:
        return value if isinstance(parameter, Choice) else int(2 * share(parameter, value))

    total = 0.0
    for name, parameter in space.factors.items():
        if name in params and isinstance(parameter, Choice):
            total += LEVEL * normal(name, params[name])
        elif name in params:
            best = Random(derive(seed, name, "best")).random()
            total -= BEND * abs(normal(name)) * (share(parameter, params[name]) - best) ** 2
    for one, other in combinations([name for name in space.factors if name in params], 2):
        levels = [level(space.factors[name], params[name]) for name in (one, other)]
        total += CROSSED * normal(one, other, *levels)
    return total


def search(space: SearchSpace, sampler: str, seed: int) -> list[tuple[float, float]]:
    """True and measured log score of each trial of one search."""
    history: list[FrozenTrial] = []
    seen: set[str] = set()
    found = []
    for number in range(TRIALS):
        params = propose(
            space, history, seen, sampler=SAMPLERS[sampler], seed=seed, enumerated=False, legal=lambda cell: True
        )
        assert params is not None
        true = truth(space, params, seed)
        measured = true + NOISE * Random(derive(seed, "noise", number)).gauss(0, 1)
        mine = {name: one for name, one in distributions(space).items() if name in params}
        trial = create_trial(params=dict(params), distributions=mine, value=200 * math.exp(measured))
        trial.number = trial._trial_id = number
        history.append(trial)
        seen.add(cell_id(params))
        found.append((true, measured))
    return found


def told(found: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """What is said of one search."""
    named = [max(found[:count], key=lambda one: one[1])[0] for count in (20, TRIALS)]
    return (float(np.mean([true for true, _ in found[20:]])), *named)


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("spaces", nargs="+")
    words.add_argument("--samplers", default="random,evolution,cma_es,tpe,additive")
    words.add_argument("--searches", type=int, default=100)
    asked = words.parse_args()
    for name in asked.spaces:
        space = kpbench.read_space(name)
        for sampler in asked.samplers.split(","):
            each = np.array([told(search(space, sampler, seed)) for seed in range(asked.searches)])
            errors = each.std(axis=0, ddof=1) / math.sqrt(len(each))
            text = "  ".join(
                f"{mean:6.3f} ({error:.3f})" for mean, error in zip(each.mean(axis=0), errors, strict=True)
            )
            print(f"{name:10} {sampler:10} {text}", flush=True)
