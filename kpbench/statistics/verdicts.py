"""Verdicts in words, read off the one interval that is shown."""

import math
from dataclasses import dataclass
from typing import Literal

from kpbench.statistics.intervals import Interval

MINIMUM_SEEDS = 5
"""Fewer seeds than this get no verdict, whatever the error rate."""

Word = Literal["better", "worse", "mixed", "equivalent", "undecided", "withheld", "incomplete"]
Size = Literal["beyond", "unclear", "below"]
Why = Literal["", "seeds", "post hoc", "picked", "tuned once", "collapse", "nothing learnt"]


@dataclass(frozen=True)
class Verdict:
    """A verdict and, for better or worse, how the effect stands to the smallest effect of interest.

    Attributes:
        size: `beyond` (the whole interval lies outside the band), `below` (the whole interval lies inside: better
            or worse, but by less than what is of interest) or `unclear`; None for the other words.
        why: for `withheld`, too few `seeds`, rows older than the plan (`post hoc`), two cells of one ablation that were
            `picked` from it, or one tuning for all blocks (`tuned once`); for `undecided`, `collapse` where rare
            collapse could hide behind equal means.
    """

    word: Word
    size: Size | None = None
    why: Why = ""


def needed_seeds(contrasts: int, alpha: float) -> int:
    """The fewest seeds with which a family gets verdicts: sign flips can then reach Holm's strictest step.

    With n seeds the two-sided sign-flip p is at least 2^(1-n); a verdict that only normal tails can give is none. So
    2^(1-n) * contrasts <= alpha, and at least `MINIMUM_SEEDS`.

    Raises:
        ValueError: contrasts < 1, or an alpha outside (0, 1).
    """
    if contrasts < 1 or not 0.0 < alpha < 1.0:
        raise ValueError(f"give an alpha between 0 and 1 and at least one contrast, not {alpha} and {contrasts}")
    return max(MINIMUM_SEEDS, math.ceil(1.0 + math.log2(contrasts / alpha) - 1e-9))


def verdict(interval: Interval | None, margin: float, *, n: int, planned: int, needed: int = MINIMUM_SEEDS) -> Verdict:
    """The verdict on a contrast from its interval on the log MSE scale (below 0 is better).

    The first that holds: fewer complete blocks than planned, `incomplete`; fewer seeds than needed, `withheld`; the
    interval lies below 0, `better`, above, `worse` (also where it lies inside the band: then `size` is `below`);
    it lies inside the band, `equivalent`; otherwise `undecided`. Equivalence is thus two one-sided tests at half
    the error rate of the interval, stricter than the usual 90 % interval, so that one interval carries every verdict.

    Args:
        interval: adjusted for the family; None where there are fewer than two complete blocks.
        margin: half width of the band on the log scale, positive.
        n: complete blocks.
        planned: blocks in the plan.
        needed: as `needed_seeds`.
    """
    if n < planned:
        return Verdict("incomplete")
    if n < needed or interval is None:
        return Verdict("withheld", why="seeds")
    inside = -margin < interval.low and interval.high < margin
    if not interval.excludes(0.0):
        return Verdict("equivalent" if inside else "undecided")
    word: Word = "better" if interval.high < 0.0 else "worse"
    if inside:
        return Verdict(word, "below")
    outside = interval.high < -margin or interval.low > margin
    return Verdict(word, "beyond" if outside else "unclear")
