"""Planned contrasts and interactions, and the weights over cells that each one stands for."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import Scalar
from kpbench.errors import UsageError, nearest
from kpbench.statistics.blocks import BlockTable

Effect = Literal["marginal", "simple"]


@dataclass(frozen=True)
class PlannedContrast:
    """A level of a factor against its baseline.

    Attributes:
        at: levels at which other factors are held; the effect is averaged, within each block, over the rest.
    """

    factor: str
    level: Scalar
    baseline: Scalar
    at: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedInteraction:
    """How the contrast of one factor changes from the baseline of a second factor to another level of it."""

    first: PlannedContrast
    second: PlannedContrast


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


def interactions_with_baseline(table: BlockTable, baseline: Mapping[str, Scalar]) -> tuple[PlannedInteraction, ...]:
    """Every interaction of two factors, each level against its baseline, averaged over the remaining factors.

    Raises:
        UsageError: as `contrasts_with_baseline`.
    """
    return tuple(
        PlannedInteraction(PlannedContrast(one, first, baseline[one]), PlannedContrast(other, second, baseline[other]))
        for one, other in itertools.combinations(table.factors, 2)
        for first in _other_levels(table, one, baseline)
        for second in _other_levels(table, other, baseline)
    )


def contrast_weights(table: BlockTable, planned: PlannedContrast) -> NDArray[np.float64]:
    """The weight of each cell's log MSE in a contrast, (cells,): 1 in all over the level's, -1 over the baseline's.

    Raises:
        UsageError: an unknown factor or level.
        ValueError: level and baseline are the same; the effect averages over factors whose levels the plan does not
            cross fully, or holds the others at levels where the plan has no cell.
    """
    return _weights(table, [planned], planned.at)


def interaction_weights(table: BlockTable, planned: PlannedInteraction) -> NDArray[np.float64]:
    """The weight of each cell's log MSE in a difference of differences, (cells,).

    Raises:
        UsageError, ValueError: as `contrast_weights`; also where the two factors are the same.
    """
    if planned.first.factor == planned.second.factor:
        raise ValueError(f"the factor '{planned.first.factor}' cannot interact with itself")
    return _weights(table, [planned.first, planned.second], {**planned.first.at, **planned.second.at})


def averaged_over(table: BlockTable, planned: PlannedContrast) -> tuple[str, ...]:
    """The factors over which the contrast is averaged; none makes it a simple effect."""
    return tuple(
        name
        for name in table.factors
        if name != planned.factor and name not in planned.at and len(table.levels(name)) > 1
    )


def differences(table: BlockTable, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted sum of log MSE in each block, (blocks,); NaN where a cell with a weight has no run."""
    involved = weights != 0.0
    found: NDArray[np.float64] = weights[involved] @ np.log(table.mse[involved])
    return found


def present(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The differences of the complete blocks, without the NaN of the others."""
    found: NDArray[np.float64] = values[~np.isnan(values)]
    return found


def _weights(table: BlockTable, contrasts: Sequence[PlannedContrast], at: Mapping[str, Scalar]) -> NDArray[np.float64]:
    for contrast in contrasts:
        _check_level(table, contrast.factor, contrast.level)
        _check_level(table, contrast.factor, contrast.baseline)
        if contrast.level == contrast.baseline:
            raise ValueError(f"the level '{contrast.level}' of '{contrast.factor}' is its own baseline")
    for name, level in at.items():
        _check_level(table, name, level)
    own = {contrast.factor: (contrast.level, contrast.baseline) for contrast in contrasts}
    choices = [
        own[name] if name in own else (at[name],) if name in at else table.levels(name) for name in table.factors
    ]
    row = {cell: index for index, cell in enumerate(table.cells)}
    weights = np.zeros(len(table.cells))
    for cell in itertools.product(*choices):
        if cell not in row:
            raise ValueError(
                f"the plan has no cell {dict(zip(table.factors, cell, strict=True))}: "
                "cross the factors fully, or hold the others at a baseline"
            )
        place = dict(zip(table.factors, cell, strict=True))
        weights[row[cell]] = np.prod([1.0 if place[c.factor] == c.level else -1.0 for c in contrasts])
    averaged = len(list(itertools.product(*choices))) / 2 ** len(contrasts)
    weights /= averaged
    return weights


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
        raise UsageError(f"unknown level '{level}' of '{factor}': {nearest(str(level), map(str, levels))}")
