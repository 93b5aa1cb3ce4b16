"""Learning curves: validation score by epoch for the runs of a study, and the error of the best cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import plotly.graph_objects as go

from kpbench.cell import RunResult
from kpbench.plots.colours import RANKED, light
from kpbench.plots.drawing import Drawing, Key, Marks, Panel, add_lines, calm, reference_lines, score_layout
from kpbench.plots.factors import Factor, clipped, describe, varying
from kpbench.plots.scores import drawable, rounded, score_axis, show_score, spread
from kpbench.plots.search.standings import Standing, standings
from kpbench.statistics.scale import rmse_px

MOST_CURVES = 150
"""Curves drawn behind those of the leading cells."""

MOST_POINTS = 50
"""Points drawn of one curve."""

Group = Literal["leading", "complete", "pruned", "failed"]

RANK_DASHES = ("solid", "dot", "dash", "dashdot", "longdash")


@dataclass(frozen=True)
class Curve:
    """One run's validation scores by epoch; `place` counts the leading cells from 0 and is -1 for the others."""

    group: Group
    place: int
    trial: int | None
    epochs: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Curves:
    """The curves to draw and how many there were to choose from."""

    drawn: tuple[Curve, ...]
    leaders: tuple[Standing, ...]
    others: int
    others_drawn: int


def learning_curves(rows: Sequence[RunResult], *, most: int = MOST_CURVES) -> Curves:
    """The curves of the trials: all of the five leading cells', and at most `most` of the others, evenly by last score.

    Epochs whose score is not a positive finite number are left out; a run without any such epoch has no curve.
    """
    leaders = tuple(cell for cell in standings(rows) if not math.isnan(cell.tuning_score))[: len(RANKED)]
    places = {cell.cell: place for place, cell in enumerate(leaders)}
    leading: list[Curve] = []
    others: list[Curve] = []
    for row in rows:
        if row.role != "trial":
            continue
        place = places.get(row.cell, -1) if row.state == "complete" else -1
        points = [(record.epoch, record.val_score) for record in row.curve if drawable(record.val_score)]
        if not points:
            continue
        points = [points[index] for index in spread(len(points), MOST_POINTS)]
        epochs, scores = zip(*points, strict=True)
        group: Group = "leading" if place >= 0 else row.state
        (leading if place >= 0 else others).append(Curve(group, place, row.trial, epochs, scores))
    others.sort(key=lambda curve: curve.scores[-1])
    chosen = [others[index] for index in spread(len(others), most)]
    leading.sort(key=lambda curve: -curve.place)
    return Curves((*chosen, *leading), leaders, len(others), len(chosen))


def best_errors(rows: Sequence[RunResult], cell: str) -> tuple[tuple[int, float, float], ...]:
    """(epoch, training, validation): RMSE in pixels from the mean MSE over the cell's complete runs.

    Epochs that not every one of these runs reached with finite losses are left out.
    """
    runs = [row for row in rows if row.cell == cell and row.state == "complete" and row.curve]
    found: dict[int, list[tuple[float, float]]] = {}
    for row in runs:
        for record in row.curve:
            if math.isfinite(record.train_mse) and math.isfinite(record.val_mse):
                found.setdefault(record.epoch, []).append((record.train_mse, record.val_mse))
    return tuple(
        (
            epoch,
            rmse_px(math.fsum(train for train, _ in pairs) / len(pairs)),
            rmse_px(math.fsum(val for _, val in pairs) / len(pairs)),
        )
        for epoch, pairs in sorted(found.items())
        if len(pairs) == len(runs)
    )


def draw_learning_curves(rows: Sequence[RunResult], marks: Marks) -> Drawing:
    """Validation score by epoch, the five leading cells in colour, and training beside validation error of the best."""
    curves = learning_curves(rows)
    if not curves.drawn:
        return Drawing(notes=("No run has a learning curve yet.",))
    panels = [_score_panel(curves, marks, varying(rows))]
    notes = []
    if curves.others > curves.others_drawn:
        notes.append(
            f"Drawn: {curves.others_drawn} of the {curves.others:,} curves outside the five leading cells, "
            "evenly spaced by last score."
        )
    best = marks.chosen or (curves.leaders[0].cell if curves.leaders else None)
    errors = best_errors(rows, best) if best else ()
    if len(errors) > 1:
        panels.append(_error_panel(errors))
    return Drawing(tuple(panels), notes=tuple(notes))


LOOKS: dict[Group, tuple[str, str, str, str | None]] = {
    "complete": ("other complete runs", "other", "solid", None),
    "pruned": ("stopped early (at the bar)", "pruned", "dot", "line-ns-open"),
    "failed": ("failed (at the cross)", "failed", "dash", "x-thin-open"),
}
"""For the curves behind the leading ones: label, colour role, dash and the mark at their end."""


def _score_panel(curves: Curves, marks: Marks, factors: Sequence[Factor]) -> Panel:
    lines_at = [marks.pass_mark, *marks.on("val").values()]
    axis = score_axis((score for curve in curves.drawn for score in curve.scores), marks=lines_at)
    figure = go.Figure()
    lines, line_keys = reference_lines(marks, axis, split="val")
    keys = [
        Key(f"#{place + 1}", RANKED[place], "line", RANK_DASHES[place])
        for place in range(len(curves.leaders))
        if any(curve.place == place for curve in curves.drawn)
    ]
    calm(figure, height=400)
    ends = set_epochs(figure, [epoch for curve in curves.drawn for epoch in curve.epochs])
    add_lines(figure, lines, ends, upright=False)
    for group, (label, role, dash, symbol) in LOOKS.items():
        found = [curve for curve in curves.drawn if curve.group == group]
        if not found:
            continue
        keys.append(Key(label, role, "line", dash))
        figure.add_scatter(
            x=[x for curve in found for x in (*curve.epochs, None)],
            y=[y for curve in found for y in (*map(rounded, curve.scores), None)],
            mode="lines",
            line={"color": light(role), "width": 1, "dash": dash},
            opacity=0.75,
            hoverinfo="skip",
        )
        if symbol:
            figure.add_scatter(
                x=[curve.epochs[-1] for curve in found],
                y=[rounded(curve.scores[-1]) for curve in found],
                mode="markers",
                marker={
                    "symbol": symbol,
                    "size": 6,
                    "color": light(role),
                    "line": {"width": 1.5, "color": light(role)},
                },
                text=[f"trial {curve.trial}, {group}<br>{show_score(curve.scores[-1])}" for curve in found],
                hoverinfo="text",
            )
    for curve in curves.drawn:
        if curve.place < 0:
            continue
        role = RANKED[curve.place]
        leader = curves.leaders[curve.place]
        what = escape(clipped(describe(leader.params, factors), length=90), quote=False)
        figure.add_scatter(
            x=list(curve.epochs),
            y=[rounded(score) for score in curve.scores],
            mode="lines" if len(curve.epochs) > 1 else "markers",
            line={"color": light(role), "width": 2.5, "dash": RANK_DASHES[curve.place]},
            marker={"color": light(role), "size": 8},
            hovertext=f"<b>#{curve.place + 1}</b> {what}",
            hoverinfo="x+y+text",
        )
    figure.update_yaxes(**score_layout(axis, title="validation score"))
    best = max(curves.drawn, key=lambda curve: curve.scores[-1])
    alt = f"Validation score by epoch of {len(curves.drawn)} runs; the highest ends at {show_score(best.scores[-1])} "
    alt += f"after epoch {best.epochs[-1]}."
    return Panel("Validation score by epoch", figure, alt, key=(*keys, *line_keys))


def set_epochs(figure: go.Figure, epochs: Sequence[int]) -> tuple[float, float]:
    """Set the epoch axis; its ends."""
    first, last = min(epochs), max(epochs)
    room = 0.025 * (last - first) or 1
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 10**6) if (last - first) / step <= 8)
    ticks = sorted({first, *range(step * (first // step + 1), last + 1, step)})
    figure.update_xaxes(
        title={"text": "epoch", "standoff": 6}, range=[first - room, last + room], tickmode="array", tickvals=ticks
    )
    return first - room, last + room


def _error_panel(errors: Sequence[tuple[int, float, float]]) -> Panel:
    errors = [errors[index] for index in spread(len(errors), 4 * MOST_POINTS)]
    figure = go.Figure()
    looks = ((1, "training", "second", "dash"), (2, "validation", "first", "solid"))
    for index, name, role, dash in looks:
        figure.add_scatter(
            x=[row[0] for row in errors],
            y=[rounded(row[index]) for row in errors],
            name=name,
            mode="lines",
            line={"color": light(role), "width": 2.5, "dash": dash},
            hovertemplate="%{y:.2f} px<extra>" + name + "</extra>",
        )
    high = max(max(row[1], row[2]) for row in errors)
    low = min(min(row[1], row[2]) for row in errors)
    calm(figure, height=400)
    figure.update_layout(hovermode="x unified")
    set_epochs(figure, [row[0] for row in errors])
    figure.update_yaxes(title={"text": "error, RMSE in pixels", "standoff": 8})
    if high > 4 * low > 0:
        figure.update_yaxes(type="log", title={"text": "error, RMSE in pixels (log scale)", "standoff": 8}, dtick="D2")
    else:
        figure.update_yaxes(rangemode="tozero")
    last = errors[-1]
    alt = f"Error of the best cell by epoch: after epoch {last[0]} {last[1]:.2f} px on the training faces "
    alt += f"and {last[2]:.2f} px on the validation faces."
    keys = tuple(Key(f"{name} faces", role, "line", dash) for _, name, role, dash in looks)
    return Panel("Error of the best cell, mean of its runs", figure, alt, key=keys)
