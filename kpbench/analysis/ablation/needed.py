"""The seeds that an effect needs, from an ablation's own noise."""

import math
from typing import Any

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.errors import UsageError
from kpbench.statistics.collapse import collapse_bound
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.plan import contrast_weights
from kpbench.statistics.power import MOST_SEEDS, fewest_seeds, seeds_needed
from kpbench.statistics.scale import log_margin
from kpbench.statistics.words import plural


def seeds_for_effect(found: Analysis, *, sesoi: float | None = None, power: float = 0.8) -> list[dict[str, Any]]:
    """For each contrast the seeds that the smallest effect needs, from the study's own paired noise.

    `equivalent` is the larger of what the noise asks and of `without_collapse`: *equivalent* also wants so many seeds
    without a collapse that a rare one could not hide the effect, which depends on no noise.

    Args:
        sesoi: the effect as a share of MSE; the study's own where not given.
        power: probability of finding it, and of calling cells equivalent that do not differ.

    Raises:
        UsageError: a number outside 0 to 1, a contrast with fewer than two complete blocks, which has no noise yet, or
            an effect that a million seeds do not find.
    """
    design = found.design
    effect = design.sesoi if sesoi is None else sesoi
    if not 0 < effect < 1:
        raise UsageError(f"--effect must lie between 0 and 1, got {effect:g}")
    if not design.alpha < power < 1:
        raise UsageError(f"--power must lie between the study's error rate {design.alpha:g} and 1, got {power:g}")
    needed = []
    for contrast in found.contrasts:
        name = f"{contrast.factor} {contrast.level}"
        if contrast.estimate is None:
            raise UsageError(f"{name} has {plural(contrast.n, 'complete block')}; its noise needs at least two")
        try:
            answer = seeds_needed(
                contrast.estimate.sd,
                contrast.n - 1,
                sesoi=effect,
                alpha=design.alpha,
                power=power,
                contrasts=found.terms.corrected_for(len(found.contrasts)),
            )
        except ValueError:
            raise UsageError(
                f"{name}: more than {MOST_SEEDS:,} seeds are needed for an effect of {100 * effect:g} % with "
                f"{100 * power:.12g} % power; give a larger --effect or less --power"
            ) from None
        rare = _without_collapse(found, contrast, effect)
        needed.append(
            {
                "factor": contrast.factor,
                "level": contrast.level,
                "baseline": contrast.baseline,
                "at": dict(contrast.planned.at) if design.crossed else {},
                "n": contrast.n,
                "sd": contrast.estimate.sd,
                "effect": effect,
                "power": power,
                "seeds": answer.seeds,
                "cautious": answer.cautious,
                "equivalent": max(answer.equivalent, rare),
                "without_collapse": rare,
                "equivalent_set_by": "collapse" if rare > answer.equivalent else "noise",
                "learnt": _learnt(found, contrast, effect),
            }
        )
    return needed


def _learnt(found: Analysis, contrast: Contrast, effect: float) -> bool:
    """Whether both sides are further from the mean face than the effect."""
    constant = found.table.failed_mse
    sides = [mse for mse in (contrast.level_mse, contrast.baseline_mse) if mse is not None]
    return constant is None or all(math.log(constant / mse) > log_margin(effect) for mse in sides)


def _without_collapse(found: Analysis, contrast: Contrast, effect: float) -> int:
    """The fewest seeds at which no run failing says that few enough could: `equivalent` needs that too."""
    constant, usual = found.table.failed_mse, contrast.baseline_mse
    if constant is None or usual is None or constant <= usual:
        return 0
    cells = int((contrast_weights(found.table, contrast.planned) > 0.0).sum())
    margin = log_margin(effect) / math.log(constant / usual)
    return fewest_seeds(lambda n: collapse_bound(0, n * cells) <= margin, "equivalence")
