"""Score by factor: every run's score over the levels of each parameter that varies, with the mean of each level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, pairwise

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kpbench.cell import RunResult
from kpbench.once import once
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, calm, score_layout
from kpbench.plots.factors import Factor, columns, on_scales, show_level, trials_of, varying
from kpbench.plots.references import Line, add_lines, reference_axis
from kpbench.plots.scores import (
    ScoreAxis,
    beyond,
    drawable,
    geometric_mean,
    jitter,
    outcomes,
    rounded,
    show_score,
    thinned,
    val_score,
)
from kpbench.plots.traces import add_trace, label, line_style, marker_style, name_ticks
from kpbench.statistics.words import short_names, show_number

MOST_POINTS = 1200
"""Points drawn in one panel; the means are always of all runs."""

BINS = 5
"""Parts a range is cut into for its means, equally wide on the axis."""

LABEL = 19
"""Letters of a level's name that are shown on the axis."""

ALIGNED = (52, 112)
"""Panels share a left margin of that many pixels, between the two; a panel with longer names has its own."""

COMPLETE, PRUNED, FAILED = range(3)


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


def by_level(trials: Sequence[RunResult], factor: Factor) -> tuple[Level, ...]:
    """The trials grouped by the levels of a factor, groups without a run left out.

    A range is cut into five parts; the runs that do not have the parameter are a group of their own without a place.
    """
    if not factor.ranged:
        names = {at: (show_level(level), float(at)) for at, level in enumerate(factor.levels)}
    else:
        edges = np.linspace(*factor.ends, BINS + 1).tolist()
        names = {
            at: (" to ".join(show_number(factor.unscaled(edge)) for edge in part), factor.unscaled(sum(part) / 2))
            for at, part in enumerate(pairwise(edges))
        }
        names[BINS] = (show_level(None), math.nan)
    values = columns(trials)[factor.name]
    if factor.ranged:
        parts = (factor.all_scaled(values) - edges[0]) / ((edges[-1] - edges[0]) / BINS)
        places = np.where(np.isnan(parts), BINS, np.minimum(BINS - 1, np.nan_to_num(parts).astype(int)))
    else:
        places = factor.all_placed(values)
    ended, scores = _ends_of(trials)
    found = []
    for at in names:
        if (here := places == at).any():
            mine = scores[here & (ended == COMPLETE)].tolist()
            lost = (int(np.count_nonzero(here & (ended == state))) for state in (PRUNED, FAILED))
            found.append(Level(*names[at], geometric_mean(mine), max(mine, default=math.nan), len(mine), *lost))
    return tuple(found)


@once
def _ends_of(trials: Sequence[RunResult]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """How each trial ended and its score, (N,) each; a complete one without a usable score failed."""
    scores = np.array([val_score(row) for row in trials], dtype=np.float64)
    pruned = np.array([row.state == "pruned" for row in trials], dtype=bool)
    return np.where(pruned, PRUNED, np.where(np.isnan(scores), FAILED, COMPLETE)).astype(np.int8), scores


def draw_score_by_factor(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """One panel a factor: score to the right, the parameter's levels or range upwards."""
    trials = trials_of(rows)
    factors = on_scales(varying(trials), marks.ranges)
    if not factors:
        return Drawing(notes=("No parameter varies among the runs so far.",))
    last = [(_last_score(row), row) for row in trials]
    shown = sorted(
        ((score, row) for score, row in last if drawable(score)), key=lambda one: (one[1].state == "complete", one[0])
    )
    if not any(row.state == "complete" for _, row in shown):
        return Drawing(notes=("No run is complete with a score, so there is nothing to compare.",))
    drawn = [row for _, row in thinned(shown, MOST_POINTS)]
    scores = [score for score, _ in shown]
    axis, lines, line_keys = reference_axis(scores, marks, split="val")
    names = short_names(factor.name for factor in factors)
    levels = {one.name: by_level(trials, one) for one in factors}
    single = [one for one in factors if not any(level.complete > 1 for level in levels[one.name])]
    factors = tuple(factor for factor in factors if factor not in single)
    widths = [_label_width(factor) for factor in factors]
    left = max([ALIGNED[0], *(width for width in widths if width <= ALIGNED[1])])
    panels = tuple(
        _panel(factor, names[factor.name], max(left, width), levels[factor.name], drawn, axis, lines)
        for factor, width in zip(factors, widths, strict=True)
    )
    keys = [Key("complete run", "run", "dot"), Key("geometric mean of complete runs", "first", "bar")]
    if any(row.state == "pruned" for row in drawn):
        keys.insert(1, Key("stopped early, last score, not in the mean", "pruned", "cross"))
    complete, _, failed = outcomes(trials)
    infinite = complete.count(math.inf)
    sentences = (
        f"Not drawn, as no value has two complete runs: {', '.join(names[one.name] for one in single)}.",
        f"Drawn: {len(drawn):,} of {len(shown):,} runs, evenly spaced by score; the means are of all complete runs.",
        f"{failed:,} runs have no score and are in no mean; the tables count them by level.",
        f"{infinite:,} runs with an infinite score (MSE 0) have no place on the axis; "
        "the mean of their level is infinite.",
    )
    said = compress(sentences, (single, len(shown) > len(drawn), failed, infinite))
    notes = (*said, *beyond(axis, scores))
    return Drawing(panels, (*keys, *line_keys), notes)


def _last_score(row: RunResult) -> float:
    """A complete run's score, or the last score of a pruned one; NaN for neither."""
    if row.state != "pruned":
        return val_score(row)
    return row.val_score if row.val_score is not None else math.nan


def _panel(
    factor: Factor, name: str, left: int, levels: Sequence[Level], drawn: Sequence[RunResult],
    axis: ScoreAxis, lines: Sequence[Line],
) -> Panel:  # fmt: skip
    height = 320 if factor.ranged else 78 + max(120, 34 * len(factor.levels))
    figure = calm(go.Figure(), height=height, left=left)
    ends = _ends(factor)
    add_lines(figure, lines, ends, upright=True)
    _points(figure, factor, drawn)
    _means(figure, factor, levels)
    figure.update_xaxes(**score_layout(axis, title="score"))
    if factor.log:
        powers = [math.log10(end) for end in ends]
        step = 1 if powers[1] - powers[0] > 1.3 else "D2"
        figure.update_yaxes(type="log", range=powers, nticks=6, exponentformat="e", dtick=step)
    elif factor.ranged:
        figure.update_yaxes(type="linear", range=list(ends), nticks=6, exponentformat="e")
    else:
        ticks = name_ticks(map(show_level, factor.levels), length=LABEL)
        figure.update_yaxes(range=list(ends), showgrid=False, **ticks)
    ranked = sorted((level for level in levels if level.complete), key=lambda level: -level.mean)
    means = (f"{level.name}: mean {show_score(level.mean)} over {level.complete} runs" for level in ranked[:6])
    alt = f"Validation score by {factor.name}. {'; '.join(means)}."
    head = ("part of the range" if factor.ranged else "level", "runs", "mean", "best", "stopped early", "failed")
    body = (
        (one.name, f"{one.complete:,}", *map(show_score, (one.mean, one.best)), f"{one.pruned:,}", f"{one.failed:,}")
        for one in levels
    )
    return Panel(name, figure, alt, levels=(head, *body))


def _ends(factor: Factor) -> tuple[float, float]:
    """The ends of the parameter axis from below: levels run downwards, a range upwards."""
    if not factor.ranged:
        return len(factor.levels) - 0.45, -0.55
    low, high = factor.ends
    room = 0.05 * (high - low)
    return factor.unscaled(low - room), factor.unscaled(high + room)


def _label_width(factor: Factor) -> int:
    """Pixels the level names of a factor need."""
    if factor.ranged:
        return ALIGNED[0]
    return 16 + max(math.ceil(7.2 * min(LABEL, len(show_level(level)))) for level in factor.levels)


def _points(figure: go.Figure, factor: Factor, drawn: Sequence[RunResult]) -> None:
    many = len(drawn) > 300
    for state, symbol, role, edge in (("pruned", "x-thin-open", "pruned", 1), ("complete", "circle", "run", 0)):
        found = [row for row in drawn if row.state == state]
        if factor.ranged:
            found = [row for row in found if factor.name in row.params]
            places = [rounded(float(row.params[factor.name])) for row in found]
        else:
            indices = [factor.place(row.params.get(factor.name)) for row in found]
            places = [round(at + 0.5 * jitter(turn), 2) for turn, at in enumerate(indices)]
        add_trace(
            figure,
            zip((rounded(_last_score(row)) for row in found), places, strict=True),
            marker=marker_style(role, 5 if many else 7, symbol, edge=edge) | {"opacity": 0.45 if many else 0.6},
            text=[row.trial for row in found],
            hovertemplate="trial %{text}: %{x}<extra></extra>",
        )


def _means(figure: go.Figure, factor: Factor, levels: Sequence[Level]) -> None:
    found = [level for level in levels if drawable(level.mean) and not math.isnan(level.place)]
    hover = [label(f"{level.name}: mean {show_score(level.mean)} of {level.complete}") for level in found]
    points = [(rounded(level.mean), rounded(level.place)) for level in found]
    if factor.ranged:
        marker = marker_style("first", 16, "line-ns-open") | {"line": {"width": 3}}
        add_trace(figure, points, line=line_style("first", 2), marker=marker, hover=hover)
    else:
        add_trace(figure, points, marker=marker_style("first", 26, "line-ns-open", edge=3), hover=hover)
