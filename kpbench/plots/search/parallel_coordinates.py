"""Parallel coordinates: one line a cell through its parameters to its score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from kpbench.cell import RunResult, Scalar
from kpbench.plots.colours import STEPS, light
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm
from kpbench.plots.factors import Factor, clipped, short_names, show_level, show_number, varying
from kpbench.plots.scores import drawable, score_axis, show_score, spread
from kpbench.plots.search.standings import Standing, standings

MOST_LINES = 300
"""Lines drawn."""

ABSENT = 0.04
"""Where the cells that lack a ranged parameter lie on its axis."""

WIDTH = 118
"""Pixels between two axes before the plot is scrolled sideways."""


@dataclass(frozen=True)
class Axis:
    """One axis: its title and its ticks as (place 0 to 1, text)."""

    title: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Line:
    """One cell: its place 0 to 1 on each axis, the last being its score, and its rank from 1."""

    rank: int
    cell: str
    places: tuple[float, ...]
    score: float


@dataclass(frozen=True)
class Lines:
    """The axes, the lines to draw from low to high score, and how many cells there were."""

    axes: tuple[Axis, ...]
    lines: tuple[Line, ...]
    cells: int


def parallel_lines(rows: Sequence[RunResult], *, most: int = MOST_LINES, keep: str | None = None) -> Lines:
    """The cells with a finite tuning score as lines: at most `most`, evenly spaced by rank, and the cell `keep`.

    Lines that share a level are set a little apart there, in order of their score, so that none hides another.
    """
    factors = varying([row for row in rows if row.role == "trial"])
    ranked = [(rank, cell) for rank, cell in enumerate(standings(rows), start=1) if drawable(cell.tuning_score)]
    chosen = [index for index, (_, cell) in enumerate(ranked) if cell.cell == keep]
    kept = [ranked[index] for index in sorted({*chosen, *spread(len(ranked), most)})]
    scale = score_axis(cell.tuning_score for _, cell in ranked)
    names = short_names(factors)
    axes = [
        Axis(names[factor.name], _ticks(factor, absent=any(factor.name not in cell.params for _, cell in ranked)))
        for factor in factors
    ]
    axes.append(Axis("score", tuple((scale.place(tick), show_score(tick)) for tick in scale.ticks)))
    lines = []
    for rank, standing in kept:
        share = scale.place(standing.tuning_score)
        places = [_place(factor, standing, share) for factor in factors]
        lines.append(Line(rank, standing.cell, (*places, share), standing.tuning_score))
    lines.sort(key=lambda line: line.score)
    return Lines(tuple(axes), tuple(lines), len(ranked))


def _ticks(factor: Factor, *, absent: bool) -> tuple[tuple[float, str], ...]:
    if not factor.ranged:
        count = len(factor.levels)
        return tuple(((index + 0.5) / count, show_level(level)) for index, level in enumerate(factor.levels))
    low, high = _ends(factor)
    ticks = [(_up(share), show_number(_value(low + share * (high - low), factor), digits=2)) for share in (0, 0.5, 1)]
    return tuple([(ABSENT, show_level(None)), *ticks] if absent else ticks)


def _up(share: float) -> float:
    """Where a share of a range lies on its axis: above the place of those that lack the parameter."""
    return 0.14 + 0.83 * share


def _ends(factor: Factor) -> tuple[float, float]:
    return _scaled(factor.levels[0], factor), _scaled(factor.levels[-1], factor)


def _scaled(value: Scalar | None, factor: Factor) -> float:
    number = float(value) if value is not None else math.nan
    return math.log(number) if factor.log else number


def _value(scaled: float, factor: Factor) -> float:
    return math.exp(scaled) if factor.log else scaled


def _place(factor: Factor, standing: Standing, share: float) -> float:
    value = factor.level(standing.params)
    if factor.ranged:
        if value is None:
            return ABSENT + 0.06 * (share - 0.5)
        low, high = _ends(factor)
        return _up((_scaled(value, factor) - low) / (high - low))
    count = len(factor.levels)
    index = next(at for at, level in enumerate(factor.levels) if level == value and type(level) is type(value))
    return (index + 0.5 + 0.5 * (share - 0.5)) / count


def draw_parallel_coordinates(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """One line a cell, darker for a higher score, the best cell thick and in its own colour."""
    found = parallel_lines(rows, keep=marks.chosen)
    if len(found.axes) < 2:
        return Drawing(notes=("No parameter varies among the runs so far.",))
    if not found.lines:
        return Drawing(notes=("No cell has a score to draw.",))
    figure = go.Figure()
    best = next((line for line in found.lines if line.cell == marks.chosen), found.lines[-1])
    low, high = found.lines[0].places[-1], found.lines[-1].places[-1]
    for step, role in enumerate(STEPS):
        inside = [line for line in found.lines if _step(line.places[-1], low, high) == step and line is not best]
        _add(figure, inside, role, width=1.5, opacity=0.85 if len(found.lines) < 100 else 0.6)
    _add(figure, [best], "first", width=4, opacity=1.0)
    _axes(figure, found.axes)
    keys = (
        Key(f"best cell (#{best.rank})", "first", "line"),
        Key(f"low score ({show_score(found.lines[0].score)})", STEPS[0], "line"),
        Key(f"high score ({show_score(found.lines[-1].score)})", STEPS[-1], "line"),
    )
    notes = [
        "Lines that share a level are set apart there in order of their score. "
        "Cells without a complete run are not drawn."
    ]
    if found.cells > len(found.lines):
        notes.append(f"Drawn: {len(found.lines)} of {found.cells:,} cells, evenly spaced by rank.")
    alt = f"Parallel coordinates of {len(found.lines)} cells over {len(found.axes) - 1} parameters and the score."
    panel = Panel("", figure, alt, least_width=WIDTH * len(found.axes))
    return Drawing((panel,), keys if len(found.lines) > 1 else keys[:1], tuple(notes))


def _step(place: float, low: float, high: float) -> int:
    if high <= low:
        return len(STEPS) - 1
    return min(len(STEPS) - 1, int(len(STEPS) * (place - low) / (high - low)))


def _add(figure: go.Figure, lines: Sequence[Line], role: str, *, width: float, opacity: float) -> None:
    if not lines:
        return
    axes = len(lines[0].places)
    figure.add_scatter(
        x=[x for _ in lines for x in (*range(axes), None)],
        y=[y for line in lines for y in (*(round(place, 3) for place in line.places), None)],
        mode="lines",
        line={"color": light(role), "width": width, "shape": "spline", "smoothing": 0.35},
        opacity=opacity,
        text=[f"#{line.rank}: {show_score(line.score)}" for line in lines for _ in range(axes + 1)],
        hoverinfo="text",
    )


def _axes(figure: go.Figure, axes: Sequence[Axis]) -> None:
    line = {"type": "line", "y0": 0, "y1": 1, "line": {"color": light("muted"), "width": 1.5}, "layer": "above"}
    titles = [
        {
            "x": at,
            "y": 1.0,
            "yshift": 20,
            "text": f"<b>{escape(clipped(axis.title, length=15), quote=False)}</b>",
            "showarrow": False,
            "font": {"size": 12, "color": light("ink")},
        }
        for at, axis in enumerate(axes)
    ]
    ticks = [
        {
            "x": at,
            "y": place,
            "xshift": 4,
            "xanchor": "left",
            "showarrow": False,
            "text": escape(clipped(text, length=14), quote=False),
            "font": {"size": 11, "color": light("ink")},
            "bgcolor": light("paper"),
            "opacity": 0.85,
            "borderpad": 1,
        }
        for at, axis in enumerate(axes)
        for place, text in axis.ticks
    ]
    calm(figure, height=420, left=38, right=52, top=40, bottom=14)
    figure.update_layout(
        shapes=[{**line, "x0": at, "x1": at} for at in range(len(axes))], annotations=[*titles, *ticks]
    )
    figure.update_xaxes(visible=False, range=[-0.02, len(axes) - 1])
    figure.update_yaxes(visible=False, range=[-0.01, 1.01])
