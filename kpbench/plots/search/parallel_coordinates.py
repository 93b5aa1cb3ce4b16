"""Parallel coordinates: one line a cell through its parameters to its score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from kpbench.cell import RunResult
from kpbench.plots.colours import STEPS, light
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm
from kpbench.plots.factors import Factor, on_scales, show_level, trials_of, varying
from kpbench.plots.scores import beyond, drawable, score_axis, show_score, thinned
from kpbench.plots.search.standings import Standing, standings
from kpbench.plots.traces import GAP, add_trace, label, line_style
from kpbench.statistics.words import short_names, show_number

MOST_LINES = 300
"""Lines drawn."""

ABSENT = 0.04
"""Where the cells that lack a ranged parameter lie on its axis."""

APART = (
    "Lines that share a level are set apart there in order of their score. Cells without a complete run are not drawn."
)

WIDTH = 118
"""Pixels between two axes before the plot is scrolled sideways."""

Axis = tuple[str, list[tuple[float, str]]]
"""An axis: its title, and its ticks as places from 0 to 1 with their texts."""


@dataclass(frozen=True)
class Line:
    """One cell: its place 0 to 1 on each axis, the last being its score, and its rank from 1."""

    rank: int
    cell: str
    places: tuple[float, ...]
    score: float


def parallel_lines(
    rows: Sequence[RunResult],
    *,
    most: int = MOST_LINES,
    keep: str | None = None,
    ranges: Mapping[str, bool] | None = None,
) -> tuple[list[Axis], list[Line], list[str]]:
    """The axes, the lines to draw from low to high score, and sentences on what is not drawn as it is.

    The lines are the cells with a finite tuning score as lines: at most `most`, evenly spaced by rank, and the
    cell `keep`. Lines that share a level are set a little apart there, in order of their score, so that none hides
    another. A score beyond the axis lies at its foot.

    Args:
        ranges: as in `on_scales`.
    """
    factors = on_scales(varying(trials_of(rows)), ranges)
    ranked = [(rank, cell) for rank, cell in enumerate(standings(rows), start=1) if drawable(cell.tuning_score)]
    chosen = [index for index, (_, cell) in enumerate(ranked) if cell.cell == keep]
    scale = score_axis(cell.tuning_score for _, cell in ranked)
    names = short_names(factor.name for factor in factors)
    shapes = {tuple(cell.params) for _, cell in ranked}
    axes = [
        (names[factor.name], _ticks(factor, absent=any(factor.name not in shape for shape in shapes)))
        for factor in factors
    ]
    axes.append(("score", [(scale.place(tick), show_score(tick)) for tick in scale.ticks]))
    lines = []
    for rank, cell in (ranked[index] for index in sorted({*chosen, *thinned(range(len(ranked)), most)})):
        share = max(0.0, scale.place(cell.tuning_score))
        places = (*(_place(factor, cell, share) for factor in factors), share)
        lines.append(Line(rank, cell.cell, places, cell.tuning_score))
    notes = [*beyond(scale, (cell.tuning_score for _, cell in ranked))]
    if len(ranked) > len(lines):
        notes.insert(0, f"Drawn: {len(lines)} of {len(ranked):,} cells, evenly spaced by rank.")
    return axes, sorted(lines, key=lambda line: line.score), notes


def _ticks(factor: Factor, *, absent: bool) -> list[tuple[float, str]]:
    if not factor.ranged:
        count = len(factor.levels)
        return [((index + 0.5) / count, show_level(level)) for index, level in enumerate(factor.levels)]
    low, high = factor.ends
    values = {share: factor.unscaled(low + share * (high - low)) for share in (0, 0.5, 1)}
    ticks = [(_up(share), show_number(value, digits=2)) for share, value in values.items()]
    return [(ABSENT, show_level(None)), *ticks] if absent else ticks


def _up(share: float) -> float:
    """Where a share of a range lies on its axis: above the place of those that lack the parameter."""
    return 0.14 + 0.83 * share


def _place(factor: Factor, cell: Standing, share: float) -> float:
    value = cell.params.get(factor.name)
    if not factor.ranged:
        return (factor.place(value) + 0.5 + 0.5 * (share - 0.5)) / len(factor.levels)
    if value is None:
        return ABSENT + 0.06 * (share - 0.5)
    low, high = factor.ends
    return _up((factor.scaled(value) - low) / (high - low))


def draw_parallel_coordinates(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """One line a cell, darker for a higher score, the best cell thick and in its own colour."""
    axes, lines, notes = parallel_lines(rows, keep=marks.chosen, ranges=marks.ranges)
    if len(axes) < 2:
        return Drawing(notes=("No parameter varies among the runs so far.",))
    if not lines:
        return Drawing(notes=("No cell has a score to draw.",))
    figure = calm(go.Figure(), height=420, left=38, right=52, top=40, bottom=14)
    best = next((line for line in lines if line.cell == marks.chosen), lines[-1])
    low, high = lines[0].places[-1], lines[-1].places[-1]
    by_role: dict[str, list[Line]] = {role: [] for role in STEPS}
    for line in lines:
        share = (line.places[-1] - low) / (high - low) if high > low else 1.0
        if line is not best:
            by_role[STEPS[min(len(STEPS) - 1, int(len(STEPS) * share))]].append(line)
    for role, inside in by_role.items():
        _add(figure, inside, role, width=1.5, opacity=0.85 if len(lines) < 100 else 0.6)
    _add(figure, [best], "first", width=4, opacity=1.0)
    _axes(figure, axes)
    keys = (
        Key(f"best cell (#{best.rank})", "first", "line"),
        Key(f"low score ({show_score(lines[0].score)})", STEPS[0], "line"),
        Key(f"high score ({show_score(lines[-1].score)})", STEPS[-1], "line"),
    )
    alt = f"Parallel coordinates of {len(lines)} cells over {len(axes) - 1} parameters and the score."
    panel = Panel("", figure, alt, least_width=WIDTH * len(axes))
    return Drawing((panel,), keys if len(lines) > 1 else keys[:1], (APART, *notes))


def _add(figure: go.Figure, lines: Sequence[Line], role: str, *, width: float, opacity: float) -> None:
    if not lines:
        return
    add_trace(
        figure,
        [point for line in lines for point in (*((at, round(y, 3)) for at, y in enumerate(line.places)), GAP)],
        line=line_style(role, width) | {"shape": "spline", "smoothing": 0.35},
        opacity=opacity,
        text=[f"#{line.rank}: {show_score(line.score)}" for line in lines for _ in (*line.places, None)],
        hoverinfo="text",
    )


def _axes(figure: go.Figure, axes: Sequence[Axis]) -> None:
    ink = light("ink")
    line = {"color": light("muted"), "width": 1.5}
    bars = [go.layout.Shape(type="line", x0=at, x1=at, y0=0, y1=1, line=line, layer="above") for at in range(len(axes))]
    texts = [
        go.layout.Annotation(
            x=at, y=1.0, yshift=20, text=f"<b>{label(title, length=15)}</b>", showarrow=False,
            font={"size": 12, "color": ink},
        )
        for at, (title, _) in enumerate(axes)
    ]  # fmt: skip
    texts += [
        go.layout.Annotation(
            x=at, y=place, xshift=4, xanchor="left", showarrow=False, text=label(text, length=14),
            font={"size": 11, "color": ink}, bgcolor=light("paper"), opacity=0.85, borderpad=1,
        )
        for at, (_, ticks) in enumerate(axes)
        for place, text in ticks
    ]  # fmt: skip
    figure.update_layout(shapes=bars, annotations=texts)  # one by one each copies those before it
    figure.update_xaxes(visible=False, range=[-0.02, len(axes) - 1])
    figure.update_yaxes(visible=False, range=[-0.01, 1.01])
