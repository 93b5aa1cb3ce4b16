"""Scores as numbers for a page: which count, their geometric mean, their axis, their text."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import RunResult
from kpbench.statistics.scale import rmse_px
from kpbench.statistics.words import plural

Item = TypeVar("Item")

FAR = 4.0
"""Scores that span more than this factor get a logarithmic axis."""

CLOSE, NEAR = 1.3, 2.5
"""A mark within the larger factor of the scores is shown on their axis unless it would leave more than half of that
empty, where scores that span less than the smaller factor count as spanning it."""

FEWEST = 5
"""Of fewer scores none is outlying."""


def counts(score: float | None) -> bool:
    """Whether a score can be ranked and averaged: above 0 and not NaN; infinity (an MSE of 0) counts."""
    return score is not None and score > 0


def drawable(score: float | None) -> bool:
    """Whether a score has a place on an axis: above 0 and finite."""
    return score is not None and 0 < score < math.inf


def val_score(row: RunResult) -> float:
    """The validation score a row is judged by: NaN unless the run is complete and its score counts."""
    score = row.val_score
    return score if row.state == "complete" and score is not None and counts(score) else math.nan


def geometric_mean(scores: Iterable[float]) -> float:
    """exp of the mean log score: the score at the mean log MSE.

    Infinity if one score is infinite, 0 if one is 0, NaN for no scores or a NaN among them.
    """
    values = list(scores)
    if len(values) == 1:
        return values[0] if values[0] >= 0 else math.nan
    if not values or any(math.isnan(value) or value < 0 for value in values):
        return math.nan
    if math.inf in values:
        return math.inf
    if 0 in values:
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def score_rmse_px(score: float) -> float:
    """The RMSE of a coordinate in pixels behind a score: infinite for a score of 0."""
    return rmse_px(math.inf if score == 0 else 1 / (2 * score))


def rounded(value: float, *, digits: int = 4) -> float:
    """The value with so many significant digits, which is what a page needs to carry."""
    return float(f"{value:.{digits}g}")


def show_score(score: float | None) -> str:
    """A score for reading, three to four significant digits; a dash for none, `∞` for an MSE of 0."""
    if score is None or math.isnan(score):
        return "–"
    if math.isinf(score):
        return "∞" if score > 0 else "–"
    if score >= 1e6:
        return f"{score:.3g}".replace("e+0", "e").replace("e+", "e")
    if score >= 100:
        return f"{score:,.0f}"
    return f"{score:.3g}"


@dataclass(frozen=True)
class ScoreAxis:
    """A score axis: its ends, its ticks within them and whether it is logarithmic."""

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]

    def place(self, score: float) -> float:
        """Where a score lies between the ends, 0 to 1."""
        if self.log:
            return math.log(score / self.low) / math.log(self.high / self.low)
        return (score - self.low) / (self.high - self.low)


def _drawable(scores: Iterable[float | None]) -> NDArray[np.float64]:
    """Those that have a place on an axis, (N,)."""
    found = np.array([math.nan if score is None else score for score in scores], dtype=np.float64)
    return found[(found > 0) & (found < math.inf)]


def outlying(scores: Iterable[float | None]) -> float:
    """The least score that an axis has to hold; below it lie those few that would squeeze all the others, if any.

    Of at least `FEWEST` scores the lowest tenth at most, and at least one, where the others span less than half of what
    all do, on logarithms; a span counts as that of a factor of `NEAR` at least. The highest scores are never outlying:
    they are what a reader looks for.
    """
    found = np.sort(_drawable(scores))
    if len(found) < FEWEST:
        return 0.0
    spans = np.log(np.maximum(found[-1] / found[: 1 + max(1, len(found) // 10)], NEAR))
    at = np.flatnonzero(spans < spans[0] / 2)
    return float(found[at[0]]) if len(at) else 0.0


def kept(scores: Sequence[float]) -> list[float]:
    """The scores that an axis has to hold."""
    least = outlying(scores)
    return [score for score in scores if score >= least]


def beyond(axis: ScoreAxis, scores: Iterable[float | None]) -> tuple[str, ...]:
    """A sentence on the runs, one score each, that lie below an axis; none where all are on it."""
    count = int((_drawable(scores) < axis.low).sum())
    return (f"{plural(count, 'run')} beyond the axis, below {show_score(axis.low)}.",) if count else ()


def score_axis(
    scores: Iterable[float | None], *, marks: Iterable[float] = (), log: bool = False, least: float | None = None
) -> ScoreAxis:
    """An axis that holds the drawable scores, and the marks near them: those that `CLOSE` and `NEAR` allow.

    Scores below `least` are left beyond it, those that are `outlying` where that is not given; the plot says so.
    It is logarithmic where they span more than a factor of `FAR`, or where `log` asks for it.
    No drawable score at all gives the axis of the marks, and none of those an axis from 1 to 1000.
    """
    found = _drawable(scores)
    found = found[found >= (outlying(found) if least is None else least)]
    lines = [mark for mark in marks if drawable(mark)]
    if not len(found):
        found = np.array(lines or [1.0, 1000.0])
    low, high = float(found.min()), float(found.max())
    wide = max(high / low, CLOSE) * 1.001  # a mark that leaves just half is near
    ends = (low / wide, high * wide) if log or wide > FAR else (low - (wide - 1) * low, high + (wide - 1) * low)
    near = [mark for mark in lines if max(low / NEAR, ends[0]) <= mark <= min(high * NEAR, ends[1])]
    low, high = min([low, *near]), max([high, *near])
    log = log or high / low > FAR
    if log:
        room = (high / low) ** 0.04 if high > low else 1.1
        low, high = low / room, high * room
    else:
        room = 0.06 * (high - low) or 0.1 * high
        low, high = max(0.0, low - room), high + room
    ticks = _log_ticks(low, high) if log else _even_ticks(low, high)
    return ScoreAxis(low, high, log, ticks)


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) < 3:
            return _even_ticks(low, high)
        if len(ticks) <= 7:
            return tuple(ticks)
    return tuple(ticks[:: math.ceil(len(ticks) / 7)])


def _even_ticks(low: float, high: float) -> tuple[float, ...]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return tuple(rounded(index * step, digits=10) for index in range(first, last + 1))


def thinned(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly spaced and with both ends."""
    count = min(most, len(items))
    return [items[round(index * (len(items) - 1) / max(count - 1, 1))] for index in range(count)]


def outcomes(rows: Sequence[RunResult]) -> tuple[tuple[float, ...], int, int]:
    """How runs ended: the usable scores of the complete ones, how many were pruned, how many gave no usable score."""
    states = [row.state for row in rows]
    scores = tuple(
        row.val_score
        for row, state in zip(rows, states, strict=True)
        if state == "complete" and row.val_score is not None and row.val_score > 0
    )
    pruned = states.count("pruned")
    return scores, pruned, len(rows) - len(scores) - pruned


def jitter(index: int) -> float:
    """A shift in -0.5 to 0.5 for the point of an index: evenly spread, the same each time (the golden ratio)."""
    return (index * 0.6180339887498949) % 1 - 0.5
