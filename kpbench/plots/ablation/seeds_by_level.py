"""Every seed's test score by level, with the geometric mean and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import Level, counting_cells
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Panel, add_lines, calm, floor_lines, score_layout
from kpbench.plots.factors import clipped, show_level
from kpbench.plots.scores import ScoreAxis, drawable, rounded, score_axis, show_score
from kpbench.task.score import score_from_mse

LABEL = 16
"""Letters of a level's name on the axis."""

GOLDEN = 0.618034
"""Spreads the points of a level evenly across its line, the same for the same rows."""


@dataclass(frozen=True)
class SeedPoint:
    """One run: its block, its cell's position, its test score; `failed` counts with the mean face's."""

    block: int
    cell: int
    score: float
    failed: bool


def seed_points(found: Analysis, level: Level) -> tuple[SeedPoint, ...]:
    """The runs that speak for a level, by block and cell; those that are missing are left out."""
    table = found.table
    return tuple(
        SeedPoint(block, cell, score_from_mse(float(table.mse[cell, at])), bool(table.failed[cell, at]))
        for at, block in enumerate(table.blocks)
        for cell in counting_cells(found.design, level.factor, level.level)
        if not np.isnan(table.mse[cell, at])
    )


def draw_seeds_by_level(found: Analysis) -> Drawing:
    """One panel a factor, one line a level: a point a run, a bar at the mean with its interval."""
    points = [(level, seed_points(found, level)) for level in found.levels]
    scores = [point.score for _, mine in points for point in mine if drawable(point.score)]
    if not scores:
        return Drawing(notes=("No run has a test score yet.",))
    marks = [floor.get("test", 0.0) for floor in found.floor.values()]
    intervals = [level.interval for level, _ in points if level.interval is not None]
    marks += [end for one in intervals for end in (one.low, one.high) if end is not None]
    axis = score_axis(scores, marks=marks, log=True)
    floors, floor_keys = floor_lines(found.floor, axis, split="test")
    panels = tuple(
        _panel(factor_names(found.design)[factor], [pair for pair in points if pair[0].factor == factor], axis, floors)
        for factor in found.design.factors
    )
    keys = [Key("one run", "run", "dot"), Key("geometric mean with its 95 % interval over seeds", "first", "bar")]
    if any(point.failed for _, mine in points for point in mine):
        keys.append(Key("diverged, with the mean face's score", "failed", "cross"))
    return Drawing(panels, (*keys, *floor_keys))


def _panel(
    name: str,
    points: Sequence[tuple[Level, Sequence[SeedPoint]]],
    axis: ScoreAxis,
    floors: Sequence[tuple[float, str, str]],
) -> Panel:
    figure = go.Figure()
    foot, head = len(points) - 0.45, -0.55
    add_lines(figure, floors, (foot, head), upright=True)
    for at, (level, mine) in enumerate(points):
        _add_level(figure, at, level, mine)
    calm(figure, height=78 + max(110, 44 * len(points)), left=10)
    figure.update_xaxes(**score_layout(axis, title="test score"))
    figure.update_yaxes(
        range=[foot, head],
        tickmode="array",
        tickvals=list(range(len(points))),
        ticktext=[escape(clipped(show_level(level.level), length=LABEL), quote=False) for level, _ in points],
        showgrid=False,
        automargin=True,
    )
    means = "; ".join(
        f"{show_level(level.level)} {show_score(level.interval.score)}" for level, _ in points if level.interval
    )
    alt = f"Test score of every run by level of {name}. Geometric means: {means or 'none yet'}."
    return Panel(name, figure, alt)


def _add_level(figure: go.Figure, at: int, level: Level, points: Sequence[SeedPoint]) -> None:
    for failed, symbol, role in ((False, "circle", "run"), (True, "x-thin", "failed")):
        mine = [(index, p) for index, p in enumerate(points) if p.failed == failed and drawable(p.score)]
        if mine:
            figure.add_scatter(
                x=[rounded(point.score) for _, point in mine],
                y=[round(at + 0.55 * ((index * GOLDEN) % 1 - 0.5), 2) for index, _ in mine],
                mode="markers",
                marker={
                    "symbol": symbol, "size": 9 if failed else 7, "color": light(role), "opacity": 1 if failed else 0.6,
                    "line": {"width": 2 if failed else 0, "color": light(role)},
                },
                text=[f"block {point.block}" + (", diverged" if failed else "") for _, point in mine],
                hovertemplate="%{text}: %{x}<extra></extra>",
            )  # fmt: skip
    interval = level.interval
    if interval is None or not drawable(interval.score):
        return
    if interval.low is not None and interval.high is not None and interval.high < 1e12:
        figure.add_scatter(
            x=[rounded(interval.low), rounded(interval.high)], y=[at, at], mode="lines",
            line={"color": light("first"), "width": 2.5}, hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=[rounded(interval.score)],
        y=[at],
        mode="markers",
        marker={"symbol": "line-ns", "size": 22, "line": {"width": 3, "color": light("first")}},
        hovertext=f"geometric mean {show_score(interval.score)} over {interval.n} seeds",
        hoverinfo="text",
    )
