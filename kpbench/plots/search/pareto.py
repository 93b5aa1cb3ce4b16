"""The Pareto set: score against each other objective, the cells that no other beats marked."""

from collections.abc import Sequence
from itertools import pairwise

import plotly.graph_objects as go

from kpbench.analysis.ranking import complete_cells
from kpbench.analysis.search import pareto
from kpbench.cell import RunResult
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout, tick_layout
from kpbench.plots.factors import describe, trials_of, varying
from kpbench.plots.references import add_lines, reference_axis
from kpbench.plots.scores import beyond, drawable, rounded, score_axis, show_score, thinned
from kpbench.plots.traces import Point, add_trace, label, line_style, marker_style
from kpbench.statistics.words import plural, short_count
from kpbench.task.objectives import OBJECTIVES, values_of

MOST_OTHERS = 1_000
"""Cells drawn that are not in the Pareto set."""


def draw_pareto(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """One panel an objective beside the score: the complete cells, the Pareto set over all objectives in front."""
    others = marks.objectives[1:]
    if not others:
        return Drawing(notes=("The search has one objective.",))
    found = {cell: values_of(one, marks.objectives) for cell, one in complete_cells(rows).items()}
    shown = {cell: values for cell, values in found.items() if all(map(drawable, values))}
    front = [one["cell_id"] for one in pareto(rows, marks.objectives) if one["cell_id"] in shown] if shown else []
    if not front:
        return Drawing(notes=("No cell has a complete run yet, so there is no Pareto set.",))
    panels = tuple(_panel(place, name, rows, marks, shown, front) for place, name in enumerate(others, start=1))
    keys = (Key("in the Pareto set", "first", "diamond"), Key("beaten by another cell", "other", "dot"))
    scores = [values[0] for values in shown.values()]
    axis, _, reference_keys = reference_axis(scores, Marks(marks.pass_mark), split="val")
    left = len(found) - len(shown)
    notes = (f"{plural(left, 'cell')} without a place on the axes.",) if left else ()
    return Drawing(panels, (*keys, *reference_keys), (*notes, *beyond(axis, scores)))


def _panel(
    place: int,
    name: str,
    rows: Sequence[RunResult],
    marks: Marks,
    shown: dict[str, tuple[float, ...]],
    front: Sequence[str],
) -> Panel:
    objective, most = OBJECTIVES[name], marks.most.get(name)
    title = f"{objective.title}, {objective.unit}" if objective.unit else objective.title
    across = [values[place] for values in shown.values()]
    axis = score_axis(across, marks=[] if most is None else [most], log=max(across) > 3 * min(across), least=0.0)
    scores, references, _ = reference_axis([v[0] for v in shown.values()], Marks(marks.pass_mark), split="val")
    figure = calm(go.Figure(), height=360)
    add_lines(figure, references, (axis.low, axis.high), upright=False)
    inside = most is not None and axis.low <= most <= axis.high
    if inside and most is not None:
        add_lines(figure, [(most, "failed", "dash")], (scores.low, scores.high), upright=True)
    factors, params = varying(trials_of(rows)), {row.cell: row.params for row in rows}

    def points(cells: Sequence[str]) -> list[Point]:
        return [(rounded(shown[cell][place]), rounded(shown[cell][0])) for cell in cells]

    def hover(cell: str) -> str:
        what = label(describe(params[cell], factors) or cell, length=90)
        return f"{what}<br>score {show_score(shown[cell][0])}, {objective.title} {objective.show(shown[cell][place])}"

    beaten = thinned(sorted(set(shown) - set(front), key=lambda cell: shown[cell]), MOST_OTHERS)
    add_trace(figure, points(beaten), marker=marker_style("other", 7), hover=[hover(cell) for cell in beaten])
    ordered = sorted(front, key=lambda cell: shown[cell][place])
    if len(marks.objectives) == 2:
        steps = [corner for a, b in pairwise(points(ordered)) for corner in (a, (b[0], a[1]), b)]
        add_trace(figure, steps, line=line_style("first", 1.5))
    add_trace(figure, points(ordered), marker=marker_style("first", 10, "diamond"), hover=list(map(hover, ordered)))
    ticks = {tick: short_count(round(tick)) if tick >= 1000 else f"{tick:g}" for tick in axis.ticks}
    scale = f"{title} (log scale)" if axis.log else title
    figure.update_xaxes(**tick_layout(ticks, ends=(axis.low, axis.high), title=scale, log=axis.log))
    figure.update_yaxes(**score_layout(scores, title="validation score"))
    best = objective.show(shown[front[0]][place])
    alt = (
        f"Validation score against {objective.title} of {plural(len(shown), 'cell')}, {len(front)} in the Pareto set. "
    )
    alt += f"Highest score: {show_score(shown[front[0]][0])} at {best}."
    limit = (
        Key(f"at most {objective.show(most)}{'' if inside else ', off the axis'}", "failed", "line", "dash")
        if most
        else None
    )
    return Panel(f"Score and {objective.title}", figure, alt, key=(limit,) if limit else ())
