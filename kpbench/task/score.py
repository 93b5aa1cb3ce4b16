"""The score: the only place where an MSE becomes one."""

import math
from collections.abc import Sequence


def score_from_mse(mse: float) -> float:
    """The course's score, `1 / (2 * mse)`; an MSE of 0 scores infinity, NaN stays NaN, infinity scores 0."""
    return math.inf if mse == 0.0 else 1.0 / (2.0 * mse)


def mean_score(mses: Sequence[float]) -> float:
    """The score of the geometric-mean MSE over seeds: scores are convex in the MSE, so seeds are averaged as logs."""
    if 0.0 in mses:
        return math.inf
    return score_from_mse(math.exp(math.fsum(map(math.log, mses)) / len(mses)))
