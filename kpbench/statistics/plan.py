"""Planned contrasts and interactions, and the weights over cells that each one stands for."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import Scalar
from kpbench.errors import UsageError, nearest
from kpbench.statistics.blocks import BlockTable

Effect = Literal["marginal", "simple"]


@dataclass(frozen=True)
class PlannedContrast:
    """A level of a factor against its baseline, or how that contrast changes with levels of other factors.

    Attributes:
        at: levels at which other factors are held; the effect is averaged, within each block, over the rest.
        times: the contrasts of other factors that make it an interaction: the difference between this contrast at
            their levels and at their baselines, of all of them together.
    """

    factor: str
    level: Scalar
    baseline: Scalar
    at: Mapping[str, Scalar] = field(default_factory=dict)
    times: tuple["PlannedContrast", ...] = ()

    @property
    def changes(self) -> tuple["PlannedContrast", ...]:
        """The contrast of each factor that changes."""
        return (self, *self.times)


def contrasts_with_baseline(
    table: BlockTable, baseline: Mapping[str, Scalar], *, effect: Effect, factors: Sequence[str] | None = None
) -> tuple[PlannedContrast, ...]:
    """Every level of every factor against its baseline, in the table's order.

    Args:
        baseline: the baseline level of every factor of the table.
        effect: `marginal` averages over the other factors (a full factorial); `simple` holds them at the baseline.
        factors: those to contrast; all where not given.

    Raises:
        UsageError: an unknown factor, a baseline that is not a level, or a factor with a single level.
    """
    return tuple(
        PlannedContrast(
            factor=name,
            level=level,
            baseline=baseline[name],
            at={} if effect == "marginal" else {other: baseline[other] for other in table.factors if other != name},
        )
        for name in (table.factors if factors is None else factors)
        for level in _other_levels(table, name, baseline)
    )


def interactions_with_baseline(table: BlockTable, baseline: Mapping[str, Scalar]) -> tuple[PlannedContrast, ...]:
    """Every interaction of two and of three factors, each level against its baseline, averaged over the remaining ones.

    Raises:
        UsageError: as `contrasts_with_baseline`.
    """
    found = []
    for factors in (*itertools.combinations(table.factors, 2), *itertools.combinations(table.factors, 3)):
        for levels in itertools.product(*(_other_levels(table, name, baseline) for name in factors)):
            first, *rest = [
                PlannedContrast(name, level, baseline[name]) for name, level in zip(factors, levels, strict=True)
            ]
            found.append(replace(first, times=tuple(rest)))
    return tuple(found)


def contrast_weights(table: BlockTable, planned: PlannedContrast) -> NDArray[np.float64]:
    """The weight of each cell's log MSE in a contrast, (cells,).

    Over the levels it is averaged over, 1 in all for the level and -1 for the baseline; for an interaction the product
    of its factors' signs.

    Raises:
        UsageError: an unknown factor or level.
        ValueError: level and baseline are the same, or a factor interacts with itself; the effect averages over factors
            whose levels the plan does not cross fully, or holds the others at levels where the plan has no cell.
    """
    own = {one.factor: (one.level, one.baseline) for one in planned.changes}
    if len(own) < len(planned.changes):
        raise ValueError(f"the factor '{planned.factor}' cannot interact with itself")
    held = {name: level for one in planned.changes for name, level in one.at.items()}
    for name, levels in [*own.items(), *((name, (level,)) for name, level in held.items())]:
        for level in levels:
            _check_level(table, name, level)
        if len(levels) == 2 and levels[0] == levels[1]:
            raise ValueError(f"the level '{levels[0]}' of '{name}' is its own baseline")
    choices = [own.get(name) or ((held[name],) if name in held else table.levels(name)) for name in table.factors]
    places = {cell: at for at, cell in enumerate(table.cells)}
    chosen = list(itertools.product(*choices))
    weights = np.zeros(len(table.cells))
    for cell in chosen:
        if cell not in places:
            raise ValueError(
                f"the plan has no cell {dict(zip(table.factors, cell, strict=True))}: "
                "cross the factors fully, or hold the others at a baseline"
            )
        signs = [
            1.0 if level == own[name][0] else -1.0
            for name, level in zip(table.factors, cell, strict=True)
            if name in own
        ]
        weights[places[cell]] = np.prod(signs) * 2 ** len(own) / len(chosen)
    return weights


def averaged_over(table: BlockTable, planned: PlannedContrast) -> tuple[str, ...]:
    """The factors over which the contrast is averaged; none makes it a simple effect."""
    fixed = {name for one in planned.changes for name in (one.factor, *one.at)}
    return tuple(name for name in table.factors if name not in fixed and len(table.levels(name)) > 1)


def differences(table: BlockTable, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted sum of log MSE in each block, (blocks,); NaN where a cell with a weight has no run."""
    involved = weights != 0.0
    found: NDArray[np.float64] = weights[involved] @ np.log(table.mse[involved])
    return found


def present(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The differences of the complete blocks, without the NaN of the others."""
    found: NDArray[np.float64] = values[~np.isnan(values)]
    return found


def _other_levels(table: BlockTable, factor: str, baseline: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
    levels = table.levels(factor)
    if factor not in baseline:
        raise UsageError(f"no baseline for the factor '{factor}'")
    _check_level(table, factor, baseline[factor])
    if len(levels) < 2:
        raise UsageError(f"the factor '{factor}' has the single level '{levels[0]}': nothing to compare")
    return tuple(level for level in levels if level != baseline[factor])


def _check_level(table: BlockTable, factor: str, level: Scalar) -> None:
    levels = table.levels(factor)
    if level not in levels:
        raise UsageError(f"unknown level '{level}' of '{factor}'; {nearest(str(level), map(str, levels))}")
