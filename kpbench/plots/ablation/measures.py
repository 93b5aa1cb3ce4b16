"""Score against the shift of the test faces, a line a level."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import Level, shift_of
from kpbench.cell import Scalar
from kpbench.plots.ablation.names import factor_names, level_look
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Panel, add_lines, calm, floor_lines, score_layout
from kpbench.plots.factors import show_level
from kpbench.plots.scores import ScoreAxis, rounded, score_axis, show_score
from kpbench.statistics.words import seeds_text


@dataclass(frozen=True)
class ShiftCurve:
    """A level's geometric-mean score by shift, with the ends of its interval; those of a single seed are its score."""

    level: Scalar
    shifts: tuple[int, ...]
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


def shift_curve(level: Level) -> ShiftCurve:
    """The shifts that a level was scored under, from the smallest."""
    found = [(shift, one.interval) for one in level.measures if (shift := shift_of(one.name)) is not None]
    return ShiftCurve(
        level.level,
        tuple(shift for shift, _ in found),
        tuple(one.score for _, one in found),
        tuple(one.score if one.low is None else one.low for _, one in found),
        tuple(one.score if one.high is None else one.high for _, one in found),
        max((one.n for _, one in found), default=0),
    )


def draw_measures(found: Analysis) -> Drawing:
    """One panel a factor: score over pixels of shift, the interval over seeds as a band."""
    curves = {
        factor: [shift_curve(level) for level in found.levels if level.factor == factor]
        for factor in found.design.factors
    }
    drawn = {factor: mine for factor, mine in curves.items() if any(len(curve.shifts) > 1 for curve in mine)}
    if not drawn:
        return Drawing(notes=("No network was scored on shifted faces.",))
    axis = score_axis(
        (score for mine in drawn.values() for curve in mine for score in (*curve.low, *curve.high) if score < 1e12),
        marks=[scores.get("test", 0.0) for scores in found.floor.values()],
        log=True,
    )
    floors, floor_keys = floor_lines(found.floor, axis, split="test")
    names = factor_names(found.design)
    panels = tuple(_panel(names[factor], mine, axis, floors) for factor, mine in drawn.items())
    keys = tuple(Key(f"{key.label}, unshifted", key.colour, key.mark, key.dash) for key in floor_keys)
    confidence = f"{100 * (1 - found.design.alpha):g}"
    return Drawing(panels, keys, (f"Geometric mean over seeds; the band is its {confidence} % interval.",))


def _panel(name: str, curves: Sequence[ShiftCurve], axis: ScoreAxis, floors: Sequence[tuple[float, str, str]]) -> Panel:
    figure = go.Figure()
    calm(figure, height=320)
    shifts = sorted({shift for curve in curves for shift in curve.shifts})
    room = 0.04 * (shifts[-1] - shifts[0])
    ends = (shifts[0] - room, shifts[-1] + room)
    add_lines(figure, floors, ends, upright=False)
    drawn = [(at, curve) for at, curve in enumerate(curves) if curve.shifts]
    for at, curve in drawn:
        role, _ = level_look(at)
        figure.add_scatter(
            x=[*curve.shifts, *reversed(curve.shifts)],
            y=[_inside(axis, score) for score in (*curve.low, *reversed(curve.high))],
            mode="lines",
            fill="toself",
            fillcolor=light(role),
            line={"width": 0, "color": light(role)},
            opacity=0.16,
            hoverinfo="skip",
        )
    keys = []
    for at, curve in drawn:
        role, dash = level_look(at)
        keys.append(
            Key(
                f"{show_level(curve.level)}{' (baseline)' if at == 0 else ''}, {seeds_text(curve.seeds)}",
                role,
                "line",
                dash,
            )
        )
        figure.add_scatter(
            x=list(curve.shifts),
            y=[rounded(score) for score in curve.scores],
            mode="lines+markers",
            line={"color": light(role), "width": 2.5, "dash": dash},
            marker={"color": light(role), "size": 6},
            hovertext=[_hover(curve, place) for place in range(len(curve.shifts))],
            hoverinfo="text",
        )
    figure.update_xaxes(
        range=list(ends),
        tickmode="array",
        tickvals=shifts,
        title={"text": "shift of the test faces, pixels", "standoff": 8},
    )
    figure.update_yaxes(**score_layout(axis, title="score"))
    told = "; ".join(
        f"{show_level(curve.level)} {show_score(curve.scores[0])} to {show_score(curve.scores[-1])}"
        for _, curve in drawn
    )
    alt = f"Score by level of {name} under shifts of {shifts[0]} to {shifts[-1]} pixels. From least to most: {told}."
    return Panel(name, figure, alt, key=tuple(keys))


def _inside(axis: ScoreAxis, score: float) -> float:
    return rounded(min(max(score, axis.low), axis.high))


def _hover(curve: ShiftCurve, at: int) -> str:
    low, high = show_score(curve.low[at]), show_score(curve.high[at])
    interval = "" if curve.seeds < 2 else f", {low} to {high}"
    text = f"{show_level(curve.level)}, shifted {curve.shifts[at]} px: {show_score(curve.scores[at])}{interval}"
    return escape(text, quote=False)
