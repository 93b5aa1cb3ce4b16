"""The recipes that a tuning tries, drawn from a space's ranges; apart from plans, which are read without scipy."""

from collections.abc import Mapping, Sequence

from scipy.stats import qmc

from kpbench.cell import Scalar
from kpbench.errors import UsageError
from kpbench.seeds import block_seed, derive
from kpbench.space.space import Range, SearchSpace
from kpbench.space.tuning import Replicate, Span, Tuning

TUNE = ("none", "per-cell", "locked")
"""`per-cell`: every cell is tuned in each block; `locked`: all cells get one recipe, the best at the baseline."""

TUNING_BLOCK = 7_000
"""The block of the first tuning seed, far from those of any ablation and its A/A cohort."""


def plan_tuning(
    space: SearchSpace,
    factors: Sequence[str],
    *,
    own: Mapping[str, Scalar],
    how: str,
    trials: int,
    seed: int,
    blocks: Sequence[int] = (),
) -> Tuning | None:
    """The recipes to try: the space's own, then a Latin hypercube over its ranges; None where `how` is `none`.

    `per-cell` draws them anew for each block and tries them with a seed of their own: the tuning is part of the
    replicate (Bouthillier et al. 2021), else one lucky choice would pass for an effect of the cell.

    Where a value of its own lies outside the range to tune, the first recipe has the middle of the range.

    Args:
        factors: the factors of the ablation, which are not tuned.
        own: the value of every parameter that is not varied.
        trials: recipes for a cell, at least 2.
        seed: of the study.
        blocks: run seeds of the blocks and of the A/A cohort.

    Raises:
        UsageError: an unknown `how`, fewer than 2 trials, or a space without a range to tune.
    """
    if how not in TUNE:
        raise UsageError(f"unknown --tune '{how}'. Known: {', '.join(TUNE)}")
    if how == "none":
        return None
    if trials < 2:
        raise UsageError(f"--tune-trials must be at least 2, got {trials}")
    spans = {
        name: Span(low=p.low, high=p.high, log=p.log)
        for name, p in space.parameters.items()
        if isinstance(p, Range) and p.low < p.high and name not in factors
    }
    if not spans:
        raise UsageError(f"--tune: space '{space.name}' has no range to tune besides the factors; try cnn_tune")
    first: dict[str, Scalar] = {n: s.at(0.5) for n, s in spans.items() if not s.low <= float(own[n]) <= s.high}

    def drawn(*roles: str | int) -> tuple[dict[str, Scalar], ...]:
        cube = qmc.LatinHypercube(d=len(spans), rng=derive(seed, "recipes", *roles)).random(trials - 1)
        recipes: list[dict[str, Scalar]] = [
            {name: span.at(float(u)) for (name, span), u in zip(spans.items(), row, strict=True)} for row in cube
        ]
        return first, *recipes

    if how == "locked":
        return Tuning(how=how, seed=block_seed(seed, TUNING_BLOCK), spans=spans, recipes=drawn())
    by_block = [
        Replicate(block=block, seed=block_seed(seed, TUNING_BLOCK + at), recipes=drawn(block))
        for at, block in enumerate(blocks)
    ]
    return Tuning(how=how, seed=by_block[0].seed, spans=spans, recipes=(), by_block=tuple(by_block))
