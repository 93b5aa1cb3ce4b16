"""Leaderboard: the leading cells on one score axis, as chosen and as met again with fresh seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from kpbench.cell import RunResult
from kpbench.plots.colours import light
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, add_lines, calm, reference_lines, score_layout
from kpbench.plots.factors import clipped, describe, varying
from kpbench.plots.scores import ScoreAxis, drawable, rounded, score_axis, show_score, unscored
from kpbench.plots.search.standings import Standing, standings

TOP = 20
"""Cells on the leaderboard; cells that were trained again with fresh seeds are always on it."""

SERIES = (("tuning", "ring", "second"), ("fresh", "diamond", "third"), ("test", "square", "first"))
"""The three scores of a cell with mark and colour role."""

SYMBOLS = {"ring": "circle-open", "diamond": "diamond", "square": "square"}


@dataclass(frozen=True)
class Rung:
    """One line of the leaderboard: a cell with its place, or a floor (place None)."""

    place: int | None
    label: str
    what: str
    standing: Standing | None
    tuning: float
    fresh: float
    test: float

    def seeds(self, series: str) -> tuple[float, ...]:
        """The single scores behind `tuning`, `fresh` or `test`."""
        if self.standing is None:
            return ()
        found: tuple[float, ...] = getattr(self.standing, series)
        return found


def ladder(rows: Sequence[RunResult], marks: Marks, *, top: int = TOP) -> tuple[Rung, ...]:
    """The first `top` cells with a usable score, those trained again or chosen, and the floors.

    In order of the standings; each floor stands above the first cell whose validation score is lower.
    """
    factors = varying([row for row in rows if row.role == "trial"])
    rungs = []
    for place, cell in enumerate(standings(rows), start=1):
        again = bool(cell.fresh or cell.test or cell.cell == marks.chosen)
        if (not math.isnan(cell.tuning_score) and (place <= top or again)) or again:
            what = describe(cell.params, factors)
            rungs.append(Rung(place, f"#{place}", what, cell, cell.tuning_score, cell.fresh_score, cell.test_score))
    for name, scores in marks.floor.items():
        floor = Rung(None, name, "floor", None, scores.get("val", math.nan), math.nan, scores.get("test", math.nan))
        at = next((index for index, rung in enumerate(rungs) if _below(rung, floor.tuning)), len(rungs))
        rungs.insert(at, floor)
    return tuple(rungs)


def _below(rung: Rung, score: float) -> bool:
    return rung.tuning < score


def draw_leaderboard(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """Each leading cell's tuning, fresh validation and sealed-test score, every seed as a small point."""
    rungs = ladder(rows, marks)
    if not any(rung.standing for rung in rungs):
        return Drawing(notes=("No cell has a complete run yet, so there is no leaderboard.",))
    scores = [getattr(rung, series) for rung in rungs for series, _, _ in SERIES]
    scores += [score for rung in rungs for series, _, _ in SERIES for score in rung.seeds(series)]
    axis = score_axis(scores, marks=[marks.pass_mark])
    lines, keys = reference_lines(Marks(marks.pass_mark), axis, split="val")
    figure = _figure(rungs, axis, lines)
    labels = {
        "tuning": "validation score that chose it",
        "fresh": "validation score, fresh seeds",
        "test": "sealed-test score, fresh seeds",
    }
    shown = [item for item in SERIES if item[0] == "tuning" or any(rung.seeds(item[0]) for rung in rungs)]
    if any(drawable(rung.test) for rung in rungs) and shown[-1][0] != "test":
        shown.append(SERIES[-1])
        labels["test"] = "sealed-test score"
    notes = []
    infinite = unscored(rows)[1]
    if infinite:
        notes.append(f"{infinite} runs with an infinite score (MSE 0) have no place on the axis.")
    first = next(rung for rung in rungs if rung.standing)
    alt = f"Scores of {sum(bool(rung.standing) for rung in rungs)} leading cells and {len(marks.floor)} floors. "
    alt += f"First: {first.what or 'the only cell'} with validation score {show_score(first.tuning)}."
    return Drawing(
        (Panel("", figure, alt),),
        (*(Key(labels[series], role, mark) for series, mark, role in shown if mark != "line"), *keys),  # type: ignore[arg-type]
        tuple(notes),
    )


def _figure(rungs: Sequence[Rung], axis: ScoreAxis, lines: Sequence[tuple[float, str, str]]) -> go.Figure:
    figure = go.Figure()
    foot, head = len(rungs) - 0.4, -0.6
    add_lines(figure, lines, (foot, head), upright=True)
    ends = [
        (at, [score for score in (rung.tuning, rung.fresh, rung.test) if drawable(score)])
        for at, rung in enumerate(rungs)
    ]
    spans = [(at, rounded(min(found)), rounded(max(found))) for at, found in ends if len(found) > 1]
    figure.add_scatter(
        x=[x for _, low, high in spans for x in (low, high, None)],
        y=[y for at, _, _ in spans for y in (at, at, None)],
        mode="lines",
        line={"color": light("other"), "width": 2},
        hoverinfo="skip",
    )
    for nudge, (series, mark, role) in zip((0.0, -0.16, 0.16), SERIES, strict=True):
        several = [(at, rung.seeds(series)) for at, rung in enumerate(rungs) if len(rung.seeds(series)) > 1]
        points = [(at, score) for at, seeds in several for score in seeds if drawable(score)]
        figure.add_scatter(
            x=[rounded(score) for _, score in points],
            y=[at + nudge for at, _ in points],
            mode="markers",
            marker={"symbol": "circle", "size": 4, "color": light(role), "opacity": 0.45},
            hoverinfo="skip",
        )
        means = [(at, rung, getattr(rung, series)) for at, rung in enumerate(rungs)]
        means = [item for item in means if drawable(item[2])]
        figure.add_scatter(
            x=[rounded(score) for _, _, score in means],
            y=[at for at, _, _ in means],
            mode="markers",
            marker={
                "symbol": SYMBOLS[mark],
                "size": 10,
                "color": light(role),
                "line": {"width": 2 if mark == "ring" else 0, "color": light(role)},
            },
            text=[_hover(rung, series) for _, rung, _ in means],
            hoverinfo="text",
        )
    calm(figure, height=78 + 24 * len(rungs), left=10)
    figure.update_xaxes(**score_layout(axis, title="score, higher is better"))
    figure.update_yaxes(
        range=[foot, head],
        tickmode="array",
        tickvals=list(range(len(rungs))),
        ticktext=[escape(clipped(rung.label, length=18), quote=False) for rung in rungs],
        automargin=True,
        ticks="",
    )
    return figure


def _hover(rung: Rung, series: str) -> str:
    name = {"tuning": "validation", "fresh": "validation, fresh seeds", "test": "sealed test"}[series]
    seeds = len(rung.seeds(series))
    of = f", {seeds} seed{'s' * (seeds != 1)}" if seeds else ""
    what = escape(clipped(rung.what, length=90), quote=False)
    return f"<b>{escape(rung.label, quote=False)}</b> {what}<br>{name} {show_score(getattr(rung, series))}{of}"
