"""Early stopping as pure rules over the scores that trials have reported."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

REDUCTION = 3
"""ASHA keeps about one trial in this many at each rung."""

Scheduler = Callable[[int, int, float, Sequence[float]], bool]
"""(epoch, epochs, score, other trials' scores at that epoch) -> whether to stop."""


def rung(epochs: int) -> int:
    """The one epoch at which ASHA looks: a third of the way, 0 (never) in fewer than three epochs.

    Earlier rungs would fall into the warm-up of the one-cycle schedule, the first 30 %, where networks with a norm are
    behind those without (`reports/LOG.md`).
    """
    return epochs // REDUCTION


def never(epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """No early stopping."""
    return False


def asha(epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """Asynchronous successive halving in its stopping form (Li et al. 2020, 1810.05934).

    At the rung a trial stops if it is below the top third of those that came there before it; the first
    `REDUCTION - 1` to arrive always go on, for a third of fewer than three is nobody.
    """
    if epoch != rung(epochs) or epoch == epochs or len(others) < REDUCTION - 1:
        return False
    return bool(score < np.quantile(others, 1 - 1 / REDUCTION))


SCHEDULERS: Mapping[str, Scheduler] = {
    "asha": asha,
    "none": never,
}
