"""Score by factor: every run's score over the levels of each parameter that varies, with the mean of each level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from kpbench.cell import RunResult, Scalar
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, add_lines, calm, reference_lines, score_layout
from kpbench.plots.factors import Factor, clipped, short_names, show_level, show_number, varying
from kpbench.plots.scores import (
    ScoreAxis,
    drawable,
    geometric_mean,
    rounded,
    score_axis,
    show_score,
    spread,
    unscored,
    val_score,
)

MOST_POINTS = 1200
"""Points drawn in one panel; the means are always of all runs."""

BINS = 5
"""Parts a range is cut into for its means, equally wide on the axis."""

LABEL = 19
"""Letters of a level's name that are shown on the axis."""

ALIGNED = (52, 112)
"""Panels share a left margin of that many pixels, between the two; a panel with longer names has its own."""

GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Level:
    """One level of a factor, or one part of its range, with the runs that had it.

    Attributes:
        place: where it lies on the parameter axis: the index of a level, the middle of a part, NaN for nowhere.
        mean: geometric mean of the complete runs' scores, NaN for none; best: their highest.
        complete, pruned, failed: number of runs that ended so; complete counts those with a usable score.
    """

    name: str
    place: float
    mean: float
    best: float
    complete: int
    pruned: int
    failed: int


def by_level(rows: Sequence[RunResult], factor: Factor) -> tuple[Level, ...]:
    """The trials grouped by the levels of a factor, groups without a run left out.

    A range is cut into five parts; the runs that do not have the parameter are a group of their own without a place.
    """
    trials = [row for row in rows if row.role == "trial"]
    if not factor.ranged:
        groups = [(show_level(level), float(index), [row for row in trials if _same(factor.level(row.params), level)])
                  for index, level in enumerate(factor.levels)]  # fmt: skip
    else:
        groups = []
        ends = [_scaled(factor.levels[0], factor), _scaled(factor.levels[-1], factor)]
        width = (ends[1] - ends[0]) / BINS
        for index in range(BINS):
            low = ends[0] + index * width
            inside = [row for row in trials if _part(factor.level(row.params), factor, ends[0], width) == index]
            name = f"{show_number(_unscaled(low, factor))} to {show_number(_unscaled(low + width, factor))}"
            groups.append((name, _unscaled(low + width / 2, factor), inside))
        groups.append((show_level(None), math.nan, [row for row in trials if factor.level(row.params) is None]))
    return tuple(_level(name, place, found) for name, place, found in groups if found)


def _same(value: Scalar | None, level: Scalar | None) -> bool:
    return value == level and isinstance(value, bool) == isinstance(level, bool)


def _scaled(value: Scalar | None, factor: Factor) -> float:
    number = float(value) if value is not None else math.nan
    return math.log(number) if factor.log else number


def _unscaled(value: float, factor: Factor) -> float:
    return math.exp(value) if factor.log else value


def _part(value: Scalar | None, factor: Factor, low: float, width: float) -> int:
    if value is None:
        return -1
    return min(BINS - 1, int((_scaled(value, factor) - low) / width))


def _level(name: str, place: float, rows: Sequence[RunResult]) -> Level:
    scores = [score for score in map(val_score, rows) if not math.isnan(score)]
    pruned = sum(row.state == "pruned" for row in rows)
    return Level(
        name=name,
        place=place,
        mean=geometric_mean(scores),
        best=max(scores, default=math.nan),
        complete=len(scores),
        pruned=pruned,
        failed=len(rows) - len(scores) - pruned,
    )


def draw_score_by_factor(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """One panel a factor: score to the right, the parameter's levels or range upwards."""
    trials = [row for row in rows if row.role == "trial"]
    factors = varying(trials)
    if not factors:
        return Drawing(notes=("No parameter varies among the runs so far.",))
    shown = sorted((row for row in trials if drawable(_last_score(row))), key=_order)
    if not any(row.state == "complete" for row in shown):
        return Drawing(notes=("No run is complete with a score, so there is nothing to compare.",))
    drawn = [shown[index] for index in spread(len(shown), MOST_POINTS)]
    axis = score_axis(map(_last_score, shown), marks=[marks.pass_mark, *marks.on("val").values()])
    names = short_names(factors)
    left = max([ALIGNED[0], *(width for width in map(_label_width, factors) if width <= ALIGNED[1])])
    panels = tuple(
        _panel(
            factor,
            name=names[factor.name],
            trials=trials,
            drawn=drawn,
            axis=axis,
            marks=marks,
            left=max(left, _label_width(factor)),
        )
        for factor in factors
    )
    keys = [Key("complete run", "run", "dot"), Key("geometric mean of complete runs", "first", "bar")]
    if any(row.state == "pruned" for row in drawn):
        keys.insert(1, Key("stopped early, last score, not in the mean", "pruned", "cross"))
    return Drawing(panels, (*keys, *reference_lines(marks, axis, split="val")[1]), _notes(trials, shown, drawn))


def _notes(trials: Sequence[RunResult], shown: Sequence[RunResult], drawn: Sequence[RunResult]) -> tuple[str, ...]:
    notes = []
    if len(shown) > len(drawn):
        notes.append(
            f"Drawn: {len(drawn):,} of {len(shown):,} runs, evenly spaced by score; the means are of all complete runs."
        )
    lost, infinite = unscored(trials)
    failed = sum(row.state == "failed" for row in trials) + lost
    if failed:
        notes.append(f"{failed:,} runs have no score and are in no mean; the tables count them by level.")
    if infinite:
        notes.append(
            f"{infinite:,} runs with an infinite score (MSE 0) have no place on the axis; "
            "the mean of their level is infinite."
        )
    return tuple(notes)


def _last_score(row: RunResult) -> float:
    """A complete run's score, or the last score of a pruned one; NaN for neither."""
    if row.state != "pruned":
        return val_score(row)
    return row.val_score if row.val_score is not None else math.nan


def _order(row: RunResult) -> tuple[bool, float]:
    return (row.state == "complete", _last_score(row))


def _panel(
    factor: Factor,
    *,
    name: str,
    trials: Sequence[RunResult],
    drawn: Sequence[RunResult],
    axis: ScoreAxis,
    marks: Marks,
    left: int,
) -> Panel:
    levels = by_level(trials, factor)
    figure = go.Figure()
    add_lines(figure, reference_lines(marks, axis, split="val")[0], _ends(factor), upright=True)
    _points(figure, factor, drawn)
    _means(figure, factor, levels)
    height = 78 + max(120, 34 * len(factor.levels)) if not factor.ranged else 320
    calm(figure, height=height, left=left)
    figure.update_xaxes(**score_layout(axis, title="score"))
    if factor.ranged:
        ends = [math.log10(end) for end in _ends(factor)] if factor.log else list(_ends(factor))
        figure.update_yaxes(type="log" if factor.log else "linear", range=ends, nticks=6, exponentformat="e")
        if factor.log:
            figure.update_yaxes(dtick=1 if ends[1] - ends[0] > 1.3 else "D2")
    else:
        figure.update_yaxes(
            range=list(_ends(factor)),
            tickmode="array",
            tickvals=list(range(len(factor.levels))),
            ticktext=[escape(clipped(show_level(level), length=LABEL), quote=False) for level in factor.levels],
            showgrid=False,
        )
    ranked = sorted((level for level in levels if level.complete), key=lambda level: -level.mean)
    alt = f"Validation score by {factor.name}. "
    alt += "; ".join(f"{level.name}: mean {show_score(level.mean)} over {level.complete} runs" for level in ranked[:6])
    head = ("part of the range" if factor.ranged else "level", "runs", "mean", "best", "stopped early", "failed")
    body = (
        (
            level.name,
            f"{level.complete:,}",
            show_score(level.mean),
            show_score(level.best),
            f"{level.pruned:,}",
            f"{level.failed:,}",
        )
        for level in levels
    )
    return Panel(name, figure, alt + ".", levels=(head, *body))


def _ends(factor: Factor) -> tuple[float, float]:
    """The ends of the parameter axis from below: levels run downwards, a range upwards."""
    if not factor.ranged:
        return len(factor.levels) - 0.45, -0.55
    low, high = _scaled(factor.levels[0], factor), _scaled(factor.levels[-1], factor)
    room = 0.05 * (high - low)
    return _unscaled(low - room, factor), _unscaled(high + room, factor)


def _label_width(factor: Factor) -> int:
    """Pixels the level names of a factor need."""
    if factor.ranged:
        return ALIGNED[0]
    return 16 + max(math.ceil(7.2 * min(LABEL, len(show_level(level)))) for level in factor.levels)


def _points(figure: go.Figure, factor: Factor, drawn: Sequence[RunResult]) -> None:
    index = {(isinstance(level, bool), level): place for place, level in enumerate(factor.levels)}
    for state, symbol, role in (("pruned", "x-thin-open", "pruned"), ("complete", "circle", "run")):
        found = [row for row in drawn if row.state == state]
        places: list[float] = []
        kept = []
        for at, row in enumerate(found):
            value = factor.level(row.params)
            if factor.ranged:
                if value is None:
                    continue
                places.append(rounded(float(value)))
            else:
                offset = (at * GOLDEN) % 1 - 0.5
                places.append(round(index[isinstance(value, bool), value] + 0.5 * offset, 2))
            kept.append(row)
        figure.add_scatter(
            x=[rounded(_last_score(row)) for row in kept],
            y=places,
            mode="markers",
            marker={
                "symbol": symbol,
                "size": 5 if len(drawn) > 300 else 7,
                "color": light(role),
                "opacity": 0.45 if len(drawn) > 300 else 0.6,
                "line": {"width": 1 if state == "pruned" else 0, "color": light(role)},
            },
            text=[row.trial for row in kept],
            hovertemplate="trial %{text}: %{x}<extra></extra>",
        )


def _means(figure: go.Figure, factor: Factor, levels: Sequence[Level]) -> None:
    found = [level for level in levels if drawable(level.mean) and not math.isnan(level.place)]
    if factor.ranged:
        figure.add_scatter(
            x=[rounded(level.mean) for level in found],
            y=[rounded(level.place) for level in found],
            mode="lines+markers",
            line={"color": light("first"), "width": 2},
            marker={"symbol": "line-ns-open", "size": 16, "color": light("first"), "line": {"width": 3}},
            hovertext=[f"{level.name}: mean {show_score(level.mean)} of {level.complete}" for level in found],
            hoverinfo="text",
        )
        return
    figure.add_scatter(
        x=[rounded(level.mean) for level in found],
        y=[level.place for level in found],
        mode="markers",
        marker={
            "symbol": "line-ns-open",
            "size": 26,
            "color": light("first"),
            "line": {"width": 3, "color": light("first")},
        },
        hovertext=[
            f"{escape(level.name, quote=False)}: mean {show_score(level.mean)} of {level.complete}" for level in found
        ],
        hoverinfo="text",
    )
