"""Whether two studies agree on each contrast: its direction, and whether it is significant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from kpbench.cell import Scalar
from kpbench.statistics.agreement import Cell, Ends
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.corrections import adjusted_p, step_alphas
from kpbench.statistics.unpaired import welch
from kpbench.statistics.verdicts import needed_seeds

Sign = Literal["agree", "disagree", "one side", "neither"]
"""Significant in both studies, in the same or in opposite directions; in one study only; in neither."""

Word = Sign | Literal["withheld"]


@dataclass(frozen=True)
class SignAgreement:
    """One contrast in both studies.

    Attributes:
        ratios, intervals, p_adjusted: the MSE ratio of each study, within its own family.
        word: by `p_adjusted` below alpha; `withheld` where either study has fewer than `needed_seeds`.
        same_direction: whether both ratios lie on one side of 1.
        quotient: the first study's MSE ratio over the second's; 1 where the effect is the same.
        quotient_interval: Welch's, at the level at which Holm's procedure tested it.
        quotient_p_adjusted: that the effect is the same in both studies.
    """

    factor: str
    level: Scalar
    baseline: Scalar
    at: Cell
    word: Word
    same_direction: bool
    ratios: tuple[float, float]
    intervals: tuple[Ends, Ends]
    p_adjusted: tuple[float, float]
    quotient: float
    quotient_interval: Ends
    quotient_p_adjusted: float


def sign_agreement(
    first: Sequence[Contrast], second: Sequence[Contrast], *, alpha: float = 0.05
) -> tuple[SignAgreement, ...]:
    """The agreement of each contrast of one family, which both studies planned in the same order.

    The two effects are compared as independent samples: seeds are shared between the studies, faces are not.

    Raises:
        ValueError: the families differ, or a contrast has not run in every block or in fewer than two.
    """
    if [contrast.planned for contrast in first] != [contrast.planned for contrast in second]:
        raise ValueError("the studies have other contrasts")
    tests = [welch(one.log_ratios, other.log_ratios) for one, other in zip(first, second, strict=True)]
    needed = needed_seeds(max(1, len(tests)), alpha)
    adjusted = adjusted_p([test.p for test in tests])
    levels = step_alphas([test.p for test in tests], alpha=alpha)
    found = []
    for one, other, test, p, level in zip(first, second, tests, adjusted, levels, strict=True):
        (ratio, ends, p_one), (other_ratio, other_ends, p_other) = _numbers(one), _numbers(other)
        same = (ratio < 1.0) == (other_ratio < 1.0)
        significant = (p_one < alpha) + (p_other < alpha)
        words: tuple[Word, ...] = ("neither", "one side", "agree" if same else "disagree")
        quotient = test.ratio_interval(1.0 - level)
        found.append(
            SignAgreement(
                factor=one.factor,
                level=one.level,
                baseline=one.baseline,
                at=dict(one.planned.at),
                word=words[significant] if min(one.n, other.n) >= needed else "withheld",
                same_direction=same,
                ratios=(ratio, other_ratio),
                intervals=(ends, other_ends),
                p_adjusted=(p_one, p_other),
                quotient=test.ratio,
                quotient_interval=(quotient.low, quotient.high),
                quotient_p_adjusted=p,
            )
        )
    return tuple(found)


def count_signs(found: Sequence[SignAgreement]) -> dict[str, int] | None:
    """The number of contrasts of each `Sign`, and of those that point one way in both studies, significant or not.

    None where the signs are withheld.
    """
    words = [one.word for one in found]
    if "withheld" in words:
        return None
    counts = {word.replace(" ", "_"): words.count(word) for word in get_args(Sign)}
    return {"contrasts": len(words), **counts, "same_direction": sum(one.same_direction for one in found)}


def _numbers(contrast: Contrast) -> tuple[float, Ends, float]:
    """The ratio, the ends of its interval and its adjusted p."""
    if contrast.ratio is None or contrast.ci is None or contrast.p_adjusted is None:
        raise ValueError("a contrast has not run in every planned block, or in fewer than two")
    return contrast.ratio, (contrast.ci.low, contrast.ci.high), contrast.p_adjusted
