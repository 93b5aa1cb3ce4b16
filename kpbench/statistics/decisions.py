"""One family of contrasts: test, correction, interval and verdict, decided together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kpbench.statistics.corrections import Correction, adjusted_p, step_alphas
from kpbench.statistics.estimate import Estimate, paired
from kpbench.statistics.intervals import Interval
from kpbench.statistics.scale import log_margin
from kpbench.statistics.verdicts import Verdict, Why, needed_seeds, verdict


@dataclass(frozen=True)
class Terms:
    """What a family of contrasts is judged by, fixed in the plan.

    Attributes:
        sesoi: the smallest effect of interest as a share of MSE; the band is 1 / (1 + sesoi) to 1 + sesoi.
        alpha: the family's error rate.
        power: of the detectable effect.
        inherited: contrasts of the studies whose rows a post hoc study looks at again; they count in its family.
        withhold: why no contrast gets a verdict; empty where nothing stands against one.
    """

    sesoi: float = 0.05
    alpha: float = 0.05
    power: float = 0.8
    correction: Correction = "holm"
    inherited: int = 0
    withhold: Why = ""

    @property
    def margin(self) -> float:
        """Half width of the band on the log scale.

        Raises:
            ValueError: as `log_margin`.
        """
        return log_margin(self.sesoi)

    def corrected_for(self, contrasts: int) -> int:
        """The number of contrasts by which alpha is divided in the worst case."""
        return 1 if self.correction == "none" else max(contrasts + self.inherited, 1)


@dataclass(frozen=True)
class Decision:
    """What the family's procedure says of one paired sample.

    Attributes:
        estimate: None below two differences.
        p_adjusted: None for a sample that lacks a planned block.
        interval: of the mean log difference, at the coverage at which the procedure tested it; None below two.
    """

    estimate: Estimate | None
    p_adjusted: float | None
    interval: Interval | None
    verdict: Verdict


def decide(samples: Sequence[ArrayLike], terms: Terms, *, planned: int) -> tuple[Decision, ...]:
    """The decision on each sample of one family.

    A sample that lacks a planned block gets no verdict and enters the family with p = 1, so that it still counts
    in the family's size and a partial result cannot help the others.

    Args:
        samples: (n,) paired differences of log MSE each; n may differ.
        planned: blocks in the plan.

    Raises:
        ValueError: a difference that is not finite, or as `step_alphas`.
    """
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    estimates = [paired(array) if array.size > 1 else None for array in arrays]
    whole = [array.size >= planned for array in arrays]
    entered = [one.p if one and complete else 1.0 for one, complete in zip(estimates, whole, strict=True)]
    entered += [1.0] * terms.inherited
    adjusted = adjusted_p(entered, correction=terms.correction)[: len(arrays)]
    shares = step_alphas(entered, alpha=terms.alpha, correction=terms.correction)[: len(arrays)]
    needed = needed_seeds(terms.corrected_for(len(arrays)), terms.alpha)
    found = []
    for array, estimate, complete, p, share in zip(arrays, estimates, whole, adjusted, shares, strict=True):
        interval = estimate.interval(1.0 - share) if estimate else None
        read = verdict(interval, terms.margin, n=array.size, planned=planned, needed=needed)
        if terms.withhold and read.word != "incomplete":
            read = Verdict("withheld", why=terms.withhold)
        found.append(Decision(estimate, p if complete and estimate else None, interval, read))
    return tuple(found)
