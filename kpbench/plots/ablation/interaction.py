"""Interaction plot: one factor's MSE ratio to its baseline at each level of another."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.cell import Scalar
from kpbench.plots.ablation.names import factor_names, level_look
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Panel, calm
from kpbench.plots.factors import clipped, show_level
from kpbench.plots.ratios import add_band, band_key, ratio_ends, ratio_layout
from kpbench.plots.scores import rounded
from kpbench.statistics.estimate import paired
from kpbench.statistics.plan import PlannedContrast, contrast_weights, differences, present


@dataclass(frozen=True)
class SimpleRatio:
    """A level's MSE ratio to its baseline at one level of another factor, averaged over any further factor.

    Attributes:
        ratio: 1 for the baseline itself, by definition; None without a complete block.
        low, high: Student's interval for this one ratio, not adjusted; None below two blocks.
    """

    level: Scalar
    at: Scalar
    n: int
    ratio: float | None
    low: float | None
    high: float | None


def simple_ratios(found: Analysis, factor: str, other: str) -> tuple[SimpleRatio, ...]:
    """The ratios of every level of `factor` at every level of `other`, the other's levels outermost."""
    design = found.design
    ratios = []
    for at, level in itertools.product(design.factors[other], design.factors[factor]):
        if level == design.baseline[factor]:
            ratios.append(SimpleRatio(level, at, len(found.table.blocks), 1.0, None, None))
            continue
        planned = PlannedContrast(factor, level, design.baseline[factor], {other: at})
        values = present(differences(found.table, contrast_weights(found.table, planned)))
        interval = paired(values).interval(1 - design.alpha) if values.size > 1 else None
        ratios.append(
            SimpleRatio(
                level,
                at,
                values.size,
                math.exp(values.mean()) if values.size else None,
                None if interval is None else math.exp(interval.low),
                None if interval is None else math.exp(interval.high),
            )
        )
    return tuple(ratios)


def draw_interaction(found: Analysis) -> Drawing:
    """One panel a pair of factors: a line for each level of the second; where lines part, the factors interact."""
    if not found.design.crossed or len(found.design.factors) < 2:
        return Drawing(notes=("No factors were crossed, so this study says nothing of interactions.",))
    names = factor_names(found.design)
    panels = []
    empty = []
    for factor, other in itertools.combinations(found.design.factors, 2):
        ratios = simple_ratios(found, factor, other)
        if any(one.ratio is not None and one.level != found.design.baseline[factor] for one in ratios):
            panels.append(_panel(found, factor, other, ratios))
        else:
            empty.append(f"{names[factor]} and {names[other]}")
    notes = [f"Without a complete block, not drawn: {', '.join(empty)}."] if empty else []
    if panels:
        notes.append(
            f"Bars: {100 * (1 - found.design.alpha):.3g} % interval of each ratio on its own, not adjusted for their "
            "number; the table below holds the tests. Overlapping bars are no test of an interaction."
        )
    return Drawing(tuple(panels), (band_key(found.design.sesoi),), tuple(notes))


def _panel(found: Analysis, factor: str, other: str, ratios: Sequence[SimpleRatio]) -> Panel:
    names = factor_names(found.design)
    levels, others = found.design.factors[factor], found.design.factors[other]
    figure = go.Figure()
    ends = (-0.4, len(levels) - 0.6)
    low, high = ratio_ends(
        [value for one in ratios for value in (one.ratio, one.low, one.high) if value is not None],
        sesoi=found.design.sesoi,
    )
    add_band(figure, found.design.sesoi, ends, upright=False)
    keys = []
    for place, at in enumerate(others):
        role, dash = level_look(place)
        shift = 0.1 * (place - (len(others) - 1) / 2) * min(1.0, 4 / len(others))
        mine = [(levels.index(one.level) + shift, one) for one in ratios if one.at == at and one.ratio is not None]
        for x, one in mine:
            if one.low is not None and one.high is not None:
                figure.add_scatter(
                    x=[round(x, 3)] * 2, y=[_inside(one.low, low, high), _inside(one.high, low, high)],
                    mode="lines", line={"color": light(role), "width": 1.5}, hoverinfo="skip",
                )  # fmt: skip
        figure.add_scatter(
            x=[round(x, 3) for x, _ in mine],
            y=[_inside(one.ratio or 1.0, low, high) for _, one in mine],
            mode="lines+markers",
            line={"color": light(role), "width": 2.5, "dash": dash},
            marker={"color": light(role), "size": 8},
            hovertext=[f"{one.ratio:.3g}, {one.n} seeds" for _, one in mine],
            hoverinfo="text",
        )
        keys.append(Key(f"{names[other]} {show_level(at)}", role, "line", dash))
    calm(figure, height=360, left=58)
    figure.update_xaxes(
        range=list(ends),
        tickmode="array",
        tickvals=list(range(len(levels))),
        ticktext=[escape(clipped(show_level(level), length=13), quote=False) for level in levels],
        title={"text": escape(names[factor], quote=False), "standoff": 8},
        showgrid=False,
    )
    figure.update_yaxes(**ratio_layout(low, high, title="MSE ratio (log scale)"))
    head = (names[factor], names[other], "MSE ratio", "interval", "seeds")
    body = [
        (
            show_level(one.level),
            show_level(one.at),
            "–" if one.ratio is None else f"{one.ratio:.3g}",
            "–" if one.low is None else f"{one.low:.3g} to {one.high:.3g}",
            str(one.n),
        )
        for one in ratios
        if one.level != found.design.baseline[factor]
    ]
    alt = f"MSE ratio of each level of {names[factor]} to {show_level(found.design.baseline[factor])}, a line for each "
    alt += f"level of {names[other]}."
    title = f"{names[factor]} at each {names[other]}"
    return Panel(title, figure, alt, key=tuple(keys), least_width=70 * len(levels), levels=(head, *body))


def _inside(value: float, low: float, high: float) -> float:
    return rounded(min(max(value, low), high), digits=6)
