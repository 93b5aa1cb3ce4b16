"""The contrasts that a design plans, and what they are judged by."""

from typing import Any, cast

import numpy as np

from kpbench.errors import UsageError
from kpbench.space.design import Design
from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.corrections import Correction
from kpbench.statistics.decisions import Terms
from kpbench.statistics.plan import (
    Effect,
    PlannedContrast,
    averaged_over,
    contrast_weights,
    contrasts_with_baseline,
    interactions_with_baseline,
)
from kpbench.statistics.verdicts import Why


def terms_of(design: Design, *, withhold: Why = "", inherited: int = 0) -> Terms:
    """What a design's contrasts are judged by."""
    correction = cast(Correction, design.correction)
    return Terms(design.sesoi, design.alpha, design.power, correction, inherited, withhold)


def planned_family(design: Design) -> tuple[PlannedContrast, ...]:
    """Every planned contrast: each level of the asked factors against its baseline, then those that were named.

    Crossed factors are averaged over, or held where a contrast says so; without crossing the others are at the
    baseline.

    Raises:
        UsageError: a named contrast is planned twice, compares a level with itself, holds its own factor, or needs
            cells that the design does not have.
    """
    table = _cells_alone(design)
    baseline = design.baseline
    effect: Effect = "marginal" if design.crossed else "simple"
    family = list(contrasts_with_baseline(table, baseline, effect=effect, factors=design.asked))
    for one in design.contrasts or ():
        rest = {name: level for name, level in baseline.items() if name != one.factor}
        at = dict(one.at) if design.crossed else {**rest, **one.at}
        planned = PlannedContrast(one.factor, one.level, one.baseline, at=at)
        what = f"--contrast {one.factor}={one.level}:{one.baseline}"
        if one.factor in one.at:
            raise UsageError(f"{what} holds its own factor")
        if planned in family:
            raise UsageError(f"{what} is planned already; leave it out")
        try:
            contrast_weights(table, planned)
        except ValueError as error:
            raise UsageError(f"{what}: {error}") from error
        family.append(planned)
    return tuple(family)


def family_as_json(design: Design) -> dict[str, Any]:
    """What is compared and how it is judged, as a dry run says it: what a preregistration needs.

    Raises:
        UsageError: as `planned_family`.
    """
    table = _cells_alone(design)
    contrasts = [
        {
            "factor": one.factor,
            "level": one.level,
            "baseline": one.baseline,
            "at": dict(one.at),
            "effect": "marginal" if averaged_over(table, one) else "simple",
        }
        for one in planned_family(design)
    ]
    return {
        "contrasts": contrasts,
        "interactions": len(interactions_with_baseline(table, design.baseline)) if design.crossed else 0,
        "correction": design.correction,
        "alpha": design.alpha,
        "sesoi": design.sesoi,
        "looks": list(design.looks or ()),
    }


def _cells_alone(design: Design) -> BlockTable:
    """The design's cells as a block table without any run."""
    none = np.full((len(design.cells), 0), np.nan)
    cells = tuple(tuple(cell[name] for name in design.factors) for cell in design.cells)
    return BlockTable(tuple(design.factors), cells, (), none, none.astype(bool), none.astype(bool))
