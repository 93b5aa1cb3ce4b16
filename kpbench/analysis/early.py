"""What the early scores of a search said about its ends, and what chance alone would have found."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import spearmanr

from kpbench.cell import RunResult
from kpbench.once import once
from kpbench.task.score import mean_score

LEAST = 4
"""Complete trials below which no agreement is told."""


def agreement_by_epoch(rows: Sequence[RunResult]) -> list[tuple[int, float]]:
    """For each epoch but the last Spearman's correlation of the scores then with the last, over complete trials.

    Trials that were stopped early have no last score, so in a search with early stopping this is over those that were
    let go on. Empty for fewer than `LEAST` trials, or where all scores are one.
    """
    curves = [scores for scores in _curves(rows) if scores]
    longest = max(map(len, curves), default=0)
    whole = [scores for scores in curves if len(scores) == longest]
    if len(whole) < LEAST or len({scores[-1] for scores in whole}) == 1:
        return []
    last = [scores[-1] for scores in whole]
    found = []
    for epoch in range(1, longest):
        then = [scores[epoch - 1] for scores in whole]
        if len(set(then)) > 1:
            found.append((epoch, float(spearmanr(then, last)[0])))
    return found


def best_so_far(rows: Sequence[RunResult], *, most: int = 10) -> list[tuple[int, float, float]]:
    """For k complete trials: k, the best of the first k, and the mean best of k drawn from all of them at random.

    The second is the search in an order without a meaning: a sampler that learns is ahead of it early. The mean is over
    all subsets of k of n scores: the i-th smallest is the best of C(i-1, k-1) of C(n, k).

    Args:
        most: values of k, evenly spaced up to n.
    """
    scores = np.array([curve[-1] for curve in _curves(rows) if curve])
    n, ordered = len(scores), np.sort(scores)
    found = []
    for k in sorted({-(-step * n // most) for step in range(1, most + 1)} - {0}):
        i = np.arange(k, n + 1)
        share = np.exp(_log_choose(i - 1, k - 1) - _log_choose(n, k))
        found.append((k, float(scores[:k].max()), float(share @ ordered[k - 1 :])))
    return found


def _log_choose(n: NDArray[np.int64] | int, k: int) -> NDArray[np.float64]:
    return np.asarray(gammaln(np.add(n, 1)) - gammaln(k + 1) - gammaln(np.subtract(n, k) + 1))


@once
def _curves(rows: Sequence[RunResult]) -> list[list[float]]:
    """The score after each epoch of every complete trial, the mean over its seeds, in the order of trials."""
    trials: dict[int, list[RunResult]] = {}
    for row in rows:
        if row.role == "trial" and row.trial is not None:
            trials.setdefault(row.trial, []).append(row)
    curves = []
    for _, found in sorted(trials.items()):
        if any(row.state != "complete" for row in found):
            continue
        if len(found) == 1:
            curves.append([record.val_score for record in found[0].curve])
        else:
            columns = zip(*([record.val_mse for record in row.curve] for row in found), strict=False)
            curves.append([mean_score(list(column)) for column in columns])
    return curves
