"""A marginal effect looked at in each combination of the levels it is averaged over: does its direction change?"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.contrasts import Contrast, compare
from kpbench.statistics.decisions import Terms
from kpbench.statistics.verdicts import Verdict


@dataclass(frozen=True)
class SimpleEffects:
    """The effects behind a marginal contrast, one for each combination of the other factors' levels.

    Attributes:
        effects: a family of their own, Holm over their number.
        better, worse: those whose adjusted p is below the error rate, by direction.
    """

    effects: tuple[Contrast, ...]
    better: int
    worse: int


def simple_effects(table: BlockTable, contrast: Contrast, terms: Terms) -> SimpleEffects | None:
    """The simple effects behind a contrast, held to the alpha of `terms`; None where it is averaged over nothing."""
    planned, over = contrast.planned, contrast.averaged_over
    if not over or planned.times:
        return None
    family = [
        replace(planned, at={**planned.at, **dict(zip(over, levels, strict=True))})
        for levels in itertools.product(*(table.levels(name) for name in over))
    ]
    effects = compare(table, family, replace(terms, inherited=0), seed=None)
    found = [one for one in effects if one.p_adjusted is not None and one.p_adjusted < terms.alpha]
    better = sum(one.ratio is not None and one.ratio < 1.0 for one in found)
    return SimpleEffects(effects, better, len(found) - better)


def with_direction(contrast: Contrast, simple: SimpleEffects | None) -> Contrast:
    """The contrast with the word `mixed` where its direction depends on the other factors' levels.

    That is so where effects of both directions are significant, or one against the direction of a verdict: a count in
    place of Gail and Simon's (1985, Biometrics 41, 361) test for qualitative interaction, which asks the same.
    """
    if simple is None or contrast.word in ("withheld", "incomplete"):
        return contrast
    against = {"better": simple.worse, "worse": simple.better}.get(contrast.word, 0)
    if against or (simple.better and simple.worse):
        return replace(contrast, verdict=Verdict("mixed"))
    return contrast


def all_with_direction(
    table: BlockTable, contrasts: Sequence[Contrast], terms: Terms
) -> tuple[tuple[Contrast, ...], tuple[SimpleEffects | None, ...]]:
    """Every contrast with its direction checked, and the simple effects of each; alpha is shared by the contrasts."""
    share = replace(terms, alpha=terms.alpha / max(1, len(contrasts)))
    simple = tuple(simple_effects(table, one, share) for one in contrasts)
    return tuple(with_direction(one, effects) for one, effects in zip(contrasts, simple, strict=True)), simple
