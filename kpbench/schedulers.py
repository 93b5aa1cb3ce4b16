"""Early stopping as pure rules over the scores that trials have reported."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

REDUCTION = 3
"""ASHA keeps about one trial in this many at each rung."""

Scheduler = Callable[[int, int, float, Sequence[float]], bool]
"""(epoch, epochs, score, other trials' scores at that epoch) -> whether to stop."""


def rungs(epochs: int) -> list[int]:
    """The epochs at which ASHA looks: epochs/3, epochs/9, ... while at least 1, ascending."""
    found = []
    rung = epochs // REDUCTION
    while rung >= 1:
        found.append(rung)
        rung //= REDUCTION
    return found[::-1]


def never(epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """No early stopping."""
    return False


def asha(epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """Asynchronous successive halving in its stopping form (Li et al. 2020, 1810.05934).

    At a rung a trial stops if it is below the top third of those that came there before it; the first
    `REDUCTION - 1` to arrive always go on, for a third of fewer than three is nobody.
    """
    if epoch not in rungs(epochs) or epoch == epochs or len(others) < REDUCTION - 1:
        return False
    return bool(score < np.quantile(others, 1 - 1 / REDUCTION))


SCHEDULERS: Mapping[str, Scheduler] = {
    "asha": asha,
    "none": never,
}
