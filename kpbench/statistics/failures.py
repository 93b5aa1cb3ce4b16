"""Runs of a contrast that failed: what is left without them, and what they could hide."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpbench.statistics.blocks import BlockTable, survivors
from kpbench.statistics.collapse import Side, collapse_bound, interval_with_collapse
from kpbench.statistics.decisions import Decision
from kpbench.statistics.estimate import paired, ratio_interval
from kpbench.statistics.intervals import Interval
from kpbench.statistics.plan import differences, present
from kpbench.statistics.verdicts import Verdict


@dataclass(frozen=True)
class Survivors:
    """The sensitivity analysis without the blocks in which a run failed.

    Attributes:
        agrees: whether its interval says the same of 1 (below, above, or not left out); None below 2 blocks.
        with_collapse: interval of the MSE ratio that allows for runs that fail now and then
            (`interval_with_collapse`); None below 2 blocks.
    """

    n: int
    ratio: float | None
    ci: Interval | None = None
    agrees: bool | None = None
    with_collapse: Interval | None = None


def sides_of(table: BlockTable, weights: NDArray[np.float64], here: NDArray[np.bool_]) -> tuple[Side, Side] | None:
    """The failures of level and baseline in the complete blocks; None where a failed run's cost is not known."""
    if table.failed_mse is None or not here.any():
        return None
    found = []
    for sign in (1.0, -1.0):
        side = weights * sign > 0.0
        logs, failed = np.log(table.mse[side][:, here]), table.failed[side][:, here]
        usual = float(logs[~failed].mean()) if not failed.all() else math.log(table.failed_mse)
        found.append(Side(int(failed.sum()), failed.size, max(0.0, math.log(table.failed_mse) - usual)))
    return found[0], found[1]


def with_collapse(found: Verdict, sides: Sequence[Side], margin: float) -> Verdict:
    """No `equivalent` while the share of runs that could fail, times what a failed run costs, exceeds the margin.

    Nor where half the runs of a side failed, or the others are within the margin of the mean face: networks that learnt
    nothing are alike, whatever they are.
    """
    if found.word != "equivalent" or not sides:
        return found
    if any(2 * side.failed >= side.runs or side.cost <= margin for side in sides):
        return Verdict("undecided", why="nothing learnt")
    if max(collapse_bound(side.failed, side.runs) * side.cost for side in sides) > margin:
        return Verdict("undecided", why="collapse")
    return found


def survivors_of(
    table: BlockTable, weights: NDArray[np.float64], decision: Decision, sides: tuple[Side, Side] | None
) -> Survivors | None:
    """The sensitivity analysis; None below two complete blocks, or where a failed run's MSE is not known."""
    if sides is None or decision.interval is None:
        return None
    values = present(differences(survivors(table), weights))
    ratio = float(np.exp(values.mean())) if values.size else None
    if values.size < 2:
        return Survivors(n=values.size, ratio=ratio)
    interval = paired(values).interval(decision.interval.confidence)
    return Survivors(
        n=values.size,
        ratio=ratio,
        ci=ratio_interval(interval),
        agrees=_direction(interval) == _direction(decision.interval),
        with_collapse=ratio_interval(interval_with_collapse(interval, *sides)),
    )


def _direction(interval: Interval) -> int:
    return int(interval.low > 0.0) - int(interval.high < 0.0)
