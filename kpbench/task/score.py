"""The score: the only place where an MSE becomes one, and where a score passes."""

import math
from collections.abc import Mapping, Sequence

MEAN_FACE = "mean face"
"""The method of the floor that a score has to reach beside the mark."""


def score_from_mse(mse: float) -> float:
    """The course's score, `1 / (2 * mse)`; an MSE of 0 scores infinity, NaN stays NaN, infinity scores 0."""
    return math.inf if mse == 0.0 else 1.0 / (2.0 * mse)


def mean_score(mses: Sequence[float]) -> float:
    """The score of the geometric-mean MSE over seeds: scores are convex in the MSE, so seeds are averaged as logs."""
    if 0.0 in mses:
        return math.inf
    return score_from_mse(math.exp(math.fsum(map(math.log, mses)) / len(mses)))


def shortfalls(score: float, pass_mark: float, floor: Mapping[str, float]) -> list[str]:
    """Why a score does not pass: it is below the mark, or worse than the mean face; nothing where it passes.

    Args:
        floor: score by method, on the same faces; where the mean face is not among them, the mark alone counts.
    """
    reasons = [] if score >= pass_mark else [f"below the pass mark {pass_mark:g}"]
    mean_face = floor.get(MEAN_FACE, -math.inf)
    return reasons if score >= mean_face else [*reasons, f"worse than the mean face, {mean_face:.1f}"]
