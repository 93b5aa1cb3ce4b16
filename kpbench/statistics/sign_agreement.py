"""Whether two sides say the same of each contrast: its direction, and whether it is told from no effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.corrections import adjusted_p, step_levels
from kpbench.statistics.estimate import ratio_interval
from kpbench.statistics.intervals import Interval
from kpbench.statistics.unpaired import welch

Sign = Literal["agree", "disagree", "one side", "neither"]
"""Told from no effect on both sides, in the same or in opposite directions; on one side only; on neither."""


@dataclass(frozen=True, eq=False)
class SignAgreement:
    """One contrast on both sides.

    Attributes:
        sides: the contrast of each side.
        told: for each side whether its adjusted p is below alpha, whatever the number of seeds.
        same_direction: whether both ratios lie on one side of 1.
        quotient: the first side's MSE ratio over the second's; 1 where the effect is the same.
        interval: of it, Welch's, at the level at which Holm's procedure tested it.
        p_adjusted: that the effect is the same on both sides.
    """

    sides: tuple[Contrast, Contrast]
    told: tuple[bool, bool]
    word: Sign
    same_direction: bool
    quotient: float
    interval: Interval
    p_adjusted: float


@dataclass(frozen=True)
class SignCount:
    """Contrasts by `Sign`, and how many point in one direction whether told or not."""

    contrasts: int
    agree: int
    disagree: int
    one_side: int
    neither: int
    same_direction: int


def sign_agreement(
    first: Sequence[Contrast], second: Sequence[Contrast], *, alpha: float = 0.05
) -> tuple[SignAgreement, ...]:
    """The agreement of each contrast of one family, which both sides planned in the same order.

    The two effects are compared as independent samples: seeds are shared between the sides, faces are not.

    Raises:
        ValueError: the families differ, or a contrast has fewer than two blocks.
    """
    if [contrast.planned for contrast in first] != [contrast.planned for contrast in second]:
        raise ValueError("the sides have other contrasts")
    tests = [welch(one.log_ratios, other.log_ratios) for one, other in zip(first, second, strict=True)]
    adjusted = adjusted_p([test.p for test in tests])
    levels = step_levels([test.p for test in tests], alpha=alpha)
    found = []
    for one, other, test, p, level in zip(first, second, tests, adjusted, levels, strict=True):
        told = _told(one, alpha), _told(other, alpha)
        same = (np.mean(one.log_ratios) < 0.0) == (np.mean(other.log_ratios) < 0.0)
        both: Sign = "agree" if same else "disagree"
        found.append(
            SignAgreement(
                sides=(one, other),
                told=told,
                word=both if all(told) else "one side" if any(told) else "neither",
                same_direction=bool(same),
                quotient=float(np.exp(test.difference)),
                interval=ratio_interval(test.interval(confidence=1.0 - level)),
                p_adjusted=p,
            )
        )
    return tuple(found)


def count_signs(found: Sequence[SignAgreement]) -> SignCount:
    """How many contrasts there are of each word."""
    words = [one.word for one in found]
    return SignCount(
        contrasts=len(words),
        agree=words.count("agree"),
        disagree=words.count("disagree"),
        one_side=words.count("one side"),
        neither=words.count("neither"),
        same_direction=sum(one.same_direction for one in found),
    )


def _told(contrast: Contrast, alpha: float) -> bool:
    return contrast.p_adjusted is not None and contrast.p_adjusted < alpha
