"""Interactions of two factors: whether one factor's effect depends on the other's level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.corrections import Correction
from kpbench.statistics.decisions import decide
from kpbench.statistics.evidence import ratio_interval
from kpbench.statistics.intervals import Interval
from kpbench.statistics.paired import equivalence_p
from kpbench.statistics.plan import PlannedInteraction, differences, interaction_weights, present
from kpbench.statistics.power import detectable_percent
from kpbench.statistics.scale import log_margin
from kpbench.statistics.verdicts import Size, Word

InteractionWord = Literal["present", "negligible", "undecided", "withheld", "incomplete"]

WORDS: dict[Word, InteractionWord] = {
    "better": "present",
    "worse": "present",
    "equivalent": "negligible",
    "undecided": "undecided",
    "withheld": "withheld",
    "incomplete": "incomplete",
}


@dataclass(frozen=True)
class Interaction:
    """A paired difference of differences of log MSE, as a ratio of MSE ratios.

    Attributes:
        ratio: the first factor's MSE ratio at the second's level, over that at the second's baseline; below 1 means
            that the two levels together have a lower MSE than their separate effects multiply to.
        ci: at the level at which Holm tested it within the interactions; None below two complete blocks.
        detectable: smallest true ratio of ratios found with the power, as a percent change.
        word: `present` where the interval leaves out 1, `negligible` where it lies inside the band.
        size: for `present`, how the interval stands to the band, as in a `Verdict`.
    """

    planned: PlannedInteraction
    n: int
    blocks_planned: int
    ratio: float | None
    ci: Interval | None
    p: float | None
    p_adjusted: float | None
    p_equivalence: float | None
    d_z: float | None
    detectable: float | None
    word: InteractionWord
    size: Size | None


def interact(
    table: BlockTable,
    family: Sequence[PlannedInteraction],
    *,
    sesoi: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    correction: Correction = "holm",
) -> tuple[Interaction, ...]:
    """Every planned interaction, in the order given, as a family of its own; other factors are averaged over.

    Args:
        sesoi: the smallest ratio of ratios of interest, as a share, as for contrasts.

    Raises:
        UsageError, ValueError: as `interaction_weights`, `decide`, `log_margin` and `detectable_d`.
    """
    margin = log_margin(sesoi)
    samples = [present(differences(table, interaction_weights(table, planned))) for planned in family]
    planned_blocks = len(table.blocks)
    decisions = decide(samples, planned=planned_blocks, margin=margin, alpha=alpha, correction=correction)
    contrasts = 1 if correction == "none" else len(family)
    found = []
    for planned, values, decision in zip(family, samples, decisions, strict=True):
        test = decision.test
        found.append(
            Interaction(
                planned=planned,
                n=values.size,
                blocks_planned=planned_blocks,
                ratio=math.exp(values.mean()) if values.size else None,
                ci=None if decision.interval is None else ratio_interval(decision.interval),
                p=None if test is None else test.p,
                p_adjusted=decision.p_adjusted,
                p_equivalence=None if test is None else equivalence_p(values, margin),
                d_z=None if test is None else test.d_z,
                detectable=None
                if test is None
                else detectable_percent(test.sd, test.n, alpha=alpha, power=power, contrasts=contrasts),
                word=WORDS[decision.verdict.word],
                size=decision.verdict.size,
            )
        )
    return tuple(found)
