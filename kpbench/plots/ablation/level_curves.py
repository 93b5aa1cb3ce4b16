"""Learning curves by level: the geometric-mean validation score over seeds with its range."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import counting_cells
from kpbench.cell import RunResult, Scalar
from kpbench.plots.ablation.names import factor_names, level_look
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout
from kpbench.plots.epochs import EpochAxis
from kpbench.plots.factors import show_level
from kpbench.plots.references import Line, add_lines, reference_axis
from kpbench.plots.scores import ScoreAxis, drawable, geometric_mean, rounded, show_score, thinned
from kpbench.plots.search.learning_curves import MOST_POINTS
from kpbench.plots.traces import add_trace, line_style, marker_style
from kpbench.statistics.words import seeds_text


@dataclass(frozen=True)
class LevelCurve:
    """A level's geometric-mean score over seeds at each place of an axis: an epoch, or a shift of the faces.

    Attributes:
        low, high: the ends of the band around it.
        seeds: blocks behind it, 0 where it has no place.
    """

    level: Scalar
    at: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


def add_curves(
    figure: go.Figure, curves: Sequence[LevelCurve], axis: ScoreAxis, *, size: int, more: Callable[[LevelCurve], Any]
) -> tuple[Key, ...]:
    """Draw the band of each level's curve, then the curves; gives their keys. The first is the baseline's.

    Args:
        size: of a mark in pixels.
        more: what else plotly's `add_scatter` takes for a curve.
    """
    drawn = [(at, curve, *level_look(at)) for at, curve in enumerate(curves) if curve.at]
    for _, curve, role, _ in drawn:
        around = [*zip(curve.at, curve.low, strict=True), *reversed([*zip(curve.at, curve.high, strict=True)])]
        band = [(x, rounded(min(max(score, axis.low), axis.high))) for x, score in around]
        add_trace(figure, band, line=line_style(role, 0), fill="toself", fillcolor=light(role), opacity=0.16)
    keys = []
    for at, curve, role, dash in drawn:
        name = f"{show_level(curve.level)}{' (baseline)' if at == 0 else ''}, {seeds_text(curve.seeds)}"
        keys.append(Key(name, role, "line", dash))
        points = zip(curve.at, map(rounded, curve.mean), strict=True)
        add_trace(figure, points, line=line_style(role, 2.5, dash), marker=marker_style(role, size), **more(curve))
    return tuple(keys)


def level_curve(found: Analysis, factor: str, level: Scalar) -> LevelCurve:
    """The curve by epoch over the blocks in which every run of the level is complete, with the range of the blocks.

    A diverged run takes its block away; an epoch counts where every run of these blocks reached it.
    """
    cells = [found.design.cells[at] for at in counting_cells(found.design, factor, level)]
    by_block: dict[int, list[RunResult]] = {}
    for row in found.rows:
        levels = {name: row.params[name] for name in found.design.factors}
        if row.role == "ablation" and row.state == "complete" and levels in cells:
            by_block.setdefault(row.seed, []).append(row)
    whole = [runs for runs in by_block.values() if len(runs) == len(cells)]
    scores: dict[int, list[float]] = {}
    for runs in whole:
        curves = [{record.epoch: record.val_score for record in row.curve} for row in runs]
        for epoch in set.intersection(*(set(curve) for curve in curves)):
            values = [curve[epoch] for curve in curves]
            if all(map(drawable, values)):
                scores.setdefault(epoch, []).append(geometric_mean(values))
    order = sorted(epoch for epoch, values in scores.items() if len(values) == len(whole))
    epochs = tuple(thinned(order, MOST_POINTS))
    mean, low, high = (tuple(of(scores[epoch]) for epoch in epochs) for of in (geometric_mean, min, max))
    return LevelCurve(level, epochs, mean, low, high, len(whole) if epochs else 0)


def draw_level_curves(found: Analysis) -> Drawing:
    """One panel a factor: a line a level with the range over seeds as a band."""
    names = factor_names(found.design)
    curves = {
        factor: [level_curve(found, factor, level) for level in levels]
        for factor, levels in found.design.factors.items()
    }
    drawn = {factor: mine for factor, mine in curves.items() if any(curve.at for curve in mine)}
    if not drawn:
        return Drawing(notes=("No level has a block whose every run is complete, so there are no learning curves.",))
    scores = (score for mine in drawn.values() for curve in mine for score in (*curve.low, *curve.high))
    axis, floors, floor_keys = reference_axis(scores, Marks(floor=found.floor), split="val", log=True, least=0.0)
    along = EpochAxis(found.plan.data_sizes["train"])
    panels = tuple(_panel(names[factor], mine, along, axis, floors) for factor, mine in drawn.items())
    planned = len(found.design.blocks)
    short = [
        f"{names[factor]} {show_level(curve.level)} {curve.seeds} of {planned}"
        for factor, mine in curves.items()
        for curve in mine
        if curve.seeds < planned
    ]
    notes = (f"Only seeds whose every run is complete are in a curve: {', '.join(short)}.",) if short else ()
    return Drawing(panels, floor_keys, notes)


def _panel(name: str, curves: Sequence[LevelCurve], along: EpochAxis, axis: ScoreAxis, floors: Sequence[Line]) -> Panel:
    figure = calm(go.Figure(), height=360)
    ends = along.set_on(figure, [epoch for curve in curves for epoch in curve.at])
    add_lines(figure, floors, ends, upright=False)
    placed = [replace(curve, at=tuple(map(along.at, curve.at))) for curve in curves]
    keys = add_curves(figure, placed, axis, size=8, more=lambda curve: _look(curve, along))
    figure.update_yaxes(**score_layout(axis, title="validation score"))
    ended = "; ".join(f"{show_level(curve.level)} {show_score(curve.mean[-1])}" for curve in curves if curve.at)
    alt = f"Validation score by {along.what} and level of {name}, geometric mean and range over seeds. "
    alt += f"At the end: {ended}."
    return Panel(name, figure, alt, key=keys)


def _look(curve: LevelCurve, along: EpochAxis) -> dict[str, Any]:
    places = along.hover([at // along.at(1) for at in curve.at])
    mode = "lines" if len(curve.at) > 1 else "markers"
    return {"mode": mode, "text": places, "hovertemplate": "%{text}: %{y}<extra></extra>"}
