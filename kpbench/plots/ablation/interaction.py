"""Interaction plot: one factor's MSE ratio to its baseline at each level of another."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.cell import Scalar
from kpbench.plots.ablation.names import factor_names, level_look
from kpbench.plots.drawing import Drawing, Key, Panel, calm
from kpbench.plots.factors import show_level
from kpbench.plots.ratios import add_band, band_key, on_axis, ratio_ends, ratio_layout
from kpbench.plots.traces import add_trace, label, line_style, marker_style, name_ticks
from kpbench.statistics.estimate import paired
from kpbench.statistics.plan import PlannedContrast, contrast_weights, differences, present


class SimpleRatio(NamedTuple):
    """A level's MSE ratio to its baseline at one level of another factor, averaged over any further factor.

    Attributes:
        ratio: 1 for the baseline itself, by definition; None without a complete block.
        ci: Student's interval for this one ratio, not adjusted; None below two blocks and for the baseline.
    """

    level: Scalar
    at: Scalar
    n: int
    ratio: float | None
    ci: tuple[float, float] | None = None


def simple_ratios(found: Analysis, factor: str, other: str) -> tuple[SimpleRatio, ...]:
    """The ratios of every level of `factor` at every level of `other`, the other's levels outermost."""
    design = found.design
    ratios = []
    for at, level in itertools.product(design.factors[other], design.factors[factor]):
        if level == design.baseline[factor]:
            ratios.append(SimpleRatio(level, at, len(found.table.blocks), 1.0))
            continue
        planned = PlannedContrast(factor, level, design.baseline[factor], {other: at})
        values = present(differences(found.table, contrast_weights(found.table, planned)))
        interval = paired(values).interval(1 - design.alpha) if values.size > 1 else None
        ci = (math.exp(interval.low), math.exp(interval.high)) if interval else None
        ratios.append(SimpleRatio(level, at, values.size, math.exp(values.mean()) if values.size else None, ci))
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
    names, design = factor_names(found.design), found.design
    levels, others = design.factors[factor], design.factors[other]
    figure = calm(go.Figure(), height=360, left=58)
    ends = (-0.4, len(levels) - 0.6)
    known = [(one.ratio, *(one.ci or ())) for one in ratios if one.ratio is not None]
    low, high = ratio_ends(itertools.chain(*known), sesoi=design.sesoi)
    add_band(figure, design.sesoi, ends, upright=False)
    keys = []
    for place, at in enumerate(others):
        role, dash = level_look(place)
        shift = 0.1 * (place - (len(others) - 1) / 2) * min(1.0, 4 / len(others))
        mine = [one for one in ratios if one.at == at and one.ratio is not None]
        points = []
        for one in mine:
            x = round(levels.index(one.level) + shift, 3)
            points.append((x, on_axis(one.ratio or 1.0, low, high)))
            if one.ci is not None:
                add_trace(figure, [(x, on_axis(end, low, high)) for end in one.ci], line=line_style(role, 1.5))
        hover = [f"{one.ratio:.3g}, {one.n} seeds" for one in mine]
        add_trace(figure, points, line=line_style(role, 2.5, dash), marker=marker_style(role, 8), hover=hover)
        keys.append(Key(f"{names[other]} {show_level(at)}", role, "line", dash))
    title = {"text": label(names[factor]), "standoff": 8}
    figure.update_xaxes(range=list(ends), title=title, showgrid=False, **name_ticks(map(show_level, levels), length=13))
    figure.update_yaxes(**ratio_layout(low, high, title="MSE ratio (log scale)"))
    head = (names[factor], names[other], "MSE ratio", "interval", "seeds")
    body = []
    for one in (one for one in ratios if one.level != design.baseline[factor]):
        ratio = "–" if one.ratio is None else f"{one.ratio:.3g}"
        interval = "–" if one.ci is None else f"{one.ci[0]:.3g} to {one.ci[1]:.3g}"
        body.append((show_level(one.level), show_level(one.at), ratio, interval, str(one.n)))
    baseline = show_level(design.baseline[factor])
    alt = f"MSE ratio of each level of {names[factor]} to {baseline}, a line for each level of {names[other]}."
    heading = f"{names[factor]} at each {names[other]}"
    return Panel(heading, figure, alt, key=tuple(keys), least_width=70 * len(levels), levels=(head, *body))
