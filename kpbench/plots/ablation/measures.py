"""Score against the shift of the faces, a line a level."""

from collections.abc import Sequence

import plotly.graph_objects as go

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.ablation.levels import Level, shift_of
from kpbench.plots.ablation.level_curves import LevelCurve, add_curves
from kpbench.plots.ablation.names import factor_names
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout
from kpbench.plots.factors import show_level
from kpbench.plots.references import Line, add_lines, reference_axis
from kpbench.plots.scores import ScoreAxis, show_score
from kpbench.plots.traces import label


def shift_curve(level: Level) -> LevelCurve:
    """A level's score under each shift, from the smallest, with its interval; that of a single seed is its score."""
    found = [(shift, one.interval) for one in level.measures if (shift := shift_of(one.name)) is not None]
    return LevelCurve(
        level.level,
        at=tuple(shift for shift, _ in found),
        mean=tuple(one.score for _, one in found),
        low=tuple(one.score if one.low is None else one.low for _, one in found),
        high=tuple(one.score if one.high is None else one.high for _, one in found),
        seeds=max((one.n for _, one in found), default=0),
    )


def draw_measures(found: Analysis) -> Drawing:
    """One panel a factor: score over pixels of shift, the interval over seeds as a band."""
    curves = {
        factor: [shift_curve(level) for level in found.levels if level.factor == factor]
        for factor in found.design.factors
    }
    drawn = {factor: mine for factor, mine in curves.items() if any(len(curve.at) > 1 for curve in mine)}
    if not drawn:
        return Drawing(notes=("No network was scored on shifted faces.",))
    scores = (score for mine in drawn.values() for curve in mine for score in (*curve.low, *curve.high) if score < 1e12)
    axis, floors, floor_keys = reference_axis(scores, Marks(floor=found.floor), split=found.split, log=True, least=0.0)
    names = factor_names(found.design)
    panels = tuple(_panel(names[factor], mine, axis, floors) for factor, mine in drawn.items())
    keys = tuple(Key(f"{key.label}, unshifted", key.colour, key.mark, key.dash) for key in floor_keys)
    note = f"Geometric mean over seeds; the band is its {100 * (1 - found.design.alpha):g} % interval."
    return Drawing(panels, keys, (note,))


def _panel(name: str, curves: Sequence[LevelCurve], axis: ScoreAxis, floors: Sequence[Line]) -> Panel:
    figure = calm(go.Figure(), height=320)
    shifts = sorted({shift for curve in curves for shift in curve.at})
    room = 0.04 * (shifts[-1] - shifts[0])
    ends = (shifts[0] - room, shifts[-1] + room)
    add_lines(figure, floors, ends, upright=False)
    keys = add_curves(figure, curves, axis, size=6, more=lambda curve: {"hover": _hover(curve)})
    title = {"text": "shift of the faces, pixels", "standoff": 8}
    figure.update_xaxes(range=list(ends), tickmode="array", tickvals=shifts, title=title)
    figure.update_yaxes(**score_layout(axis, title="score"))
    ends_of = "; ".join(
        f"{show_level(curve.level)} {show_score(curve.mean[0])} to {show_score(curve.mean[-1])}"
        for curve in curves
        if curve.at
    )
    alt = f"Score by level of {name} under shifts of {shifts[0]} to {shifts[-1]} pixels. From least to most: {ends_of}."
    return Panel(name, figure, alt, key=keys)


def _hover(curve: LevelCurve) -> list[str]:
    return [
        label(
            f"{show_level(curve.level)}, shifted {shift} px: {show_score(mean)}"
            + (f", {show_score(low)} to {show_score(high)}" if curve.seeds > 1 else "")
        )
        for shift, mean, low, high in zip(curve.at, curve.mean, curve.low, curve.high, strict=True)
    ]
