"""Score profile: for each level the share of its runs that reach a score, so that a rare collapse is seen."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import Level
from kpbench.plots.ablation.names import factor_names, level_look
from kpbench.plots.ablation.seeds_by_level import run_scores, seed_points
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout
from kpbench.plots.factors import show_level
from kpbench.plots.references import Line, add_lines, reference_axis
from kpbench.plots.scores import ScoreAxis, beyond, drawable, rounded
from kpbench.plots.traces import Point, add_trace, line_style

FEWEST = 2
"""Runs below which a level has no profile."""


def profile(scores: Sequence[float]) -> list[Point]:
    """The corners of the share of runs with a higher score, from the lowest score to the highest."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    shares = np.round(1.0 - np.arange(len(ordered) + 1) / len(ordered), 4)
    corners: list[Point] = []
    for at, score in enumerate(ordered.tolist()):
        corners += [(rounded(score), float(shares[at])), (rounded(score), float(shares[at + 1]))]
    return corners


def draw_score_profile(found: Analysis) -> Drawing:
    """One panel a factor, one line a level (Agarwal et al. 2021, arXiv 2108.13264, section 4)."""
    runs = {
        (level.factor, level.level): [score for _, score, _ in seed_points(found, level) if drawable(score)]
        for level in found.levels
    }
    scores = [score for mine in runs.values() for score in mine if len(mine) >= FEWEST]
    if not scores:
        return Drawing(notes=("No level has two runs with a score yet, so there is no profile.",))
    axis, floors, keys = reference_axis(scores, Marks(floor=found.floor), split=found.split, log=True)
    panels = []
    for factor in found.design.factors:
        levels = [level for level in found.levels if level.factor == factor]
        name = factor_names(found.design)[factor]
        panels.append(_panel(name, [(level, runs[factor, level.level]) for level in levels], axis, floors))
    return Drawing(tuple(panels), keys, beyond(axis, run_scores(found)))


def _panel(
    name: str, levels: Sequence[tuple[Level, Sequence[float]]], axis: ScoreAxis, floors: Sequence[Line]
) -> Panel:
    figure = calm(go.Figure(), height=240)
    add_lines(figure, floors, (0.0, 1.0), upright=True)
    keys = []
    for at, (level, scores) in enumerate(levels):
        role, dash = level_look(at)
        keys.append(Key(show_level(level.level), role, "line", dash))
        if len(scores) >= FEWEST:
            add_trace(figure, profile(scores), line=line_style(role, 2, dash))
    figure.update_xaxes(**score_layout(axis, title="score"))
    figure.update_yaxes(range=[-0.03, 1.03], title={"text": "share of runs above", "standoff": 8})
    alt = f"Share of runs above each score, by level of {name}: {', '.join(key.label for key in keys)}."
    return Panel(name, figure, alt, tuple(keys))
