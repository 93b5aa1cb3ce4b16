"""Verdicts in words, read off the one interval that is shown."""

from dataclasses import dataclass
from typing import Literal

from kpbench.statistics.intervals import Interval

MINIMUM_SEEDS = 5
"""Fewer seeds than this get no verdict."""

Word = Literal["better", "worse", "equivalent", "undecided", "withheld", "incomplete"]
Size = Literal["beyond", "unclear", "below"]


@dataclass(frozen=True)
class Verdict:
    """A verdict and, for better or worse, how the effect stands to the smallest effect of interest.

    Attributes:
        size: `beyond` (the whole interval lies outside the band), `below` (the whole interval lies inside: better
            or worse, but by less than what is of interest) or `unclear`; None for the other words.
    """

    word: Word
    size: Size | None = None


def verdict(interval: Interval | None, margin: float, *, n: int, planned: int) -> Verdict:
    """The verdict on a contrast from its interval on the log MSE scale (below 0 is better).

    The first that holds: fewer complete blocks than planned, `incomplete`; fewer than 5 seeds, `withheld`; the
    interval lies below 0, `better`, above, `worse` (also where it lies inside the band: then `size` is `below`);
    it lies inside the band, `equivalent`; otherwise `undecided`. Equivalence is thus two one-sided tests at half
    the level of the interval, stricter than the usual 90 % interval, so that one interval carries every verdict.

    Args:
        interval: adjusted for the family; None where there are fewer than two complete blocks.
        margin: half width of the band on the log scale, positive.
        n: complete blocks.
        planned: blocks in the plan.
    """
    if n < planned:
        return Verdict("incomplete")
    if n < MINIMUM_SEEDS or interval is None:
        return Verdict("withheld")
    inside = -margin < interval.low and interval.high < margin
    if not interval.excludes(0.0):
        return Verdict("equivalent" if inside else "undecided")
    word: Word = "better" if interval.high < 0.0 else "worse"
    if inside:
        return Verdict(word, "below")
    outside = interval.high < -margin or interval.low > margin
    return Verdict(word, "beyond" if outside else "unclear")
