"""Which parameters go with the score among a search's trials: a description of these runs, boxed as exploratory."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kpbench.cell import RunResult
from kpbench.plots.factors import Factor, trials_of, varying
from kpbench.plots.scores import drawable, val_score
from kpbench.report.tables import Table
from kpbench.statistics.words import short_names

LEAST = 12
"""Complete trials below which nothing is said."""

BEYOND = 5
"""Trials that there must be beyond a parameter's groups."""


def importance(rows: Sequence[RunResult]) -> Table:
    """Parameters by the share of the variation of log score that their values set apart; empty with few trials."""
    complete = [row for row in trials_of(rows) if drawable(val_score(row))]
    columns = {"Parameter": "mono", "Share": "n strong", "Groups": "n"}
    if len(complete) < LEAST:
        return Table("Importance of parameters", columns)  # type: ignore[arg-type]
    logs = np.log([val_score(row) for row in complete])
    factors = varying(trials_of(rows))
    names = short_names(factor.name for factor in factors)
    found = [(epsilon_squared(logs, groups := grouped(complete, factor)), factor, groups) for factor in factors]
    ordered = sorted((one for one in found if not math.isnan(one[0])), key=lambda one: (-one[0], one[1].name))
    lines = [(names[one.name], f"{100 * share:.0f} %", str(len(np.unique(groups)))) for share, one, groups in ordered]
    return Table("Importance of parameters", columns, lines)  # type: ignore[arg-type]


def grouped(rows: Sequence[RunResult], factor: Factor) -> NDArray[np.int64]:
    """The group of each row, (N,): its level, or the third of a range that it lies in; -1 where it has no value."""
    if not factor.ranged:
        return factor.all_placed([row.params.get(factor.name) for row in rows])
    values = factor.all_scaled([row.params.get(factor.name) for row in rows])
    if np.isnan(values).all():
        return np.full(len(rows), -1)
    thirds = np.searchsorted(np.nanquantile(values, [1 / 3, 2 / 3]), values)
    return np.where(np.isnan(values), -1, thirds)


def epsilon_squared(values: NDArray[np.floating], groups: ArrayLike) -> float:
    """The share of variance between groups less what chance gives as many groups, 0 at least (Kelley 1935).

    (SS_between - (k - 1) MS_within) / SS_total; NaN with one group, too few values, or no variation.
    """
    apart = [values[np.equal(groups, one)] for one in np.unique(groups)]
    free = len(values) - len(apart)
    total = float(((values - values.mean()) ** 2).sum())
    if len(apart) < 2 or free < BEYOND or not total > 0:
        return math.nan
    within = float(sum(((one - one.mean()) ** 2).sum() for one in apart))
    return max(0.0, (total - within - (len(apart) - 1) * within / free) / total)
