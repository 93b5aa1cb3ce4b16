"""Every seed's score by level, with the geometric mean and its interval."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import Level, counting_cells
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout
from kpbench.plots.factors import show_level
from kpbench.plots.references import Line, add_lines, reference_axis
from kpbench.plots.scores import ScoreAxis, beyond, drawable, jitter, rounded, show_score
from kpbench.plots.traces import add_trace, line_style, marker_style, name_ticks
from kpbench.task.score import score_from_mse

LABEL = 16
"""Letters of a level's name on the axis."""


SeedPoint = tuple[int, float, bool]
"""One run: its block, its score, and whether it failed and has the mean face's."""


def seed_points(found: Analysis, level: Level) -> tuple[SeedPoint, ...]:
    """The runs that speak for a level, by block and cell; those that are missing are left out."""
    table = found.table
    return tuple(
        (block, score_from_mse(float(table.mse[cell, at])), bool(table.failed[cell, at]))
        for at, block in enumerate(table.blocks)
        for cell in counting_cells(found.design, level.factor, level.level)
        if not np.isnan(table.mse[cell, at])
    )


def run_scores(found: Analysis) -> list[float]:
    """The score of every run of the table, each once."""
    return [score_from_mse(mse) for mse in found.table.mse.ravel().tolist() if not math.isnan(mse)]


def draw_seeds_by_level(found: Analysis) -> Drawing:
    """One panel a factor, one line a level: a point a run, a bar at the mean with its interval."""
    points = [(level, seed_points(found, level)) for level in found.levels]
    scores = [score for _, mine in points for _, score, _ in mine if drawable(score)]
    if not scores:
        return Drawing(notes=("No run has a score yet.",))
    intervals = [level.interval for level, _ in points if level.interval is not None]
    ends = [end for one in intervals for end in (one.low, one.high) if end is not None]
    axis, floors, floor_keys = reference_axis(scores, Marks(floor=found.floor), split=found.split, log=True, also=ends)
    panels = tuple(
        _panel(factor_names(found.design)[factor], [pair for pair in points if pair[0].factor == factor], axis, floors)
        for factor in found.design.factors
    )
    keys = [Key("one run", "run", "dot"), Key("geometric mean with its 95 % interval over seeds", "first", "bar")]
    if any(failed for _, mine in points for _, _, failed in mine):
        keys.append(Key("diverged or collapsed, with the mean face's score", "failed", "cross"))
    return Drawing(panels, (*keys, *floor_keys), beyond(axis, run_scores(found)))


def _panel(
    name: str, points: Sequence[tuple[Level, Sequence[SeedPoint]]], axis: ScoreAxis, floors: Sequence[Line]
) -> Panel:
    figure = calm(go.Figure(), height=78 + max(110, 44 * len(points)), left=10)
    foot, head = len(points) - 0.45, -0.55
    add_lines(figure, floors, (foot, head), upright=True)
    for at, (level, mine) in enumerate(points):
        _add_level(figure, at, level, mine)
    figure.update_xaxes(**score_layout(axis, title="score"))
    ticks = name_ticks((show_level(level.level) for level, _ in points), length=LABEL)
    figure.update_yaxes(range=[foot, head], showgrid=False, automargin=True, **ticks)
    means = "; ".join(
        f"{show_level(level.level)} {show_score(level.interval.score)}" for level, _ in points if level.interval
    )
    alt = f"Score of every run by level of {name}. Geometric means: {means or 'none yet'}."
    return Panel(name, figure, alt)


def _add_level(figure: go.Figure, at: int, level: Level, points: Sequence[SeedPoint]) -> None:
    ordinary = marker_style("run", 7, "circle", edge=0) | {"opacity": 0.6}
    diverged = marker_style("failed", 9, "x-thin", edge=2) | {"opacity": 1}
    placed = [(block, score, failed, at + 0.55 * jitter(index)) for index, (block, score, failed) in enumerate(points)]
    for lost, marker, words in ((False, ordinary, ""), (True, diverged, ", failed")):
        mine = [(rounded(score), y, block) for block, score, failed, y in placed if failed == lost and drawable(score)]
        if mine:
            add_trace(
                figure,
                [(score, round(y, 2)) for score, y, _ in mine],
                marker=marker,
                text=[f"block {block}{words}" for _, _, block in mine],
                hovertemplate="%{text}: %{x}<extra></extra>",
            )
    interval = level.interval
    if interval is None or not drawable(interval.score):
        return
    if interval.low is not None and interval.high is not None and interval.high < 1e12:
        ends = [(rounded(end), at) for end in (interval.low, interval.high)]
        add_trace(figure, ends, line=line_style("first", 2.5))
    marker = {"symbol": "line-ns", "size": 22, "line": line_style("first", 3)}
    hover = f"geometric mean {show_score(interval.score)} over {interval.n} seeds"
    add_trace(figure, [(rounded(interval.score), at)], marker=marker, hover=hover)
