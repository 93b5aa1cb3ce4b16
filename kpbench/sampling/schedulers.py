"""Early stopping as pure rules over the scores that trials have reported."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kpbench.statistics.pareto import standing

REDUCTION = 3
"""ASHA keeps about one trial in this many at each rung."""

Scheduler = Callable[[int, int, float, Sequence[float]], bool]
"""(epoch, epochs, score, other trials' scores at that epoch) -> whether to stop."""


def never(epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """No early stopping."""
    return False


def late(epochs: int) -> int:
    """The one epoch at which `asha_late` looks: five eighths of the way, rounded up.

    With one-cycle an interrupted run says little before that: `benchmarks/search/`, `reports/LOG.md`.
    """
    return -(-5 * epochs // 8)


def asha_late(epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """Asynchronous successive halving in its stopping form (Li et al. 2020, 1810.05934), with one late rung.

    At the rung a trial stops if it is below the top third of those that came there before it; the first
    `REDUCTION - 1` to arrive always go on, for a third of fewer than three is nobody.
    """
    return falls(late(epochs), epoch, epochs, score, others)


def asha_half(epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """`asha_late` with its rung half-way, rounded up."""
    return falls(-(-epochs // 2), epoch, epochs, score, others)


def asha(epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """`asha_late` with its rung at a third of the epochs, as studies of earlier versions were planned."""
    return falls(epochs // REDUCTION, epoch, epochs, score, others)


def falls(rung: int, epoch: int, epochs: int, score: float, others: Sequence[float]) -> bool:
    """Whether a trial that comes to this rung is below the top third of those that came before it."""
    if epoch != rung or epoch == epochs or len(others) < REDUCTION - 1:
        return False
    return bool(score < np.quantile(others, 1 - 1 / REDUCTION))


def stops(
    scheduler: Scheduler, epoch: int, epochs: int, point: Sequence[float], others: Sequence[Sequence[float]]
) -> bool:
    """A scheduler's answer with one objective or several, each coordinate the better the larger, the score first.

    With several it is asked about places in non-dominated sorting, ties spread over the front, as in MO-ASHA (Schmucker
    et al. 2021, arXiv:2106.12639). So a trial stops if its place is not in the top third; the highest score never does.
    """
    if len(point) == 1:
        return scheduler(epoch, epochs, point[0], [other[0] for other in others])
    if not scheduler(epoch, epochs, -1.0, [0.0] * len(others)):
        return False  # who would not stop the last stops nobody; sorting is for the epochs at which it matters
    *places, place = standing([*others, point])
    return scheduler(epoch, epochs, place, places)


SCHEDULERS: Mapping[str, Scheduler] = {
    "none": never,
    "asha_late": asha_late,
    "asha_half": asha_half,
    "asha": asha,
}
"""A plan names its rule, so a name never changes its meaning: a better rule is another line."""

DEFAULT = "none"
"""No rule saves images beside the default sampler: `benchmarks/search/`, `reports/LOG.md`."""
