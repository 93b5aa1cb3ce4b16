"""Leaderboard: the leading cells on one score axis, as chosen and as met again with fresh seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from kpbench.cell import RunResult
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Mark, Marks, Panel, calm, score_layout
from kpbench.plots.factors import describe, trials_of, varying
from kpbench.plots.references import Line, add_lines, reference_axis
from kpbench.plots.scores import ScoreAxis, beyond, drawable, geometric_mean, kept, outcomes, rounded, show_score
from kpbench.plots.search.names import cell_names, cut
from kpbench.plots.search.standings import Standing, standings
from kpbench.plots.traces import GAP, add_trace, label, line_style, marker_style
from kpbench.statistics.intervals import score_interval
from kpbench.statistics.words import ends_text, seeds_text

TOP = 20
"""Cells on the leaderboard; cells that were trained again with fresh seeds are always on it."""

LABEL = 44
"""Letters of a cell's name that fit above its line on a telephone."""

SERIES: dict[str, tuple[Mark, str, str, str]] = {
    "tuning": ("ring", "second", "validation score that chose it", "validation"),
    "fresh": ("diamond", "third", "validation score, fresh seeds", "validation, fresh seeds"),
    "test": ("square", "first", "sealed-test score, fresh seeds, and its 95 % interval", "sealed test"),
}
"""The three scores of a line: mark, colour role, words of the legend and words of the hover text."""


@dataclass(frozen=True)
class LeaderboardLine:
    """One line of the leaderboard: a cell with its place, or a floor (no place, no standing).

    Attributes:
        scores: `tuning`, `fresh`, `test` -> score, NaN for none; `seeds` the single scores behind each.
    """

    label: str
    scores: dict[str, float]
    place: int | None = None
    what: str = "floor"
    standing: Standing | None = None

    def seeds(self, series: str) -> tuple[float, ...]:
        """The single scores behind `tuning`, `fresh` or `test`."""
        return () if self.standing is None else getattr(self.standing, series)


def leaderboard_lines(rows: Sequence[RunResult], marks: Marks, *, top: int = TOP) -> tuple[LeaderboardLine, ...]:
    """The first `top` cells with a usable score, those trained again or chosen, and the floors.

    In order of the standings; each floor stands above the first cell whose validation score is lower.
    """
    factors = varying(trials_of(rows))
    lines = []
    found = standings(rows)
    names = cell_names(rows, [cell for cell in found[:top] if cell.tuning])
    for place, cell in enumerate(found, start=1):
        if cell.fresh or cell.test or cell.cell == marks.chosen or (place <= top and not math.isnan(cell.tuning_score)):
            scores = {name: geometric_mean(getattr(cell, name)) for name in SERIES}
            lines.append(
                LeaderboardLine(names.get(cell.cell, f"#{place}"), scores, place, describe(cell.params, factors), cell)
            )
    for name, known in marks.floor.items():
        score = known.get("val", math.nan)
        floor = LeaderboardLine(name, {"tuning": score, "fresh": math.nan, "test": known.get("test", math.nan)})
        lines.insert(next((at for at, line in enumerate(lines) if line.scores["tuning"] < score), len(lines)), floor)
    return tuple(lines)


def draw_leaderboard(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """Each leading cell's tuning, fresh validation and sealed-test score, every seed as a small point."""
    lines = leaderboard_lines(rows, marks)
    cells = [line for line in lines if line.standing]
    if not cells:
        return Drawing(notes=("No cell has a complete run yet, so there is no leaderboard.",))
    runs = [score for line in cells for name in SERIES for score in line.seeds(name)]
    held = [*kept(runs), *(one.scores[name] for one in lines if one.standing is None for name in SERIES)]
    axis, references, reference_keys = reference_axis(held, Marks(marks.pass_mark), split="val", least=0.0)
    keys = []
    for name, (mark, role, words, _) in SERIES.items():
        seeds = any(line.seeds(name) for line in cells)
        if name == "test" and not seeds and any(drawable(line.scores[name]) for line in lines):
            keys.append(Key("sealed-test score", role, mark))
        elif seeds or name == "tuning":
            keys.append(Key(words, role, mark))
    infinite = outcomes(rows)[0].count(math.inf)
    notes = [f"{infinite} runs with an infinite score (MSE 0) have no place on the axis."] if infinite else []
    notes += beyond(axis, (score for line in cells for name in ("tuning", "fresh") for score in line.seeds(name)))
    notes += [
        f"The interval of {line.label.partition(' ')[0]} goes on beyond the axis: {ends_text(ends, show_score)}."
        for line in cells
        if (ends := _interval(line)) and (ends[0] < axis.low or ends[1] > axis.high)
    ]
    alt = f"Scores of {len(cells)} leading cells and {len(marks.floor)} floors. "
    alt += f"First: {cells[0].what or 'the only cell'} with validation score {show_score(cells[0].scores['tuning'])}."
    return Drawing((Panel("", _figure(lines, axis, references), alt),), (*keys, *reference_keys), tuple(notes))


def _figure(lines: Sequence[LeaderboardLine], axis: ScoreAxis, references: Sequence[Line]) -> go.Figure:
    figure = calm(go.Figure(), height=78 + 38 * len(lines), left=10)
    foot, head = len(lines) - 0.4, -0.75
    add_lines(figure, references, (foot, head), upright=True)
    found = [[score for score in line.scores.values() if drawable(score)] for line in lines]
    spans = [(at, rounded(min(scores)), rounded(max(scores))) for at, scores in enumerate(found) if len(scores) > 1]
    bars = [point for at, low, high in spans for point in ((low, at), (high, at), GAP)]
    add_trace(figure, bars, line=line_style("other", 2))
    for at, line in enumerate(lines):
        ends = [(rounded(max(axis.low, min(axis.high, end))), at + 0.16) for end in _interval(line)]
        add_trace(figure, ends, line=line_style(SERIES["test"][1], 5), opacity=0.4)
    for nudge, (name, (mark, role, _, _)) in zip((0.0, -0.16, 0.16), SERIES.items(), strict=True):
        several = [(at, line.seeds(name)) for at, line in enumerate(lines) if len(line.seeds(name)) > 1]
        points = [(rounded(score), at + nudge) for at, seeds in several for score in seeds if drawable(score)]
        add_trace(figure, points, marker=marker_style(role, 4, "circle") | {"opacity": 0.45})
        means = [(at, line) for at, line in enumerate(lines) if drawable(line.scores[name])]
        ring = mark == "ring"
        add_trace(
            figure,
            [(rounded(line.scores[name]), at) for at, line in means],
            marker=marker_style(role, 10, "circle-open" if ring else mark, edge=2 if ring else 0),
            text=[_hover(line, name) for _, line in means],
            hoverinfo="text",
        )
    names = [
        go.layout.Annotation(
            text=label(cut(line.label, length=LABEL)), xref="paper", x=0, xanchor="left", y=at - 0.42, yanchor="middle",
            showarrow=False, font={"color": light("ink" if line.standing else "muted")}, bgcolor=light("paper"),
        )
        for at, line in enumerate(lines)
    ]  # fmt: skip
    figure.update_layout(annotations=names)
    figure.update_xaxes(**score_layout(axis, title="score, higher is better"))
    figure.update_yaxes(range=[foot, head], showticklabels=False, showgrid=False)
    return figure


def _interval(line: LeaderboardLine) -> tuple[float, ...]:
    """The ends of the interval of a cell's sealed-test score; empty where its seeds give none."""
    tests = [1 / (2 * score) for score in line.seeds("test") if drawable(score)]
    found = score_interval(tests) if len(tests) > 1 else None
    return () if found is None or found.low is None or found.high is None else (found.low, found.high)


def _hover(line: LeaderboardLine, name: str) -> str:
    seeds = len(line.seeds(name))
    of = f", {seeds_text(seeds)}" if seeds else ""
    score = show_score(line.scores[name])
    what = line.label.partition(" ")[0] if line.standing else line.label
    return f"<b>{label(what)}</b> {label(line.what, length=90)}<br>{SERIES[name][-1]} {score}{of}"
