"""The tables of an ablation's levels as texts: score and cost, and further measures."""

import math
from dataclasses import dataclass

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import Cost, Measured, measure_order, shift_of
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.factors import show_level
from kpbench.plots.scores import show_score
from kpbench.statistics.intervals import ScoreInterval
from kpbench.statistics.words import MINUS, interval_text, number


@dataclass(frozen=True)
class CostLine:
    """One level: its score, its runs, and each cost as (text, change against the baseline, flagged)."""

    factor: str
    level: str
    baseline: bool
    score: str
    interval: str
    runs: str
    failed: str
    costs: tuple[tuple[str, str, bool], ...]


COSTS = {
    "parameters": "Parameters",
    "megabytes": "Model, MB",
    "flops": "FLOPs a face",
    "step_megabytes": "Memory of a step, MB",
    "seconds": "Seconds an epoch",
}
"""The costs of a level and their headings, in the order of the table's columns."""


def cost_lines(found: Analysis) -> tuple[CostLine, ...]:
    """Every level with its costs, the baseline of each factor first."""
    names = factor_names(found.design)
    bases = {level.factor: level.cost for level in found.levels if level.baseline}
    return tuple(
        CostLine(
            factor=names[level.factor],
            level=show_level(level.level),
            baseline=level.baseline,
            score="–" if level.interval is None else show_score(level.interval.score),
            interval=_score_interval(level.interval),
            runs=f"{level.runs:,}",
            failed=f"{level.failed:,}" if level.failed else "",
            costs=tuple(_cost(level.cost, None if level.baseline else bases.get(level.factor), name) for name in COSTS),
        )
        for level in found.levels
    )


def _cost(cost: Cost | None, base: Cost | None, name: str) -> tuple[str, str, bool]:
    value = math.nan if cost is None else float(getattr(cost, name))
    if cost is None or not math.isfinite(value):
        return "–", "", False
    texts = {
        "parameters": f"{value:,.0f}",
        "megabytes": f"{value:.3g}",
        "flops": f"{value / 1e6:,.3g} M" if value < 1e9 else f"{value / 1e9:,.3g} G",
        "step_megabytes": f"{value:,.0f}" if value >= 100 else f"{value:.3g}",
        "seconds": f"{value:.3g}",
    }
    reference = math.nan if base is None else float(getattr(base, name))
    if not (math.isfinite(reference) and reference > 0):
        return texts[name], "", False
    change = 100 * (value / reference - 1)
    told = f"{'+' if change >= 0 else MINUS}{abs(change):.0f} %" if abs(change) >= 0.5 else "same"
    return texts[name], told, name in cost.flagged


@dataclass(frozen=True)
class MeasureLine:
    """One level: for each measure its score, the score's interval, and the MSE ratio to the baseline's."""

    factor: str
    level: str
    baseline: bool
    cells: tuple[tuple[str, str, str], ...]


def measure_names(found: Analysis) -> dict[str, str]:
    """The further measures that a level has and their headings: shifts by their pixels, then others by name."""
    names = sorted({one.name for level in found.levels for one in level.measures}, key=measure_order)
    return {name: name if (shift := shift_of(name)) is None else f"shifted {shift} px" for name in names}


def measure_lines(found: Analysis) -> tuple[MeasureLine, ...]:
    """Every level with its further measures, in the order of `measure_names`; empty where no row has any."""
    names = factor_names(found.design)
    columns = measure_names(found)
    if not columns:
        return ()
    return tuple(
        MeasureLine(
            names[level.factor],
            show_level(level.level),
            level.baseline,
            tuple(_measured({one.name: one for one in level.measures}.get(name)) for name in columns),
        )
        for level in found.levels
    )


def _measured(one: Measured | None) -> tuple[str, str, str]:
    if one is None:
        return "–", "", ""
    ratio = "" if one.ratio is None else f"× {number(one.ratio)}"
    if one.ci is not None:
        ratio += f" ({interval_text(one.ci)})"
    return show_score(one.interval.score), "" if one.interval.low is None else _score_interval(one.interval), ratio


def _score_interval(found: ScoreInterval | None) -> str:
    if found is None or found.low is None or found.high is None:
        return "–"
    return f"{show_score(found.low)} to {show_score(found.high)}"
